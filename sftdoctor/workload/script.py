"""One script: evaluated against the ScriptWorld, never executed."""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping, Sequence

from sftdoctor.flow import Arguments, BudgetError, Function, Machine, Obj, RaisedError
from sftdoctor.flow.source import Source
from sftdoctor.model import Fact, NotJudged, Script
from sftdoctor.workload.facts import FactReader
from sftdoctor.workload.own_modules import MAIN, OwnModules
from sftdoctor.workload.source_facts import source_facts
from sftdoctor.workload.world import HARMLESS, ScriptWorld


def read_script(
    source: Source, arguments: Sequence[str], thought: Mapping[str, bytes] | None = None
) -> tuple[Script, tuple[NotJudged, ...]]:
    """Read what a script says about its training, in itself and in the modules of its project.

    Args:
        source: The script.
        arguments: The command line that it will get.
        thought: Of files by their real path: what they are thought to hold.

    Returns:
        The script with its facts, and what could not be followed.
    """
    reading = _Reading(source, arguments, thought or {})
    reason = reading.run()
    modules = reading.modules.sources.values() if reading.modules is not None else ()
    if reason and modules:  # what the script says by itself is worth more than nothing
        reading = _Reading(source, arguments, None)
        reason = reading.run()
    script = Script(
        str(source.path),
        source.text,
        reading.found(),
        tuple(arguments),
        source.cells,
        modules=tuple((str(module.path), module.text) for module in modules),
    )
    return script, (NotJudged(str(source.path), reason),) if reason else ()


class _Reading:
    """One way through a script.

    Args:
        source: The script.
        arguments: The command line that it will get.
        thought: What files are thought to hold; None where the modules of its project are left out.
    """

    def __init__(self, source: Source, arguments: Sequence[str], thought: Mapping[str, bytes] | None) -> None:
        self.source = source
        self.reader = FactReader(str(source.path), source.text)
        self.modules = (
            None if thought is None else OwnModules(source.path, self.reader.places, frozenset(HARMLESS), thought)
        )
        self.world = ScriptWorld(arguments, source.path.parent, self.modules, self._trained)
        self.machine = Machine(self.world)
        self.facts: tuple[Fact, ...] | None = None

    def _trained(self, machine: Machine, trainer: Obj) -> None:
        """The first trainer that is told to train is the one that counts."""
        if self.facts is None:
            self.facts = self.reader.trainer_facts(machine, trainer)

    def run(self) -> str:
        """Follow the script; why it could not be followed to its end, empty where it could."""
        reason = ""
        try:
            frame = self.machine.run(self.source.tree.body, MAIN)
            if not self.world.trainers:
                self._uncalled(frame)
        except RaisedError as error:
            reason = f"it raises {error.kind} on every path that can be seen"
        except BudgetError:
            reason = "it is too large to be followed"
        except RecursionError:
            reason = "it is nested too deeply to be followed"
        except MemoryError:
            raise
        except Exception as error:  # whatever we stumble over, the other checks go on
            if os.environ.get("SFTDOCTOR_DEBUG"):
                raise
            reason = f"sftdoctor stumbled over it (a bug in sftdoctor): {type(error).__name__}: {error}"
            self.facts = self.facts or ()
        return reason

    def found(self) -> tuple[Fact, ...]:
        """What was read on the way."""
        facts = self._at_end() if self.facts is None else self.facts
        followed = () if self.modules is None else self.modules.sources.values()
        modules = [module.tree for module in followed]
        return (*facts, *source_facts(self.reader.places, self.source.tree, modules))

    def _uncalled(self, frame: Obj) -> None:
        """Functions that nothing in the script calls (a framework will): follow each until one makes a trainer."""
        for statement in self.source.tree.body:
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)) and not self.world.trainers:
                function = Function(statement, MAIN, frame)
                try:
                    self.machine.call(function, Arguments(open=True), statement)
                except RaisedError:
                    continue

    def _at_end(self) -> tuple[Fact, ...]:
        if self.world.trainers:
            return self.reader.trainer_facts(self.machine, self.world.trainers[0])
        if self.world.models and self.world.backward:
            own = (Fact("trainer_class", "none"), Fact("trainer_args_class", "none"))
            return (*own, *self.reader.model_facts(self.machine, self.world.models[-1], None))
        return tuple(self.reader.untrained_facts(self.machine, self.world.models)) if self.world.models else ()
