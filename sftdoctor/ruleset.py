"""Find, read, check and select the rules and scenarios.

Checked rules are kept in the cache, two JSON files a folder: what judging needs, and the pages, which are most of the
text (explain and cases, and the remedies of what a log alone shows). Both hold as long as no rule file, and nothing of
the checker, has changed; damaged ones are ignored. So a warm start parses no TOML. A first one that is going to judge
reads sftdoctor's own rules only as far as judging needs them, and unchecked: the tests have checked them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sftdoctor import folders
from sftdoctor.errors import RuleError, UsageError
from sftdoctor.model import OUTSIDE, Rule, Scenario
from sftdoctor.rulefile import Source, make_rule, plain

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover  (Python 3.10)
    import tomli as tomllib

DEFAULT_SCENARIO = "sft-lora-4bit"
LARGEST_FILE = 1_000_000
"""Bytes. A rule file is a page or two."""
MOST_FILES = 20_000
NOT_RULES = ("scenarios", "data", "lang")
"""Folders under rules/ that hold no rules."""
_CHECKER = ("operations.py", "rulecheck.py", "rulefile.py", "symptoms.py")
"""Modules whose change, like that of any predicate, makes what is kept worthless."""
_PAGE = frozenset({"explain", "case"})
"""Keys of a rule that judging does not need."""
_REMEDY = frozenset({"fix", "evidence"})
"""Keys that it does not need either of a rule that a log alone shows."""
_CASES = "\n[[case]]"
"""Where the cases of sftdoctor's own rules begin; nothing stands behind them."""
_EXPLAIN = "\nexplain = "
_FAILS = "\n[fails]\n"
_OUTSIDE = f'{_FAILS}probe = "{OUTSIDE}"\n'
"""What sftdoctor's own rules that a log alone shows hold; before their explain stands what every rule has."""
Stamp = list[list[Any]]
Found = list[tuple[str, Mapping[str, Any]]]
"""Path and data of each rule file."""


def find_rules_folder() -> Path:
    """Folder of the rules that sftdoctor brings.

    Returns:
        sftdoctor/_rules in an installed wheel, rules/ beside the package in the source tree.

    Raises:
        RuleError: Neither is there.
    """
    package = Path(__file__).parent
    for folder in (package / "_rules", package.parent / "rules"):
        if folder.is_dir():
            return folder
    raise RuleError("sftdoctor's own rules are not there", "Install sftdoctor again.")


def load_rules(*extra: Path, pages: bool = True, cached: bool = True) -> tuple[Rule, ...]:
    """Load all rules, checked.

    Args:
        extra: Folders with more rules.
        pages: Whether explain and cases are wanted, and the remedies and evidence of rules that a log alone shows;
            judging needs none of these, and is faster without.
        cached: Whether the cache may be read and written.

    Returns:
        The rules, ordered by id.

    Raises:
        RuleError: A file is broken, or two have the same id; the message names every broken file.
    """
    rules, broken = read_rules(*extra, pages=pages, cached=cached)
    if broken:
        message = "\n".join(error.message for error in broken)
        raise RuleError(message, broken[0].hint)
    return rules


def read_rules(*extra: Path, pages: bool = True, cached: bool = True) -> tuple[tuple[Rule, ...], tuple[RuleError, ...]]:
    """Load all rules that are sound, and say which are not.

    Args:
        extra: Folders with more rules.
        pages: Whether what judging does not need is wanted as well.
        cached: Whether the cache may be read and written.

    Returns:
        The sound rules, ordered by id, and one error for each file that is not; of two with the same id, sftdoctor's
        own, or the first, is the sound one.

    Raises:
        RuleError: There is no folder of rules, or one of sftdoctor's own is broken.
    """
    own = find_rules_folder()
    broken: list[RuleError] = []
    by_id: dict[str, Rule] = {}
    for folder in dict.fromkeys((own, *extra)):
        rules, errors = _read_folder(folder, pages, cached)
        if errors and folder == own:
            raise RuleError("\n".join(error.message for error in errors), "Install sftdoctor again.")
        broken.extend(errors)
        for rule in rules:
            first = by_id.setdefault(rule.id, rule)
            if first is not rule:
                broken.append(RuleError(f"{rule.path}: id: {rule.id} is taken by {first.path}", "Choose another id."))
    return tuple(by_id[id_] for id_ in sorted(by_id)), tuple(broken)


def select_rules(rules: Sequence[Rule], names: Sequence[str]) -> tuple[Rule, ...]:
    """The rules that the names mean.

    Args:
        rules: All rules.
        names: Ids, beginnings of ids ("API") or rule names; none means all.

    Returns:
        Those rules, in their order.

    Raises:
        UsageError: A name means no rule.
    """
    for name in names:
        if not any(is_named(rule.id, rule.name, (name,)) for rule in rules):
            raise UsageError(f"no rule is called {name}", "`sftdoctor rules` lists them all.")
    return tuple(rule for rule in rules if not names or is_named(rule.id, rule.name, names))


def is_named(id_: str, name: str, names: Sequence[str]) -> bool:
    """Whether an id or a rule's name is meant by one of the names: the id, its beginning, or the name itself."""
    return any(id_.startswith(wanted.upper()) or name == wanted for wanted in names if wanted)


def load_scenario(name: str | None = None) -> Scenario:
    """Load a scenario.

    Args:
        name: Its name; None for the default, a 4-bit LoRA SFT run.

    Returns:
        The scenario.

    Raises:
        UsageError: There is none of that name.
        RuleError: Its file is broken.
    """
    name = name or DEFAULT_SCENARIO
    if name not in scenarios():
        raise UsageError(f"no scenario is called {name!r}", f"There are: {', '.join(scenarios())}.")
    from sftdoctor.scenariofile import check_scenario

    source = _scenario_source(name)
    other = _named_in(source, "based_on")
    base = _scenario_source(other) if other else None
    plain = _named_in(source, "unquantized")
    return check_scenario(source, name, base, load_scenario(plain).run if plain else "")


def _named_in(source: Source, key: str) -> str | None:
    """The other scenario that a scenario's file names under a key.

    Raises:
        RuleError: There is none of that name.
    """
    name = source.data.get(key)
    if name is not None and name not in scenarios():
        raise source.error(f"no scenario is called {name!r}", key)
    return name


def _scenario_source(name: str) -> Source:
    return read_source(find_rules_folder() / "scenarios" / f"{name}.toml")


def scenarios() -> tuple[str, ...]:
    """Names of the scenarios, in order."""
    return tuple(sorted(path.stem for path in (find_rules_folder() / "scenarios").glob("*.toml")))


def read_source(path: Path) -> Source:
    """Read a TOML file.

    Args:
        path: The file.

    Returns:
        Its text and data.

    Raises:
        RuleError: It cannot be read or is no TOML; with the line where there is one.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise RuleError(f"{path}: larger than {LARGEST_FILE} bytes", "A rule file is a page or two.")
        text = path.read_text(encoding="utf-8")
        return Source(str(path), text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        at = f"{path}:{line[1]}" if line else str(path)
        raise RuleError(f"{at}: no TOML: {error}", "Mend the file.") from error
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise RuleError(f"{path}: cannot be read: {error}", "") from error


def read_rule(path: Path) -> Mapping[str, Any]:
    """Read and check one rule file.

    Args:
        path: The file.

    Returns:
        Its data, as make_rule takes it.

    Raises:
        RuleError: It is broken.
    """
    # the checker and what it imports are needed only where a file has changed
    from sftdoctor.rulecheck import check_rule

    return check_rule(read_source(path), path.stem)


def read_own(id_: str) -> Rule | None:
    """One of sftdoctor's own rules, with its page, without looking at the others.

    Args:
        id_: Its id.

    Returns:
        The rule; None where there is none of that id, or its file is broken.
    """
    files = list(find_rules_folder().glob(f"*/{id_}.toml")) if re.fullmatch("[A-Z]{3}[0-9]{3}", id_) else []
    try:
        return make_rule(plain(tomllib.loads(files[0].read_text(encoding="utf-8"))), str(files[0])) if files else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _read_folder(folder: Path, pages: bool, cached: bool) -> tuple[list[Rule], list[RuleError]]:
    """The rules of one folder, from the cache where nothing has changed."""
    files = _listed(folder, ".toml")
    stamp = files + _checker_stamp()
    kept = _from_cache(folder, stamp, pages) if cached else None
    if kept is not None:
        return kept, []
    found = None if pages or folder != find_rules_folder() else _read_briefly(files)
    broken: list[RuleError] = []
    if found is None:
        pages, found = True, []
        for path, *_ in files:
            try:
                found.append((path, read_rule(Path(path))))
            except RuleError as error:
                broken.append(error)
    if cached and not broken:
        _to_cache(folder, stamp, found, pages)
    return [make_rule(data, path) for path, data in found], broken


def _read_briefly(files: Stamp) -> Found | None:
    """sftdoctor's own rules without their cases, unchecked; None where something is wrong with one of them."""
    found: Found = []
    try:
        for path, *_ in files:
            text = Path(path).read_text(encoding="utf-8").partition(_CASES)[0]
            if _OUTSIDE in text:
                text = text.partition(_EXPLAIN)[0] + _FAILS + text.partition(_FAILS)[2].partition("\n\n")[0]
            brief = _for_judging(plain(tomllib.loads(text)))
            make_rule(brief, path)
            found.append((path, brief))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return found


def _for_judging(data: Mapping[str, Any]) -> dict[str, Any]:
    """What judging needs of a rule's data; nothing judges one that a log alone shows, so nobody asks for its remedy."""
    spared = _PAGE | _REMEDY if data["fails"].get("probe") == OUTSIDE else _PAGE
    return {key: value for key, value in data.items() if key not in spared}


def _listed(folder: Path, suffix: str) -> Stamp:
    """Path, time of change and size of each file below a folder, in order: what makes a kept reading valid."""
    found: Stamp = []
    waiting = [str(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in NOT_RULES and not entry.name.startswith("."):
                        waiting.append(entry.path)
                elif entry.name.endswith(suffix):
                    with contextlib.suppress(OSError):
                        status = os.stat(entry.path)  # noqa: PTH116  (a look that a watch can notice; see finished.py)
                        found.append([entry.path, status.st_mtime_ns, status.st_size])
        if len(found) > MOST_FILES:
            raise RuleError(f"{folder}: more than {MOST_FILES} rule files", "Name the folder of the rules alone.")
    return sorted(found)


def _checker_stamp() -> Stamp:
    package = Path(__file__).parent
    paths = [package / name for name in _CHECKER]
    own = [[str(path), path.stat().st_mtime_ns, path.stat().st_size] for path in paths]
    return own + _listed(package / "predicates", ".py")


def _cache_file(folder: Path, part: str) -> Path:
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    return folders.cache_folder() / "rules" / f"{name}.{part}.json"


def _from_cache(folder: Path, stamp: Stamp, pages: bool) -> list[Rule] | None:
    """The kept rules; None where there are none, something has changed, or a file is damaged."""
    try:
        kept = json.loads(_cache_file(folder, "judge").read_bytes())
        cold = json.loads(_cache_file(folder, "pages").read_bytes()) if pages else kept
        if kept["stamp"] != stamp or cold["stamp"] != stamp:
            return None
        if not pages:
            return [make_rule(data, path) for path, data in kept["rules"]]
        return [make_rule({**data, **cold["rules"][path]}, path) for path, data in kept["rules"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _to_cache(folder: Path, stamp: Stamp, found: Found, pages: bool) -> None:
    """Keep the rules; where that is not possible, the next start is merely slower."""
    judge = [(path, _for_judging(data)) for path, data in found]
    _keep(_cache_file(folder, "judge"), stamp, judge)
    if pages:
        rest = {
            path: {key: data[key] for key in data.keys() - kept}
            for (path, data), (_, kept) in zip(found, judge, strict=True)
        }
        _keep(_cache_file(folder, "pages"), stamp, rest)


def _keep(cache: Path, stamp: Stamp, rules: Any) -> None:
    with contextlib.suppress(OSError, ValueError, TypeError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        beside = cache.with_name(f"{cache.name}.{os.getpid()}")
        text = json.dumps({"stamp": stamp, "rules": rules}, ensure_ascii=False, separators=(",", ":"))
        beside.write_text(text, encoding="utf-8")
        beside.replace(cache)
