"""Command lines: what argparse and the dataclass parsers of transformers and trl make of one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sftdoctor.link import calls, describe, expressions, signatures
from sftdoctor.link.files import config_text, is_name, settings_of
from sftdoctor.link.keys.reader import REFUSES, Reader, declaring, judge_keys, refusal
from sftdoctor.link.keys.tell import tell, tell_repeated
from sftdoctor.link.near import former, nearest
from sftdoctor.link.options import Options, read_options, spellings_of
from sftdoctor.link.state import LIKELY, Frame, Parsed, Raised
from sftdoctor.link.values import (
    FALSE,
    NONE,
    UNKNOWN,
    Arguments,
    Bound,
    Class,
    Const,
    Dict,
    Field,
    Function,
    Instance,
    Likely,
    Native,
    Seq,
    Value,
    constant,
    strip,
    text,
)
from sftdoctor.link.words import argued, raw, typed
from sftdoctor.model import ANY_WORDS, OPEN_WORD, Setting

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine

DATACLASS_PARSER = "HfArgumentParser"
"""The class of transformers that trl's TrlParser and many a script derive from."""
TYPES = "^dataclass_types"
"""Attribute of a parser object that no program can set: what its constructor was given."""
DECLARED = "^declared"
"""Another: what add_argument told it of."""
HYPHENS = re.compile(r"""replace\(["']_["'], ["']-["']\)""")
"""How the parser's source makes the options with hyphens, where it does (transformers 4.50 does, 4.35 does not)."""
NOWHERE: Mapping[Any, Setting] = {}
PARSE = ("parse_args_into_dataclasses", "parse_args_and_config")
FILES = ("parse_json_file", "parse_yaml_file")


def dataclass_parser(machine: Machine, frame: Frame, callee: Value, args: Arguments, node: ast.Call) -> Value | None:
    """What a call on a dataclass parser gives; None for every other call.

    Raises:
        Raised: The command line has an option that no dataclass has, and a try around the call takes that.
    """
    if callee is UNKNOWN and isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument":
        return _add_to_dataclass_parser(machine, frame, node.func.value, args)
    if not isinstance(callee, Bound) or not isinstance(callee.function, Function) or callee.function.owner is None:
        return None
    parser, method = strip(callee.self), callee.function.name
    if not isinstance(parser, Instance) or not _is_dataclass_parser(parser.cls):
        return None
    if method == "__init__":
        return None
    classes = _classes(parser.attrs.get(TYPES))
    if classes is None:
        return UNKNOWN if method in (*PARSE, *FILES, "parse_dict") else None
    if method in PARSE and machine.stops_at_parser:
        raise Parsed(parser.cls, classes)
    if method in PARSE:
        return _parse(machine, frame, parser, classes, args, node, config=method == "parse_args_and_config")
    if method == "parse_dict":
        given = strip(args.get(0, "args") or UNKNOWN)
        values = given if isinstance(given, Dict) else Dict({}, True)
        if constant(args.get(1, "allow_extra_keys")) is not True:
            _refuse_keys(machine, frame, classes, node, values)
        places = values.settings or {}
        made = [_instance(machine, frame, cls, values.items, node, known=False, places=places) for cls in classes]
        return Seq("tuple", made)
    if method in FILES:
        return _parse_file(machine, frame, classes, args, node)
    return None


def _parse_file(machine: Machine, frame: Frame, classes: list[Class], args: Arguments, node: ast.Call) -> Value:
    """`parser.parse_yaml_file(FILE)` and its like: what the file says, where it is at hand."""
    name = text(args.get(0, "yaml_file") or args.keywords.get("json_file"))
    config = config_text(machine, name) if name is not None else None
    if config is None or config.root.pairs is None:
        return Seq("tuple", [_instance(machine, frame, cls, {}, node, known=False) for cls in classes])
    settings = settings_of(config)
    if constant(args.get(1, "allow_extra_keys")) is not True:
        message = "Some keys are not used by the HfArgumentParser: ['{key}']"
        reader = Reader(classes, message=message, converts=False)
        judge_keys(machine, config.path, settings, reader, doubt=machine.doubt)
    else:
        _tell_dropped(machine, config.path, settings, classes)
    values: dict[Any, Value] = {one.name: raw(one.value) for one in settings if not one.repeated}
    places = {one.name: one for one in settings if not one.repeated}
    return Seq("tuple", [_instance(machine, frame, cls, values, node, known=True, places=places) for cls in classes])


def _tell_dropped(machine: Machine, path: str, settings: list[Setting], classes: list[Class]) -> None:
    """Keys that extra ones are allowed beside, and that are arguments of a training in another release."""
    every = frozenset().union(*former().values())
    dropped = [one for one in settings if one.name in every and one.name not in machine.own_fields]
    judge_keys(machine, path, dropped, Reader(classes, refuses=False, converts=False), doubt=max(machine.doubt, LIKELY))


def _add_to_dataclass_parser(machine: Machine, frame: Frame, owner: ast.expr, args: Arguments) -> Value | None:
    """`parser.add_argument(…)`: what it adds comes back in one more object behind the dataclasses."""
    parser = strip(expressions.evaluate(machine, frame, owner)) if isinstance(owner, ast.Name) else UNKNOWN
    if not isinstance(parser, Instance) or not _is_dataclass_parser(parser.cls):
        return None
    _declared(parser).add(args)
    return UNKNOWN


def _declared(parser: Instance) -> Declared:
    """What a parser was told by add_argument."""
    kept = parser.attrs.get(DECLARED)
    if not isinstance(kept, Native) or not isinstance(kept.call, Declared):
        kept = parser.attrs[DECLARED] = Native("add_argument", Declared())
    assert isinstance(kept.call, Declared)
    return kept.call


def _is_dataclass_parser(cls: Class) -> bool:
    return any(base.name == DATACLASS_PARSER for base in cls.mro)


def types_given(cls: Class, args: Arguments) -> Value | None:
    """What a dataclass parser is made with, before its constructor can do anything with it; None for other classes."""
    given = (args.get(0, "dataclass_types") or args.keywords.get("parsers")) if _is_dataclass_parser(cls) else None
    found = strip(given) if given is not None else None
    return Seq(found.kind, list(found.items), found.open) if isinstance(found, Seq) else given


def remember_types(machine: Machine, instance: Instance, given: Value | None, args: Arguments) -> None:
    """Keep what a dataclass parser was made with, whatever its constructor did with it."""
    if given is not None:
        instance.attrs[TYPES] = given
        if "conflict_handler" not in args.keywords and not args.double_star:
            _tell_clashes(machine, _classes(given) or [])


def _tell_clashes(machine: Machine, classes: Sequence[Class]) -> None:
    """Fields of the user's dataclasses that another class of the same parser has too: argparse refuses the second."""
    homes: dict[str, Class] = {}
    for cls in classes:
        for field in signatures.dataclass_fields(cls) or ():
            other = homes.setdefault(field.name, cls) if field.init else cls
            if other is not cls:
                _tell_clash(machine, cls, other, field.name)


def _tell_clash(machine: Machine, one: Class, other: Class, name: str) -> None:
    """Tell of a field that two classes have, at the line where the user declares it; one that is inherited is none."""
    for own, theirs in ((one, other), (other, one)):
        base = declaring(Reader([own]), name)
        item = _written(base, name)
        if item is None or base.module is None or not machine.is_script(base.module):
            continue
        home = declaring(Reader([theirs]), name)
        message = f"argument --{name}: conflicting option string: --{name}"
        event = describe.event("clashing-field", "ArgumentError", message, name, None, item, machine.doubt, home)
        event.caller = describe.site(base.module, item.lineno, own.name)
        machine.note(Raised(None, message, event))
        return


def _written(cls: Class, name: str) -> ast.AnnAssign | None:
    """Where a class's own body declares a field."""
    body = cls.node.body if cls.node is not None else ()
    fields = (item for item in body if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name))
    return next((item for item in fields if getattr(item.target, "id", "") == name), None)


def _classes(value: Value | None) -> list[Class] | None:
    value = strip(value) if value is not None else UNKNOWN
    items = [value] if isinstance(value, Class) else value.items if isinstance(value, Seq) and not value.open else []
    found = [item for item in map(strip, items) if isinstance(item, Class)]
    return found if found and len(found) == len(items) else None


def _parse(
    machine: Machine,
    frame: Frame,
    parser: Instance,
    classes: list[Class],
    args: Arguments,
    node: ast.Call,
    *,
    config: bool,
) -> Value:
    words, more, options = _words(machine, args), _declared(parser), Options()
    fields = {field.name: field for cls in classes for field in signatures.dataclass_fields(cls) or []}
    open_ended = any(signatures.dataclass_fields(cls) is None for cls in classes)
    values: dict[Any, Value] = {}
    lenient = constant(args.keywords.get("return_remaining_strings")) is True
    if words is not None:
        spellings = {**_spellings(machine, parser, fields), **more.spellings}
        options, given_config = read_options(words, spellings, config=config)
        read = config_text(machine, given_config) if given_config else None
        settings = settings_of(read) if read is not None else []
        said = {one.name: one.value for one in settings if one.name in fields and not one.repeated} | options.known
        values = {
            key: typed(item, fields[key].annotation) if key in fields else argued(item, more.types.get(key))
            for key, item in said.items()
        }
        if read is not None:
            _judge_config(machine, read.path, settings, parser.cls, classes, args)
        if not open_ended and not lenient:
            _refuse_unknown(machine, frame, classes, node, options, spellings)
        _refuse_words(machine, frame, Reader(classes), options, node)
    known = words is not None and not options.open
    made: list[Value] = [_instance(machine, frame, cls, values, node, known=known) for cls in classes]
    if more.fields:
        made.append(Instance(machine.anything("Namespace"), {**more.fields, **more.given(values, known)}, True))
    if lenient:
        made.append(Seq("list", [], True))
    return Seq("tuple", made)


def _judge_config(
    machine: Machine, path: str, settings: list[Setting], parser: Class, classes: list[Class], args: Arguments
) -> None:
    """The keys of the file that `--config` names; what becomes of those that are no field, the parser decides."""
    wanted = constant(args.keywords.get("return_remaining_strings")) is True
    told = constant(args.keywords.get("fail_with_unknown_args")) is not False and not wanted
    refuses = told and REFUSES.search(machine.class_text(parser)) is not None
    own = next((base for base in parser.mro if base.name == "TrlParser"), parser)
    refuses |= told and REFUSES.search(machine.class_text(own)) is not None
    if wanted and not refuses:
        return  # the script does something with them
    reader = Reader(classes, refuses, others=frozenset({"env"}))
    judge_keys(machine, path, settings, reader, doubt=machine.doubt)
    tell_repeated(machine, path, settings)


def _spellings(machine: Machine, parser: Instance, fields: Mapping[str, Field]) -> dict[str, str]:
    own = next(base for base in parser.cls.mro if base.name == DATACLASS_PARSER)
    return spellings_of(fields, hyphens=HYPHENS.search(machine.class_text(own)) is not None)


def _words(machine: Machine, args: Arguments) -> list[str] | None:
    """The words of the command line; None where they are not known."""
    given = args.get(0, "args")
    if given is None or (constant(given) is None and isinstance(strip(given), Const)):
        return list(machine.arguments) if machine.arguments else None
    items = strip(given)
    if not isinstance(items, Seq) or items.open:
        return None
    words = [text(item) for item in items.items]
    return None if None in words else [word for word in words if word is not None]


def _refuse_unknown(
    machine: Machine,
    frame: Frame,
    classes: list[Class],
    node: ast.Call,
    options: Options,
    spellings: Iterable[str],
) -> None:
    """Say which options no dataclass has: the parser refuses them."""
    bases = [base for cls in classes for base in cls.mro if base.module and not machine.is_script(base.module)]
    owner = next((base for base in bases if base.fields is not None), classes[0])
    rest = [word for words in options.unknown.values() for word in words]
    message = f"Some specified arguments are not used by the {DATACLASS_PARSER}: {rest}"
    for name in options.unknown:
        place = machine.places[options.places[name]] if machine.places else None
        detail = nearest(name, spellings, "--")
        if place is not None:
            option = Setting((name,), None, place)
            tell(
                machine,
                "unknown-option",
                option,
                exception="ValueError",
                message=message,
                callee=owner,
                detail=detail,
                doubt=machine.doubt,
            )
            continue
        machine.broken("unknown-option", "ValueError", message, name, frame, node, callee=owner, detail=detail)


def _refuse_words(machine: Machine, frame: Frame, reader: Reader, options: Options, node: ast.Call) -> None:
    """Say which words cannot become what their fields hold: the parser stops at them."""
    for name, word in options.known.items():
        refused = refusal(name, word, reader.fields[name].annotation) if name in reader.fields else None
        if refused is not None:
            message, detail = refused
            owner = declaring(reader, name)
            machine.broken("wrong-value", "error", message, name, frame, node, callee=owner, detail=detail)


def _refuse_keys(machine: Machine, frame: Frame, classes: list[Class], node: ast.Call, values: Dict) -> None:
    """Say which keys of a dictionary no dataclass has."""
    message = "Some keys are not used by the HfArgumentParser: ['{key}']"
    reader = Reader(classes, message=message, converts=False)
    unknown = [key for key in values.items if isinstance(key, str) and key not in reader.fields]
    for key in unknown if not reader.open else ():
        place = (values.settings or {}).get(key)
        if place is not None:
            judge_keys(machine, place.location.path, [replace(place, keys=(key,))], reader, doubt=machine.doubt)
            continue
        said = message.replace("{key}", key)
        machine.broken("unknown-key", "ValueError", said, key, frame, node, callee=reader.owner(key))


def _instance(
    machine: Machine,
    frame: Frame,
    cls: Class,
    values: Mapping[Any, Value],
    node: ast.Call,
    *,
    known: bool,
    places: Mapping[Any, Setting] = NOWHERE,
) -> Value:
    """An object of one of the dataclasses; what a command line that is not known may set is not known."""
    fields = signatures.dataclass_fields(cls)
    if fields is None:
        return UNKNOWN
    given = {
        field.name: values.get(field.name, UNKNOWN)
        for field in fields
        if field.init and (field.name in values or not known or not field.has_default)
    }
    told = {name: place for name, place in places.items() if name in given}
    return calls.construct(machine, frame, cls, Arguments([], given, settings=told), node)


# ---------------------------------------------------------------- argparse


class Declared:
    """The arguments that add_argument told a parser of.

    Attributes:
        fields: Name → default.
        types: Name → what makes a value of its word.
        spellings: As read_options wants them.
    """

    def __init__(self) -> None:
        self.fields: dict[str, Value] = {}
        self.types: dict[str, Value | None] = {}
        self.spellings: dict[str, str] = {}

    def __call__(self, _machine: Machine, args: Arguments) -> Value:
        """add_argument itself."""
        self.add(args)
        return UNKNOWN

    def add(self, args: Arguments) -> None:
        """Take in one argument."""
        flags = [flag for flag in map(text, args.positional) if flag]
        long = next((flag for flag in flags if flag.startswith("--")), flags[0] if flags else "")
        name = text(args.keywords.get("dest")) or long.lstrip("-").replace("-", "_")
        if not name:
            return
        action = text(args.keywords.get("action"))
        switch = {"store_true": FALSE, "store_false": Const(True)}.get(action or "", NONE)
        self.types[name] = args.keywords.get("type")
        self.fields[name] = args.keywords.get("default", switch if long.startswith("-") else UNKNOWN)
        for flag in flags:
            if flag.startswith("--"):
                self.spellings[flag[2:]] = f"!{name}" if action == "store_false" else name

    def given(self, values: Mapping[Any, Value], known: bool) -> dict[str, Value]:
        """What a command line makes of them: its values, or nothing that is known."""
        return {
            name: values.get(name, field) if known else _maybe_default(field) for name, field in self.fields.items()
        }


def _maybe_default(field: Value) -> Value:
    """An option's default where the command line is not known: that of a config file is likely meant."""
    return Likely(strip(field)) if is_name(field) else UNKNOWN


def argument_parser(machine: Machine, _args: Arguments) -> Value:
    """argparse.ArgumentParser(…): remembers its arguments, so that a known command line gives known values."""
    declared = Declared()
    parser = Instance(machine.anything("ArgumentParser"), {}, True)

    def defaults(_machine: Machine, args: Arguments) -> Value:
        declared.fields.update(args.keywords)
        return NONE

    def namespace(inner: Machine, args: Arguments) -> Instance:
        words = _words(inner, args)
        options, _ = read_options(words or (), declared.spellings, config=False)
        values = {name: argued(value, declared.types.get(name)) for name, value in options.known.items()}
        known = words is not None and not options.open
        return Instance(inner.anything("Namespace"), declared.given(values, known), True)

    same = Native("add_argument_group", lambda _m, _a: parser)
    parser.attrs.update(
        {
            "add_argument": Native("add_argument", declared),
            "set_defaults": Native("set_defaults", defaults),
            "add_argument_group": same,
            "add_mutually_exclusive_group": same,
            "parse_args": Native("parse_args", lambda m, a: namespace(m, a)),
            "parse_known_args": Native(
                "parse_known_args", lambda m, a: Seq("tuple", [namespace(m, a), Seq("list", [], True)])
            ),
        }
    )
    return parser


def command_line(machine: Machine) -> Value:
    """sys.argv."""
    words = [UNKNOWN if word.startswith(OPEN_WORD) else Const(word) for word in machine.arguments]
    many = any(word.startswith(ANY_WORDS) for word in machine.arguments)
    return Seq("list", [UNKNOWN, *words], not words or many)
