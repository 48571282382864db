"""signature and offers."""

from __future__ import annotations

from typing import Any

import pytest

from sftdoctor.predicates import Outcome, evaluate
from tests.predicates.contexts import Keywords, context, distribution

PREPARE = "peft.utils.other:prepare"


@pytest.mark.parametrize(
    ("signature", "arguments", "outcome"),
    [
        (Keywords(("model",)), {"lacks": "kwargs"}, Outcome.FAILS),
        (Keywords(("model", "kwargs")), {"lacks": "kwargs"}, Outcome.HOLDS),
        (Keywords((), takes_all=True), {"lacks": "kwargs"}, Outcome.HOLDS),
        (Keywords(("model",)), {"lacks": ["model", "kwargs"]}, Outcome.FAILS),
        (Keywords(("model",)), {"has": "model"}, Outcome.FAILS),
        (Keywords(("model",)), {"has": ["model", "kwargs"]}, Outcome.HOLDS),
        (Keywords(("model",)), {"has": "model", "lacks": "kwargs"}, Outcome.FAILS),
        (Keywords(("old",)), {"has": "model", "lacks": "kwargs"}, Outcome.HOLDS),
        (None, {"lacks": "kwargs"}, Outcome.UNKNOWN),
    ],
)
def test_signature(signature: Keywords | None, arguments: dict[str, Any], outcome: Outcome) -> None:
    asked = context(distribution("peft", "0.5.0"), signatures={PREPARE: signature} if signature else {})
    assert evaluate(asked, {"probe": "signature", "callable": PREPARE, **arguments}).outcome is outcome


def test_signature_names_the_callee() -> None:
    asked = context(distribution("peft", "0.5.0"), signatures={PREPARE: Keywords(())})
    match = evaluate(asked, {"probe": "signature", "callable": PREPARE, "lacks": "kwargs"}).matches[0]
    assert match.values == {"missing": "kwargs"}
    assert match.cause is not None and match.cause.callee is not None
    assert (match.cause.callee.distribution, match.cause.callee.version) == ("peft", "0.5.0")
    assert match.cause.callee.symbol == "peft.utils.other.prepare"


@pytest.mark.parametrize(
    ("arguments", "outcome"),
    [
        ({"module": "trl", "lacks": "Gone"}, Outcome.FAILS),
        ({"module": "trl", "lacks": "SFTTrainer"}, Outcome.HOLDS),
        ({"module": "trl", "has": "SFTTrainer"}, Outcome.FAILS),
        ({"module": "trl", "has": "Gone"}, Outcome.HOLDS),
        ({"module": "trl", "has": "SFTTrainer", "lacks": "Gone"}, Outcome.FAILS),
        ({"module": "compiled", "lacks": "Gone"}, Outcome.UNKNOWN),
        ({"module": "compiled", "has": "Gone"}, Outcome.UNKNOWN),
    ],
)
def test_offers(arguments: dict[str, Any], outcome: Outcome) -> None:
    assert evaluate(context(names={"trl": ("SFTTrainer",)}), {"probe": "offers", **arguments}).outcome is outcome
