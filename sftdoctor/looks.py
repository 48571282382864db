"""What a run looks at on the disk, noticed, and told from what is there later.

A run that hangs on its looks alone can be said again where every place that it looked at is as it was: a whole check
(`finished`), or what was read of one script. Each look is noticed as it happens, what was not found as well, so that
nothing that reads has to tell what it reads.

It comes before all else, so it imports os, stat and sys alone.
"""

from __future__ import annotations

import os
import stat
import sys

try:
    from _blake2 import blake2b  # the same without the cost of OpenSSL
except ImportError:
    from hashlib import blake2b

TYPE_CHECKING = False  # importing typing for it would be a tenth of the cost
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LARGEST_FACT = 1 << 16
"""Bytes of a file of the system's that are compared."""
FACTS = ("/proc/", "/sys/")
"""Files of the system's: they have no time of change."""
SEPARATOR = "\x1f"
"""Between the words of a question to a program."""
WRITING = os.O_WRONLY | os.O_RDWR
ELSEWHERE = ("subprocess.", "os.fork", "os.posix_spawn", "os.exec", "os.system", "socket.", "ctypes.", "sqlite3.")
"""Audit events of a run that asks elsewhere."""
LOOKS = {name: getattr(os, name) for name in ("stat", "lstat", "access", "readlink")}
"""What looks at the disk without being audited."""
CAN_WATCH = os.name == "posix" and sys.implementation.name == "cpython" and sys.version_info >= (3, 11)
"""Elsewhere, and before, os.path or pathlib look at the disk in ways that cannot be noticed."""


class Watch:
    """What a run looks at, each place with what was there at its first look.

    Args:
        own: Folder whose files do not count: the cache, since what it holds follows from the others.
    """

    def __init__(self, own: str) -> None:
        self.seen: dict[tuple[str, str], str] = {}
        self.elsewhere = ""
        """The first event that asked elsewhere."""
        self.parts: list[set[tuple[str, str]]] = []
        """The places of each part of the run that is noted by itself at the moment."""
        self._asking = False
        self._own = own + os.sep

    def start(self) -> None:
        """Notice from here on, until the process ends."""
        for name, real in LOOKS.items():
            noticed = self._noticed(name, real)
            for able in (os.supports_dir_fd, os.supports_follow_symlinks, os.supports_fd, os.supports_effective_ids):
                if real in able:
                    able.add(noticed)
            setattr(os, name, noticed)
        sys.addaudithook(self._heard)

    def _noticed(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def noticed(path: Any, *args: Any, **options: Any) -> Any:
            if options.get("dir_fd") is not None:
                self.elsewhere = self.elsewhere or name
            elif not isinstance(path, int):
                linked = name == "readlink" or not options.get("follow_symlinks", True)
                self.note("lstat" if linked else f"access{args[0]}" if name == "access" else name, path)
            return real(path, *args, **options)

        return noticed

    def _heard(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = args
            if isinstance(path, str | bytes) and not (flags or 0) & WRITING and not set(mode or "") & set("wax+"):
                self.note("stat", _source(os.fsdecode(path)))
        elif event in ("os.listdir", "os.scandir"):
            self.note("list", "." if args[0] is None else args[0])
        elif event == "sftdoctor.ask":
            self._asking = True
        elif event == "sftdoctor.asked":
            self._asking = False
            command, timeout, answer = args
            place = ("ask", SEPARATOR.join((str(timeout), *command)))
            self.seen[place] = _brief(answer)
            for part in self.parts:
                part.add(place)
        elif event.startswith(ELSEWHERE) and not self._asking:
            self.elsewhere = self.elsewhere or event

    def note(self, kind: str, path: Any) -> None:
        """Note what is at a path, unless it was noted before."""
        if isinstance(path, int):
            return
        place = (kind, os.fsdecode(path))
        if place[1].startswith(self._own):
            return
        for part in self.parts:
            part.add(place)
        if place not in self.seen:
            self.seen[place] = ""  # this very look is heard of as well
            self.seen[place] = look(*place)

    def holds(self, place: tuple[str, str], there: str) -> bool:
        """Whether a place is as it was, which this run then hangs on too."""
        self.note(*place)
        return self.seen.get(place) == there


class Part:
    """The places that a part of a watched run looks at, however often others did.

    Args:
        watch: What watches the run.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._places: set[tuple[str, str]] = set()

    def __enter__(self) -> Part:
        self._watch.parts.append(self._places)
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.parts.remove(self._places)

    def seen(self) -> dict[tuple[str, str], str] | None:
        """Each place with what was there; None where the run has asked elsewhere, so that they do not tell all."""
        return None if self._watch.elsewhere else {place: self._watch.seen[place] for place in self._places}


_watch: Watch | None = None


def watch(own: str) -> Watch:
    """Watch this run from here on, until the process ends.

    Args:
        own: As Watch has it.
    """
    global _watch
    _watch = Watch(own)
    _watch.start()
    return _watch


def watching() -> Watch | None:
    """What watches this run; None where nothing does."""
    return _watch


def look(kind: str, path: str) -> str:
    """What is at a path, as text that is another one as soon as it has changed.

    Args:
        kind: stat (a file and what is in it, or that a folder is there), list (what a folder holds), lstat (whether it
            is a link, and where to), access and a mode of os.access, or ask.
        path: Where; for ask the seconds that a program has, and its command line.
    """
    try:
        if kind == "ask":
            return _asked(*path.split(SEPARATOR))
        if kind.startswith("access"):
            return str(LOOKS["access"](path, int(kind[6:])))
        found = LOOKS["lstat" if kind == "lstat" else "stat"](path)
        if stat.S_ISLNK(found.st_mode):
            return f"@{LOOKS['readlink'](path)}"
        if path.startswith(FACTS):
            return _fact(path, found.st_mode)
    except OSError as error:
        return f"!{error.errno}"
    except ValueError:
        return "!"
    if stat.S_ISREG(found.st_mode):
        return f"{found.st_size}.{found.st_mtime_ns}.{found.st_ino}"
    if stat.S_ISDIR(found.st_mode) and kind != "lstat":
        return f"d{found.st_mtime_ns}.{found.st_ino}"
    return str(stat.S_IFMT(found.st_mode))


def _fact(path: str, mode: int) -> str:
    if stat.S_ISDIR(mode):
        return repr(sorted(os.listdir(path)))
    if not stat.S_ISREG(mode):
        return str(mode)
    with open(path, "rb", 0) as file:
        return repr(file.read(LARGEST_FACT)).replace("\0", "")


def _asked(timeout: str, *command: str) -> str:
    from sftdoctor.target.process import ask_program

    return _brief(ask_program(command, timeout=float(timeout)))


def _brief(answer: Any) -> str:
    if isinstance(answer, OSError):
        return f"!{answer.errno}"
    return blake2b(repr(tuple(answer)).encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()


def _source(path: str) -> str:
    """The file whose change is told from a path: compiled code follows its source."""
    folder, name = os.path.split(path)
    if not name.endswith(".pyc") or os.path.basename(folder) != "__pycache__":
        return path
    source = os.path.join(os.path.dirname(folder), f"{name.partition('.')[0]}.py")
    return source if os.path.exists(source) else path
