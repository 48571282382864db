"""A traceback or log → the rules whose symptom it shows."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftdoctor.explanation import Symptoms, explain
from sftdoctor.model import Rule, Severity
from sftdoctor.ruleset import load_rules
from sftdoctor.symptoms import anchors

FIRST = "prepare_model_for_kbit_training() got an unexpected keyword argument 'gradient_checkpointing_kwargs'"
TRACEBACK = f"""Traceback (most recent call last):
  File "/app/train.py", line 12, in <module>
    trainer = SFTTrainer(model=model)
  File "/site-packages/trl/trainer/sft_trainer.py", line 335, in __init__
    model = prepare(model)
TypeError: {FIRST}
"""


@pytest.fixture(scope="module")
def rules() -> tuple[Rule, ...]:
    return load_rules()


def rule(symptom: str) -> Rule:
    return Rule("CFG001", "a-rule", "A rule", Severity.ERROR, "trl {trl} does {fact.name} it", "", "", symptom=symptom)


@pytest.mark.parametrize(
    "log",
    [
        TRACEBACK,
        TRACEBACK.replace("\n", "\r\n"),
        "".join(f"[rank0]: {line}\n" for line in TRACEBACK.splitlines()),
        "".join(f"0: {line}\n" for line in TRACEBACK.splitlines()),
        "\x1b[31m" + TRACEBACK.replace("TypeError", "\x1b[91mTypeError\x1b[0m"),
        "noise\n" * 10_000 + TRACEBACK + "noise\n" * 10_000,
        TRACEBACK
        + "\nDuring handling of the above exception, another exception occurred:\n\nRuntimeError: worker died\n",
    ],
)
def test_the_first_failure_is_recognised_in_every_dress(log: str, rules: tuple[Rule, ...]) -> None:
    found = explain(log.splitlines(keepends=True), rules)
    assert [finding.id for finding in found.findings] == ["API021"]
    assert FIRST in found.findings[0].symptom
    assert found.pages[0].explain.strip().startswith("## What happens")


def test_an_error_of_many_causes_names_them_all(rules: tuple[Rule, ...]) -> None:
    found = explain(["RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn\n"], rules)
    assert {"MDL004", "MDL006", "MDL007", "MDL008", "MDL010", "MDL011"} <= {finding.id for finding in found.findings}


def framed(frame: str) -> Rule:
    return replace(rule("KeyError: 'x'"), fails={"probe": "log", "frame": frame})


TOLD = """Traceback (most recent call last):
  File "/app/train.py", line 12, in <module>
    trainer = SFTTrainer(model=model)
  File "C:\\e\\Lib\\site-packages\\trl\\trainer\\sft_trainer.py", line 335, in tokenize
    row[name]
KeyError: 'x'
"""


@pytest.mark.parametrize(
    ("log", "frame", "found"),
    [
        (TOLD, r"/trl/trainer/sft_trainer\.py in tokenize$", True),
        (TOLD, r"/peft/", False),
        (TOLD.replace("SFTTrainer", "x\n" + '  File "/a.py", line 1, in f\n    f()\n' * 9), r"/app/train\.py", False),
        ("KeyError: 'x'\n", r"/trl/", False),
        ("a line of a log, KeyError: 'x'\n", r"/trl/", False),
    ],
)
def test_words_of_any_program_count_where_the_frames_say_whose_they_are(log: str, frame: str, found: bool) -> None:
    assert bool(explain(log.splitlines(), (framed(frame),)).findings) is found


def test_where_frames_are_missing_it_is_said_what_they_would_settle() -> None:
    told = explain(["KeyError: 'x'"], (framed("/trl/"),))
    assert told.findings == ()
    assert "CFG001" in told.notes[0]
    assert "its frames tell" in told.notes[0]
    assert explain(TOLD.splitlines(), (framed("/peft/"),)).notes == ()


@pytest.mark.parametrize(
    ("log", "how", "found"),
    [
        ("KeyError: 'x'\n", {"alone": "'x'"}, True),
        ("KeyError: 'x'\n", {"alone": "'y'"}, False),
        ("When I run deepspeed with my data:\nKeyError: 'x'\n", {"named": True}, True),
        ("KeyError: 'x'\n", {"named": True}, False),
        ("When I run deepspeed with my data:\nKeyError: 'x'\n", {}, False),
        ("deepspeed\n" + TOLD, {"named": True}, False),  # its frames are there, and are others
    ],
)
def test_words_that_do_without_frames(log: str, how: dict[str, object], found: bool) -> None:
    known = replace(framed("/peft/"), fails={"probe": "log", "frame": "/peft/", **how})
    assert bool(explain(log.splitlines(), (known,)).findings) is found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('raise KeyError("x")', True),
        ("assert name in row", True),
        ("row[name]", False),  # it failed there by itself: the library did not refuse it
    ],
)
def test_what_a_place_refuses_is_known_by_the_place(line: str, found: bool) -> None:
    place = r"/trl/trainer/sft_trainer\.py in tokenize$"
    known = replace(rule("KeyError: .x"), fails={"probe": "log", "raiser": place})
    assert bool(explain(TOLD.replace("row[name]", line).splitlines(), (known,)).findings) is found
    elsewhere = replace(known, fails={"probe": "log", "raiser": "/peft/"})
    assert explain(TOLD.replace("row[name]", line).splitlines(), (elsewhere,)).findings == ()
    assert explain(["KeyError: 'x'"], (known,)).findings == ()


def test_an_override_of_a_librarys_trainer_is_not_the_scripts(rules: tuple[Rule, ...]) -> None:
    said = "TypeError: {}.compute_loss() got an unexpected keyword argument 'num_items_in_batch'"
    assert [one.id for one in explain([said.format("DPOTrainer")], rules).findings] == ["API330"]
    assert [one.id for one in explain([said.format("MyLoss")], rules).findings] == ["API050"]


def test_the_trainer_of_lightning_is_not_transformers(rules: tuple[Rule, ...]) -> None:
    said = "TypeError: Trainer.__init__() got an unexpected keyword argument '{}'"
    assert explain([said.format("gpus")], rules).findings == ()
    assert [one.id for one in explain([said.format("tokenizer_class")], rules).findings] == ["API002"]


def test_what_a_message_announces_stands_below_an_empty_line(rules: tuple[Rule, ...]) -> None:
    log = """RuntimeError: Failed to import transformers.trainer because of the following error (look up to see it):

        CUDA Setup failed despite GPU being available. Inspect the CUDA SETUP outputs above"""
    assert [one.id for one in explain(log.splitlines(), rules).findings] == ["GPU203"]


def test_a_head_in_other_words_starts_a_traceback_too(rules: tuple[Rule, ...]) -> None:
    log = """Traceback (most recent calls WITHOUT Sacred internals):
File "/app/main.py", line 118, in main
if epoch % trainer.every == 0:
AttributeError: 'Loop' object has no attribute 'every'"""
    assert "The line that failed is the program's own: app/main.py:118" in explain(log.splitlines(), rules).notes[0]


def test_a_line_of_the_program_s_own_is_told_as_such(rules: tuple[Rule, ...]) -> None:
    log = TOLD.replace("C:\\e\\Lib\\site-packages\\trl\\trainer\\sft_trainer.py", "/app/rows.py")
    told = explain(log.splitlines(), rules)
    assert told.findings == ()
    assert "The line that failed is the program's own: app/rows.py:335 in tokenize, `row[name]`." in told.notes[0]


def test_an_attribute_that_wrappers_look_up_is_asked_for_by_the_line_before(rules: tuple[Rule, ...]) -> None:
    log = """Traceback (most recent call last):
  File "/app/train.py", line 46, in recipe
    if model.peft_config is None:
  File "/e/lib/python3.10/site-packages/peft/peft_model.py", line 824, in __getattr__
    return super().__getattr__(name)
AttributeError: 'LoraModel' object has no attribute 'frobnicate_it'
"""
    told = explain(log.splitlines(), rules)
    assert [one.id for one in told.findings] == ["API005"]
    assert told.findings[0].title == "LoraModel has no frobnicate_it"  # and not: "peft asks, and …"


def test_a_keyword_of_a_class_of_another_library_is_another_rule_s(rules: tuple[Rule, ...]) -> None:
    told = explain(["TypeError: Accelerator.__init__() got an unexpected keyword argument 'logging_dir'"], rules)
    assert [one.id for one in told.findings] == ["API002"]


def test_a_message_that_is_cut_off_is_read_where_it_was_raised() -> None:
    log = """Traceback (most recent call last):
  File "/e/lib/site-packages/transformers/trainer.py", line 944, in get_eval_dataloader
    raise ValueError("evaluation requires an eval_dataset.")
ValueError: evaluation req
"""
    known = (rule("evaluation requires an eval_dataset"),)
    assert [finding.id for finding in explain(log.splitlines(), known).findings] == ["CFG001"]
    assert explain(log.replace("raise ", "log(").splitlines(), known).findings == ()


def test_a_title_and_a_traceback_that_breaks_off_are_read_together() -> None:
    broken_off = TOLD[: TOLD.index("KeyError")]
    assert [one.id for one in explain(["KeyError: 'x'", *broken_off.splitlines()], (framed("/trl/"),)).findings] == [
        "CFG001"
    ]
    assert explain(["KeyError: 'x'", *broken_off.splitlines()], (framed("/peft/"),)).findings == ()


WRAPPED = """RuntimeError: Failed to import x because of the following error (look up to see its traceback):
cannot import name 'y' from 'z'
"""


@pytest.mark.parametrize(
    ("log", "others", "found"),
    [
        (WRAPPED, (), ["CFG001"]),
        (WRAPPED, ("cannot import name 'y' from 'z'",), ["DAT999"]),
        (WRAPPED + "and then\nValueError: something else\n", (), []),
        ("a page says: Failed to import x because of", (), ["CFG001"]),
    ],
)
def test_words_that_only_pass_an_error_on_count_where_nothing_else_does(
    log: str, others: tuple[str, ...], found: list[str]
) -> None:
    passing_on = replace(rule("Failed to import x because of"), fails={"probe": "log", "last": True})
    known = (passing_on, *(replace(rule(words), id="DAT999") for words in others))
    assert [one.id for one in explain(log.splitlines(), known).findings] == found


@pytest.mark.parametrize("text", ["pass an `x` to `y`", "pass an x to y", "pass an x to `y`"])
def test_backticks_of_a_message_may_be_lost(text: str) -> None:
    assert explain([f"ValueError: {text}"], (rule("pass an `x` to `y`"),)).findings
    assert not explain(["ValueError: pass an z to `y`"], (rule("pass an `x` to `y`"),)).findings


def test_an_assertion_without_words_is_known_by_its_source_line() -> None:
    log = """Traceback (most recent call last):
  File "/e/site-packages/deepspeed/runtime/zero/stage3.py", line 525, in defragment
    assert len(set(t.dtype for t in tensors)) == 1
AssertionError"""
    assert explain(log.splitlines(), (rule(r"assert len\(set\(t\.dtype"),)).findings
    assert not explain(log.replace("assert len", "check(len").splitlines(), (rule(r"check\(len"),)).findings


@pytest.mark.parametrize(
    ("log", "id_"),
    [
        ("ValueError: The config file at /a/b.yaml had unknown keys (['enable_cpu_affinity']), please try", "API071"),
        ("ValueError: Some specified arguments are not used by the HfArgumentParser: ['--lr', '1e-4']", "API013"),
    ],
)
def test_libraries_tell_of_unknown_keys_in_their_own_words(log: str, id_: str, rules: tuple[Rule, ...]) -> None:
    assert [one.id for one in explain([log], rules).findings] == [id_]


def test_a_notice_that_a_program_goes_on_after_is_no_error(rules: tuple[Rule, ...]) -> None:
    notice = ["A matching Triton is not available", "Error caught was: No module named 'triton'"]
    assert explain(notice, rules).exception is None
    assert explain([*TRACEBACK.splitlines(), *notice], rules).findings[0].id == "API021"


def test_the_frames_that_matter_are_kept() -> None:
    found = explain(TRACEBACK.splitlines(), ())
    assert found.findings == ()
    assert found.exception == f"TypeError: {FIRST}"
    assert found.frames == ("/app/train.py:12 in <module>", "/site-packages/trl/trainer/sft_trainer.py:335 in __init__")
    assert found.lines == 6


@pytest.mark.parametrize(
    ("log", "exception"),
    [
        ("all is well\n", None),
        ("", None),
        ("my.module.CustomError: x\n", "my.module.CustomError: x"),
        ("torch.OutOfMemoryError: CUDA out of memory\n", "torch.OutOfMemoryError: CUDA out of memory"),
        ("KeyboardInterrupt\n", "KeyboardInterrupt"),
        ("This Error: is prose\n", None),
        ("[rank3]: ValueError: y\n", "ValueError: y"),
    ],
)
def test_which_lines_are_exceptions(log: str, exception: str | None) -> None:
    assert explain(log.splitlines(), ()).exception == exception


def test_versions_that_are_not_known_are_left_out() -> None:
    told = replace(rule("boom"), message="trl {trl} does it ({where}). trl {trl} does {fact.name} it. {callee} is not.")
    finding = explain(["boom"], (told,)).findings[0]
    assert finding.message == "trl does it."


UNKNOWN = "TypeError: {}.__init__() got an unexpected keyword argument '{}'"
FROM_A_SCRIPT = 'Traceback (most recent call last):\n  File "/u/train.py", line 4, in <module>\n    from trl import X\n'
FROM_TRL = FROM_A_SCRIPT + '  File "/e/site-packages/trl/x.py", line 2, in <module>\n    from transformers import X\n'


@pytest.mark.parametrize(
    ("log", "id_", "fixes"),
    [
        # the name that is not known is the one to be replaced
        (UNKNOWN.format("SFTConfig", "max_length"), "API038", ["rename max_length to max_seq_length"]),
        (UNKNOWN.format("SFTConfig", "max_seq_length"), "API038", ["rename max_seq_length to max_length"]),
        (
            UNKNOWN.format("TrainingArguments", "eval_strategy"),
            "API030",
            ["rename eval_strategy to evaluation_strategy"],
        ),
        # a name that only some releases have
        (FROM_A_SCRIPT + "ImportError: cannot import name 'DPOConfig' from 'trl' (x)", "API001", ["trl>=0.9.2"]),
        (
            UNKNOWN.format("DPOConfig", "max_prompt_length"),
            "API002",
            ["take max_prompt_length out of the call, or give what replaced it", "trl>=0.9.2,<=0.28.0"],
        ),
        # nothing of the script can mend what a library asks of another
        (
            FROM_TRL + "ImportError: cannot import name 'GoneNames' from 'transformers' (x)",
            "API001",
            ["another version of trl or transformers: `sftdoctor fix` looks for the nearest that fit"],
        ),
        (
            FROM_TRL + "ModuleNotFoundError: No module named 'mergekit'",
            "API003",
            ["install what brings mergekit, or a version of trl that does without"],
        ),
        (
            FROM_TRL.replace("trl", "triton") + "ModuleNotFoundError: No module named 'setuptools'",
            "ENV012",
            ["setuptools"],
        ),
        # whatever the place
        (
            "TypeError: '<=' not supported between instances of 'float' and 'str'",
            "CFG027",
            ["write the number without quotes, in YAML with a point: VALUE"],
        ),
    ],
)
def test_what_is_offered_fits_the_name_that_the_error_says(
    log: str, id_: str, fixes: list[str], rules: tuple[Rule, ...]
) -> None:
    finding = explain(log.splitlines(), rules).findings[0]
    assert finding.id == id_
    assert [fix.summary for fix in finding.fixes] == fixes
    assert finding.symptom == log.splitlines()[-1]


BF16 = "ValueError: Your setup doesn't support bf16/gpu."
TO_CPU = " You need to assign use_cpu if you want to train the model on CPU."


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        # no GPU, or a torch that cannot use one
        ("", ["GPU005", "GPU013"]),
        (TO_CPU, ["GPU005", "GPU013"]),
        (" You need Ampere+ GPU with cuda>=11.0", ["GPU003"]),
        (TO_CPU + " You need Ampere+ GPU with cuda>=11.0.", ["GPU003"]),
        # before 4.57 the same words for both
        (" You need torch>=1.10, using Ampere GPU with cuda>=11.0", ["GPU003", "GPU013"]),
    ],
)
def test_a_gpu_without_bf16_and_none_at_all_are_told_apart(words: str, ids: list[str], rules: tuple[Rule, ...]) -> None:
    assert sorted(finding.id for finding in explain([BF16 + words], rules).findings) == ids


def test_a_rule_about_a_link_says_who_asked_for_what(rules: tuple[Rule, ...]) -> None:
    log = FROM_TRL.replace("trl", "triton") + "ModuleNotFoundError: No module named 'setuptools'"
    known, bare = (explain(text.splitlines(), rules).findings[0] for text in (log, log.splitlines()[-1]))
    assert known.title == "triton needs setuptools but does not say so"
    assert known.message.startswith(
        "triton imports `setuptools` (triton/x.py:2) without declaring it, and setuptools is"
    )
    assert known.fixes[0].reason == "triton imports it."
    assert (bare.id, bare.title) == ("ENV012", "there is no module setuptools")
    assert bare.fixes[0].reason == ""


def test_order_is_that_of_the_log_and_each_rule_comes_once() -> None:
    rules = (replace(rule("first"), id="CFG001"), replace(rule("second"), id="CFG002"))
    found = explain(["second", "first", "second"], rules)
    assert [finding.id for finding in found.findings] == ["CFG002", "CFG001"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"prepare\(\) got 'x'", ("prepare() got 'x'",)),
        (r"No module named '(\w+)'", ("No module named '",)),
        (r"first one|second one", ("first one", "second one")),
        (r"first|\w", ()),
        (r"(?i)Foo", ()),
        (r"(?i:foo)", ()),
        (r"colou?rs are", ("rs are",)),
        (r"abc+d", ("ab",)),
        (r"x[^]]yy{2,3}zz", ("zz",)),
        (r"(foo|barr)bazz", ("bazz",)),
        (r"(fooo|barr)baz", ("fooo", "barr")),
        (r"a\.b\d+c\\d", ("a.b",)),
    ],
)
def test_every_match_contains_an_anchor(pattern: str, expected: tuple[str, ...]) -> None:
    assert anchors(pattern) == expected


def test_symptoms_of_real_rules_have_anchors(rules: tuple[Rule, ...]) -> None:
    found = {one.id: anchors(one.symptom.strip()) for one in rules if one.symptom}
    assert not {id_: texts for id_, texts in found.items() if not texts or min(map(len, texts)) < 4}


PATTERN = r"[a-z]{1,5}(\(\) got| takes no) '\w{1,3}'(, or not)? at \d{1,3}%"


@given(st.from_regex(re.compile(PATTERN), fullmatch=True))
def test_what_a_pattern_matches_contains_an_anchor(line: str) -> None:
    assert any(text in line for text in anchors(PATTERN))


@given(st.text())
def test_no_log_is_a_crash(log: str) -> None:
    explain(log.splitlines(keepends=True), (rule(r"a.{0,20}b"),))


@given(st.from_regex(re.compile(PATTERN), fullmatch=True), st.text(), st.text())
def test_a_pattern_is_alive_wherever_it_matches(line: str, before: str, after: str) -> None:
    rules = (rule(PATTERN), replace(rule("(?i)qq"), id="CFG002"), replace(rule("none of these words"), id="CFG003"))
    alive = [pattern.id for pattern in Symptoms(rules).alive(f"{before}{line}{after}")]
    assert alive[:2] == ["CFG001", "CFG002"]


def test_a_broken_link_is_told_with_the_releases_that_have_it() -> None:
    found = explain(["ImportError: cannot import name 'PeftSavingCallback' from 'trl.trainer.utils'"], load_rules())
    assert [(one.id, one.message) for one in found.findings] == [("API001", "trl had it from 0.4.5 to 0.7.4.")]


def test_a_tokenizer_of_transformers_5_says_what_it_lacks_in_its_own_words() -> None:
    line = "AttributeError: BertTokenizer has no attribute batch_encode_plus. Did you mean: '_encode_plus'?"
    found = explain([line], load_rules())
    assert [(one.id, one.message) for one in found.findings] == [("API005", "transformers had it until 4.57.6.")]


def test_an_attribute_that_a_class_of_another_lacks_is_no_rules_that_names_its_owner_alone() -> None:
    assert explain(["AttributeError: 'tuple' object has no attribute 'dtype'"], load_rules()).findings == ()


def test_a_rule_about_a_link_is_told_with_the_name_that_the_exception_says() -> None:
    line = "TypeError: DPOTrainer.__init__() got an unexpected keyword argument 'loss_type'"
    found = explain([line], load_rules()).findings[0]
    assert found.id == "API068"
    assert (found.title, found.message) == (
        "loss_type moved from DPOTrainer to DPOConfig",
        "The script passes `loss_type` to DPOTrainer; trl reads it from DPOConfig (`args=`). "
        "In DPOTrainer, trl had it from 0.7.3 to 0.12.2.",
    )
