"""Keeps the outside world out: no network, no other programs, and nothing written but in the proof's own folder."""

import os
import socket
import sys

from ..errors import NotPossibleError

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
PLACES = {
    "os.mkdir": ((0, 2),),
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.truncate": ((0, None),),
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.symlink": ((1, 2),),
    "os.link": ((1, 3),),
    "os.rename": ((0, 2), (1, 3)),
    "shutil.rmtree": ((0, 1),),
}
"""Audit events that change the file system: which arguments are a path, and the descriptor that it is relative to."""
STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")
SHELLS = ("sh", "bash", "dash", "zsh")
ALWAYS = ("/dev/", "/proc/self/")
PROGRAMS = (
    *(
        "cat",
        "file",
        "hostname",
        "ldconfig",
        "lscpu",
        "uname",
        "which",
        "nvidia-smi",
        "rocm-smi",
        "rocminfo",
        "numactl",
    ),
    *("cc", "c++", "gcc", "g++", "clang", "clang++", "ld", "ninja", "nvcc", "ptxas"),
)
"""What the libraries start to look about themselves or to compile; any other program could do anything."""
TOLD = ["/bin/sh", "-c", "pip list | grep habana-torch-plugin"]
"""What bitsandbytes (0.48, for one) starts while it is imported, to see whether Gaudi is there; it only tells."""
NOWHERE = "http://no-network-in-a-proof:9"
LOCAL = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "")


class OutsideError(PermissionError, NotPossibleError):
    """The script does something to the world outside that a proof must not do."""


class NoNetworkError(ConnectionError):
    """The script asks for something on the network."""


class NoAddressError(socket.gaierror):
    """The same, at its first step."""


def close(world):
    """Closes the world outside, for this process and, as far as variables can, for those that it starts.

    Args:
        world: The run.
    """
    home = world.folder / "home"
    home.mkdir(exist_ok=True)
    os.environ.update(
        HOME=str(home),
        XDG_CACHE_HOME=str(home / "cache"),
        PIP_NO_INDEX="1",
        UV_OFFLINE="1",
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), NOWHERE),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
    )
    _close_network()
    sys.addaudithook(_guard(world))


def _close_network():
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def is_local(self, address):
        if self.family not in (socket.AF_INET, socket.AF_INET6):
            return True
        host = str(address[0])
        return host in LOCAL or host.startswith("127.") or host == socket.gethostname()

    def connect_(self, address):
        if not is_local(self, address):
            raise NoNetworkError(f"a proof has no network: {address[0]}")
        return connect(self, address)

    def connect_ex_(self, address):
        if not is_local(self, address):
            raise NoNetworkError(f"a proof has no network: {address[0]}")
        return connect_ex(self, address)

    def getaddrinfo(host, *args, **kwargs):
        name = host.decode() if isinstance(host, bytes) else str(host or "")
        if name not in LOCAL and not name.startswith("127.") and name != socket.gethostname():
            raise NoAddressError(socket.EAI_FAIL, f"a proof has no network: {name}")
        return look_up(host, *args, **kwargs)

    socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo = connect_, connect_ex_, getaddrinfo


def _guard(world):
    """An audit hook that refuses what would change the world outside."""
    temporary = (str(world.folder) + os.sep, *ALWAYS)

    def is_allowed(path, beside=None):
        if isinstance(path, int):
            return True
        try:
            text = os.fsdecode(path)
        except TypeError:
            return True
        if isinstance(beside, int) and beside >= 0 and not os.path.isabs(text):
            text = os.path.join(os.path.realpath(f"/proc/self/fd/{beside}"), text)
        whole = os.path.realpath(text)
        return whole == str(world.folder) or whole.startswith(temporary) or text.startswith(temporary)

    def hook(event, args):
        if event == "open":
            path, _, flags = args
            if isinstance(flags, int) and flags & WRITES and path is not None and not is_allowed(path):
                raise OutsideError(13, "a proof writes to its own folder alone", str(path))
        elif event in PLACES:
            for where, beside in PLACES[event]:
                if not is_allowed(args[where], args[beside] if beside is not None and beside < len(args) else None):
                    raise OutsideError(13, "a proof changes its own folder alone", str(args[where]))
        elif event in STARTS:
            program = _program(args[0], args[1] if len(args) > 1 else None)
            if program not in PROGRAMS and (len(args) < 2 or list(args[1] or ()) != TOLD):
                raise OutsideError(13, f"a proof starts no other program, and the script starts {program}")

    return hook


def _program(executable, arguments):
    """The name of the program that an audit event tells of; of a shell, the one that its command begins with."""
    words = arguments if isinstance(arguments, (list, tuple)) else [arguments] if arguments else []
    words = [os.fsdecode(word) for word in words if isinstance(word, (str, bytes, os.PathLike))]
    first = os.fsdecode(executable) if executable else (words[0] if words else "")
    name = os.path.basename(first)
    if name in SHELLS and "-c" in words[:-1]:
        first = words[words.index("-c") + 1]
    if name in SHELLS or not words:  # os.system has a command alone
        first = (first.split() or [""])[0]
    if name == "numactl":  # it tells of the machine, or starts what stands after its options
        first = next((word for word in words[1:] if not word.startswith("-")), first)
    return os.path.basename(first)
