"""One script: evaluated against the ScriptWorld, never executed."""

from __future__ import annotations

import ast
import os
from collections.abc import Sequence

from sftdoctor.flow import Arguments, BudgetError, Function, Machine, Obj, RaisedError
from sftdoctor.flow.source import Source
from sftdoctor.model import Fact, NotJudged, Script
from sftdoctor.workload.facts import FactReader
from sftdoctor.workload.source_facts import source_facts
from sftdoctor.workload.world import ScriptWorld


def read_script(source: Source, arguments: Sequence[str]) -> tuple[Script, tuple[NotJudged, ...]]:
    """Read what a script says about its training.

    Args:
        source: The script.
        arguments: The command line that it will get.

    Returns:
        The script with its facts, and what could not be followed.
    """
    reading = _Reading(source, arguments)
    facts, not_judged = reading.run()
    script = Script(str(source.path), source.text, facts, tuple(arguments), source.cells)
    return script, not_judged


class _Reading:
    def __init__(self, source: Source, arguments: Sequence[str]) -> None:
        self.source = source
        self.reader = FactReader(str(source.path), source.text)
        self.world = ScriptWorld(arguments, source.path.parent, self._trained)
        self.machine = Machine(self.world)
        self.facts: tuple[Fact, ...] | None = None

    def _trained(self, machine: Machine, trainer: Obj) -> None:
        """The first trainer that is told to train is the one that counts."""
        if self.facts is None:
            self.facts = self.reader.trainer_facts(machine, trainer)

    def run(self) -> tuple[tuple[Fact, ...], tuple[NotJudged, ...]]:
        reason = ""
        try:
            frame = self.machine.run(self.source.tree.body, "__main__")
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
        if self.facts is None:
            self.facts = self._at_end()
        facts = (*self.facts, *source_facts(self.reader.places, self.source.tree))
        return facts, (NotJudged(str(self.source.path), reason),) if reason else ()

    def _uncalled(self, frame: Obj) -> None:
        """Functions that nothing in the script calls (a framework will): follow each until one makes a trainer."""
        for statement in self.source.tree.body:
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)) and not self.world.trainers:
                function = Function(statement, "__main__", frame)
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
        return ()
