"""The import roots that site-packages folders lead to: .pth files and the finders of editable installs.

Python runs the `import` lines of .pth files at every start. They are never run here: the finders that setuptools and
scikit-build-core write are data wrapped in code and are read as data, a few others are known to add no module, and
the rest is named as not judged.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sftdoctor.model import NotJudged
from sftdoctor.target.files import read_text
from sftdoctor.target.headers import clean

_PTH_LIMIT = 1 << 18
_FINDER_LIMIT = 1 << 20
_LINES = 10_000
_IMPORT = re.compile(r"import[ \t]+([A-Za-z_]\w*)")
_HARMLESS = re.compile(r"distutils-precedence\.pth|_?virtualenv\.pth|.*nspkg\.pth|a1_coverage\.pth|.*pytest.*\.pth")
"""They add no module and hide none, except namespace packages, whose folders are found without them."""


@dataclass
class Search:
    """What the search for import roots has found so far."""

    roots: list[str] = field(default_factory=list)
    """In the order that Python searches them."""
    modules: dict[str, str] = field(default_factory=dict)
    """Modules that only an editable finder knows: name → its file or folder."""
    not_judged: list[NotJudged] = field(default_factory=list)
    listings: dict[str, list[str]] = field(default_factory=dict)
    """Root → names of what lies in it, in the order of the file system, as Python itself sees them."""

    def add(self, folder: str) -> bool:
        """Add an import root if it exists and is new."""
        folder = os.path.normpath(folder)
        if folder in self.roots or not os.path.exists(folder):
            return False
        self.roots.append(folder)
        return True

    def list(self, root: str) -> list[str]:
        """Names of what lies in a root; empty where it cannot be read or is a file."""
        if root not in self.listings:
            try:
                self.listings[root] = os.listdir(root)
            except OSError:
                self.listings[root] = []
        return self.listings[root]


def find_roots(before: Iterable[str], sites: Iterable[str]) -> Search:
    """Follow the site folders as Python's `site` module does.

    Args:
        before: Folders that are searched first and whose .pth files are not read (PYTHONPATH).
        sites: Site-packages folders in order.

    Returns:
        The roots, each once, with the modules of editable finders and what could not be followed.
    """
    search = Search()
    for folder in before:
        search.add(folder)
    for site in sites:
        if search.add(site):
            _follow_pth_files(search, os.path.normpath(site))
    return search


def _follow_pth_files(search: Search, site: str) -> None:
    for name in sorted(search.list(site)):
        if not name.endswith(".pth") or name.startswith("."):
            continue
        text = read_text(os.path.join(site, name), _PTH_LIMIT)
        if text is None:
            search.not_judged.append(NotJudged(clean(name), "the .pth file cannot be read"))
            continue
        for line in text.splitlines()[:_LINES]:
            line = line.rstrip()
            if line.startswith(("import ", "import\t")):
                _follow_import(search, site, name, line)
            elif line and not line.startswith("#") and "\0" not in line:
                search.add(os.path.join(site, line))


def _follow_import(search: Search, site: str, name: str, line: str) -> None:
    match = _IMPORT.match(line)
    source = read_text(os.path.join(site, f"{match[1]}.py"), _FINDER_LIMIT) if match else None
    found = _mapping(source) if source and re.match(r"__editable__|_\w*editable", match[1] if match else "") else None
    if found is not None:
        for module, path in found:
            search.modules.setdefault(module, path)
    elif not _HARMLESS.fullmatch(name):
        reason = "this .pth file runs code whenever Python starts; what it does to imports is not known"
        if NotJudged(clean(name), reason) not in search.not_judged:
            search.not_judged.append(NotJudged(clean(name), reason))


def _mapping(source: str) -> list[tuple[str, str]] | None:
    """The modules that an editable finder maps, or None where the file is of no known make."""
    try:
        body = ast.parse(source).body
        for statement in reversed(body):
            value = _literal(statement)
            if isinstance(value, dict):
                return list(_top_modules(value))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    return None


def _literal(statement: ast.stmt) -> object:
    """setuptools: `MAPPING: dict[str, str] = {…}`; scikit-build-core: `install({…}, {…}, …)` as the last statement."""
    if isinstance(statement, ast.AnnAssign | ast.Assign) and statement.value is not None:
        target = statement.target if isinstance(statement, ast.AnnAssign) else statement.targets[0]
        return ast.literal_eval(statement.value) if isinstance(target, ast.Name) and target.id == "MAPPING" else None
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        call = statement.value
        if isinstance(call.func, ast.Name) and call.func.id == "install" and call.args:
            return ast.literal_eval(call.args[0])
    return None


def _top_modules(mapping: dict[object, object]) -> Iterator[tuple[str, str]]:
    for module, path in mapping.items():
        if not (isinstance(module, str) and isinstance(path, str) and os.path.isabs(path)):
            continue
        if all(part.isidentifier() for part in module.split(".")) and (
            module.count(".") == 0 or not _in(module, mapping)
        ):
            yield module, os.path.dirname(path) if os.path.basename(path) == "__init__.py" else os.path.normpath(path)


def _in(module: str, mapping: dict[object, object]) -> bool:
    return module.split(".", 1)[0] in mapping
