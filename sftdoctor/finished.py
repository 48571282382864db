"""A finished check, kept: said again at once where nothing that it looked at has changed.

A check is a function of its command line, its variables, its terminal and the files that it looks at. So a run notes
every look at the disk (what was opened, listed, asked for, or not found) and every question to another program (an
interpreter, the GPU's driver), and what it said is kept beside that. The next run that is asked the same looks at the
same places and puts the same questions, reads nothing, and says the same. Of a run that has asked elsewhere (the
network, a process or a library of its own) nothing is kept.

This comes before all else, so it imports os, stat and sys alone.
"""

from __future__ import annotations

import os
import stat
import sys

try:
    from _blake2 import blake2b  # the same without the cost of OpenSSL
except ImportError:
    from hashlib import blake2b

from sftdoctor import __version__

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
LARGEST_FACT = 1 << 16
"""Bytes of a file of the system's that are compared."""
FACTS = ("/proc/", "/sys/")
"""Files of the system's: they have no time of change."""
SEPARATOR = "\x1f"
"""Between the words of a question to a program."""
NOBODYS = ("_", "OLDPWD")
"""Variables that a shell changes from command to command."""
WRITING = os.O_WRONLY | os.O_RDWR
ELSEWHERE = ("subprocess.", "os.fork", "os.posix_spawn", "os.exec", "os.system", "socket.", "ctypes.", "sqlite3.")
"""Audit events of a run that asks elsewhere."""
LOOKS = {name: getattr(os, name) for name in ("stat", "lstat", "access", "readlink")}
"""What looks at the disk without being audited."""


class Watch:
    """What a run looks at, each place with what was there at its first look.

    Args:
        own: Folder whose files do not count: the cache, since what it holds follows from the others.
        key: Under what the run is kept.
    """

    def __init__(self, own: str, key: str) -> None:
        self.key = key
        self.seen: dict[tuple[str, str], str] = {}
        self.elsewhere = ""
        """The first event that asked elsewhere."""
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
            self.seen["ask", SEPARATOR.join((str(timeout), *command))] = _brief(answer)
        elif event.startswith(ELSEWHERE) and not self._asking:
            self.elsewhere = self.elsewhere or event

    def note(self, kind: str, path: Any) -> None:
        """Note what is at a path, unless it was noted before."""
        if isinstance(path, int):
            return
        place = (kind, os.fsdecode(path))
        if place not in self.seen and not place[1].startswith(self._own):
            self.seen[place] = ""  # this very look is heard of as well
            self.seen[place] = look(*place)


_watch: Watch | None = None
CAN_WATCH = os.name == "posix" and sys.implementation.name == "cpython" and sys.version_info >= (3, 11)
"""Elsewhere, and before, os.path or pathlib look at the disk in ways that cannot be noticed."""


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


def recall(argv: Sequence[str], seconds: Callable[[], float]) -> tuple[str, int] | None:
    """What the same check said the last time.

    Args:
        argv: The words of the command line, "check" first.
        seconds: How long this run has taken so far, in seconds.

    Returns:
        The text for standard output, and the exit status; None where the check must be made. It is watched then, so
        that keep can keep it.
    """
    global _watch
    if not CAN_WATCH:
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
    _watch = Watch(folder, key)
    _watch.start()
    return None


def keep(text: str, status: int, seconds: str) -> None:
    """Keep what this check said, if it has been watched and has looked at nothing but the disk.

    Args:
        text: What went to standard output.
        status: The exit status.
        seconds: How long it took, as the text says it: " 0.31 s".
    """
    if _watch is None or _watch.elsewhere or text.count(seconds) != 1 or "\0" in text:
        return
    fields = [FORMAT, _watch.key, str(status), seconds, text]
    for (kind, path), there in list(_watch.seen.items()):
        fields += kind, path, there
    folder = os.path.join(_cache(), "finished")
    beside = os.path.join(folder, f"{_watch.key}.{os.getpid()}")
    try:
        os.makedirs(folder, exist_ok=True)
        with open(beside, "wb") as file:
            file.write(os.fsencode("\0".join((*fields, END))))
        os.replace(beside, os.path.join(folder, _watch.key))
        _prune(folder)
    except (OSError, ValueError):  # the next check is merely slower
        return


def _holds(kept: list[str], key: str) -> bool:
    if kept[:2] != [FORMAT, key] or kept[-1] != END or (len(kept) - HEAD) % 3 != 1:
        return False
    places = range(HEAD, len(kept) - 1, 3)
    return all(look(kept[at], kept[at + 1]) == kept[at + 2] for at in places)


def _prune(folder: str) -> None:
    names = [os.path.join(folder, name) for name in os.listdir(folder)]
    if len(names) > MOST:
        for name in sorted(names, key=lambda name: LOOKS["stat"](name).st_mtime)[:-MOST]:
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
