"""explain on real tracebacks from public threads: the first answer is right, or it is "not known".

Taken once, before anything was mended by it: of the third that was held back the first answer was right for 50 of 51,
and no answer was wrong (2026-11-25; the one that was missed passes an ImportError's text on without its name).

Taken again on threads that were sampled by library and by stage, whatever the rules know, and labelled before any rule
was tried (2026-11-26):
- 72 threads, fixtures/tracebacks/unseen-first.toml. 18 are nobody's business here, and none of them was answered; of
  the 54 that are, 24 were answered rightly, 30 with "not known", none wrongly. Then what was lacking was written.
- 30 others, fixtures/tracebacks/unseen-second.toml, with what was written. Of the 9 that are nobody's business one was
  answered, a notice that xformers prints and goes on after; of the 21 that are, 14 were answered rightly, 7 with "not
  known", none wrongly. Four rules and three ways of reading came of it.
- 22 others, fixtures/tracebacks/unseen-third.toml, with those too. None of the 8 that are nobody's business was
  answered; of the 14 that are, 7 were answered rightly, 7 with "not known", none wrongly.
- 12 others, mostly titles and broken off, fixtures/tracebacks/unseen-fourth.toml, with 25 rules more. None of the 4
  that are nobody's business was answered; of the 8 that are, 2 were answered rightly, 5 with "not known", 1 wrongly
  (two shapes, of which one is that of packed 4-bit weights: ENV031 named one cause of several).

And again, five times on one day (2026-11-26), each time with the rules that the samples before had brought. The cause
of each thread was written down (`cause`) before any rule was tried; a thread that the corpus had already is not
counted:
- 39 threads, unseen-fifth.toml, by kinds of error that were thought to be unknown. The 2 that are nobody's business
  were not answered; of the 37 that are, 12 were answered rightly, 24 with "not known", 1 wrongly (an assertion on the
  GPU was taken for too long a text). 87 rules came of it.
- 48 threads, unseen-sixth.toml, by library. Of the 9 that are nobody's business one was answered; of the 39 that are,
  16 were answered rightly, 22 with "not known", 1 wrongly. 32 rules came of it.
- 33 threads, unseen-seventh.toml, by library, with many titles and broken-off texts. None of the 4 that are nobody's
  business was answered; of the 29 that are, 9 were answered rightly, 17 with "not known", 3 wrongly (bitsandbytes on
  Linux was told of Windows; twice a kernel of no elements was taken for one that reads outside its memory). 11 rules
  came of it.
- 43 threads, unseen-eighth.toml: all with the words of an error that sixteen neutral questions ("axolotl training
  fails with traceback") found, none left out. None of the 8 that are nobody's business was answered; of the 35 that
  are, 22 were answered rightly, 11 with "not known", 2 wrongly. 8 rules came of it.
- 32 threads, unseen-ninth.toml, of ten more neutral questions. Neither of the 2 that are nobody's business was
  answered; of the 30 that are, 16 were answered rightly, 11 with "not known", 3 wrongly. 4 rules came of it.

And twice more on that day, before and after what the libraries raise themselves was gone through
(tests/bench/raised.py): all threads whose failing frame or words come of torch, transformers, trl, peft, bitsandbytes,
accelerate, datasets, tokenizers, deepspeed, flash-attn, triton, CUDA or NCCL, by neutral queries for a library and a
kind of exception:
- 46 threads, unseen-tenth.toml, seventeen queries, before it. Of the 17 that are nobody's business 2 were answered;
  of the 29 that are, 18 were answered rightly, 10 with "not known", 1 wrongly.
- 63 threads, unseen-eleventh.toml, fifteen queries, after it. Of the 4 that are nobody's business one was answered; of
  the 59 that are, 42 were answered rightly, 16 with "not known", 1 wrongly. The rules of before, asked the same, were
  right 39 times: of what people write most was known already, and what is left is a name or a shape of one project.
Right is counted here, as before, where the answer is the page of a kind of link and that is the cause.

And five times more on that day, for whatever people ask of training that fails: neutral queries by library, launcher,
kind of exception and year (twelfth), by other words for the same (thirteenth), by what is done (fourteenth: a kind of
training, resuming, merging, launching), by library, trainer and stage (fifteenth), by library and kind of exception
(sixteenth), all threads whose excerpt shows the words of an error:
- 86 threads, unseen-twelfth.toml, thirty queries. Of the 19 that are nobody's business 5 were answered; of the 67 that
  are, 35 were answered rightly, 20 with "not known", 12 wrongly. 13 rules came of it, words that need no frame, and the
  note on a line of the program's own.
- 46 threads, unseen-thirteenth.toml, fifteen queries, with those. None of the 4 that are nobody's business was
  answered; of the 42 that are, 24 were answered rightly, 16 with "not known", 2 wrongly. 19 rules came of it, and the
  raise of a library as a place.
- 58 threads, unseen-fourteenth.toml, fourteen queries, with those too; three are not in the file (a class that is
  called Trainer, of a project or of transformers: the words do not say). Of the 13 that are nobody's business those 3
  were answered; of the 45 that are, 14 were answered rightly, 27 with "not known", 4 wrongly. 16 rules came of it.
- 43 threads, unseen-fifteenth.toml, fourteen queries, with those too. Of the 9 that are nobody's business one was
  answered (Lightning's Trainer); of the 34 that are, 15 were answered rightly, 16 with "not known", 3 wrongly. 6 rules
  came of it. The queries had given 61 threads: the other 18, which are met most, were in the corpus.
- 26 threads, unseen-sixteenth.toml, eight queries, with those too; many of them old. Of the 8 that are nobody's
  business one was answered (Lua's torch); of the 18 that are, 5 were answered rightly, 10 with "not known",
  3 wrongly. 4 rules came of it. Of the 35 threads that the queries had given, 9 were in the corpus. Two are answered
  wrongly still, and not in the file: Lua's, and an assertion of torch on the GPU that is no index.

Of 31 more threads (30 in third-look.toml, one in unseen-third.toml), found by what they say, 27 were right at first
sight, 3 not known and 1 wrong (2026-11-26: a circular import was taken for a hidden module).
All of them were then learned from: another figure needs another sample.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from sftdoctor.explanation import Symptoms, explain
from sftdoctor.logs.common import COMMON
from sftdoctor.model import OUTSIDE, Rule
from sftdoctor.ruleset import load_rules
from tests.tracebacks import Trace, traces

LEAST_RIGHT = 0.95


@pytest.fixture(scope="module")
def rules() -> tuple[Rule, ...]:
    return load_rules()


def answer(trace: Trace, rules: tuple[Rule, ...]) -> str:
    """The first answer; "" for "not known"."""
    findings = explain(trace.text.splitlines(), rules).findings
    return findings[0].id if findings else ""


def right_answers(trace: Trace, rules: tuple[Rule, ...]) -> set[str]:
    """What is expected; and where that is a rule that logs alone show, any other that knows the very same words."""
    right = set(trace.expect)
    for rule in rules:
        if rule.id in trace.expect and rule.fails.get("probe") == OUTSIDE:
            logs = [case.data["log"] for case in rule.cases if case.expect == "fail"]
            right |= {other.id for other in rules if any(Symptoms([other]).in_text(log) for log in logs)}
    return right


def test_the_corpus_is_what_it_says() -> None:
    corpus = traces()
    assert len({one.source for one in corpus}) == len(corpus) >= 120
    assert sum(not one.expect for one in corpus) >= 25
    assert 0.25 < sum(one.held_back for one in corpus) / len(corpus) < 0.42
    assert all(one.source.startswith("https://") and one.text.strip() for one in corpus)


def test_every_error_that_is_ours_has_a_rule(rules: tuple[Rule, ...]) -> None:
    there = {rule.id for rule in rules}
    assert not [one.source for one in traces() if one.expect and not there.intersection(one.expect)]


def test_no_rule_answers_for_an_error_of_any_program_by_its_words_alone(rules: tuple[Rule, ...]) -> None:
    assert {line: found.findings for line in COMMON if (found := explain([line], rules)).findings} == {}


def test_a_rule_with_words_that_any_program_has_is_named_and_no_answer(rules: tuple[Rule, ...]) -> None:
    vague = replace(rules[0], id="DAT999", symptom=r"KeyError: '\w{1,60}'", fails={"probe": "facts", "where": {}})
    found = explain(["KeyError: 'text'"], (*rules, vague))
    assert found.findings == ()
    assert "DAT999" in found.notes[0]


@pytest.mark.parametrize("held_back", [False, True])
def test_the_first_answer_is_right(held_back: bool, rules: tuple[Rule, ...]) -> None:
    corpus = [one for one in traces() if one.held_back is held_back]
    answers = {one.source: answer(one, rules) for one in corpus}
    answered = [one for one in corpus if answers[one.source]]
    wrong = {
        one.source: answers[one.source] for one in answered if answers[one.source] not in right_answers(one, rules)
    }
    missed = [one.source for one in corpus if one.expect and not answers[one.source]]
    assert not wrong
    assert len(missed) <= (1 - LEAST_RIGHT) * len(corpus), missed


@pytest.mark.parametrize(
    "dress",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "".join(f"[rank0]: {line}\n" for line in text.splitlines()),
        lambda text: "".join(f"[default3]:{line}\n" for line in text.splitlines()),
        lambda text: "".join(f"\x1b[31m{line}\x1b[0m\n" for line in text.splitlines()),
        lambda text: "{'loss': 1.0, 'epoch': 0.1}\n" * 3000 + "\n" + text,
        lambda text: text + "\ntorch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n",
    ],
    ids=["crlf", "torchrun", "accelerate", "colours", "long", "launcher"],
)
def test_the_answer_does_not_depend_on_the_dress(dress: object, rules: tuple[Rule, ...]) -> None:
    bare = [one for one in traces() if not one.text.lstrip().startswith((">", "[", "rank:", "│"))]
    whole = [one for one in bare if (root := explain(one.text.splitlines(), ()).root) and root.line]
    assert callable(dress)
    assert len(whole) > 80
    for one in whole:
        worn = Trace(one.source, dress(one.text), one.expect)
        assert answer(worn, rules) in (answer(one, rules), *one.expect), one.source
