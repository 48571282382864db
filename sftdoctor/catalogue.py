"""Other languages than English: one TOML file each under rules/lang, with fixed words and the texts of rules."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sftdoctor.errors import RuleError
from sftdoctor.model import Rule
from sftdoctor.ruleset import find_rules_folder

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover  (Python 3.10)
    import tomli as tomllib


@dataclass(frozen=True)
class Catalogue:
    """What one language says in place of English; what is missing stays English."""

    words: Mapping[str, str] = field(default_factory=dict)
    """English text of a report → its translation."""
    rules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Id of a rule → title, message, fixes (a list of summary and reason)."""


def load_catalogue(language: str) -> Catalogue:
    """Read the catalogue of a language.

    Args:
        language: "zh"; "en" has none.

    Returns:
        Its texts, none for English.

    Raises:
        RuleError: Its file is not there or damaged.
    """
    if language == "en":
        return Catalogue()
    path = find_rules_folder() / "lang" / f"{language}.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        return Catalogue(table["words"], table["rules"])
    except (OSError, ValueError, KeyError) as error:
        raise RuleError(f"{path} cannot be read: {error}", "Install sftdoctor again, or leave --lang out.") from error


def translated(rules: Sequence[Rule], catalogue: Catalogue) -> tuple[Rule, ...]:
    """Rules with the texts of a catalogue, placeholders and all; those that it lacks stay as they are."""
    return tuple(_translated(rule, catalogue.rules.get(rule.id)) for rule in rules)


def _translated(rule: Rule, texts: Mapping[str, Any] | None) -> Rule:
    # a rule of the user's own may bear the id of one of ours: its fixes are then others
    if texts is None or len(texts["fixes"]) != len(rule.fixes):
        return rule
    fixes = tuple(replace(fix, **said) for fix, said in zip(rule.fixes, texts["fixes"], strict=True))
    return replace(rule, title=texts["title"], message=texts["message"], fixes=fixes)
