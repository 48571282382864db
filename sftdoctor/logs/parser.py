"""Lines → the exceptions that a log tells, each with its frames and its place in the chain."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

from sftdoctor.logs.dress import Line, undress
from sftdoctor.logs.frames import RawFrame, arrow_in, frame_in, starts_boxed_frame
from sftdoctor.model import Frame, Raised

FIRST, LAST = 32, 96
"""Exceptions that are kept: the first ones and the last ones of a log."""
FRAMES = 64
"""Innermost frames of one exception that are kept."""
RANKS = 64
MESSAGE_LINES = 10
MESSAGE_LIMIT = 4_000

_KINDS = (
    r"(?:Error|Exception|Interrupt|Exit|Invalid|Iteration|Timeout|Failure|Unsupported|NotFound|Expired|Abort|Group"
    r"|Conflict|OfResources|ProcessPool|Exceeded|CompilerFailed"
    r"|[A-Z]\w{0,40}Warning)"
)
_EXCEPTION = re.compile(
    rf"((?:[A-Za-z_]\w{{0,80}}\.){{0,12}}[A-Z_a-z]\w{{0,80}}?{_KINDS})(?:\(\w{{1,80}}\))?(?::(?:\s|$)(.{{0,2000}})|\s*$)"
)
_WITHIN = re.compile(r"(?<![\w.])((?:[A-Za-z_]\w{0,80}\.){0,12}[A-Z]\w{0,80}(?:Error|Exception)): (\S.{0,2000})")
_BARE = (
    ("annot import name '", "ImportError"),
    ("got an unexpected keyword argument '", "TypeError"),
    ("No module named ", "ModuleNotFoundError"),
    ("has no attribute '", "AttributeError"),
)
"""Messages that people, and programs, pass on without the exception's name."""
_NOTICES = ("Error caught was: ",)
"""How a program says an error that it goes on after (xformers, of a triton that is not there)."""
_HEAD = re.compile(r"([A-Za-z_][\w.]{0,120})\s{3,80}Traceback \(most recent call last")
_TRACEBACK = "Traceback (most recent call"
_CAUSE = "The above exception was the direct cause of"
_CONTEXT = "During handling of the above exception"
_SECONDARY = ("Exception ignored in", "Error in atexit", "Exception in thread")
_STAMP = re.compile(r"\[?(?:\d{4}-\d\d-\d\d|\d\d/\d\d/\d{4}|[EWI]\d{3,4} \d\d:|\[?(?:INFO|WARN|ERROR|DEBUG))")
SIGNS = (
    *("File ", "rror", "xception", "nterrupt", "Traceback", "-> ", "❱", "│", ".py", "Invalid", "Exit", " in "),
    *(words for words, _ in _BARE),
)
"""Every line that starts or goes on with a traceback holds one of these, but for source lines and messages."""


@dataclass
class _Open:
    """What one process is telling at the moment."""

    frames: deque[RawFrame] = field(default_factory=lambda: deque(maxlen=FRAMES))
    relation: str = ""
    secondary: bool = False
    head: str = ""
    """The exception's name, where it stands above its frames."""
    awaits_code: bool = False
    boxed_path: str = ""
    last: _Told | None = None
    """The exception whose message may go on."""


@dataclass
class _Told:
    kind: str
    message: list[str]
    frames: tuple[Frame, ...]
    relation: str
    rank: str
    line: int
    secondary: bool
    whole: bool
    before: str = ""
    """What stood before it in its line."""
    size: int = 0


class LogParser:
    """Reads a log line by line, in linear time and bounded memory."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self._first: list[_Told] = []
        self._last: deque[_Told] = deque(maxlen=LAST)

    @property
    def busy(self) -> bool:
        """Whether the next line may belong to something that has begun."""
        return any(one.frames or one.last or one.relation for one in self._open.values())

    def feed(self, number: int, text: str) -> None:
        """Read one line.

        Args:
            number: Its number, from 1.
            text: Without escapes and control characters.
        """
        line = undress(text)
        state = self._state(line.rank)
        if self._structure(state, line) or self._frame(state, line):
            return
        if self._exception(state, line, number):
            return
        self._rest(state, line)

    def skip(self) -> None:
        """Say that lines were left out: what was open has ended."""
        self._open.clear()

    def close(self) -> tuple[Raised, ...]:
        """End the log.

        Returns:
            The exceptions that it told, in its order.
        """
        for rank, state in self._open.items():
            if state.frames or state.head:  # the log ends before the exception
                self._tell(state, rank, 0, state.head, "", whole=bool(state.head))
        kept = [*self._first, *self._last]
        return tuple(
            Raised(
                kind=one.kind,
                message="\n".join(one.message).strip(),
                frames=one.frames,
                relation=one.relation,
                rank=one.rank,
                line=one.line,
                secondary=one.secondary,
                whole=one.whole,
                before=one.before,
            )
            for one in kept
        )

    def _state(self, rank: str) -> _Open:
        if rank not in self._open and len(self._open) >= RANKS:
            self._open.pop(next(iter(self._open)))
        return self._open.setdefault(rank, _Open())

    def _structure(self, state: _Open, line: Line) -> bool:
        """Whether the line is one of those between exceptions."""
        text = line.text
        if _TRACEBACK in text:
            head = _HEAD.match(text.lstrip())
            state.frames.clear()
            state.last, state.awaits_code = None, False
            state.head = head[1] if head else ""
            return True
        if _CAUSE in text or _CONTEXT in text:
            state.relation = "cause" if _CAUSE in text else "context"
            state.last = None
            return True
        if text.startswith(_SECONDARY):
            state.secondary, state.last = True, None
            return True
        return False

    def _frame(self, state: _Open, line: Line) -> bool:
        text = line.text
        if line.boxed and state.boxed_path:
            text, state.boxed_path = state.boxed_path + _joint(state.boxed_path) + text.strip(), ""
        frame = frame_in(text, line.boxed)
        if frame is not None:
            state.frames.append(frame)
            state.awaits_code, state.last = not line.boxed, None
            return True
        if line.boxed:
            state.boxed_path = text.strip() if starts_boxed_frame(text) else ""
        arrow = arrow_in(text)
        if arrow is not None and state.frames:
            state.frames[-1].line, state.frames[-1].code = state.frames[-1].line or arrow[0], arrow[1]
            state.awaits_code = False
            return True
        if state.awaits_code and text[:1].isspace() and text.strip():
            state.frames[-1].code = state.frames[-1].code or text.strip()[:300]
            state.awaits_code = False
            return True
        return line.boxed

    def _exception(self, state: _Open, line: Line, number: int) -> bool:
        text = line.text.strip()
        if text.startswith(_NOTICES):
            return False
        if not line.text[:1].isspace() or not state.frames:
            found = _EXCEPTION.match(text)
            if found:
                self._tell(state, line.rank, number, found[1], found[2] or "", whole=True)
                return True
        spoken_of = not state.frames and ("rror: " in text or "xception: " in text)
        if spoken_of and (within := _WITHIN.search(text)):
            before = text[: within.start()][-200:]
            self._tell(state, line.rank, number, within[1], within[2], whole=False, before=before)
            return True
        for words, kind in () if state.last or (state.frames and line.text[:1].isspace()) else _BARE:
            if words in text:
                self._tell(state, line.rank, number, kind, text[:MESSAGE_LIMIT], whole=False)
                return True
        return False

    def _tell(
        self, state: _Open, rank: str, number: int, kind: str, message: str, *, whole: bool, before: str = ""
    ) -> None:
        frames = tuple(Frame(one.path, one.line, one.function, one.code) for one in state.frames)
        told = _Told(kind, [message], frames, state.relation, rank, number, state.secondary, whole, before)
        if len(self._first) < FIRST:
            self._first.append(told)
        else:
            self._last.append(told)
        state.frames.clear()
        state.relation, state.head, state.secondary = "", "", False
        state.last, state.awaits_code = told, False

    def _rest(self, state: _Open, line: Line) -> None:
        """A line that goes on with a message, or is of no concern."""
        state.awaits_code = False
        told = state.last
        if told is None:
            return
        text = line.text.strip()
        if not text or _STAMP.match(text) or len(told.message) >= MESSAGE_LINES or told.size > MESSAGE_LIMIT:
            awaited = not text and told.message[-1].endswith(":")  # what it announces stands below an empty line
            if text or (any(told.message) and not awaited):
                state.last = None
            return
        told.message.append(text[:1_000])
        told.size += len(text)


def _joint(path: str) -> str:
    """What was lost where rich broke a line: a blank after "in", nothing within a path."""
    return " " if path.endswith(" in") else ""
