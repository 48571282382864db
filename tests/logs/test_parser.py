"""Lines → exceptions, frames and chains, in every dress."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftdoctor.logs import LogParser, undecorated
from sftdoctor.logs.choice import chain_of, frames_that_matter, last_error
from sftdoctor.logs.parser import FIRST, LAST
from sftdoctor.model import Frame, Raised

PLAIN = """Traceback (most recent call last):
  File "/app/train.py", line 12, in <module>
    trainer = SFTTrainer(model=model)
              ^^^^^^^^^^^^^^^^^^^^^^^
  File "/env/site-packages/trl/trainer/sft_trainer.py", line 335, in __init__
    model = prepare(model)
TypeError: it broke
"""
JUPYTER = """---------------------------------------------------------------------------
TypeError                                 Traceback (most recent call last)
Cell In[38], line 12
     10 x = 1
---> 12 trainer = SFTTrainer(model=model)

File /env/site-packages/trl/trainer/sft_trainer.py:335, in SFTTrainer.__init__(self, model)
    334 pass
--> 335 model = prepare(model)
    336 pass

TypeError: it broke
"""
RICH = """╭───────────────────── Traceback (most recent call last) ──────────────────────╮
│ /app/train.py:12 in <module>                                                 │
│                                                                              │
│   11                                                                         │
│ ❱ 12 trainer = SFTTrainer(model=model)                                       │
│                                                                              │
│ /env/site-packages/trl/trainer/sft_tr                                        │
│ ainer.py:335 in __init__                                                     │
│                                                                              │
│ ❱ 335 │   model = prepare(model)                                             │
╰──────────────────────────────────────────────────────────────────────────────╯
TypeError: it broke
"""
COLAB = """TypeError                                 Traceback (most recent call last)
[/app/train.py](https://localhost:8080/#) in <module>
     11
---> 12 trainer = SFTTrainer(model=model)

[/env/site-packages/trl/trainer/sft_trainer.py](https://localhost:8080/#) in __init__(self, model)
    334
--> 335 model = prepare(model)

TypeError: it broke
"""


def parse(text: str) -> tuple[Raised, ...]:
    parser = LogParser()
    for number, line in enumerate(text.splitlines(), 1):
        parser.feed(number, undecorated(line))
    return parser.close()


def every_line(prefix: str) -> Callable[[str], str]:
    return lambda text: "".join(f"{prefix}{line}\n" for line in text.splitlines())


DRESSES: dict[str, Callable[[str], str]] = {
    "plain": str,
    "torchrun": every_line("[rank3]: "),
    "accelerate": every_line("[default3]:"),
    "srun": every_line("3: "),
    "mpirun": every_line("[1,3]<stderr>:"),
    "ray": every_line("(RayTrainWorker pid=3, ip=10.0.0.1) "),
    "quoted": every_line("> "),
    "colours": every_line("\x1b[31m"),
    "bar": lambda text: "  0%|          | 0/19 [00:00<?, ?it/s]" + text,
}


@pytest.mark.parametrize("text", [PLAIN, JUPYTER, RICH, COLAB], ids=["plain", "jupyter", "rich", "colab"])
@pytest.mark.parametrize("dress", DRESSES)
def test_the_same_is_read_in_every_dress(text: str, dress: str) -> None:
    (raised,) = parse(DRESSES[dress](text))
    assert (raised.kind, raised.message) == ("TypeError", "it broke")
    assert [frame.line for frame in raised.frames] == [12, 335]
    assert raised.frames[-1].path == "/env/site-packages/trl/trainer/sft_trainer.py"
    assert raised.frames[-1].function.endswith("__init__")
    assert [frame.code for frame in raised.frames] == ["trainer = SFTTrainer(model=model)", "model = prepare(model)"]


CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"


@pytest.mark.parametrize(
    ("text", "error", "order"),
    [
        (PLAIN, "it broke", ["it broke"]),
        (PLAIN + CAUSE + PLAIN.replace("it broke", "b"), "b", ["it broke", "b"]),
        (PLAIN + CONTEXT + PLAIN.replace("it broke", "b"), "b", ["b", "it broke"]),
        (PLAIN + CONTEXT + PLAIN.replace("broke", "b") + CAUSE + PLAIN.replace("broke", "c"), "it c",
         ["it b", "it c", "it broke"]),
        (PLAIN + "\n" + PLAIN.replace("it broke", "b"), "b", ["b"]),
        (PLAIN + "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n", "it broke", ["it broke"]),
        (PLAIN + "Exception ignored in: <function X.__del__ at 0x1>\n" + PLAIN.replace("it broke", "b"), "it broke",
         ["it broke"]),
        (PLAIN + "[rank1]: RuntimeError: NCCL communicator was aborted on rank 1.\n", "it broke", ["it broke"]),
    ],
)  # fmt: skip
def test_the_error_and_the_order_in_which_its_chain_is_asked(text: str, error: str, order: list[str]) -> None:
    told = parse(text)
    last = last_error(told)
    assert last is not None
    assert last.message == error
    assert [raised.message for raised in chain_of(last, told)] == order


def test_what_rich_really_prints_is_read(tmp_path: Path) -> None:
    """Indentation guides, wrapped paths and messages, a chain of two boxes."""
    script = tmp_path / "a_folder_with_a_long_name_that_is_wrapped_in_the_middle" / "train.py"
    script.parent.mkdir()
    script.write_text(
        "from rich.traceback import install\ninstall(width=70)\n"
        "def f():\n    try:\n        {}['a']\n    except KeyError:\n        dict().missing\nf()\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=60)
    first, last = parse(done.stdout + done.stderr)
    assert (first.kind, last.kind, last.relation) == ("KeyError", "AttributeError", "context")
    assert [(frame.path, frame.line) for frame in last.frames] == [(str(script), 8), (str(script), 7)]
    assert [frame.code for frame in last.frames] == ["f()", "dict().missing"]


def test_ranks_are_kept_apart() -> None:
    mixed = [line for pair in zip(every_line("[rank0]: ")(PLAIN).splitlines(),
                                  every_line("[rank1]: ")(PLAIN.replace("it broke", "b")).splitlines(), strict=True)
             for line in pair]  # fmt: skip
    told = parse("\n".join(mixed))
    assert {(one.rank, one.message, len(one.frames)) for one in told} == {("0", "it broke", 2), ("1", "b", 2)}


def test_a_message_goes_on_until_a_blank_line() -> None:
    (raised,) = parse("RuntimeError:\n        CUDA Setup failed\n        run this\n\nnot this\n")
    assert raised.message == "CUDA Setup failed\nrun this"


@pytest.mark.parametrize("text", ["", "all is well\n", "Epoch: 3\nSteps:   0%\n", "This Error: is prose\n"])
def test_what_is_no_exception(text: str) -> None:
    assert parse(text) == ()


def test_a_log_that_breaks_off_keeps_its_frames() -> None:
    (raised,) = parse("\n".join(PLAIN.splitlines()[:-1]))
    assert raised.kind == ""
    assert len(raised.frames) == 2


def test_the_frames_that_matter_are_the_users_and_the_borders() -> None:
    paths = ["/app/a.py", "/app/b.py", "/e/site-packages/trl/x.py", "/e/site-packages/trl/y.py",
             "<frozen importlib._bootstrap>", "/e/site-packages/peft/z.py", "/e/site-packages/peft/w.py"]  # fmt: skip
    chosen = frames_that_matter([Frame(path, 1) for path in paths])
    assert [frame.path for frame in chosen] == [paths[0], paths[1], paths[2], paths[5], paths[6]]


def test_what_is_kept_is_bounded() -> None:
    told = parse("".join(f"ValueError: {number}\n" for number in range(10 * (FIRST + LAST))))
    assert len(told) == FIRST + LAST
    assert told[0].message == "0"
    assert told[-1].message == str(10 * (FIRST + LAST) - 1)


PIECES = st.sampled_from(
    [*PLAIN.splitlines(), *JUPYTER.splitlines(), *RICH.splitlines(), *COLAB.splitlines(),
     CAUSE.strip(), CONTEXT.strip(),
     "[rank1]: x", "│", "╭", ">", "", "\x1b[", "Traceback (most recent call last", 'File "', "---->", "❱"]
)  # fmt: skip


@given(st.lists(st.one_of(PIECES, st.text(max_size=80)), max_size=40))
def test_no_log_is_a_crash_and_nothing_is_invented(lines: list[str]) -> None:
    text = "\n".join(lines)
    for raised in parse(text):
        assert raised.kind == "" or raised.kind in undecorated(text) or not raised.whole or raised.kind in text
        assert len(raised.frames) <= 64
        assert raised.line <= len(text.splitlines())


@pytest.mark.parametrize(
    "kind",
    ["pkg_resources.VersionConflict", "triton.runtime.errors.OutOfResources", "torch._dynamo.exc.BackendCompilerFailed",
     "concurrent.futures.process.BrokenProcessPool", "torch._dynamo.exc.RecompileLimitExceeded"],
)  # fmt: skip
def test_exceptions_that_are_not_called_errors(kind: str) -> None:
    (raised,) = parse(PLAIN.replace("TypeError", kind))
    assert raised.kind == kind


@given(st.integers(0, 2**32))
def test_what_stands_around_changes_nothing(seed: int) -> None:
    rnd = random.Random(seed)
    noise = [f"{{'loss': {rnd.random()}, 'epoch': {rnd.random()}}}" for _ in range(rnd.randrange(20))]
    (raised,) = parse("\n".join([*noise, "", PLAIN, *noise]))
    assert raised.message.splitlines()[0] == "it broke"
    assert len(raised.frames) == 2


@pytest.mark.parametrize(
    "line",
    ["a.b(" * 2000, "File " * 1600, "A" * 8000, "Error: " * 1100, "│ /" * 2600, " in " * 2000, "[" * 8000,
     "(a) in " * 1100,
     "> " * 4000, "a_Error" * 1100, '"' * 8000, "---->" * 1600],
)  # fmt: skip
def test_hostile_lines_take_no_time(line: str) -> None:
    start = time.perf_counter()
    for _ in range(20):
        parse("Traceback (most recent call last):\n" + line + "\n" + line)
    assert time.perf_counter() - start < 5  # some milliseconds each; a backtracking pattern would take minutes
