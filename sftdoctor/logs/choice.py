"""Of all the exceptions in a log, the one that ended the run; of all its frames, those that matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sftdoctor.logs.stack import package_of
from sftdoctor.model import Frame, Raised

WRAPPERS = (
    *("ChildFailedError", "CalledProcessError", "RayTaskError", "ProcessRaisedException", "ProcessExitedException"),
    *("SystemExit", "SignalException", "BrokenPipeError", "RemoteTraceback", "WorkerCrashedError"),
)
"""Exceptions that only say that something else has failed."""
FOLLOWERS = (
    *("Connection closed by peer", "Connection reset by peer", "NCCL communicator was aborted", "Broken pipe"),
    *("DataLoader worker", "died with <Signals", "torch.distributed.DistNetworkError", "unhandled system error"),
    "Ran out of input",
)
"""What the messages of processes say that end because another one has."""
MOST_FRAMES = 8


def last_error(told: Sequence[Raised]) -> Raised | None:
    """The exception that ended the run: the last one that does not only follow from another process's end.

    Args:
        told: The exceptions of a log, in its order.

    Returns:
        That exception; None where there is none. One that stands in the log whole goes before one that is only spoken
        of, and one that is named before one that the log breaks off.
    """
    named = [one for one in told if one.kind and one.whole and not one.secondary]
    own = [one for one in named if not follows(one)]
    for group in (own, [one for one in told if one.kind and not one.whole], named, list(told)):
        if group:
            return _first_of_its_kind(group)
    return None


def follows(raised: Raised) -> bool:
    """Whether an exception only says that another process, or another part of this one, has failed."""
    kind = raised.kind.rpartition(".")[2]
    return kind in WRAPPERS or any(words in raised.message or words in raised.kind for words in FOLLOWERS)


def _first_of_its_kind(group: Sequence[Raised]) -> Raised:
    """The last exception; where several processes raised the same, the one that was first."""
    last = group[-1]
    return next(one for one in group if one.kind == last.kind and _gist(one) == _gist(last))


def _gist(raised: Raised) -> str:
    return raised.message[:80]


def chain_of(error: Raised, told: Sequence[Raised]) -> tuple[Raised, ...]:
    """The chain that an exception ends, in the order in which its causes are to be looked for.

    Args:
        error: The exception.
        told: All exceptions of the log.

    Returns:
        What it was directly caused by first, the exception itself, then those that it was raised while handling.
    """
    at = next(number for number, one in enumerate(told) if one is error)
    chain = [error]
    for one in reversed(told[:at]):
        if one.rank != error.rank:
            continue
        if not chain[-1].relation:
            break
        chain.append(one)
    causes = [error]
    while len(causes) < len(chain) and causes[-1].relation == "cause":
        causes.append(chain[len(causes)])
    return (*reversed(causes), *chain[len(causes) :])


def joined(told: Sequence[Raised]) -> Raised | None:
    """An exception that is only spoken of, with the frames of a traceback that breaks off: so a thread tells an error.

    Args:
        told: The exceptions of a log, in its order.

    Returns:
        The last of those that may belong together; None where there are none.
    """
    broken_off = [one for one in told if one.frames and not one.message and (not one.line or follows(one))]
    spoken_of = [one for one in told if one.kind and one.message and not one.frames]
    for one in reversed(spoken_of):
        if broken_off and (broken_off[-1].kind in ("", one.kind) or follows(broken_off[-1])):
            return replace(one, frames=broken_off[-1].frames)
    return None


def frames_that_matter(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """The frames that show how an error came about: the user's last ones, the first into each library, the innermost.

    Args:
        frames: All of them, outermost first.

    Returns:
        At most MOST_FRAMES of them, in their order.
    """
    named = [(number, frame, package_of(frame.path)) for number, frame in enumerate(frames) if not _machinery(frame)]
    if not named:
        return tuple(frames[-2:])
    chosen = {number for number, _, _ in named[-2:]}
    own = [number for number, _, package in named if not package]
    chosen.update(own[-2:])
    for before, (number, _, package) in zip([None, *(entry[2] for entry in named)], named, strict=False):
        if package and package != before:
            chosen.add(number)
    return tuple(frames[number] for number in sorted(chosen)[-MOST_FRAMES:])


def _machinery(frame: Frame) -> bool:
    return frame.path.startswith("<frozen") or "/importlib/" in frame.path.replace("\\", "/")
