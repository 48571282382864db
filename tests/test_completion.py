"""Completion in the shells that are here, and the examples of the help."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from sftdoctor import arguments
from sftdoctor.completion import script

CASES = [
    ("ch", "check"),
    ("check --fo", "--format"),
    ("check --format sa", "sarif"),
    ("fix --format ma", "markdown"),
    ("check tra", "train.py"),
    ("completion f", "fish"),
]
BASH = """
source ./script
COMP_WORDS=(sftdoctor "$@"); COMP_CWORD=$#
_shtab_sftdoctor
printf '%s\\n' "${COMPREPLY[@]}"
"""


def complete(shell: str, words: str, folder: Path) -> list[str]:
    """What a shell offers for a command line that ends in these words."""
    (folder / "script").write_text(script(shell), "utf-8")
    (folder / "train.py").touch()
    command = (
        ["bash", "--norc", "-c", BASH, "bash", *words.split()]
        if shell == "bash"
        else ["fish", "--no-config", "-c", f"source ./script; complete -C {shlex.quote(f'sftdoctor {words}')}"]
    )
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    return [line.split("\t")[0].strip() for line in done.stdout.splitlines()]


@pytest.mark.parametrize("shell", ["bash", "fish"])
@pytest.mark.parametrize(("words", "expected"), CASES)
def test_a_shell_completes_commands_options_values_and_files(
    shell: str, words: str, expected: str, tmp_path: Path
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    assert complete(shell, words, tmp_path) == [expected]


@pytest.mark.parametrize("shell", arguments.SHELLS)
def test_every_script_can_be_read_by_its_shell(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    (tmp_path / "script").write_text(script(shell), "utf-8")
    done = subprocess.run([shell, "-n", "script"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_and_option_can_be_completed() -> None:
    said = script("bash")
    for word in (*arguments.COMMANDS, "--pins", "--fail-on", "--format", "--unsafe", "--kubernetes"):
        assert re.search(rf"(?<![\w-]){word}(?![\w-])", said), word


def examples() -> list[str]:
    texts = [arguments.EXAMPLES, *arguments.COMMAND_EXAMPLES.values()]
    lines = [line for text in texts for line in text.splitlines() if "sftdoctor " in line]
    return [re.split(r" {3,}| > ", line.strip())[0] for line in lines]


@pytest.mark.parametrize("line", examples())
def test_every_example_of_the_help_can_be_typed(line: str) -> None:
    command = re.sub(r'^.*\| |^eval "\$\(|\)"$', "", line)
    program, *words = shlex.split(command)
    assert program == "sftdoctor"
    assert arguments.parse(words, "0")[0].command == words[0]


@pytest.mark.parametrize("name", [name for name in arguments.COMMANDS if name != "demo"])
def test_every_command_has_an_example_that_fits_a_terminal(name: str) -> None:
    text = arguments.COMMAND_EXAMPLES[name]
    assert f"sftdoctor {name}" in text
    assert max(map(len, text.splitlines())) <= 85
