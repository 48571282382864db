"""The simple commands of a shell script, each as its words with their places.

What a word is that only running the script would tell is left open: such a word begins with a mark, and never passes
for known. Variables and arrays that are set once, to a constant, are taken for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from sftdoctor.model import ANY_WORDS, OPEN_WORD

LIMIT = 300_000
"""Bytes; a launch script has a hundredth of it."""
MAX_WORDS = 20_000
_NAME = re.compile(r"[A-Za-z_]\w*")
_ASSIGNED = re.compile(r"([A-Za-z_]\w*)(\+?)=")
_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(\[[@*]\])?\})")
_HEREDOC = re.compile(r"<<-?[ \t]{0,8}(['\"]?)(\w+)\1")
_ENDS = frozenset("\n;&|()")
_KEYWORDS = frozenset(
    {"if", "then", "elif", "else", "do", "while", "until", "!", "{", "}", "time", "fi", "done", "exec"}
)
_DECLARES = frozenset({"export", "declare", "local", "readonly"})


class ShellError(Exception):
    """It is no shell script that can be read.

    Args:
        message: What is wrong.
        line: Where, counted from 1.
    """

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True)
class Word:
    """One word of a command."""

    text: str
    """What the program gets; led by OPEN_WORD or ANY_WORDS where only the shell knows."""
    start: int
    end: int
    """Where it is written."""


Command = tuple[Word, ...]


def commands_of(text: str) -> tuple[Command, ...]:
    """The simple commands of a shell script, in the order of the text, whatever they stand in.

    Args:
        text: The script.

    Returns:
        Each command's words, the assignments before it among them ("CUDA_VISIBLE_DEVICES=0").

    Raises:
        ShellError: A quote is not closed, or it has too many words.
    """
    raw = _Lexer(text).commands()
    known = {**_of_slurm(text), **_constants(raw)}
    return tuple(command for words in raw if (command := tuple(_expanded(words, known))))


def constants_of(text: str) -> dict[str, str]:
    """The variables that a shell script sets once, to a constant.

    Args:
        text: The script.

    Returns:
        Name → text; of arrays nothing.

    Raises:
        ShellError: As commands_of.
    """
    known = _constants(_Lexer(text).commands())
    return {name: _text(words[0], known) for name, words in known.items() if words is not None and len(words) == 1}


@dataclass(frozen=True)
class _Raw:
    """A word as it is written: pieces of text, each with whether it stood in quotes that stop expansion."""

    pieces: tuple[tuple[str, str], ...]
    """(quote, text): quote is "" (plain), '"' or "'"."""
    start: int
    end: int
    array: tuple[_Raw, ...] | None = None
    """Of an assignment `NAME=(…)`: its elements."""

    @property
    def plain(self) -> str:
        """The text without quotes, nothing expanded."""
        return "".join(text for _, text in self.pieces)


class _Lexer:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.count = 0
        self.heredocs: list[str] = []

    def commands(self) -> list[tuple[_Raw, ...]]:
        found: list[tuple[_Raw, ...]] = []
        words: list[_Raw] = []
        while self.at < len(self.text):
            sign = self.text[self.at]
            if sign in " \t\r" or self.text.startswith("\\\n", self.at) or self.text.startswith("\\\r\n", self.at):
                self.at += 1 if sign != "\\" else self.text.index("\n", self.at) + 1 - self.at
            elif sign == "#" and (self.at == 0 or self.text[self.at - 1] in " \t\n;"):
                self.at = self._line_end()
            elif sign in "<>":
                self._redirection()
            elif sign in _ENDS:
                found.append(tuple(words))
                words = []
                self.at += 1
                if sign == "\n":
                    self._skip_heredocs()
            else:
                word = self._word()
                if not (word.plain.isdigit() and self.text[self.at : self.at + 1] in ("<", ">")):  # 2>&1
                    words.append(word)
        found.append(tuple(words))
        return [stripped for command in found if (stripped := _without_keywords(command))]

    def _line_end(self) -> int:
        end = self.text.find("\n", self.at)
        return len(self.text) if end < 0 else end

    def _redirection(self) -> None:
        heredoc = _HEREDOC.match(self.text, self.at)
        if heredoc and not self.text.startswith("<<<", self.at):
            self.heredocs.append(heredoc[2])
            self.at = heredoc.end()
            return
        while self.at < len(self.text) and self.text[self.at] in "<>&|":
            self.at += 1
        while self.at < len(self.text) and self.text[self.at] in " \t":
            self.at += 1
        if self.at < len(self.text) and self.text[self.at] not in _ENDS:
            self._word()

    def _skip_heredocs(self) -> None:
        for name in self.heredocs:
            end = re.compile(rf"^\t*{re.escape(name)}\s*$", re.MULTILINE).search(self.text, self.at)
            self.at = end.end() if end else len(self.text)
        self.heredocs.clear()

    def _word(self) -> _Raw:
        start = self.at
        self.count += 1
        if self.count > MAX_WORDS:
            raise ShellError(f"it has more than {MAX_WORDS} words", self._line(start))
        pieces: list[tuple[str, str]] = []
        while self.at < len(self.text):
            sign = self.text[self.at]
            if sign in "'\"":
                pieces.append((sign, self._quoted(sign)))
            elif sign == "\\":
                pieces.append(("'", "" if self._continues() else self.text[self.at + 1 : self.at + 2]))
                self.at += (self.text.index("\n", self.at) - self.at + 1) if self._continues() else 2
                if self.at >= len(self.text) or (pieces[-1][1] == "" and self.text[self.at] in " \t"):
                    break
            elif sign == "$" and self.text[self.at + 1 : self.at + 2] in ("(", "{"):
                pieces.append(("", self._nested()))
            elif sign == "`":
                end = self.text.find("`", self.at + 1)
                if end < 0:
                    raise ShellError("a ` is not closed", self._line(self.at))
                pieces.append(("", self.text[self.at : end + 1]))
                self.at = end + 1
            elif sign == "(" and pieces and _ASSIGNED.fullmatch("".join(text for _, text in pieces)):
                return _Raw(tuple(pieces), start, self.at, self._array())
            elif sign in " \t\r<>" or sign in _ENDS:
                break
            else:
                pieces.append(("", sign))
                self.at += 1
        self.at = min(self.at, len(self.text))
        return _Raw(tuple(pieces), start, self.at)

    def _continues(self) -> bool:
        return self.text.startswith(("\\\n", "\\\r\n"), self.at)

    def _quoted(self, quote: str) -> str:
        start = self.at
        self.at += 1
        found: list[str] = []
        while self.at < len(self.text):
            sign = self.text[self.at]
            if sign == quote:
                self.at += 1
                return "".join(found)
            if quote == '"' and sign == "\\" and self.text[self.at + 1 : self.at + 2] in ('"', "\\", "$", "`", "\n"):
                following = self.text[self.at + 1]
                found.append("" if following == "\n" else "\0" if following == "$" else following)
                self.at += 2
            else:
                found.append(sign)
                self.at += 1
        raise ShellError("a quote is not closed", self._line(start))

    def _nested(self) -> str:
        """`$(…)` or `${…}` as it is written."""
        start = self.at
        opening, closing = self.text[self.at + 1], ")" if self.text[self.at + 1] == "(" else "}"
        depth = 0
        while self.at < len(self.text):
            sign = self.text[self.at]
            depth += (sign == opening) - (sign == closing)
            self.at += 1
            if sign == closing and depth == 0:
                return self.text[start : self.at]
        raise ShellError(f"a ${opening} is not closed", self._line(start))

    def _array(self) -> tuple[_Raw, ...]:
        self.at += 1
        found: list[_Raw] = []
        while self.at < len(self.text):
            sign = self.text[self.at]
            if sign == ")":
                self.at += 1
                return tuple(found)
            if sign == "#" and self.text[self.at - 1] in " \t\n(":
                self.at = self._line_end()
            elif sign in " \t\r\n":
                self.at += 1
            elif self._continues():
                self.at = self.text.index("\n", self.at) + 1
            elif sign in _ENDS or sign in "<>":
                break
            else:
                found.append(self._word())
        raise ShellError("an array is not closed", self._line(self.at - 1))

    def _line(self, at: int) -> int:
        return self.text.count("\n", 0, at) + 1


def _without_keywords(command: tuple[_Raw, ...]) -> tuple[_Raw, ...]:
    while command and command[0].plain in _KEYWORDS:
        command = command[1:]
    return command


# ---------------------------------------------------------------- variables

_Known = Mapping[str, tuple[_Raw, ...] | None]
_SBATCH = re.compile(
    r"^#SBATCH[ \t]{1,20}(--[\w-]{1,40}|-N|-n)(?:[= \t]{1,4})([\w:.-]{1,60})[ \t\r]*(?:#.*)?$", re.MULTILINE
)
_GRES = re.compile(r"(?:gpu:)?(?:[A-Za-z][\w-]*:)?(\d{1,4})")
_SLURM: Mapping[str, tuple[str, ...]] = {
    "--nodes": ("SLURM_NNODES", "SLURM_JOB_NUM_NODES"),
    "-N": ("SLURM_NNODES", "SLURM_JOB_NUM_NODES"),
    "--ntasks": ("SLURM_NTASKS", "SLURM_NPROCS"),
    "-n": ("SLURM_NTASKS", "SLURM_NPROCS"),
    "--ntasks-per-node": ("SLURM_NTASKS_PER_NODE",),
    "--gres": ("SLURM_GPUS_ON_NODE",),
    "--gpus-per-node": ("SLURM_GPUS_ON_NODE", "SLURM_GPUS_PER_NODE"),
}
"""Directive of a job script → the variables that Slurm makes of it (slurm.schedmd.com/sbatch.html)."""


def _of_slurm(text: str) -> _Known:
    """The variables that Slurm sets by what the job script's own directives ask for."""
    found: dict[str, tuple[_Raw, ...] | None] = {}
    for directive in _SBATCH.finditer(text):
        count = _GRES.fullmatch(directive[2])
        for name in _SLURM.get(directive[1], ()) if count else ():
            assert count is not None
            found[name] = (_Raw((("", count[1]),), directive.start(2), directive.end(2)),)
    return found


def _constants(commands: list[tuple[_Raw, ...]]) -> _Known:
    """Variables that are set once, to a constant (or an array of words): their words; None for all others."""
    found: dict[str, tuple[_Raw, ...] | None] = {}
    for command in commands:
        words = command[1:] if command[0].plain in _DECLARES else command
        alone = all(_ASSIGNED.match(word.plain) for word in words)
        for word in words:
            named = _ASSIGNED.match(word.plain)
            if named is None:
                break
            if not alone:
                continue  # before a command: for that one alone
            value = word.array if word.array is not None else (_behind(word, named.end()),)
            again = named[1] in found
            found[named[1]] = None if named[2] or again or _is_open(value) else value
        if command[0].plain in ("for", "read", "unset", "getopts", "select", "mapfile", "readarray"):
            found.update({word.plain: None for word in command[1:] if _NAME.fullmatch(word.plain)})
    return found


def _behind(word: _Raw, length: int) -> _Raw:
    """A word without its first characters."""
    pieces = []
    for quote, text in word.pieces:
        cut = min(length, len(text))
        length -= cut
        pieces.append((quote, text[cut:]))
    return replace(word, pieces=tuple(piece for piece in pieces if piece[1] or piece[0]))


def _is_open(words: tuple[_Raw, ...]) -> bool:
    return any(("$" in text or "`" in text) and quote != "'" for word in words for quote, text in word.pieces)


def _expanded(words: tuple[_Raw, ...], known: _Known) -> Iterator[Word]:
    for word in words:
        whole = _VARIABLE.fullmatch(word.plain)
        name = whole[1] or whole[2] if whole else None
        value = known.get(name) if name else None
        if value is not None and whole is not None and whole[3]:
            yield from (Word(_text(one, known), one.start, one.end) for one in value)
        elif value is not None and all(quote == "" for quote, _ in word.pieces):
            for part in _text(value[0], known).split():
                yield Word(part, word.start, word.end)
        else:
            yield Word(_text(word, known), word.start, word.end)


def _text(word: _Raw, known: _Known) -> str:
    """What a word comes to, marked where it is not known."""
    made, mark = [], ""
    for quote, text in _joined(word.pieces):
        if quote == "'" or not ("$" in text or "`" in text):
            made.append(text.replace("\0", "$"))
            continue
        done = _VARIABLE.sub(lambda found: _constant(found, known), text)
        if "$" in done or "`" in done:
            many = quote == "" or "$@" in done or "[@]" in done or "$*" in done
            mark = max(mark, ANY_WORDS if many else OPEN_WORD, key=len)
        made.append(done.replace("\0", "$"))
    return mark + "".join(made)


def _joined(pieces: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, str]]:
    """Pieces with what stands side by side in the same quotes as one."""
    quote, text = "", ""
    for own, more in pieces:
        if own != quote:
            if text:
                yield quote, text
            quote, text = own, ""
        text += more
    if text or quote:
        yield quote, text


def _constant(found: re.Match[str], known: _Known) -> str:
    value = known.get(found[1] or found[2])
    if value is None or len(value) != 1 or found[3]:
        return found[0]
    return value[0].plain
