"""Script edits: found on the syntax tree, spliced into the text, so that every byte outside the edit stays.

libcst says where things are; only those spans are replaced. Comments, blank lines, commas, tabs, CRLF, byte-order
mark and encoding are therefore kept by construction. Every operation is idempotent.
"""

from __future__ import annotations

import ast
import difflib
import io
import tokenize
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sftdoctor.errors import RepairError
from sftdoctor.model import Edit, Finding, Location
from sftdoctor.repair.durable import replace_file

LinksClean = Callable[[str, str], "bool | Sequence[Finding]"]
"""(path, new source) → True or no findings where the new source links."""

OPERATIONS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "rename_keyword": (("old", "new"), ()),
    "remove_keyword": (("name",), ()),
    "set_keyword": (("name", "value"), ()),
    "move_keyword": (("name", "to_line"), ("to_column", "new")),
    "insert_before": (("code",), ()),
    "insert_after": (("code",), ()),
    "replace_import": (("module", "old", "new"), ("new_module",)),
}
"""Name → the arguments that it needs, and those that it may have."""

LIMIT = 8 * 1024 * 1024
"""Bytes of the largest script that is edited."""


def edit_source(source: bytes, edit: Edit) -> bytes:
    """Carry out one edit on the bytes of a script.

    Args:
        source: The whole file.
        edit: What to change, and where.

    Returns:
        The new bytes; the same where the edit was made before.

    Raises:
        RepairError: The place cannot be found, or the result would not be Python.
    """
    # The operations import libcst, which takes a quarter of a second: only who edits pays for it.
    from sftdoctor.repair.operations import FUNCTIONS
    from sftdoctor.repair.tree import Tree, apply_splices

    _must_be_whole(edit)
    refuse_unfit(edit.location, source)
    text, encoding, mark = decode(source, edit.location.path)
    tree = Tree.read(text, edit.location.path)
    changed = apply_splices(text, FUNCTIONS[edit.operation](tree, edit.location, edit.arguments))
    _must_parse(changed, edit)
    return mark + _encode(changed, encoding, edit.location.path)


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
        path: Name for both headers.

    Returns:
        The diff with `\\n` line ends, empty where the texts are equal.
    """
    lines = difflib.unified_diff(_lines(old), _lines(new), f"a/{path.lstrip('/')}", f"b/{path.lstrip('/')}", n=3)
    text = []
    for line in lines:
        bare = line.rstrip("\r\n")
        text.append(bare)
        if bare == line and not line.startswith(("---", "+++", "@@")):
            text.append("\\ No newline at end of file")
    return "\n".join(text) + "\n" if text else ""


def decode(source: bytes, path: str) -> tuple[str, str, bytes]:
    """Decode a script as Python does.

    Returns:
        Its text, its encoding without a byte-order mark, and the mark (b"" where there is none).

    Raises:
        RepairError: The encoding is unknown or the bytes do not fit it.
    """
    mark = b"\xef\xbb\xbf" if source.startswith(b"\xef\xbb\xbf") else b""
    try:
        encoding = tokenize.detect_encoding(io.BytesIO(source).readline)[0]
        encoding = "utf-8" if encoding == "utf-8-sig" else encoding
        return source[len(mark) :].decode(encoding), encoding, mark
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise RepairError(f"{path} cannot be decoded: {error}") from error


def refuse_unfit(location: Location, source: bytes) -> None:
    """Refuse what is not one plain Python file.

    Raises:
        RepairError: It is a notebook or holds NUL bytes.
    """
    if location.path.endswith(".ipynb"):
        raise RepairError(f"{location.path}: notebooks are not edited", "make the change in the notebook by hand")
    if b"\0" in source:
        raise RepairError(f"{location.path} holds NUL bytes and is no script")


def _must_be_whole(edit: Edit) -> None:
    if edit.operation not in OPERATIONS:
        raise RepairError(f"unknown edit operation {edit.operation!r}", f"one of {', '.join(OPERATIONS)}")
    needed, optional = OPERATIONS[edit.operation]
    given = set(edit.arguments)
    if not set(needed) <= given <= {*needed, *optional}:
        raise RepairError(f"the edit {edit.operation} takes {', '.join(needed)}, not {', '.join(sorted(given))}")


def _encode(text: str, encoding: str, path: str) -> bytes:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError as error:
        raise RepairError(f"{path}: the new text does not fit its encoding {encoding}") from error


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
