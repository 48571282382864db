"""The modules of a target's packages: what they offer and how what they define is called."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftdoctor.link.locate import Locator
from sftdoctor.link.memory import Stamps, identity, key_of
from sftdoctor.model import Environment

if TYPE_CHECKING:  # loaded where something has to be followed: a warm run has it all from memory
    from sftdoctor.link.answers import Answers
    from sftdoctor.link.machine import Machine
    from sftdoctor.link.scripts import Beside
    from sftdoctor.link.signatures import Signature
    from sftdoctor.link.skeleton import Trees
    from sftdoctor.link.values import Module

OPAQUE = (
    "torch",
    "numpy",
    "scipy",
    "sympy",
    "mpmath",
    "networkx",
    "pandas.core",
    "pandas.io",
    "pandas.plotting",
    "pandas.tseries",
    "pandas.api",
    "pandas._libs",
    "pandas.util",
    "pandas.errors",
    "torchvision",
    "torchaudio",
    "matplotlib",
    "sklearn",
    "PIL",
    "jinja2",
    "pygments",
    "anyio",
    "tensorflow",
    "jax",
    "flax",
    "keras",
    "pydantic",
    "setuptools",
    "pkg_resources",
)
"""Large libraries that are consistent in themselves: their names are looked up, their modules are not followed."""


TEXT_LIMIT = 4 * 1024 * 1024
"""Bytes of a module that are read as text; the largest of these libraries is a tenth of it."""


class Library:
    """The modules of an Environment's packages.

    Args:
        environment: Whose packages these are.
        cache: Folder for what was learned; None keeps nothing.
    """

    def __init__(self, environment: Environment, cache: Path | None = None) -> None:
        self.environment = environment
        self.cache = cache
        self.locator = Locator(environment)
        self.stamps = Stamps()
        self._texts: dict[str, str | None] = {}

    @cached_property
    def trees(self) -> Trees:
        """What reads the modules."""
        from sftdoctor.link.skeleton import Trees

        return Trees()

    @cached_property
    def _static(self) -> Machine:
        """Looks names up without following what is above them."""
        from sftdoctor.link.machine import Machine

        return Machine(self.environment, self.locator, trees=self.trees)

    @cached_property
    def identity(self) -> str:
        """What identifies these modules, and the linker that follows them."""
        return identity(self.environment, self.stamps)

    @cached_property
    def answers(self) -> Answers:
        """What was asked of these modules before."""
        from sftdoctor.link.answers import Answers

        kept = self.cache / "links" / f"{key_of(self.identity, 'answers')}.json" if self.cache else None
        return Answers(kept, self.stamps)

    def remember(self) -> None:
        """Keep the answers that were given, for later runs."""
        if "answers" in self.__dict__:
            self.answers.keep(lambda: self._static.files())

    def machine(self, script: Path | None = None) -> Machine:
        """A fresh machine over these modules, and those beside a script."""
        from sftdoctor.link.machine import Machine

        locator = self.beside(script) if script else self.locator
        return Machine(self.environment, locator, OPAQUE, self.trees)

    def beside(self, script: Path) -> Beside:
        """Where a script finds its modules."""
        from sftdoctor.link.locate import is_part_of_package
        from sftdoctor.link.scripts import Beside

        return Beside(self.locator, script.parent, is_part_of_package(script))

    def path(self, module: str) -> Path | None:
        """Where the source of a module lies; None where it has none."""
        found = self.locator.find(module)
        return found.path if found else None

    def text(self, module: str) -> str | None:
        """The source of a module as text.

        Args:
            module: Its dotted name.

        Returns:
            None where there is no such module, or it has no source that can be read.
        """
        if module not in self._texts:
            path = self.path(module)
            try:
                raw = path.read_bytes()[:TEXT_LIMIT] if path is not None and path.suffix == ".py" else None
            except OSError:
                raw = None
            self._texts[module] = raw.decode("utf-8", errors="replace") if raw is not None else None
        return self._texts[module]

    def offers(self, module: str, name: str) -> bool | None:
        """Whether a module offers a name, as its source shows.

        Args:
            module: Dotted name of the module.
            name: A top-level name or submodule.

        Returns:
            None where that cannot be known (no such module, a star import, a module `__getattr__`, compiled code).
        """
        return self.answers.offers(f"{module}:{name}", lambda: self._offers(module, name))

    def known(self, question: str, ask: Callable[[], Any], files: Callable[[], Iterable[str]]) -> Any:
        """Any other answer about these modules, from memory where it was given before.

        Args:
            question: It, with all that the answer hangs on beside the environment and the files.
            ask: Gives the answer, as JSON has it.
            files: Says on which files it rests, those that were sought in vain among them.

        Returns:
            The answer.
        """
        return self.answers.other(question, ask, files)

    def _offers(self, module: str, name: str) -> bool | None:
        from sftdoctor.link import static

        found = self._module(module)
        return static.offers(self._static, found, name) if found is not None else None

    def signature(self, callable_: str) -> Signature | None:
        """The signature of a function, method or class of the target.

        Args:
            callable_: "package.module:function", "package.module:Class.method" or "package.module:Class".

        Returns:
            Its parameters without self, or None where they cannot be known.
        """
        return self.answers.signature(callable_, lambda: self._signature(callable_))

    def _signature(self, callable_: str) -> Signature | None:
        from sftdoctor.link import static
        from sftdoctor.link.native.standard import signature_of
        from sftdoctor.link.signatures import Signature
        from sftdoctor.link.values import Class, strip

        name, _, qualified = callable_.partition(":")
        found = self._module(name)
        if found is None or not qualified:
            return None
        first, *rest = qualified.split(".")
        value = static.member(self._static, found, first)
        for attribute in rest:
            value = strip(value) if value is not None else None
            value = value.lookup(attribute)[0] if isinstance(value, Class) else None
        if value is None:
            return None
        signature = signature_of(value)
        if signature is not None and rest and signature.parameters:
            return Signature(signature.parameters[1:])
        return signature

    def _module(self, name: str) -> Module | None:
        from sftdoctor.link.values import Module

        if name not in self._static.modules:
            return self._static.opaque(name)
        found = self._static.modules[name]
        return found if isinstance(found, Module) else None
