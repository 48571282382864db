"""Script edits: found on the syntax tree, spliced into the text, so that every byte outside the edit stays.

libcst says where things are; only those spans are replaced. Comments, blank lines, commas, tabs, CRLF, byte-order
mark and encoding are therefore kept by construction. Every operation is idempotent.
"""

from __future__ import annotations

import ast
import difflib
import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sftdoctor.configs import READABLE
from sftdoctor.errors import RepairError
from sftdoctor.model import SHELL, Edit, Finding, Location
from sftdoctor.operations import OPERATIONS
from sftdoctor.repair.document import decode, open_document
from sftdoctor.repair.durable import replace_file
from sftdoctor.repair.splices import Splice, apply_splices, line_starts

LinksClean = Callable[[str, str], "bool | Sequence[Finding]"]
"""(path, new source) → True or no findings where the new source links."""

LIMIT = 8 * 1024 * 1024
"""Bytes of the largest script that is edited."""


@dataclass(frozen=True)
class Edited:
    """A script after one edit."""

    source: bytes
    changes: tuple[Splice, ...] = ()
    """What was replaced, as offsets in the text before."""
    before: str = ""
    after: str = ""

    def moved(self, location: Location) -> Location:
        """Where a place of the text before is now."""
        if not self.changes or location.line is None:
            return location
        line, column = self._place(location.line, location.column)
        end_line, end_column = self._place(location.end_line, location.end_column)
        return Location(location.path, line, column, end_line, end_column)

    def _place(self, line: int | None, column: int | None) -> tuple[int | None, int | None]:
        if line is None:
            return None, column
        starts = line_starts(self.before)
        if line > len(starts):
            return line, column
        last = starts[line] - 1 if line < len(starts) else len(self.before)
        offset = new = min(starts[line - 1] + (column or 1) - 1, last)
        for change in self.changes:
            if change.end <= offset:
                new += len(change.text) - (change.end - change.start)
            elif change.start < offset:
                new += change.start - offset  # it is gone: what came in its place
        head = self.after[: max(new, 0)]
        at = len(line_starts(head))
        return at, None if column is None else len(head) - line_starts(head)[-1] + 1

    @property
    def lines(self) -> frozenset[int]:
        """The lines of the text after that the edit wrote or touched."""
        found: set[int] = set()
        shift = 0
        for change in sorted(self.changes, key=lambda one: (one.start, one.end)):
            start = change.start + shift
            first = len(line_starts(self.after[:start]))
            found.update(range(first, first + len(line_starts(change.text))))
            shift += len(change.text) - (change.end - change.start)
        return frozenset(found)


def edit_source(source: bytes, edit: Edit) -> bytes:
    """Carry out one edit on the bytes of a script or notebook.

    Args:
        source: The whole file.
        edit: What to change, and where.

    Returns:
        The new bytes; the same where the edit was made before.

    Raises:
        RepairError: The place cannot be found, or the result would not be Python.
    """
    return carry_out(source, edit).source


def carry_out(source: bytes, edit: Edit) -> Edited:
    """As edit_source, and say what was changed where."""
    # The operations import libcst, which takes a quarter of a second: only who edits pays for it.
    from sftdoctor.repair.compat import COMPATIBLE
    from sftdoctor.repair.operations import FUNCTIONS
    from sftdoctor.repair.tree import Tree

    _must_be_whole(edit)
    path = edit.location.path
    if path.endswith(SHELL):
        from sftdoctor.repair.shell_edits import edit_shell

        new, before, text, changes = edit_shell(source, edit)
        return Edited(new, changes, before, text)
    if path.endswith(READABLE):
        from sftdoctor.repair.config_edits import edit_config

        new, before, text, changes = edit_config(source, edit)
        return Edited(source, (), before, before) if text == before else Edited(new, changes, before, text)
    if b"\0" in source:
        raise RepairError(f"{path} holds NUL bytes and is no script")
    document = open_document(source, path)
    tree = Tree.read(document.text, path)
    functions = COMPATIBLE if edit.compatible else FUNCTIONS
    if edit.operation not in functions:
        raise RepairError(
            f"{path}:{edit.location.line}: no form of this edit works on both stacks", "leave --compat out"
        )
    splices = functions[edit.operation](tree, edit.location, edit.arguments)
    after = apply_splices(document.text, splices)
    if after == document.text:
        return Edited(source, (), document.text, document.text)
    _must_parse(after, edit)
    return Edited(document.write(splices), splices, document.text, after)


def edit_file(path: Path, edit: Edit, links_clean: LinksClean | None = None) -> str:
    """Carry out one edit on a file; it is replaced atomically, and only where the result parses and links.

    Args:
        path: The script; where it is a link, the file that it leads to is replaced.
        edit: What to change.
        links_clean: Asked before the file is replaced; None to skip the question.

    Returns:
        The unified diff, empty where nothing had to be changed.

    Raises:
        RepairError: The edit cannot be made, the result does not link, or the file cannot be replaced.
    """
    old = read_script(path)
    new = edit_source(old, edit)
    if new == old:
        return ""
    before, after = decode(old, str(path))[0], decode(new, str(path))[0]
    if links_clean is not None and not is_clean(links_clean(str(path), after)):
        raise RepairError(f"{path}: after the edit the script would not link", "make the change by hand")
    replace_file(path, new)
    return render_diff(before, after, str(path))


def is_clean(answer: bool | Sequence[Finding]) -> bool:
    """Whether the answer of a LinksClean says that it links."""
    return answer if isinstance(answer, bool) else not answer


def read_script(path: Path) -> bytes:
    """Read a script that is to be edited.

    Raises:
        RepairError: It is not there, no file, or too large.
    """
    try:
        if path.stat().st_size > LIMIT:
            raise RepairError(f"{path} is larger than {LIMIT // 2**20} MiB and is not edited")
        return path.read_bytes()
    except OSError as error:
        raise RepairError(f"{path} cannot be read: {error.strerror or error}") from error


def render_diff(old: str, new: str, path: str) -> str:
    """Unified diff of two texts of one file.

    Args:
        old: The text that is there.
        new: The text that would be there.
        path: Name for both headers; below the working directory it is said from there, as `git apply` wants it.

    Returns:
        The diff with `\\n` line ends, empty where the texts are equal.
    """
    here = Path.cwd()
    name = str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path.lstrip("/")
    lines = difflib.unified_diff(_lines(old), _lines(new), f"a/{name}", f"b/{name}", n=3)
    text = []
    for line in lines:
        bare = line.rstrip("\r\n")
        text.append(bare)
        if bare == line and not line.startswith(("---", "+++", "@@")):
            text.append("\\ No newline at end of file")
    return "\n".join(text) + "\n" if text else ""


def _must_be_whole(edit: Edit) -> None:
    if edit.operation not in OPERATIONS:
        raise RepairError(f"unknown edit operation {edit.operation!r}", f"one of {', '.join(OPERATIONS)}")
    needed, optional = OPERATIONS[edit.operation]
    given = set(edit.arguments)
    if not set(needed) <= given <= {*needed, *optional}:
        raise RepairError(f"the edit {edit.operation} takes {', '.join(needed)}, not {', '.join(sorted(given))}")


def _must_parse(text: str, edit: Edit) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the user's own invalid escapes are none of our business
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        place = f"{edit.location.path}:{edit.location.line}"
        raise RepairError(f"{place}: {edit.operation} would leave a file that is no Python: {error}") from error


def _lines(text: str) -> list[str]:
    # splitlines() alone would also split at form feeds and the like, which Python does not.
    return io.StringIO(text, newline="").readlines()
