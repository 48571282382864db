"""From findings to a plan, from a plan to a changed environment, and back again.

The doors: `plan.make_plan`, `transaction.apply`, `transaction.undo`, `transaction.journals`.
"""
