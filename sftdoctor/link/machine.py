"""The abstract machine: modules, doubt, budget, and what is noted when a link breaks."""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sftdoctor.link import binaries, describe, guards, lazy, parsers, refusals, statements
from sftdoctor.link.keys.tell import tell
from sftdoctor.link.locate import Found, Locator
from sftdoctor.link.native import builtin, standard
from sftdoctor.link.near import nearest
from sftdoctor.link.signatures import Misfit, Scope, scope_of
from sftdoctor.link.skeleton import Trees
from sftdoctor.link.state import CERTAIN, LIKELY, POSSIBLE, Event, Exhausted, Frame, Left, Noted, Raised, Try
from sftdoctor.link.values import (
    UNKNOWN,
    Arguments,
    Class,
    Const,
    Dict,
    Function,
    FunctionNode,
    Instance,
    Module,
    Native,
    Unknown,
    Value,
    strip,
)
from sftdoctor.model import Environment, Location, NotJudged, Setting, TargetKind

if TYPE_CHECKING:
    from sftdoctor.link.binaries import BinaryProblem

STEPS = 6_000_000
"""Nodes that one run may follow."""
REPEATS, SHARE = 4, 30_000
"""A function is followed this often whatever it costs, and further as long as all its runs took fewer steps."""
MENDED = ("missing-module", "missing-distribution", "missing-name", "numpy-binary-interface", "extension-cannot-load")
"""What a library lacks does not end a script's run: all its other breaks are wanted too."""
RECURSION = 4
"""How often a function of the user's is followed within itself: dictionaries in dictionaries become objects so."""
MAX_DEPTH = 40
"""Calls within calls that are followed."""


class Machine:
    """Follows programs of a target without running them.

    Args:
        environment: The target's facts.
        locator: Where its modules lie.
        opaque: Module names (with all below them) that are looked up, never followed.
        trees: Reads their sources.
    """

    def __init__(
        self, environment: Environment, locator: Locator, opaque: Sequence[str] = (), trees: Trees | None = None
    ) -> None:
        self.trees = trees or Trees()
        self.environment: Environment = environment
        self.locator = locator
        self.opaque_names = tuple(opaque)
        self.modules: dict[str, Value] = {}
        self.sys_modules: Dict = Dict({}, True)
        self.builtins = builtin.table()
        self.doubt = CERTAIN
        self.running = False
        """Whether a run is being followed (breaks are noted and passed by), not an import (they end it)."""
        self.frames: list[Frame] = []
        self.catching: list[Try] = []
        self.memo: dict[object, Value] = {}
        self.events: list[Event] = []
        self.not_judged: dict[str, NotJudged] = {}
        self.scripts: dict[str, str] = {}
        """The user's own modules → their files: the script, and what it imports from beside it."""
        self.arguments: tuple[str, ...] = ()
        """The command line that the script gets; empty where that is not known."""
        self.places: tuple[Location, ...] = ()
        """Where each of its words stands, where a launch script gives it."""
        self.stops_at_parser = False
        """Whether following ends (Parsed) where a dataclass parser is about to read the command line."""
        self.would_hold: dict[str, bytes] = {}
        """Real paths of files that the program reads → what they are thought to hold."""
        self.likely_files: set[str] = set()
        """Those of them of which it is only likely that the run reads them: an option's default names them, say."""
        self.read: set[str] = set()
        """Files beside the modules that what was found rests on: configs."""
        self.own_functions: list[Function] = []
        """Every function that the user's own modules define."""
        self.uncalled = False
        """Whether a function is followed that nothing was seen to call."""
        self.own_fields: set[str] = set()
        """The fields of the user's own dataclasses."""
        self._main: Module | None = None
        self.hedged = False
        """Whether what is called or read may be something else: a branch that is not known may have bound it anew."""
        self.making: refusals.Making | None = None
        """The config of the user's whose constructor is followed."""
        self._asked = False
        """Whether it is an operand's answer that is looked for."""
        self.shims: list[Value] = []
        """What other packages have put in the place of a lazy package's constructor."""
        self.walkers: set[str] = set()
        """Distributions that import modules by names which they compute: any of their own may be there."""
        self.search_paths: list[tuple[Value, bool, bool]] = []
        """What was ever added to sys.path, whether at its front, and whether by the user's own code."""
        self.shared_calls: dict[int, int] = {}
        """Ids of calls that stand in every branch of an unknown condition → how much doubt there is about them."""
        self.noted: list[Noted] = []
        """What broke so far, as often as it was come upon."""
        self.branches = 0
        """Unknown branches that are being followed within each other."""
        self.spent_importing = 0
        """Steps that importing modules took: they are no burden of the function that does it (`__getattr__`)."""
        self.finders: list[Value] = []
        """What packages have put into sys.meta_path."""
        self.imports: list[str] = []
        """The packages that the user's own modules import, in their order."""
        self._steps = STEPS
        self._seen: dict[object, Event] = {}
        self._kept: dict[int, Value] = {}
        """Values that stand in keys by their id, which must not become another's while the run lasts."""
        self._parameters: dict[str, ast.arg] = {}
        self._scopes: dict[int, Scope] = {}
        self._globals: dict[int, frozenset[str]] = {}
        self._completed: set[int] = set()
        self._entered: dict[int, int] = {}
        self._spent: dict[int, int] = {}
        self._anything: dict[str, Class] = {}
        self._exports: dict[str, dict[str, list[str]]] = {}
        self._nodes: list[ast.AST] = []
        for name, call in builtin.CONSTRUCTORS.items():
            self._constructor(name, call)

    def _constructor(self, name: str, call: object) -> None:
        cls = self.builtins.get(name)
        if isinstance(cls, Class):
            cls.ns["__call__"] = Native(name, call)  # type: ignore[arg-type]

    # ------------------------------------------------------------ running

    @property
    def frame(self) -> Frame:
        """The innermost frame."""
        return self.frames[-1]

    def step(self) -> None:
        """Spend one step of the budget.

        Raises:
            Exhausted: None is left.
        """
        self._steps -= 1
        if self._steps < 0:
            raise Exhausted

    def execute_block(self, frame: Frame, body: Sequence[ast.stmt]) -> None:
        """Follow a block in a frame of its own."""
        self.frames.append(frame)
        try:
            statements.execute(self, frame, body)
        finally:
            self.frames.pop()

    def assign(self, frame: Frame, target: ast.expr, value: Value) -> None:
        """Bind a target."""
        statements.assign(self, frame, target, value)

    def bind(self, frame: Frame, name: str, value: Value) -> None:
        """Bind a name."""
        statements.bind(self, frame, name, value)

    def set_attribute(self, owner: Value, name: str, value: Value) -> None:
        """Set an attribute."""
        statements.set_attribute(self, owner, name, value)

    def is_script(self, module: Module) -> bool:
        """Whether the module is the user's, of which every break is wanted."""
        return module.name in self.scripts

    def is_main(self, module: Module) -> bool:
        """Whether the module is the program itself, whose tree was given whole."""
        return module is self._main

    @property
    def main_path(self) -> str | None:
        """The file of the program itself; None where it is none of the user's."""
        return self._main.path if self._main else None

    def main_names(self) -> list[Value]:
        """What the names of the program itself stand for."""
        return list(self._main.ns.values()) if self._main else []

    def was_entered(self, function: Function) -> bool:
        """Whether a function's body was followed."""
        return id(function) in self._entered

    @property
    def steps_left(self) -> int:
        """What is left of the budget."""
        return self._steps

    @contextlib.contextmanager
    def doubting(self, doubtful: bool) -> Iterator[None]:
        """An operand that may not be reached at all, if doubtful; what it comes to is still asked."""
        outer = self.doubt, self._asked
        if doubtful:
            self.doubt, self._asked = POSSIBLE, True
        try:
            yield
        finally:
            self.doubt, self._asked = outer

    def charge(self, function: Function, steps: int) -> None:
        """Note what following a function took."""
        self._spent[id(function)] = self._spent.get(id(function), 0) + steps

    def enters(self, function: Function) -> bool:
        """Whether a function's body is followed."""
        harmless = function.wrapped is not None or (self._asked and guards.is_question(function.node))
        if self.doubt >= POSSIBLE and not harmless:  # a wrapper only hands on what it is given
            return False
        if function.module.state == "opaque" or len(self.frames) > MAX_DEPTH:
            return False
        if isinstance(function.node, ast.AsyncFunctionDef):
            return False
        again = sum(frame.function is function for frame in self.frames)
        if again and not (self.is_script(function.module) and again < RECURSION):
            return False
        self._kept[id(function)] = function
        times = self._entered.get(id(function), 0) + 1
        self._entered[id(function)] = times
        return times <= REPEATS or self._spent.get(id(function), 0) <= SHARE

    def memo_key(self, function: Function, args: Arguments) -> object | None:
        """What identifies a call whose result need not be found again; None where it does."""
        if args.star or args.double_star:
            return None
        parts: list[object] = [id(function), self.running]
        for name, value in [*enumerate(args.positional), *args.keywords.items()]:
            value = strip(value)
            if isinstance(value, Const):
                try:
                    hash(value.value)
                except TypeError:
                    return None
                parts.append((name, type(value.value), value.value))
            elif isinstance(value, Instance) and self.strict:
                return None  # what it answers hangs on attributes that the constructor sets one after the other
            elif isinstance(value, Instance | Class | Function | Module):
                self._kept[id(value)] = value
                parts.append((name, id(value)))
            elif isinstance(value, Unknown):
                parts.append((name, "?", value.true))
            else:
                return None
        return tuple(parts)

    def complete(self, function: Function) -> FunctionNode:
        """The function's definition with its body, which importing its module did not need."""
        node, path = function.node, function.module.path
        if isinstance(node, ast.Lambda) or self.is_main(function.module) or path is None:
            return node
        if id(node) not in self._completed:
            try:
                found = self.trees.function(path, node)
            except (OSError, ValueError):
                found = None
            if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef) and found.name == node.name:
                function.node = node = found
            self._completed.add(id(node))
        return function.node

    def parameter(self, name: str) -> ast.arg:
        """A parameter of that name without annotation, the same for all functions that have one."""
        return self._parameters.setdefault(name, ast.arg(name, None))

    def class_text(self, cls: Class) -> str:
        """The text of a class statement; empty where there is none to read."""
        if cls.node is None or cls.module is None or cls.module.path is None:
            return ""
        if self.is_main(cls.module):
            return ast.unparse(cls.node)
        try:
            return self.trees.class_lines(cls.module.path, cls.node)
        except (OSError, ValueError):
            return ""

    def class_statements(self, cls: Class) -> list[str]:
        """The text of a class statement in pieces that can be parsed; empty where there is none to read."""
        if cls.node is None or cls.module is None or cls.module.path is None or self.is_main(cls.module):
            return [text] if (text := self.class_text(cls)) else []
        try:
            return self.trees.class_statements(cls.module.path, cls.node)
        except (OSError, ValueError):
            return []

    def scope_of(self, node: FunctionNode) -> Scope:
        """What the body of a function says about its names."""
        if id(node) not in self._scopes:
            self._scopes[id(node)] = scope_of(node)
            self._nodes.append(node)
        return self._scopes[id(node)]

    def declares_global(self, module: Module, name: str) -> bool:
        """Whether a function of the module may bind the name globally."""
        if id(module) not in self._globals:
            found: set[str] = set()
            if module.path:
                try:
                    lines = re.findall(r"^\s+global ([\w, ]+)", self.source(module), re.MULTILINE)
                except (OSError, ValueError):
                    lines = []
                found.update(part.strip() for line in lines for part in line.split(","))
            self._globals[id(module)] = frozenset(found)
        return name in self._globals[id(module)]

    # ------------------------------------------------------------ modules

    def run_module(self, found: Found, frame: Frame | None, node: ast.AST | None) -> Value:
        """Import a module that has a source.

        Raises:
            Raised: Executing it raises; like Python, it is forgotten then.
        """
        if self.is_opaque(found.name):
            return self.opaque(found.name) or UNKNOWN
        if found.name in standard.NATIVE_MODULES or found.name in standard.SUBMODULES:
            return self.standard(found.name)
        module = self._open_module(found)
        if module.tree is None:
            module.open, module.state = True, "done"
            return module
        outer, running, catching = self.doubt, self.running, self.catching
        self.doubt = outer if outer >= POSSIBLE else CERTAIN
        self.running = found.own
        left, spent = self._steps, self.spent_importing
        try:
            self.execute_block(Frame(module, module.ns, "module"), module.tree.body)
        except Raised as raised:
            self.modules.pop(found.name, None)
            raised.trace.append(describe.site(module, self._line_of(raised)))
            raise
        except Left:
            module.open = True  # a return outside of a function: no Python
        except RecursionError:
            module.open = True
            self.not_judged[found.name] = NotJudged(f"module {found.name}", "it is nested too deeply to be followed")
        finally:
            self.doubt, self.running, self.catching = outer, running, catching
            self.spent_importing = spent + left - self._steps
        if module.state == "running":
            module.state = "done"
        module.tree = None  # large, and no longer needed
        return self.modules.get(found.name, module)

    def _line_of(self, raised: Raised) -> int:
        return raised.event.caller.line if raised.event else 0

    def _open_module(self, found: Found) -> Module:
        module = Module(found.name, {}, str(found.path), found.package, distribution=found.distribution)
        if found.own:
            self.scripts[found.name] = str(found.path)
        module.ns["__name__"] = Const(found.name)
        module.ns["__file__"] = Const(str(found.path))
        self.modules[found.name] = module
        self._read_tree(module)
        return module

    def _read_tree(self, module: Module) -> None:
        """Read a module's tree; one that cannot be read is not judged."""
        assert module.path is not None
        try:
            module.tree = self.trees.load(Path(module.path))
        except (OSError, ValueError, SyntaxError, LookupError) as error:
            self.not_judged[module.name] = NotJudged(f"module {module.name}", str(error))

    def script(self, name: str, tree: ast.Module, path: str | None, distribution: str = "") -> Module:
        """Follow a script of the user (or of a scenario) statement by statement, noting every break."""
        module = Module(name, {"__name__": Const("__main__")}, path, distribution=distribution, tree=tree)
        if path and not path.endswith(".ipynb"):
            module.ns["__file__"] = Const(path)
        self.scripts[name] = path or ""
        self._main = module
        self.modules[name] = module
        self.doubt, self.running = CERTAIN, True
        self.execute_block(Frame(module, module.ns, "module"), tree.body)
        module.state = "done"
        return module

    def suppose(self, thought: dict[str, bytes]) -> None:
        """Take some files, by their real path, for what an edit that is only thought of would make of them."""
        self.would_hold = thought
        self.trees.suppose(thought)

    def start(self, locator: Locator, arguments: Sequence[str]) -> None:
        """Make ready for another program that finds imported what was followed so far."""
        self.locator, self.arguments = locator, tuple(arguments)
        self.events, self.not_judged, self._seen, self._steps, self.read = [], {}, {}, STEPS, set()
        self.noted, self.branches, self.imports = [], 0, []

    @property
    def strict(self) -> bool:
        """Whether a config of the user's is being made: what its constructor surely refuses must be sure."""
        return self.making is not None

    def is_opaque(self, name: str) -> bool:
        """Whether a module is looked up, never followed."""
        return any(name == top or name.startswith(f"{top}.") for top in self.opaque_names)

    def opaque(self, name: str) -> Module | None:
        """A module that is looked up, never followed; None where there is none of that name."""
        known = self.modules.get(name)
        if isinstance(known, Module):
            return known
        found = self.locator.find(name)
        if found is None:
            return None
        module = Module(name, {}, str(found.path), found.package, "opaque", found.path is None, found.distribution)
        self.modules[name] = module
        return module

    def tree(self, module: Module) -> ast.Module | None:
        """The syntax tree of an opaque module, read when first asked for."""
        if module.tree is None and module.path and module.path.endswith(".py"):
            self._read_tree(module)
        return module.tree

    def source(self, module: Module) -> str:
        """The text of a module.

        Raises:
            OSError: It cannot be read.
            ValueError: It is too large or no text.
        """
        return self.trees.text(module.path) if module.path else ""

    def standard(self, name: str) -> Module:
        """A module of Python's own library."""
        known = self.modules.get(name)
        if isinstance(known, Module):
            return known
        made = standard.module(self, name)
        self.modules[name] = made
        return made

    def replace_module(self, name: str, value: Value) -> None:
        """What `sys.modules[name] = value` does."""
        before = self.modules.get(name)
        if isinstance(value, Module) and isinstance(before, Module):
            value.path = value.path or before.path
            if value.lazy is not None:
                value.ns = {**{k: v for k, v in before.ns.items() if isinstance(strip(v), Module)}, **value.ns}
        self.modules[name] = value

    def is_present(self, name: str) -> bool | None:
        """What importlib.util.find_spec would find; None where that cannot be known."""
        if name in self.modules or self.locator.is_stdlib(name):
            return True
        if self.locator.find(name) is not None:
            return True
        return False if self.is_missing(name) else None

    def may_be_unlisted(self, name: str) -> bool:
        """Whether a module belongs to what `pip freeze` leaves out of its list (pip, commands/freeze.py)."""
        pins = self.environment.target.kind is TargetKind.PINS
        return pins and self.locator.python < (3, 12) and name.partition(".")[0] in ("setuptools", "pkg_resources")

    def is_missing(self, name: str) -> bool:
        """Whether a module that was not found is missing for sure."""
        top = name.partition(".")[0]
        parts = name.split(".")
        for count in range(len(parts) - 1, 0, -1):
            above = self.locator.find(".".join(parts[:count]))
            if above is not None:
                if above.path is None:
                    return above.own and not above.compiled  # a folder of the user's, without __init__.py
                return above.package or not self._makes_modules(above)
        if self.locator.is_stdlib(top) and top not in ("imp", "distutils"):
            return False
        owner = self.environment.distributions.get(self.locator.distribution_of(top))
        if owner is not None and owner.root is None:
            return False
        return self.environment.complete

    def _makes_modules(self, found: Found) -> bool:
        """Whether a module that is no package may have others below it all the same (six.moves)."""
        known = self.modules.get(found.name)
        try:
            source = self.source(known) if isinstance(known, Module) else None
        except (OSError, ValueError):
            source = None
        return source is None or "modules" in source or "__path__" in source

    def binary_problem(self, found: Found) -> BinaryProblem | None:
        """Why a compiled module cannot be loaded; None where it can, as far as known."""
        return binaries.problem(self.environment, self.locator.python, found)

    def numpy_problem(self, found: Found) -> BinaryProblem | None:
        """Whether a distribution's compiled modules were built for another numpy than the installed one."""
        return binaries.numpy_problem(self.environment, found.distribution)

    def release(self) -> None:
        """Let go of what was followed: modules and functions hold each other, and there are many."""
        for module in self.modules.values():
            if isinstance(module, Module):
                module.ns.clear()
                module.tree = module.static = None
        self.modules.clear()
        self.memo.clear()
        self.trees.forget()

    def files(self) -> list[str]:
        """The files that were read, and those that were sought in vain."""
        return sorted(
            {
                *self.read,
                *self.locator.missed,
                *(m.path for m in self.modules.values() if isinstance(m, Module) and m.path),
            }
        )

    def exports(self, folder: str) -> dict[str, list[str]]:
        """Every name that the model files below a folder export."""
        if folder not in self._exports:
            self._exports[folder] = lazy.folder_exports(folder)
        return self._exports[folder]

    # ------------------------------------------------------------ classes of Python itself

    def anything(self, name: str) -> Class:
        """A class of which no more than the name is known."""
        if name not in self._anything:
            cls = Class(name, None, open=True)
            cls.mro = [cls]
            self._anything[name] = cls
        return self._anything[name]

    def closed(self, name: str) -> Class:
        """A class of Python's own that brings no attribute which matters here (ABC, Generic)."""
        cls = self.anything(name)
        cls.open = False
        return cls

    def exception(self, name: str) -> Class:
        """A class of exception by its name."""
        known = self.builtins.get(name)
        if isinstance(known, Class):
            return known
        if name not in self._anything:
            base = self.exception("ModuleNotFoundError" if name == "PackageNotFoundError" else "Exception")
            cls = Class(name, None, bases=[base])
            cls.mro = [cls, *base.mro]
            self._anything[name] = cls
        return self._anything[name]

    def special(self, frame: Frame, node: ast.Call, callee: Value, args: Arguments) -> Value | None:
        """Calls whose effect is known better than their source tells; None for all others.

        Raises:
            Raised: As the call does.
        """
        if isinstance(callee, Function) and callee.name == "define_import_structure":
            return lazy.scan_call(args)
        if isinstance(callee, Class) and callee.module is None:
            maker = callee.ns.get("__call__")
            if isinstance(maker, Native):
                return maker.call(self, args)
        return parsers.dataclass_parser(self, frame, callee, args, node)

    # ------------------------------------------------------------ what breaks

    def catches(self, raised: Raised) -> bool:
        """Whether a try around this line takes the exception for sure."""
        return any(
            statements.matches(caught, raised) and not self._is_last_resort(held, caught, raised)
            for held in self.catching
            for caught in held.handlers
        )

    def _is_last_resort(self, held: Try, caught: tuple[str, ...] | None, raised: Raised) -> bool:
        """Whether a handler of the user's takes whatever goes wrong in a function below: the run is over all the same.

        What an import lacks is another matter: there a handler far above may well stand for an optional package.
        """
        if held.users is None or raised.event is None or raised.event.kind in MENDED:
            return False
        broad = caught == () or (caught is not None and not {"Exception", "BaseException"}.isdisjoint(caught))
        return broad and self.frame is not held.users and self.is_script(self.frame.module)

    def broken(
        self,
        kind: str,
        exception: str,
        message: str,
        name: str,
        frame: Frame | None,
        node: ast.AST | None,
        *,
        callee: Value | None = None,
        raising: bool = False,
        detail: str = "",
    ) -> Value:
        """A link breaks here: raise what Python would, or (in a run, where nothing catches it) note it and go on.

        Raises:
            Raised: In an import, or where a try takes it.
        """
        frame = frame or (self.frames[-1] if self.frames else None)
        doubt = POSSIBLE if self.hedged else self.doubt
        event = describe.event(kind, exception, message, name, frame, node, doubt, callee, detail)
        event.hedged = self.hedged
        if kind == "missing-attribute" and isinstance(callee, Class):
            users = next((outer for outer in reversed(self.frames) if self.is_script(outer.module)), None)
            event.handed = (users.module.name, users.call) if users and users.call else None
        raised = Raised(self.exception(exception), message, event)
        if self._main is not None and self._main.path and kind in MENDED and not self.catches(raised):
            event.importing = frame is not None and not self.is_script(frame.module)
            self.note(raised)
            return UNKNOWN
        if raising or not self.running or self.catches(raised):
            try:
                raise raised
            finally:
                del raised  # a frame that holds what it raises is held by it
        self.note(raised)
        return UNKNOWN

    def misfit(
        self,
        problems: Sequence[Misfit],
        called: str,
        frame: Frame,
        node: ast.AST | None,
        callee: Value,
        settings: Mapping[str, Setting] | None = None,
    ) -> Value:
        """A call does not fit what it calls; what comes from a config file is told of there.

        Raises:
            Raised: As broken does, for the first of the problems.
        """
        if describe.is_rebuilt(callee, self.imports):
            return UNKNOWN
        frame, node = self.asker(frame, node)
        script, copied = self.is_script(frame.module), False
        if describe.same_distribution(frame, callee) and not script:
            # a library fits itself; where it seems not to, it is we who follow it too coarsely, unless it passes on
            # the fields of a dataclass of the user's
            problems = [p for p in problems if p.kind == "unexpected-keyword" and p.name in self.own_fields]
            users = next((outer for outer in reversed(self.frames) if self.is_script(outer.module)), frame)
            frame, node = users, users.call or node
            copied = True
        for problem in problems if script else problems[:1]:
            kind = "override-mismatch" if describe.is_override(frame, callee) else problem.kind
            kind = "copied-field" if copied else kind
            near = nearest(problem.name, problem.offered) if script and problem.offered else ""
            if copied and problems[1:]:
                near = f"Nor has it {', '.join(f'`{other.name}`' for other in problems[1:])}."
            message = f"{called}() {problem.message}"
            setting = (settings or {}).get(problem.name)
            if setting is not None and not self.catches(Raised(self.exception("TypeError"), message)):
                doubt = POSSIBLE if self.hedged else self.doubt
                said = {"exception": "TypeError", "message": message, "detail": near}
                tell(self, "unknown-key", setting, callee=callee, doubt=doubt, **said)
                continue
            self.broken(kind, "TypeError", message, problem.name, frame, node, callee=callee, detail=near)
        return UNKNOWN

    def asker(self, frame: Frame, node: ast.AST | None) -> tuple[Frame, ast.AST | None]:
        """Who really makes a call: the caller of a decorator's wrapper, which only passes on what it was given."""
        for outer in reversed(self.frames):
            if outer is frame:
                continue
            if frame.function is None or frame.function.wrapped is None or outer.call is None:
                break
            frame, node = outer, outer.call
        return frame, node

    def unbound(self, frame: Frame, node: ast.Name) -> Value:
        """A name that nothing binds."""
        if frame.module.state == "opaque" or (frame.kind == "function" and frame.module.state == "running"):
            return UNKNOWN
        if self.uncalled:
            return UNKNOWN  # bound under a condition, no doubt, and whoever calls this looks at it first
        detail = describe.would_bind(frame.module, node.id)
        return self.broken(
            "unbound-name",
            "NameError",
            f"name '{node.id}' is not defined",
            node.id,
            frame,
            node,
            raising=True,
            detail=detail,
        )

    def raised_event(self, frame: Frame, cls: Class | None, message: str, node: ast.Raise) -> Event | None:
        """What a library's own raise means: a gate that refuses this target, or nothing that is ours to judge."""
        name = cls.name if cls else "Exception"
        refuses = cls is not None and any(base.name == "ImportError" for base in cls.mro)
        if not describe.is_gate(frame, node) and (self.running or not refuses):
            return None
        event = describe.event(
            "version-gate", name, message, describe.gate_name(frame, node, message), frame, node, self.doubt
        )
        if self.making is not None and self.making.node is not None:
            event.handed = self.making.frame.module.name, self.making.node
        return event

    def note(self, raised: Raised) -> None:
        """Keep what broke, once."""
        event = raised.event
        if event is None:
            return
        event.doubt = max(event.doubt, self.doubt)
        if event.kind == "missing-module" and event.doubt >= LIKELY:
            event.doubt = POSSIBLE  # an optional package, behind a guard that is not understood
        elif event.kind == "missing-module" and self.may_be_unlisted(event.name):
            event.doubt = LIKELY
        event.trace = event.trace or tuple(raised.trace)
        event.importing |= bool(raised.trace)
        self.noted.append(Noted(event, self.branches))
        key = (event.kind, event.caller, event.name)
        known = self._seen.setdefault(key, event)
        if known is event:
            self.events.append(event)
        else:
            known.doubt = min(known.doubt, event.doubt)
