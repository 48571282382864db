"""Completion scripts for shells, made of the commands' own parsers."""

from __future__ import annotations

import argparse

import shtab

from sftdoctor.arguments import COMPLETED, SHELLS, whole

_PLACES = {
    **dict.fromkeys(("PATH", "FILE", "LOG", "A", "B"), shtab.FILE),
    "DIR": shtab.DIRECTORY,
}
"""What a metavar says about its words."""


def script(shell: str) -> str:
    """A completion script.

    Args:
        shell: One of SHELLS.

    Returns:
        What the shell is to read.
    """
    assert shell in SHELLS
    parser = whole()
    for action in _actions(parser):
        if action.metavar in _PLACES:
            action.complete = _PLACES[str(action.metavar)]  # type: ignore[attr-defined]
        action.choices = getattr(action.type, COMPLETED, action.choices)
    return shtab.complete(parser, shell)


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    found = []
    for action in parser._actions:  # there is no public way to walk a parser
        found.append(action)
        if isinstance(action, argparse._SubParsersAction):
            found += [one for command in action.choices.values() for one in _actions(command)]
    return found
