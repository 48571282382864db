"""The worker as a process: started in the target, listened to, watched, and ended with all that it started."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftdoctor.errors import ProofError
from sftdoctor.proof import tree

WORKER = Path(__file__).with_name("worker") / "__main__.py"
"""Where the target's Python begins; it keeps its own folder out of sys.path."""
TAIL = 32_000
"""Bytes of the libraries' own output that are kept, the last ones."""
LONGEST_LINE = 1_000_000
"""Bytes of one event; a longer one is dropped."""
GRACE = 2.0
"""Seconds that a hanging worker gets to say where it hangs."""

# What a launcher, a notebook or sftdoctor's own Python put there must not reach the worker.
_DROPPED = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONWARNINGS", "PYTHONOPTIMIZE")
_OF_LAUNCHERS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_PREFIXES_OF_LAUNCHERS = ("ACCELERATE_", "FSDP_", "OMPI_COMM_", "PMI_", "MV2_COMM_", "TORCHELASTIC_")
_QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "WANDB_MODE": "disabled",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}


@dataclass(frozen=True)
class End:
    """How a worker ended."""

    kind: str
    """exit, signal, timeout or memory."""
    code: int = 0
    """The exit status, the number of the signal, or the limit in bytes."""


@dataclass(frozen=True)
class _Channels:
    """The two pipes between a worker and its parent."""

    events: int
    """Where the parent reads."""
    lifeline: int
    """What the parent keeps open as long as it lives."""
    said: Mapping[str, Any]
    """What the worker is told of them."""
    passed: tuple[int, ...] = ()
    """The worker's own ends."""


def _pipes() -> _Channels:
    events, events_in = os.pipe()
    lifeline_out, lifeline = os.pipe()
    return _Channels(events, lifeline, {"events": events_in, "lifeline": lifeline_out}, (events_in, lifeline_out))


def _shared_pipes(folder: Path) -> _Channels:
    """Pipes with names: a launcher does not hand descriptors on to the ranks that it starts."""
    paths = {name: str(folder / f"{name}.pipe") for name in ("events", "lifeline")}
    for path in paths.values():
        os.mkfifo(path)
    # both ways open, so that neither end waits for the other to come
    events, lifeline = (os.open(path, os.O_RDWR | os.O_CLOEXEC) for path in paths.values())
    return _Channels(events, lifeline, paths)


def _launcher(ranks: int, config: Path | None) -> list[str]:
    """The module that starts the ranks, with its options; nothing for one alone."""
    if ranks == 1:
        return []
    if config is None:
        return ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(ranks)]
    here = ["--num_processes", str(ranks), "--num_machines", "1", "--machine_rank", "0", "--main_process_port", "0"]
    return ["-m", "accelerate.commands.launch", "--config_file", str(config.absolute()), *here]


def launched_by(ranks: int, config: Path | None) -> tuple[str, ...]:
    """Who starts how many processes, for people; nothing for one alone."""
    who = "torchrun" if config is None else f"accelerate launch with {config}"
    return (f"{ranks} processes, started by {who}",) if ranks > 1 else ()


class WorkerProcess:
    """One worker in the target interpreter.

    Args:
        python: The target's interpreter.
        request: What the worker is asked (see worker/__main__.py); the descriptors are added here.
        folder: A folder of its own, where it works and which the caller removes.
        worker: The file that is run.
        launched: Whether it is one rank of a launcher's job, and gets the variables that say so.
        ranks: How many of it are started together; 1 without a launcher.
        config: Of accelerate, which then launches them; None for torchrun.

    Raises:
        ProofError: The interpreter cannot be started.
    """

    def __init__(
        self,
        python: str,
        request: Mapping[str, Any],
        folder: Path,
        worker: Path = WORKER,
        *,
        launched: bool = False,
        ranks: int = 1,
        config: Path | None = None,
    ) -> None:
        self.end: End | None = None
        self._tail = bytearray()
        self._partial = bytearray()
        channels = _shared_pipes(folder) if ranks > 1 else _pipes()
        self._events, self._lifeline = channels.events, channels.lifeline
        asked = {**request, **channels.said, "folder": str(folder), "ranks": ranks}
        try:
            self._process = subprocess.Popen(
                [python, *_launcher(ranks, config), str(worker.absolute()), json.dumps(asked)],
                cwd=folder,
                env=worker_variables(folder, launched=launched, one_device=ranks == 1),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=channels.passed,
                start_new_session=True,
            )
        except OSError as error:
            os.close(self._events)
            os.close(self._lifeline)
            raise ProofError(f"{python} cannot be started: {error.strerror or error}", _VANISHED) from error
        finally:
            for descriptor in channels.passed:
                os.close(descriptor)

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def tail(self) -> str:
        """The last lines that the libraries printed."""
        return self._tail.decode("utf-8", "replace")

    def listen(self, deadline: float, memory_limit: int | None = None) -> Iterator[dict[str, Any]]:
        """Yields the worker's events until it ends, one way or another; `end` says which.

        Args:
            deadline: time.monotonic() at which it is killed.
            memory_limit: Bytes of resident memory, of it and all that it started, at which they are killed; None for no
                limit.
        """
        assert self._process.stdout is not None
        output = self._process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            for descriptor in (self._events, output):
                os.set_blocking(descriptor, False)
                selector.register(descriptor, selectors.EVENT_READ)
            while self.end is None:
                for key, _ in selector.select(timeout=0.2):
                    data = _read(key.fd)
                    if data == b"":
                        selector.unregister(key.fd)
                    elif key.fd == output:
                        self._keep(data or b"")
                    else:
                        yield from self._parse(data or b"")
                self._look(deadline, memory_limit, idle=not selector.get_map())
            # what it said last may still be in the pipes
            self._keep(_drain(output))
            yield from self._parse(_drain(self._events))

    def _look(self, deadline: float, memory_limit: int | None, *, idle: bool) -> None:
        if idle:  # both pipes are closed: nothing more can come, so wait for the end itself
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=0.2)
        code = self._process.poll()
        if code is not None:
            self.end = End("exit", code) if code >= 0 else End("signal", -code)
        elif time.monotonic() > deadline:
            self.end = End("timeout")
            self._ask_where()
            self._kill()
        elif memory_limit is not None and tree.memory(tree.descendants(self._process.pid)) > memory_limit:
            self.end = End("memory", memory_limit)
            self._kill()

    def _keep(self, data: bytes) -> None:
        self._tail += data
        del self._tail[:-TAIL]

    def _parse(self, data: bytes) -> Iterator[dict[str, Any]]:
        self._partial += data
        *lines, rest = self._partial.split(b"\n")
        self._partial = bytearray(rest[: LONGEST_LINE + 1])
        for line in lines:
            if len(line) > LONGEST_LINE:
                continue
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict) and isinstance(event.get("event"), str):
                    yield event

    def _ask_where(self) -> None:
        """Lets hanging workers print the stacks of their threads (faulthandler listens to this signal)."""
        assert self._process.stdout is not None
        for pid in tree.descendants(self._process.pid):
            if tree.catches(pid, signal.SIGUSR1):  # a launcher does not, and would be ended
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGUSR1)
        output = self._process.stdout.fileno()
        until = time.monotonic() + GRACE
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while time.monotonic() < until and selector.select(timeout=0.3):
                data = _read(output)
                if not data:
                    break
                self._keep(data)

    def _kill(self) -> None:
        for pid in tree.descendants(self._process.pid)[1:]:  # before they lose the parent that tells whose they are
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)

    def close(self) -> None:
        """Ends the worker and everything that it started, and frees what was held."""
        self._kill()
        for descriptor in (self._events, self._lifeline):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        if self._process.stdout is not None:
            self._process.stdout.close()


_VANISHED = "Is the environment still there? Give its Python with --python."


def worker_variables(folder: Path, *, launched: bool = False, one_device: bool = True) -> dict[str, str]:
    """The variables that the worker gets: the user's, without what a launcher or another Python put there.

    Args:
        folder: Where it works.
        launched: Whether a launcher's are kept.
        one_device: Whether the first GPU alone may be seen.
    """
    names, prefixes = ((), ()) if launched else (_OF_LAUNCHERS, _PREFIXES_OF_LAUNCHERS)
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in (*_DROPPED, *names) and not name.startswith(prefixes)
    }
    kept.update(_QUIET)
    kept["HF_HOME"] = str(folder / "huggingface")
    kept["TMPDIR"] = str(folder)
    # the tiny model gains nothing from more threads, and on a busy machine they wait for each other, spinning
    kept.setdefault("OMP_NUM_THREADS", "1")
    # one device is what is proved; several would be wrapped in DataParallel
    if one_device and "," in kept.get("CUDA_VISIBLE_DEVICES", "0,"):
        kept["CUDA_VISIBLE_DEVICES"] = kept.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    return kept


def _read(descriptor: int) -> bytes | None:
    """What is there to read; empty at the end, None where nothing is there yet."""
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def _drain(descriptor: int) -> bytes:
    """What is left to read, within bounds: a grandchild may go on writing."""
    found = bytearray()
    while len(found) < LONGEST_LINE and (data := _read(descriptor)):
        found += data
    return bytes(found)
