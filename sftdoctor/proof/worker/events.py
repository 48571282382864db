"""Events: what the worker tells its parent, one JSON line each; and the lifeline, whose end is the parent's."""

import contextlib
import faulthandler
import json
import math
import os
import signal
import threading
import traceback

TOLD_BY_ALL = ("failure", "not_possible", "of_made_up")


def open_pipe(path, flags):
    """Opens a pipe with a name; does not wait for its other end, which a parent that has ended will never open."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor


class Events:
    """Writes events, one JSON line each, to a descriptor that nobody else knows.

    Args:
        channel: The descriptor; or the path of a pipe that the ranks of a job share. Of those rank 0 tells all, the
            others only what went wrong.
    """

    def __init__(self, channel):
        self._shared = channel if isinstance(channel, str) else None
        self._descriptor = open_pipe(channel, os.O_WRONLY) if self._shared else channel
        os.set_inheritable(self._descriptor, False)
        self._lock = threading.Lock()
        self.rank = int(os.environ.get("RANK", "0")) if self._shared else 0
        self.broken = False
        self.run = None
        self.stage = None

    def __call__(self, event, **values):
        values.update(event=event, run=self.run)
        if event == "stage":
            self.stage = values["stage"]
        self.broken = self.broken or event == "failure"
        if self.rank:
            if event not in TOLD_BY_ALL:
                return
            values["rank"] = self.rank
        line = (json.dumps(values, default=str) + "\n").encode("utf-8", "replace")
        with self._lock, self._alone():
            while line:
                line = line[os.write(self._descriptor, line) :]

    @contextlib.contextmanager
    def _alone(self):
        """Keeps the other ranks from writing into a line of this one."""
        if self._shared is None:
            yield
            return
        import fcntl

        with open(self._shared + ".lock", "w") as file:  # noqa: PTH123  (the path is a text that came by JSON)
            fcntl.lockf(file, fcntl.LOCK_EX)
            yield

    def failure(self, stage, error):
        """Reports an exception with its whole traceback and the chain of its causes."""
        self(
            "failure",
            stage=stage,
            exception=type(error).__name__,
            message=str(error)[:4000],
            traceback="".join(traceback.format_exception(type(error), error, error.__traceback__))[-60000:],
            causes=[{"exception": type(cause).__name__, "message": str(cause)[:2000]} for cause in chain(error)[1:]],
        )


def chain(error):
    """An exception and what caused it, outermost first."""
    found = []
    while error is not None and error not in found and len(found) < 10:
        found.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def short(error):
    """One line that names an exception."""
    text = " ".join(str(error).split())[:600]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def some(names):
    """A few of the names, for a message; empty for none."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def number(value):
    """A float that JSON can say; None for NaN and infinities."""
    value = float(value)
    return value if math.isfinite(value) else None


def begin(request):
    """What every job begins with: a hang can be asked where it hangs, and the parent's end is ours.

    Args:
        request: The JSON argument, parsed.

    Returns:
        The Events.
    """
    faulthandler.enable()
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGUSR1, all_threads=True)
    emit = Events(request["events"])
    die_with_parent(request["lifeline"])
    return emit


def die_with_parent(lifeline):
    """Ends this process when the other end of the lifeline closes.

    Args:
        lifeline: Its descriptor, or its path where it is shared.
    """
    lifeline = open_pipe(lifeline, os.O_RDONLY) if isinstance(lifeline, str) else lifeline
    os.set_inheritable(lifeline, False)

    def wait():
        while os.read(lifeline, 1):
            pass
        os._exit(3)

    threading.Thread(target=wait, daemon=True).start()
