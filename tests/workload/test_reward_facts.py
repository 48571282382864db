"""What a script's reward functions take their completions for."""

from __future__ import annotations

import ast

import pytest

from sftdoctor.workload.reward_facts import completions_read_as


@pytest.mark.parametrize(
    ("body", "form"),
    [
        ("return [c[0]['content'] == 'x' for c in completions]", "messages"),
        ("return [len(c[-1]['content']) for c, a in zip(completions, answer)]", "messages"),
        ("return [completions[i][0]['content'] for i in range(4)]", "messages"),
        ("for c in completions:\n        c = c[0]['content']\n        print(c.strip())", "messages"),
        ("return [c.strip() == a for a, c in zip(answer, completions)]", "text"),
        ("return [bool(re.match('x', c)) for c in completions]", "text"),
        ("for c in completions:\n        print(c.lower())", "text"),
        ("for c in completions:\n        c = clean(c)\n        print(c.lower())", None),
        ("return [c.strip() if isinstance(c, str) else c[0]['content'] for c in completions]", None),
        ("try:\n        return [c[0]['content'] for c in completions]\n    except TypeError: pass", None),
        ("return [len(c) for c in completions]", None),
        ("return [p.strip() for p in prompts]", None),
        ("return [row['content'] for row in rows]", None),
    ],
)
def test_completions_read_as(body: str, form: str | None) -> None:
    (node,) = ast.parse(f"def f(prompts, completions, answer, **kwargs):\n    {body}\n").body
    assert isinstance(node, ast.FunctionDef)
    assert completions_read_as(node) == form
