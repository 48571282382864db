"""A sound rule file, and ways to break it."""

from __future__ import annotations

from pathlib import Path

RULE = r'''schema = 1
id = "API900"
name = "a-rule"
title = "peft is old"
severity = "error"
message = "peft {peft} is old."
symptom = "something \\w{1,20} happened"
explain = """
## What happens
It stops.

## Why
It is old.

## Fix safety
Safe.
"""

[applies]
peft = "<0.6"

[fails]
probe = "version"
distribution = "peft"
in = "*"

[[fix]]
kind = "package"
require = "peft>=0.8.0"
safety = "safe"
reason = "It is newer."

[[evidence]]
claim = "0.5.0 is old"
source = "peft 0.5.0 wheel"
checked = 2026-11-20
method = "read it"

[[case]]
name = "old"
distributions = { peft = "0.5.0" }
expect = "fail"

[[case]]
name = "new"
distributions = { peft = "0.6.0" }
expect = "pass"
'''


def write_rule(folder: Path, old: str = "", new: str = "", name: str = "API900") -> Path:
    """Write the sound rule under a name, with one text replaced by another (which must be in it)."""
    assert old in RULE
    text = RULE.replace(old, new, 1) if old else RULE
    path = folder / f"{name}.toml"
    path.write_text(text.replace("API900", name), encoding="utf-8")
    return path
