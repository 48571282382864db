"""callback: a script's callbacks against what the installed Trainer passes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sftdoctor.predicates import Context, Outcome, evaluate
from tests.predicates.contexts import Found, context, script_of

HANDLER = """
class CallbackHandler(TrainerCallback):
    def on_log(self, args, state, control, logs{rest}):
        return self.call_event("on_log", args, state, control, logs=logs{handed})
    def on_save(self, args, state, control{rest}):
        return self.call_event("on_save", args, state, control{handed})
    def call_event(self, event, args, state, control, **kwargs):
        for callback in self.callbacks:
            getattr(callback, event)(args, state, control, model=self.model, processing_class=self.tokenizer, **kwargs)
"""
OLD, NEW = HANDLER.format(rest="", handed=""), HANDLER.format(rest=", **kwargs", handed=", **kwargs")


def given(source: str, handler: str = NEW, path: str = "t.py", modules: tuple[str, ...] = ()) -> Context:
    made = context(texts={"transformers.trainer_callback": handler})
    return replace(made, judged=script_of({}, path, source), links=Found(modules={path: modules}))


def judged(flaw: str, method: str, base: str = "TrainerCallback", handler: str = NEW) -> tuple[Outcome, str]:
    source = f"from transformers import TrainerCallback\nclass Mine({base}):\n    {method}\nMine()\n"
    found = evaluate(given(source, handler), {"probe": "callback", "flaw": flaw})
    return found.outcome, str(found.matches[0].values["name"]) if found.matches else ""


@pytest.mark.parametrize("handler", [OLD, NEW])
@pytest.mark.parametrize(
    ("flaw", "method", "name"),
    [
        ("refuses", "def on_save(self, args, state, control): ...", "model"),
        ("refuses", "def on_save(self, args, state, control, model=None): ...", "processing_class"),
        ("refuses", "def on_log(self, args, state, control, model, processing_class): ...", "logs"),
        ("refuses", "def on_log(self, logs, **kwargs): ...", "state"),
        ("refuses", "async def on_save(self, args, state, control, *, model): ...", "processing_class"),
        ("lacks", "def on_save(self, args, state, control, tokenizer, **kwargs): ...", "tokenizer"),
        ("lacks", "def on_save(self, args, state, control, *, logs, **kwargs): ...", "logs"),
        ("asks", "def on_save(self, args, state, control, **kw): print(kw['tokenizer'])", "tokenizer"),
        ("asks", "def on_save(self, args, state, control, model, **kw): print(kw['model'])", "model"),
    ],
)
def test_what_is_wrong(flaw: str, method: str, name: str, handler: str) -> None:
    assert judged(flaw, method, handler=handler) == (Outcome.FAILS, name)


@pytest.mark.parametrize(
    ("flaw", "method"),
    [
        ("refuses", "def on_save(self, args, state, control, **kwargs): ..."),
        ("refuses", "def on_save(self, *args, **kwargs): ..."),
        ("refuses", "def on_save(self, args, state, control, model, processing_class): ..."),
        ("refuses", "def on_other(self): ..."),
        ("refuses", "@wrapped\n    def on_save(self): ..."),
        ("lacks", "def on_log(self, args, state, control, logs, model, tokenizer=None, **kwargs): ..."),
        ("asks", "def on_log(self, args, state, control, **kw): print(kw['logs'], kw['model'])"),
        ("asks", "def on_save(self, args, state, control, **kw): print(kw.get('tokenizer'))"),
        ("asks", "def on_save(self, args, state, control, **kw): print('tokenizer' in kw and kw['tokenizer'])"),
        ("asks", "def on_save(self, args, state, control, **kw): kw['tokenizer'] = 1; print(kw['tokenizer'])"),
    ],
)
def test_what_is_sound(flaw: str, method: str) -> None:
    assert judged(flaw, method)[0] is Outcome.HOLDS


def test_a_class_of_its_own_is_no_callback() -> None:
    assert judged("refuses", "def on_save(self): ...", base="object")[0] is Outcome.HOLDS


def test_what_is_passed_must_be_read() -> None:
    assert judged("refuses", "def on_save(self): ...", handler="x = 1")[0] is Outcome.UNKNOWN


def test_in_a_module_of_the_user(tmp_path: Path) -> None:
    module = tmp_path / "callbacks.py"
    module.write_text("class Mine(TrainerCallback):\n    def on_save(self, args, state, control): ...\n")
    source = "from callbacks import Mine\nMine()\n"
    asked = given(source, path=str(tmp_path / "t.py"), modules=(str(module),))
    found = evaluate(asked, {"probe": "callback", "flaw": "refuses"})
    place = found.matches[0].location
    assert place is not None and (place.path, place.line) == (str(module), 2)


@pytest.mark.parametrize(("call", "outcome"), [("mine.on_save(1, 2, 3)", Outcome.HOLDS), ("print()", Outcome.FAILS)])
def test_what_the_users_own_code_calls_itself_gets_what_that_passes(call: str, outcome: Outcome) -> None:
    source = (
        f"class Mine(TrainerCallback):\n    def on_save(self, a, b, c): super().on_save(a)\nmine = Mine()\n{call}\n"
    )
    assert evaluate(given(source), {"probe": "callback", "flaw": "refuses"}).outcome is outcome
