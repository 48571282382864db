"""Edits of launch scripts: an option gets the name that the installed release has for it."""

from __future__ import annotations

from sftdoctor.errors import RepairError
from sftdoctor.model import Edit
from sftdoctor.repair.splices import Splice, apply_splices, line_starts

_BEHIND = ("", " ", "=", "\t", "\n", "\r")
"""What may stand behind an option."""


def edit_shell(source: bytes, edit: Edit) -> tuple[bytes, str, str, tuple[Splice, ...]]:
    """Carry out one edit on the bytes of a launch script.

    Args:
        source: The whole file.
        edit: rename_option, at the place of the option's word.

    Returns:
        The new bytes, the text before and after, and what was replaced.

    Raises:
        RepairError: It is another edit, or the option is not written there (a variable brings it).
    """
    path, place = edit.location.path, f"{edit.location.path}:{edit.location.line}"
    if edit.operation != "rename_option" or edit.compatible:
        raise RepairError(f"{place}: {edit.operation} is no edit of a launch script", "edit it by hand")
    try:
        text = source.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RepairError(f"{path} cannot be decoded: it is not UTF-8") from error
    start = line_starts(text)[(edit.location.line or 1) - 1] + (edit.location.column or 1) - 1
    for dashes, sign in (("_", "-"), ("-", "_")):
        old, new = (f"--{edit.arguments[name].replace(dashes, sign)}" for name in ("old", "new"))
        if text.startswith(new, start) and not text[start + len(new) : start + len(new) + 1].isidentifier():
            return source, text, text, ()
        if text.startswith(old, start) and text[start + len(old) : start + len(old) + 1] in _BEHIND:
            splices = (Splice(start, start + len(old), new),)
            after = apply_splices(text, splices)
            return after.encode(), text, after, splices
    raise RepairError(f"{place}: --{edit.arguments['old']} is not written there", "edit it by hand")
