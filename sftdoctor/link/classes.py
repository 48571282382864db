"""Follows definitions: functions with their decorators, classes with bases, fields and method resolution order."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from sftdoctor import nodes
from sftdoctor.link import calls, expressions
from sftdoctor.link.state import Frame
from sftdoctor.link.values import (
    UNKNOWN,
    Arguments,
    Bound,
    Class,
    Const,
    Field,
    Function,
    FunctionNode,
    Instance,
    Native,
    Partial,
    Value,
    strip,
)

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine

METHOD_KINDS = {
    "staticmethod": "staticmethod",
    "classmethod": "classmethod",
    "property": "property",
    "cached_property": "property",
    "abstractproperty": "property",
    "hybrid_property": "property",
}
STUB: list[ast.stmt] = [ast.Expr(ast.Constant(..., lineno=1, col_offset=0), lineno=1, col_offset=0)]
"""The body of a function whose module was read without bodies."""
EVALUATED = ast.expr()
"""A default whose value is known by now."""
TRANSPARENT = frozenset(
    {"abstractmethod", "override", "overload", "final", "no_grad", "inference_mode", "deprecated"}
    | {"runtime_checkable", "total_ordering", "contextmanager", "asynccontextmanager", "cache", "lru_cache"}
)
"""Decorators that leave the signature as it is."""


def define_function(machine: Machine, frame: Frame, node: FunctionNode) -> Value:
    """What a def (or lambda) binds: its defaults and annotations are evaluated, then its decorators applied.

    Raises:
        Raised: A default, annotation or decorator raises.
    """
    name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
    function = Function(node, frame.module, f"{frame.qualname}.{name}" if frame.qualname else name)
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    evaluated = [expressions.evaluate(machine, frame, item) for item in decorators]
    function.defaults = [expressions.evaluate(machine, frame, item) for item in node.args.defaults]
    function.kw_defaults = [
        None if item is None else expressions.evaluate(machine, frame, item) for item in node.args.kw_defaults
    ]
    _annotations(machine, frame, node)
    function.closure = frame if frame.kind != "module" else None
    if frame.kind == "class":
        function.owner = frame.cls
        function.closure = frame.enclosing
        if name in ("__new__", "__init_subclass__", "__class_getitem__"):
            function.kind = "classmethod" if name != "__new__" else "staticmethod"
    if machine.is_script(frame.module):
        machine.own_functions.append(function)
    else:
        _slim(machine, frame, node)
    value: Value = function
    for syntax, decorator in zip(reversed(decorators), reversed(evaluated), strict=True):
        value = _decorate(machine, frame, syntax, strip(decorator), value)
    return value


def _with_type_parameters(frame: Frame, node: ast.AST) -> Frame:
    """The frame that sees the type parameters of a definition (PEP 695), if it has any."""
    names = [str(getattr(item, "name", "")) for item in getattr(node, "type_params", ())]
    if not names:
        return frame
    scope = {**(frame.scope if frame.kind != "module" else {}), **dict.fromkeys(names, UNKNOWN)}
    return Frame(frame.module, scope, "function", frame, qualname=frame.qualname, line=frame.line)


def _slim(machine: Machine, frame: Frame, node: FunctionNode) -> None:
    """Drop what a definition needs no more: twenty thousand of them are kept for their parameters."""
    spec = node.args
    if frame.kind != "function" and not isinstance(node, ast.Lambda):  # in a function it may be defined once more
        spec.posonlyargs = [machine.parameter(arg.arg) for arg in spec.posonlyargs]
        spec.args = [machine.parameter(arg.arg) for arg in spec.args]
        spec.kwonlyargs = [machine.parameter(arg.arg) for arg in spec.kwonlyargs]
        spec.defaults = [EVALUATED] * len(spec.defaults)
        spec.kw_defaults = [EVALUATED if default else None for default in spec.kw_defaults]
        node.decorator_list = []
    for arg in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs, spec.vararg, spec.kwarg):
        if arg is not None:
            arg.annotation = None
    if not isinstance(node, ast.Lambda):
        node.returns = None
        only = node.body[0]
        if isinstance(only, ast.Expr) and isinstance(only.value, ast.Constant) and only.value.value is ...:
            node.body = STUB


def _annotations(machine: Machine, frame: Frame, node: FunctionNode) -> None:
    if isinstance(node, ast.Lambda) or frame.future_annotations or machine.locator.python >= (3, 14):
        return
    frame = _with_type_parameters(frame, node)
    spec = node.args
    every = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, spec.vararg, spec.kwarg]
    for arg in every:
        if arg is not None and arg.annotation is not None:
            expressions.evaluate(machine, frame, arg.annotation)
    if node.returns is not None:
        expressions.evaluate(machine, frame, node.returns)


def decorator_name(node: ast.expr) -> str:
    """The last name of a decorator: "wraps" of `@functools.wraps(f)`."""
    if isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _decorate(machine: Machine, frame: Frame, node: ast.expr, decorator: Value, target: Value) -> Value:
    """What a decorator makes of a function."""
    name = decorator_name(node)
    if isinstance(target, Function):
        target.abstract |= name in ("abstractmethod", "abstractproperty")
        if name in METHOD_KINDS:
            target.kind = METHOD_KINDS[name]
            return target
        if name in ("setter", "getter", "deleter") and isinstance(node, ast.Attribute):
            before = frame.scope.get(node.value.id) if isinstance(node.value, ast.Name) else None
            return before or UNKNOWN
        if name in TRANSPARENT and not isinstance(decorator, Function):
            return target
        if name in ("lru_cache", "cache", "contextmanager", "asynccontextmanager"):
            return target
    if isinstance(decorator, Native | Function | Class | Partial | Instance | Bound):
        return calls.invoke(machine, frame, decorator, Arguments([target]), node)
    return UNKNOWN


# ---------------------------------------------------------------- classes


def define_class(machine: Machine, frame: Frame, node: ast.ClassDef) -> Value:
    """What a class statement binds.

    Raises:
        Raised: A base, decorator or statement of its body raises.
    """
    cls = Class(node.name, frame.module, node)
    evaluated = [expressions.evaluate(machine, frame, item) for item in node.decorator_list]
    outer = _with_type_parameters(frame, node)
    for item in node.bases:
        cls.bases.append(strip(expressions.evaluate(machine, outer, item)))
    for keyword in node.keywords:
        meta = strip(expressions.evaluate(machine, frame, keyword.value))
        if keyword.arg == "metaclass" and not (isinstance(meta, Class) and meta.name in ("ABCMeta", "EnumMeta")):
            cls.open = True
            maker = meta.lookup("__call__")[1] if isinstance(meta, Class) else None
            cls.made_otherwise = not isinstance(meta, Class) or (maker is not None and maker.module is not None)
        cls.abstract |= keyword.arg == "metaclass" and isinstance(meta, Class) and meta.name == "ABCMeta"
    linearize(cls)
    body = Frame(
        frame.module,
        cls.ns,
        "class",
        outer,
        cls=cls,
        qualname=f"{frame.qualname}.{node.name}" if frame.qualname else node.name,
        line=node.lineno,
        future_annotations=frame.future_annotations,
    )
    cls.ns["__qualname__"] = Const(body.qualname)
    machine.execute_block(body, node.body)
    value: Value = cls
    for syntax, decorator in zip(reversed(node.decorator_list), reversed(evaluated), strict=True):
        value = _decorate_class(machine, frame, syntax, strip(decorator), value)
    return value


def _decorate_class(machine: Machine, frame: Frame, node: ast.expr, decorator: Value, target: Value) -> Value:
    name = decorator_name(node)
    if not isinstance(target, Class):
        return UNKNOWN
    if name == "dataclass" or (isinstance(decorator, Native) and decorator.name == "dataclass"):
        made = make_dataclass(target, node)
        if machine.is_script(frame.module):
            machine.own_fields.update(field.name for field in made.fields or ())
        return made
    if isinstance(decorator, Function):
        result = calls.invoke(machine, frame, decorator, Arguments([target]), node)
        if isinstance(strip(result), Class):
            return result
        for key, value in target.ns.items():
            if isinstance(strip(value), Instance):
                target.ns[key] = UNKNOWN  # a field that it reads and replaces, as attrs' define does
        return target
    if "__init__" not in target.ns and target.fields is None:
        target.ns["__init__"] = UNKNOWN  # most decorators add something, some a constructor: it cannot be seen
        target.open = True
    return target


def make_dataclass(cls: Class, decorator: ast.expr) -> Class:
    """Give a class the fields that its annotations declare, as @dataclass does."""
    options = {k.arg: k.value for k in decorator.keywords} if isinstance(decorator, ast.Call) else {}
    kw_only = _is_true(options.get("kw_only"))
    cls.dataclass_init = not ("init" in options and not _is_true(options["init"]))
    cls.fields = []
    for item in cls.node.body if cls.node else []:
        if isinstance(item, ast.If) and any(isinstance(inner, ast.AnnAssign) for inner in nodes.walk(item)):
            cls.open = True
        if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
            continue
        annotation = ast.unparse(item.annotation)
        if "ClassVar" in annotation:
            continue
        if annotation.endswith("KW_ONLY"):
            kw_only = True
            continue
        cls.fields.append(_field(cls, item, kw_only, annotation))
        if "slots" in options:
            cls.ns.setdefault(item.target.id, UNKNOWN)
    if "__init__" in cls.ns and not isinstance(cls.ns["__init__"], Function):
        cls.open = True
    return cls


def _is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and bool(node.value)


def _field(cls: Class, item: ast.AnnAssign, kw_only: bool, annotation: str) -> Field:
    assert isinstance(item.target, ast.Name)
    name, init, factory = item.target.id, True, None
    has_default, default = item.value is not None, UNKNOWN if item.value is None else cls.ns.get(name, UNKNOWN)
    if isinstance(item.value, ast.Call) and decorator_name(item.value) in ("field", "auto_docstring_field"):
        options = {k.arg: k.value for k in item.value.keywords}
        # dataclasses.field takes no positional argument: where there is one, another's is called, with its default
        has_default = bool({"default", "default_factory", None} & set(options)) or bool(item.value.args)
        init = not ("init" in options and not _is_true(options["init"]))
        kw_only = _is_true(options["kw_only"]) if "kw_only" in options else kw_only
        if "default" not in options:
            default = UNKNOWN
            if decorator_name(item.value) == "field":
                cls.ns.pop(name, None)  # no class attribute: `SomeConfig.name` is an AttributeError
        factory = _made_by(options.get("default_factory"))
    return Field(name, has_default, default, init, kw_only, item.lineno, "InitVar" in annotation, annotation, factory)


def _made_by(factory: ast.expr | None) -> ast.expr | None:
    """What a default_factory makes: the literal that a lambda gives, an empty list or dictionary; None for all else."""
    if isinstance(factory, ast.Name) and factory.id in ("list", "dict"):
        return ast.List([], ast.Load()) if factory.id == "list" else ast.Dict([], [])
    if not isinstance(factory, ast.Lambda):
        return None
    try:
        ast.literal_eval(factory.body)
    except (ValueError, TypeError, RecursionError):
        return None
    return factory.body


def linearize(cls: Class) -> None:
    """Set the method resolution order (C3; a base that is not known leaves the class open)."""
    known = [base for base in map(strip, cls.bases) if isinstance(base, Class)]
    if len(known) < len(cls.bases):
        cls.open = True
    cls.open |= any(base.open for base in known)
    cls.made_otherwise |= any(base.made_otherwise for base in known)
    cls.abstract |= any(base.abstract or (base.module is None and base.name == "ABC") for base in known)
    lanes = [list(base.mro) for base in known] + [list(known)]
    order: list[Class] = [cls]
    while any(lanes):
        lanes = [lane for lane in lanes if lane]
        for lane in lanes:
            head = lane[0]
            if not any(head in other[1:] for other in lanes):
                break
        else:
            head = lanes[0][0]  # no consistent order: Python would refuse the class; keep going
        order.append(head)
        lanes = [[item for item in lane if item is not head] for lane in lanes]
    cls.mro = order


def is_subclass(cls: Class, other: Class) -> bool | None:
    """Whether a class derives from another; None where a base is not known."""
    if other in cls.mro:
        return True
    return None if cls.open else False


def missing_methods(cls: Class) -> list[Function]:
    """The abstract methods that a class inherits from another distribution and nothing implements."""
    if not cls.abstract or cls.open or cls.module is None:
        return []
    names = [name for base in cls.mro for name, value in base.ns.items() if _is_abstract(value)]
    found = [strip(cls.lookup(name)[0] or UNKNOWN) for name in dict.fromkeys(names)]
    return [
        item
        for item in found
        if isinstance(item, Function) and item.abstract and item.module.distribution != cls.module.distribution
    ]


def _is_abstract(value: Value) -> bool:
    value = strip(value)
    return isinstance(value, Function) and value.abstract
