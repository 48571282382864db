"""What a bug report must not tell: tokens, passwords, private addresses, names of users."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sftdoctor.report.redact import redact, redact_all

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@pytest.fixture(autouse=True)
def _alice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/data/people/alice")
    monkeypatch.setenv("LOGNAME", "alice")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("token hf_AbCdEfGhIjKlMnOpQrSt seen", "token <hidden> seen"),
        ("ghp_0123456789abcdefghij0123", "<hidden>"),
        ("key: sk-proj-0123456789abcdef0123", "key: <hidden>"),
        ("aws AKIAIOSFODNN7EXAMPLE.", "aws <hidden>."),
        ("wandb 0123456789abcdef0123456789abcdef01234567", "wandb <hidden>"),
        ("WANDB_API_KEY=abc123def", "WANDB_API_KEY=<hidden>"),
        ('{"hub_token": "abcdef"}', '{"hub_token": "<hidden>"}'),
        ("Authorization: Bearer abcdefgh", "Authorization: Bearer <hidden>"),
        ("tokenizers: 0.23.3", "tokenizers: 0.23.3"),
        ("pad_token_id: 128001", "pad_token_id: 128001"),
        ("index https://user:pw@pypi.corp.example/simple", "index https://<hidden>"),
        ("https://alice:secret@huggingface.co/x?token=1#a", "https://huggingface.co/x"),
        ("https://download.pytorch.org/whl/cu124", "https://download.pytorch.org/whl/cu124"),
        ("git+ssh://git@git.corp.example:22/x.git", "git+ssh://<hidden>"),
        ("http://10.0.0.7:8080/simple", "http://<hidden>"),
        ("https://pypi.org.evil.example/simple", "https://<hidden>"),
        ("/data/people/alice/venv/bin/python", "~/venv/bin/python"),
        ("/data/people/alicette/venv", "/data/people/alicette/venv"),
        ("/home/bob/x and /Users/carol/y", "/home/<user>/x and /Users/<user>/y"),
        (r"C:\Users\dave\venv", r"C:\Users\<user>\venv"),
        ("/scratch/alice/env", "/scratch/<user>/env"),
        ("/scratch/malice/env", "/scratch/malice/env"),
        ("torch 2.13.0+cu124, sm_90", "torch 2.13.0+cu124, sm_90"),
    ],
)
def test_redact(text: str, expected: str) -> None:
    assert redact(text) == expected


@given(st.text(max_size=60), st.text(LETTERS, min_size=20, max_size=60), st.text(max_size=60))
def test_no_token_comes_through(before: str, secret: str, after: str) -> None:
    assume(secret not in before and secret not in after)
    assert secret not in redact(f"{before}hf_{secret}{after}")


@given(st.text(max_size=40), st.text(LETTERS, min_size=8, max_size=20), st.text(max_size=40))
def test_no_private_address_comes_through(before: str, name: str, after: str) -> None:
    assume(name not in before and name not in after)
    assert name not in redact(f"{before} https://x:{name}@{name}.example/{name} {after}")


@given(st.text(max_size=300))
def test_lines_stay_lines_and_twice_is_once(text: str) -> None:
    once = redact(text)
    assert redact(once) == once
    assert once.count("\n") == text.count("\n")


def test_data() -> None:
    assert redact_all({"a": ["/home/bob", 1, None], "b": {"c": True}}) == {
        "a": ["/home/<user>", 1, None],
        "b": {"c": True},
    }
