"""What a script's own folder hides: `shadowed`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sftdoctor.link.locate import is_part_of_package
from sftdoctor.model import Cause, Location, Place
from sftdoctor.predicates.core import HOLDS, Context, Judgement, Match, fails_each, predicate
from sftdoctor.predicates.requirements import needed_by_run
from sftdoctor.target.beside import modules_beside

STANDARD = frozenset(
    [
        *("abc", "argparse", "ast", "asyncio", "base64", "bisect", "calendar", "code", "codecs", "collections"),
        *("concurrent", "contextlib", "copy", "csv", "ctypes", "dataclasses", "datetime", "decimal", "dis", "email"),
        *("enum", "functools", "gc", "glob", "gzip", "hashlib", "heapq", "html", "http", "importlib", "inspect", "io"),
        *("itertools", "json", "keyword", "locale", "logging", "math", "multiprocessing", "numbers", "operator", "os"),
        *("pathlib", "pickle", "platform", "pprint", "queue", "random", "re", "select", "shutil", "signal", "socket"),
        *("ssl", "stat", "statistics", "string", "struct", "subprocess", "tempfile", "textwrap", "threading", "time"),
        *("token", "tokenize", "trace", "traceback", "types", "typing", "unittest", "uuid", "warnings", "weakref"),
        *("xml", "zipfile"),
    ]
)
"""Modules of the standard library that torch and transformers import, or that these import."""


@predicate("shadowed", {}, values=("name", "path"))
def shadowed(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """A file or folder beside the script has the name of a module that the run imports; one match each."""
    if context.script is None:
        return HOLDS
    beside = dict(modules_beside(context.script.path))
    known = {module for module in beside if module in context.owners or module in STANDARD}
    if known and is_part_of_package(Path(context.script.path)):
        return HOLDS  # a package: its modules are imported by its name, and a script in it is run with -m
    run = needed_by_run(context) if known else frozenset()
    return fails_each(
        Match(
            {"name": module, "path": path},
            cause=Cause(None, Place(owner, context.environment.version(owner)), module),
            location=Location(path),
        )
        for module, path in sorted((module, beside[module]) for module in known)
        if (owner := context.owners.get(module, "python")) in run or owner == "python"
    )
