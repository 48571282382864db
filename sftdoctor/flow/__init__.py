"""A small three-valued evaluator of Python source: what a script or a library's function does, without running it.

It knows nothing of any library. A World says what calls, attributes and names outside the evaluated source mean; what
nobody knows is UNKNOWN, never guessed. Where a condition is unknown both branches are evaluated and their results
joined. The scripts of a workload and the libraries' own functions are evaluated by the same machine.
"""

from sftdoctor.flow.arguments import Arguments, bind
from sftdoctor.flow.builtins import call_builtin
from sftdoctor.flow.heap import MISSING, Heap, Record
from sftdoctor.flow.machine import BudgetError, Machine
from sftdoctor.flow.values import (
    UNKNOWN,
    ClassValue,
    Function,
    Joinable,
    Method,
    Obj,
    Partial,
    RaisedError,
    Ref,
    Unknown,
    Value,
    truth,
)
from sftdoctor.flow.world import World

__all__ = [
    "MISSING",
    "UNKNOWN",
    "Arguments",
    "BudgetError",
    "ClassValue",
    "Function",
    "Heap",
    "Joinable",
    "Machine",
    "Method",
    "Obj",
    "Partial",
    "RaisedError",
    "Record",
    "Ref",
    "Unknown",
    "Value",
    "World",
    "bind",
    "call_builtin",
    "truth",
]
