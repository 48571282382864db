"""source, unlisted and unknown-keyword: what the installed source says in its own words."""

from __future__ import annotations

from typing import Any

import pytest

from sftdoctor.predicates import Outcome, evaluate
from tests.predicates.contexts import Keywords, context

TEXTS = {
    "lib.args": '''
class Names(ExplicitEnum):
    """A list."""
    ADAM = "adam"
    SGD: str = "sgd"
    OTHER = make()
''',
    "lib.tables": """
TABLE = OrderedDict([("llama", "LlamaConfig"), ("gpt2", "GPT2Config")])
TABLE.update({"qwen": "QwenConfig"})
ANNOTATED: dict[str, list[str]] = {"t5": ["q", "v"]}
""",
    "lib.broken": "class Names(",
}


def ask(probe: dict[str, Any], **facts: Any) -> Any:
    return evaluate(context(facts=facts, texts=TEXTS, signatures={"lib:Config": Keywords(("bits", "kind"))}), probe)


@pytest.mark.parametrize(
    ("arguments", "outcome"),
    [
        ({"has": "ADAM"}, Outcome.FAILS),
        ({"has": ["ADAM", "sgd"]}, Outcome.FAILS),
        ({"has": ["ADAM", "lion"]}, Outcome.HOLDS),
        ({"lacks": "lion"}, Outcome.FAILS),
        ({"lacks": "ADAM"}, Outcome.HOLDS),
        ({"has": "ADAM", "lacks": ["sgd", "lion"]}, Outcome.FAILS),
        ({"has": "lion", "lacks": "tiger"}, Outcome.HOLDS),
    ],
)
def test_source(arguments: dict[str, Any], outcome: Outcome) -> None:
    assert ask({"probe": "source", "module": "lib.args", **arguments}).outcome is outcome


def test_a_module_that_is_not_there_is_unknown() -> None:
    assert ask({"probe": "source", "module": "lib.none", "has": "x"}).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("module", "name", "value", "outcome"),
    [
        ("lib.args", "Names", "adam", Outcome.HOLDS),
        ("lib.args", "Names", "sgd", Outcome.HOLDS),
        ("lib.args", "Names", "lion", Outcome.FAILS),
        ("lib.tables", "TABLE", "llama", Outcome.HOLDS),
        ("lib.tables", "TABLE", "qwen", Outcome.HOLDS),
        ("lib.tables", "TABLE", "LlamaConfig", Outcome.FAILS),
        ("lib.tables", "ANNOTATED", "t5", Outcome.HOLDS),
        ("lib.tables", "ANNOTATED", "q", Outcome.FAILS),
        (["lib.none", "lib.tables"], "TABLE", "gpt2", Outcome.HOLDS),
        ("lib.tables", "NONE", "gpt2", Outcome.UNKNOWN),
        ("lib.none", "TABLE", "gpt2", Outcome.UNKNOWN),
        ("lib.broken", "Names", "adam", Outcome.UNKNOWN),
        ("lib.args", "Names", "unset", Outcome.HOLDS),
        ("lib.args", "Names", "unknown", Outcome.UNKNOWN),
    ],
)
def test_unlisted(module: Any, name: str, value: str, outcome: Outcome) -> None:
    assert ask({"probe": "unlisted", "fact": "optim", "module": module, "name": name}, optim=value).outcome is outcome


def test_unlisted_gives_the_value_and_its_place() -> None:
    match = ask({"probe": "unlisted", "fact": "optim", "module": "lib.args", "name": "Names"}, optim="lion").matches[0]
    assert match.values["value"] == "lion"
    assert match.location is not None


@pytest.mark.parametrize(
    ("keyword", "extra", "outcome"),
    [("bits", {}, Outcome.HOLDS), ("bit", {}, Outcome.FAILS), ("bit", {"except": ["bit"]}, Outcome.HOLDS)],
)
def test_unknown_keyword(keyword: str, extra: dict[str, Any], outcome: Outcome) -> None:
    probe = {"probe": "unknown-keyword", "fact": "bnb_keyword", "callable": "lib:Config", **extra}
    assert ask(probe, bnb_keyword=keyword).outcome is outcome


def test_unknown_keyword_of_what_cannot_be_read_is_unknown() -> None:
    probe = {"probe": "unknown-keyword", "fact": "bnb_keyword", "callable": "lib:Other"}
    assert ask(probe, bnb_keyword="x").outcome is Outcome.UNKNOWN
    assert ask(probe).outcome is Outcome.HOLDS
