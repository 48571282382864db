"""A finished check, kept: said again at once where nothing that it looked at has changed.

A check is a function of its command line, its variables, its terminal and the files that it looks at. So what it said
is kept beside every look at the disk (what was opened, listed, asked for, or not found) and every question to another
program (an interpreter, the GPU's driver). The next run that is asked the same looks at the same places and puts the
same questions, reads nothing, and says the same. Of a run that has asked elsewhere (the network, a process or a library
of its own) nothing is kept.

This comes before all else, so it imports os and sys alone, and `looks`.
"""

from __future__ import annotations

import os
import sys

try:
    from _blake2 import blake2b  # the same without the cost of OpenSSL
except ImportError:
    from hashlib import blake2b

from sftdoctor import __version__, looks

TYPE_CHECKING = False  # importing typing for it would be a tenth of the cost
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

FORMAT = f"sftdoctor {__version__} finished 1"
END = "end"
HEAD = 5
"""Fields before the looks: FORMAT, the key, the exit status, the seconds as they were shown, the text."""
MOST = 32
"""Finished checks that are kept; the oldest go first."""
LARGEST = 16_000_000
"""Bytes of one."""
NOBODYS = ("_", "OLDPWD")
"""Variables that a shell changes from command to command."""
_watched: tuple[looks.Watch, str] | None = None
"""What watches this run, and under what it is kept."""


def recall(argv: Sequence[str], seconds: Callable[[], float]) -> tuple[str, int] | None:
    """What the same check said the last time.

    Args:
        argv: The words of the command line, "check" first.
        seconds: How long this run has taken so far, in seconds.

    Returns:
        The text for standard output, and the exit status; None where the check must be made. It is watched then, so
        that keep can keep it.
    """
    global _watched
    if not looks.CAN_WATCH:
        return None
    try:
        folder, key = _cache(), _key(argv)
    except OSError:  # there is no present folder any more
        return None
    try:
        with open(os.path.join(folder, "finished", key), "rb") as file:
            kept = os.fsdecode(file.read(LARGEST)).split("\0")
        if _holds(kept, key):
            return kept[4].replace(kept[3], f" {seconds():.2f} s"), int(kept[2])
    except (OSError, ValueError, IndexError):
        pass
    _watched = looks.watch(folder), key
    return None


def keep(text: str, status: int, seconds: str) -> None:
    """Keep what this check said, if it has been watched and has looked at nothing but the disk.

    Args:
        text: What went to standard output.
        status: The exit status.
        seconds: How long it took, as the text says it: " 0.31 s".
    """
    if _watched is None or _watched[0].elsewhere or text.count(seconds) != 1 or "\0" in text:
        return
    run, key = _watched
    fields = [FORMAT, key, str(status), seconds, text]
    for (kind, path), there in list(run.seen.items()):
        fields += kind, path, there
    folder = os.path.join(_cache(), "finished")
    beside = os.path.join(folder, f"{key}.{os.getpid()}")
    try:
        os.makedirs(folder, exist_ok=True)
        with open(beside, "wb") as file:
            file.write(os.fsencode("\0".join((*fields, END))))
        os.replace(beside, os.path.join(folder, key))
        _prune(folder)
    except (OSError, ValueError):  # the next check is merely slower
        return


def _holds(kept: list[str], key: str) -> bool:
    if kept[:2] != [FORMAT, key] or kept[-1] != END or (len(kept) - HEAD) % 3 != 1:
        return False
    places = range(HEAD, len(kept) - 1, 3)
    return all(looks.look(kept[at], kept[at + 1]) == kept[at + 2] for at in places)


def _prune(folder: str) -> None:
    names = [os.path.join(folder, name) for name in os.listdir(folder)]
    if len(names) > MOST:
        for name in sorted(names, key=lambda name: looks.LOOKS["stat"](name).st_mtime)[:-MOST]:
            os.unlink(name)


def _cache() -> str:
    """The folder of folders.cache_folder, which would cost a third of a kept check to import."""
    chosen = os.environ.get("SFTDOCTOR_CACHE")
    if chosen:
        return chosen
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.expanduser("~/Library/Caches" if sys.platform == "darwin" else "~/.cache")
    return os.path.join("/nonexistent" if base.startswith("~") else base, "sftdoctor")


def _key(argv: Sequence[str]) -> str:
    """Under what a check is kept: all that it hangs on beside the disk; a hash, since variables may be secrets."""
    said = {
        "argv": list(argv),
        "variables": sorted(item for item in os.environ.items() if item[0] not in NOBODYS),
        "python": (sys.executable, sys.version, sys.prefix, sys.flags, sys.path),
        "folder": os.getcwd(),
        "user": os.getuid() if hasattr(os, "getuid") else "",
        "system": os.uname() if hasattr(os, "uname") else "",
        "terminal": [_terminal(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)],
    }
    return blake2b(repr(said).encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()


def _terminal(stream: Any) -> Any:
    """What a text is formed by: whether a stream is a terminal, how large, in which encoding."""
    try:
        size = os.get_terminal_size(stream.fileno()) if stream.isatty() else None
    except (OSError, ValueError, AttributeError):  # closed
        size = None
    return size, getattr(stream, "encoding", None)
