"""The proof itself: a real, tiny LoRA SFT run, checked. Runs in the target's interpreter as a package of its own.

It imports nothing of sftdoctor, keeps to Python 3.8 and asks the installed libraries for their signatures, so that a
failure is theirs and not a spelling of these files. Started by proof.process as `python worker/__main__.py JSON`; see
`__main__` for the JSON, and `events` for what comes back.
"""
