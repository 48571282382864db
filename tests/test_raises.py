"""Where a module raises by itself: the words and the conditions that its source shows."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftdoctor.raises import MOST_PARTS, Site, best_of, fits, sites

MODULE = """
LONG = "the whole text stands at the top of the module, %s"

class Trainer:
    def __init__(self, model, args):
        if args.fp16:
            if not args.device == "cuda":
                raise ValueError(f"fp16 is not for {args.device}: take " "bf16 there")
            elif args.odd:
                pass
            else:
                raise errors.ConfigError("{} and {} exclude each other".format(args.a, args.b))
        try:
            import peft
        except ImportError as error:
            raise RuntimeError(LONG % "peft") from error
        assert args.steps > 0, "steps must be positive: " + str(args.steps)
        for one in model:
            msg = f"layer {one} cannot be quantised here"
            match one:
                case 1:
                    raise TypeError(msg)

    async def run(self):
        with self.lock:
            raise

def go():
    raise problem
"""


def found(source: str = MODULE) -> list[tuple[str, str, str, tuple[str, ...]]]:
    return [(one.kind, one.function, "…".join(one.words), one.conditions()) for one in sites(ast.parse(source))]


def test_words_and_conditions() -> None:
    init = "Trainer.__init__"
    assert found() == [
        ("ValueError", init, "fp16 is not for …: take bf16 there", ("args.fp16", "not args.device == 'cuda'")),
        (
            "ConfigError",
            init,
            "… and … exclude each other",
            ("args.fp16", "args.device == 'cuda'", "not args.odd"),
        ),
        (
            "RuntimeError",
            init,
            "the whole text stands at the top of the module, …",
            ("ImportError was raised",),
        ),
        ("AssertionError", init, "steps must be positive: …", ("not args.steps > 0",)),
        ("TypeError", init, "layer … cannot be quantised here", ()),
        ("", "Trainer.run", "", ()),
        ("", "go", "", ()),
    ]


def test_the_innermost_conditions_alone_and_short_ones() -> None:
    nested = "".join(f"{'  ' * depth}if a{depth}:\n" for depth in range(6)) + f"{'  ' * 6}raise ValueError('x')\n"
    assert found(nested)[0][3] == ("a3", "a4", "a5")
    assert len(found(f"if {'a or ' * 200}a:\n  raise ValueError('x')\n")[0][3][0]) == 160


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("fp16 is not for cpu: take bf16 there", 8),
        ("fp16 is not for a\nlong device: take bf16 there", 8),
        ("fp16 is not for cpu: take bf1", None),  # too little of a part to know it by
        ("layer 3 cannot be quanti", 22),  # cut off
        ("steps must be positive: 0", 17),
        ("fp32 is not for cpu: take bf16 there", None),
        ("it said: fp16 is not for cpu: take bf16 there", None),
        ("", None),
    ],
)
def test_the_place_is_found_by_its_words(message: str, line: int | None) -> None:
    every = [site for site in sites(ast.parse(MODULE)) if site.words != ("",)]
    kinds = {site.kind for site in every}
    told = [best for kind in sorted(kinds) if (best := best_of(every, f"a.b.{kind}", message, "__init__", 1))]
    assert [one.line for one in told] == ([line] if line else [])


def test_of_two_that_fit_the_one_that_says_more_then_the_nearest() -> None:
    source = "\n".join(
        ["def f():", *(f"  if a{n}: raise ValueError('this cannot be done here{n % 2 * ' at all'}')" for n in range(6))]
    )
    every = sites(ast.parse(source))
    near = [best_of(every, "ValueError", "this cannot be done here", "f", line) for line in (2, 5, 99)]
    assert [one.line for one in near if one] == [2, 4, 6]
    best = best_of(every, "ValueError", "this cannot be done here at all", "f", 2)
    assert best is not None
    assert best.line == 3


def test_another_function_or_kind_is_another_error() -> None:
    every = sites(ast.parse("def f():\n  raise ValueError('this cannot be done here')\n"))
    assert best_of(every, "ValueError", "this cannot be done here", "g", 2) is None
    assert best_of(every, "TypeError", "this cannot be done here", "f", 2) is None
    assert best_of(every, "ValueError", "", "f", None) is None


def test_a_wordless_raise_is_known_by_its_line() -> None:
    every = sites(ast.parse("def f():\n  if a:\n    raise ValueError(text())\n  raise problem\n"))
    first = best_of(every, "ValueError", "anything", "C.f", 3)
    assert first is not None
    assert first.conditions() == ("a",)
    assert best_of(every, "ValueError", "anything", "f", 9) is None


@given(words=st.lists(st.text(max_size=6), min_size=1, max_size=6), between=st.lists(st.text(max_size=6), max_size=6))
def test_what_is_filled_in_fits(words: list[str], between: list[str]) -> None:
    between = [*between, *[""] * 6]
    message = words[0] + "".join(between[number] + word for number, word in enumerate(words[1:]))
    squeezed = [" ".join(word.split()) for word in words]
    if squeezed == words and " ".join(message.split()) == message:
        assert fits(words, message)


@given(words=st.lists(st.text(max_size=8), max_size=5), message=st.text(max_size=60), cut_off=st.booleans())
def test_any_text_may_be_asked(words: list[str], message: str, cut_off: bool) -> None:
    assert fits(words, message, cut_off=cut_off) in (True, False)


def test_many_names_functions_and_holes_are_bounded() -> None:
    names = "\n".join(f"n{number} = '{'x' * 50}'" for number in range(3000))
    functions = "\n".join(f"def f{number}():\n  raise ValueError(n{number} + n1)" for number in range(3000))
    holes = "raise ValueError(f'" + "{a}b" * 5000 + "')"
    every = sites(ast.parse(f"{names}\n{functions}\n{holes}\n"))
    assert len(every) == 3001
    assert len(every[-1].words) <= MOST_PARTS
    assert every[0] == Site("ValueError", ("x" * 100,), 3002, 3002, "f0")
