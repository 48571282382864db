"""What rules have asked of a library before: its answers, kept as long as the files that they rest on are the same.

Reading one signature of transformers follows the imports above it, which takes most of a second; rules and their fixes
ask the same few dozen questions on every run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sftdoctor import folders
from sftdoctor.link.memory import Stamps
from sftdoctor.link.signatures import Parameter, Signature

MOST = 5_000
"""Answers that are kept; the oldest go first."""


class Answers:
    """The answers about one environment.

    Args:
        path: The file that they are kept in; None keeps nothing.
        stamps: Asked about the files that answers rest on.
    """

    def __init__(self, path: Path | None, stamps: Stamps) -> None:
        self.path = path
        self.stamps = stamps
        self._files: dict[str, str] = {}
        self._known: dict[str, Any] = {}
        self._more: list[Callable[[], Iterable[str]]] = []
        self._new = False
        if path is not None:
            self._load(path)

    def _load(self, path: Path) -> None:
        try:
            data = json.loads(path.read_text("utf-8"))
            if self.stamps.same(data["files"]):
                self._files, self._known = dict(data["files"]), dict(data["answers"])
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return

    def offers(self, question: str, ask: Callable[[], bool | None]) -> bool | None:
        """Whether a module offers a name, asked once."""
        answer: bool | None = self._answer(f"offers {question}", ask)
        return answer if answer is None else bool(answer)

    def signature(self, question: str, ask: Callable[[], Signature | None]) -> Signature | None:
        """The signature of a callable, asked once."""

        def as_rows() -> list[tuple[str, str, bool]] | None:
            found = ask()
            return [(p.name, p.kind, p.has_default) for p in found.parameters] if found else None

        rows = self._answer(f"signature {question}", as_rows)
        return None if rows is None else Signature(tuple(Parameter(*row) for row in rows))

    def other(self, question: str, ask: Callable[[], Any], files: Callable[[], Iterable[str]]) -> Any:
        """Any other answer that JSON can hold, asked once.

        Args:
            question: It, with all that the answer hangs on beside the files.
            ask: Gives the answer.
            files: Says on which files it rests, once it was given.
        """
        if question not in self._known:
            self._more.append(files)
        return self._answer(f"other {question}", ask)

    def _answer(self, question: str, ask: Callable[[], Any]) -> Any:
        if question not in self._known:
            self._known[question] = ask()
            self._new = True
        return self._known[question]

    def keep(self, files: Callable[[], Iterable[str]]) -> None:
        """Keep what is new.

        Args:
            files: Says which were read to find it.
        """
        if self.path is None or not self._new:
            return
        self._new = False
        read = {file for said in (files, *self._more) for file in said()}
        stamped = {**self._files, **{file: self.stamps.of(file) for file in read}}
        known = dict(list(self._known.items())[-MOST:])
        folders.write_whole(self.path, json.dumps({"files": stamped, "answers": known}))
