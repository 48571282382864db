"""What a name can stand for while a program is followed without being run.

Everything that is not understood is UNKNOWN, which may be any object at all and therefore never breaks a link.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sftdoctor.link.backends import Backends
    from sftdoctor.link.machine import Machine
    from sftdoctor.link.state import Frame
    from sftdoctor.model import Setting

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Value:
    """Anything that a name can stand for."""

    __slots__ = ()


class Unknown(Value):
    """Any object at all; of some it is known whether they are true.

    Args:
        true: Whether it is; None where that is not known either.
    """

    __slots__ = ("true",)

    def __init__(self, true: bool | None = None) -> None:
        self.true = true

    def __repr__(self) -> str:
        return "UNKNOWN" if self.true is None else f"UNKNOWN({self.true})"


UNKNOWN = Unknown()


@dataclass(eq=False, slots=True)
class Const(Value):
    """A value that is known exactly and never changes: None, a number, a string, a Version, …"""

    value: Any


@dataclass(eq=False, slots=True)
class FileKey(Const):
    """A key that came out of a config file: whoever takes it for a keyword takes the file's word for it."""

    setting: Setting


NONE = Const(None)
FALSE = Const(False)


@dataclass(eq=False, slots=True)
class Likely(Value):
    """What a name stood for before a branch that may or may not have been taken bound it anew."""

    value: Value


@dataclass(eq=False, slots=True)
class MaybeUnbound(Value):
    """A name that only some of the branches bind."""

    value: Value


@dataclass(eq=False, slots=True)
class Seq(Value):
    """A list, tuple or set."""

    kind: str
    items: list[Value] = field(default_factory=list)
    open: bool = False
    """Whether there may be other items, or the same in another order."""


@dataclass(eq=False, slots=True)
class Dict(Value):
    """A dictionary whose keys are constants."""

    items: dict[Any, Value] = field(default_factory=dict)
    open: bool = False
    """Whether there may be further keys."""
    settings: dict[Any, Setting] | None = None
    """Of the keys that came out of a config file: where each stands."""
    dotted: bool = False
    """Whether its keys are read as attributes too (OmegaConf, Munch, EasyDict, Box)."""

    def place(self, key: Any, setting: Setting | None) -> None:
        """Note where a key came from that is set: from a config file, or from the program itself (None)."""
        self.settings = placed(self.settings, key, setting)

    def key(self, key: Any) -> Const:
        """A key as a value."""
        setting = self.settings.get(key) if self.settings else None
        return Const(key) if setting is None else FileKey(key, setting)


@dataclass(eq=False, slots=True)
class Module(Value):
    """A module, executed abstractly or (opaque) only looked up name by name."""

    name: str
    ns: dict[str, Value] = field(default_factory=dict)
    path: str | None = None
    package: bool = False
    state: str = "running"
    """running, done or opaque."""
    open: bool = False
    """Whether it may hold names that were not seen."""
    distribution: str = ""
    tree: ast.Module | None = None
    static: dict[str, ast.AST] | None = None
    """Opaque modules: where each top-level name is bound, found without executing."""
    stars: list[ast.ImportFrom] = field(default_factory=list)
    """Opaque modules: their star imports."""
    lazy: Lazy | None = None
    """How it finds names that are not in its namespace (transformers' _LazyModule and its copies)."""
    view: Dict | None = None
    """What names() gave, sharing the namespace: what is written to it is bound."""

    def names(self) -> Dict:
        """Its namespace as globals() and `__dict__` give it."""
        if self.view is None:
            self.view = Dict()
            self.view.items = self.ns
        self.view.open |= self.open
        return self.view

    @property
    def unsure(self) -> bool:
        """Whether it may hold names that were not seen."""
        return self.open or (self.view is not None and self.view.open)


@dataclass(eq=False, slots=True)
class Lazy:
    """The import structure of a lazy package."""

    names: dict[str, str] = field(default_factory=dict)
    """Exported name → submodule, relative to the package."""
    modules: set[str] = field(default_factory=set)
    scans: list[tuple[str, str]] = field(default_factory=list)
    """(folder, prefix): model folders whose files name their exports in `__all__`."""
    open: bool = False
    failure: str = ""
    """Class of the exception that a failing submodule is reported with; "" for its own."""
    suffixes: tuple[str, ...] = ()
    """Ends of names that its `__getattr__` has an answer for though nothing exports them ("TokenizerFast")."""
    attributes: frozenset[str] = frozenset()
    """What the module object has of its own, though nothing exports it."""
    placeholders: bool = False
    """Whether it gives placeholders in the place of what needs a package that is not installed."""
    backends: Backends | None = None
    """What its names need, once it was asked for."""


@dataclass(eq=False, slots=True)
class Function(Value):
    """A function or lambda as defined."""

    node: FunctionNode
    module: Module
    qualname: str
    defaults: list[Value] = field(default_factory=list)
    kw_defaults: list[Value | None] = field(default_factory=list)
    closure: Frame | None = None
    kind: str = "function"
    """function, staticmethod, classmethod or property."""
    owner: Class | None = None
    attrs: dict[str, Value] = field(default_factory=dict)
    wrapped: Value | None = None
    """What functools.wraps named."""
    abstract: bool = False
    """Whether it was decorated with abstractmethod."""

    @property
    def name(self) -> str:
        """Its name without the qualifying part."""
        return self.qualname.rpartition(".")[2]


@dataclass(eq=False, slots=True)
class Field:
    """One field of a dataclass."""

    name: str
    has_default: bool
    default: Value
    init: bool = True
    kw_only: bool = False
    line: int = 0
    init_only: bool = False
    """An InitVar: handed to __post_init__ alone."""
    annotation: str = ""
    """Its type as it is written."""
    factory: ast.expr | None = None
    """What a default_factory makes each time, where that is written out: `["sigmoid"]` of a lambda, `[]` of list."""


@dataclass(eq=False, slots=True)
class Class(Value):
    """A class as defined."""

    name: str
    module: Module | None
    node: ast.ClassDef | None = None
    bases: list[Value] = field(default_factory=list)
    ns: dict[str, Value] = field(default_factory=dict)
    mro: list[Class] = field(default_factory=list)
    open: bool = False
    """Whether a base, metaclass or decorator is not understood, so that it may have any attribute and constructor."""
    fields: list[Field] | None = None
    """Its own dataclass fields."""
    dataclass_init: bool = True
    abstract: bool = False
    """Whether its metaclass refuses to make objects while a method is abstract (ABCMeta)."""
    made_otherwise: bool = False
    """Whether a metaclass decides what calling it gives."""
    statements: list[str | frozenset[str]] | None = None
    """What its statement is made of, each piece as text, or as the X of every `self.X = …` in it once it was parsed."""

    def lookup(self, name: str) -> tuple[Value | None, Class | None]:
        """The attribute as the method resolution order finds it, with the class that has it."""
        for cls in self.mro:
            found = cls.ns.get(name)
            if found is not None:
                return found, cls
        return None, None


@dataclass(eq=False, slots=True)
class Instance(Value):
    """An object of a class that is known."""

    cls: Class
    attrs: dict[str, Value] = field(default_factory=dict)
    open: bool = False
    settings: dict[Any, Setting] | None = None
    """Of the attributes whose names came out of a config file: where each stands."""


@dataclass(eq=False, slots=True)
class Bound(Value):
    """A method bound to an object or class."""

    function: Value
    self: Value


@dataclass(eq=False, slots=True)
class Super(Value):
    """super(): attributes are looked up behind `after` in the order of the object's class."""

    after: Class
    self: Value


@dataclass(eq=False, slots=True)
class Partial(Value):
    """functools.partial(function, …)."""

    function: Value
    args: Arguments


@dataclass(eq=False, slots=True)
class Native(Value):
    """Something of Python itself whose effect is known."""

    name: str
    call: Callable[[Machine, Arguments], Value]
    attrs: dict[str, Value] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Arguments:
    """The arguments of one call."""

    positional: list[Value] = field(default_factory=list)
    keywords: dict[str, Value] = field(default_factory=dict)
    star: bool = False
    """Whether further positional arguments may follow (`*unknown`)."""
    double_star: bool = False
    """Whether further keyword arguments may follow (`**unknown`)."""
    settings: dict[str, Setting] = field(default_factory=dict)
    """Of the keywords that come from a config file: where they stand."""

    def get(self, position: int, keyword: str) -> Value | None:
        """The argument at that position or of that name; None where it was not given."""
        if position < len(self.positional):
            return self.positional[position]
        return self.keywords.get(keyword)


def placed(settings: dict[Any, Setting] | None, key: Any, setting: Setting | None) -> dict[Any, Setting] | None:
    """The places of keys, after one of them was set by a key that stands there (None: in no config file)."""
    if setting is not None:
        return {**(settings or {}), key: setting}
    if settings and key in settings:
        return {name: place for name, place in settings.items() if name != key}
    return settings


def origin(key: Value | None) -> Setting | None:
    """Where a key stands in a config file that it came out of; None for every other value."""
    key = strip(key) if key is not None else UNKNOWN
    return key.setting if isinstance(key, FileKey) else None


def strip(value: Value) -> Value:
    """The value without the doubt about it."""
    while isinstance(value, Likely | MaybeUnbound):
        value = value.value
    return value


def constant(value: Value | None) -> Any:
    """The Python object of a constant (doubt ignored), or None."""
    if value is None:
        return None
    value = strip(value)
    return value.value if isinstance(value, Const) else None


def text(value: Value | None) -> str | None:
    """The string that it is, or None."""
    found = constant(value)
    return found if isinstance(found, str) else None


def truth(value: Value) -> tuple[bool | None, bool]:
    """Whether it is true (None: cannot be known), and whether that is sure."""
    if isinstance(value, Likely | MaybeUnbound):
        return truth(value.value)[0], False
    if isinstance(value, Const):
        return bool(value.value), True
    if isinstance(value, Seq | Dict):
        if value.items:
            return True, True
        return (None if value.open else False), True
    if isinstance(value, Instance):
        known = value.cls.lookup("__bool__")[0] is None and value.cls.lookup("__len__")[0] is None
        return (True if known and not value.cls.open else None), True
    if isinstance(value, Unknown):
        return value.true, True
    return True, True


def equal_constants(left: Value, right: Value) -> bool:
    """Whether both are constants of one type and the same value (True is not 1)."""
    return (
        isinstance(left, Const)
        and isinstance(right, Const)
        and type(left.value) is type(right.value)
        and bool(left.value == right.value)
    )


def common(values: Sequence[Value]) -> Value | None:
    """The value that all of them are (doubt ignored), or None."""
    first = strip(values[0])
    agree = all((plain := strip(value)) is first or equal_constants(plain, first) for value in values)
    return first if agree else None


def merged(values: Sequence[Value]) -> Value | None:
    """What several values have in common: the same one, objects of one class, tuples item by item; None for nothing."""
    same = common(values)
    if same is not None:
        return same
    plain = [strip(value) for value in values]
    first = plain[0]
    if isinstance(first, Instance) and all(isinstance(value, Instance) and value.cls is first.cls for value in plain):
        attrs = [value.attrs for value in plain if isinstance(value, Instance)]
        shared = {name: common([held[name] for held in attrs]) for name in attrs[0] if all(name in a for a in attrs)}
        return Instance(first.cls, {name: value for name, value in shared.items() if value is not None}, True)
    lanes = [value.items for value in plain if isinstance(value, Seq) and value.kind == "tuple" and not value.open]
    if len(lanes) == len(values) and len({len(lane) for lane in lanes}) == 1:
        return Seq("tuple", [merged(items) or UNKNOWN for items in zip(*lanes, strict=True)])
    return None
