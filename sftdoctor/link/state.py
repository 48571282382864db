"""The state of an abstract run: frames, doubt, and what leaves a block."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from sftdoctor.link.values import Class, Function, Module, Value

CERTAIN, LIKELY, POSSIBLE = 0, 1, 2
"""How much doubt there is that this line is reached: none; an unknown branch before it may have left; it stands in an
unknown branch itself."""


@dataclass(eq=False, slots=True)
class Frame:
    """The names of one module, class body or function call in progress."""

    module: Module
    scope: dict[str, Value]
    kind: str
    """module, class or function."""
    enclosing: Frame | None = None
    function: Function | None = None
    cls: Class | None = None
    qualname: str = ""
    locals: frozenset[str] = frozenset()
    """Names that the function binds somewhere."""
    globals: frozenset[str] = frozenset()
    returned: list[Value] = field(default_factory=list)
    line: int = 0
    call: ast.Call | None = None
    """The call that is being followed."""
    handling: list[Raised] = field(default_factory=list)
    future_annotations: bool = False
    exits: list[dict[str, Value]] = field(default_factory=list)
    """The names at each break or continue that an unknown branch of the innermost loop may take."""
    may_have_left: bool = False
    """Whether it may have ended in a branch of an unknown branch, so that what follows both may not be come to."""


@dataclass(eq=False, slots=True)
class Try:
    """A try (or suppress) that is being followed."""

    handlers: list[tuple[str, ...] | None]
    """Names of the exceptions that each handler takes; () for all of them, None where that is not known."""
    users: Frame | None = None
    """Where the user's own code has it: a handler there that takes everything is no fallback for a call far below."""


@dataclass(frozen=True, slots=True)
class Site:
    """A place in the code that is followed."""

    module: str
    distribution: str
    path: str | None
    line: int
    function: str = ""


@dataclass(eq=False, slots=True)
class Event:
    """Something that breaks when this line runs."""

    kind: str
    """One of the kinds of findings.KINDS."""
    exception: str
    message: str
    """What Python would say."""
    name: str
    caller: Site
    doubt: int
    callee: Site | None = None
    callee_distribution: str = ""
    callee_symbol: str = ""
    expression: str = ""
    detail: str = ""
    trace: tuple[Site, ...] = ()
    node: ast.AST | None = None
    hedged: bool = False
    """Whether what is called or read may be something else."""
    importing: bool = False
    """Whether it breaks an import, so that all that hangs on the module breaks with it."""
    value: str = ""
    """What should stand there, as source, where that is known."""
    handed: tuple[str, ast.AST] | None = None
    """The user's module and its call that a library was following when it found an object without an attribute, or
    refused to go on."""


@dataclass(slots=True)
class Noted:
    """That the run came upon something that breaks.

    Attributes:
        event: What breaks.
        branches: How many unknown branches, one within the other, lead there.
    """

    event: Event
    branches: int


class Raised(Exception):  # noqa: N818 - no error of ours: the followed program's
    """An exception of the followed program.

    Args:
        cls: Its class, or None where that is not known.
        message: Its text as far as known.
        event: What broke, where the exception comes from a link.
    """

    def __init__(self, cls: Class | None, message: str, event: Event | None = None) -> None:
        super().__init__(message)
        self.cls = cls
        self.message = message
        self.event = event
        self.trace: list[Site] = []

    def names(self) -> list[str]:
        """The names of its class and that one's bases."""
        return [cls.name for cls in self.cls.mro] if self.cls else []


class Left(Exception):  # noqa: N818 - no error: how a block ends early
    """The block was left: return, break, continue.

    Args:
        how: One of these.
        refused: Whether the program itself raised here, since it cannot go on.
    """

    def __init__(self, how: str, refused: bool = False) -> None:
        super().__init__(how)
        self.how = how
        self.refused = refused


class Parsed(Exception):  # noqa: N818 - no error: what was looked for is found
    """A command line is about to be parsed by a dataclass parser.

    Args:
        parser: Its class.
        classes: The dataclasses that it was made with.
    """

    def __init__(self, parser: Class, classes: list[Class]) -> None:
        super().__init__(parser.name)
        self.parser = parser
        self.classes = classes


class Exhausted(Exception):  # noqa: N818 - no error of the program: the budget is spent
    """The budget of this run is spent."""
