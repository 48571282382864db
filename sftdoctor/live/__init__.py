"""A live trainer object → Report. Runs in the user's own process, and leaves everything there as it was.

Not called preflight: a module of that name would stand in the way of `sftdoctor.preflight`, the function. The only part
of sftdoctor that uses torch, and it takes the one that the trainer has imported already.
"""
