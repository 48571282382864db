"""Shell scripts: their words as bash makes them, and what starts a training."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftdoctor.model import ANY_WORDS, OPEN_WORD
from sftdoctor.shell import ShellError, commands_of, launches_of

BASH = shutil.which("bash")
SAME_AS_BASH = {
    "plain": "show a b",
    "quotes": "show 'a b' \"c d\" e'f'\"g\"",
    "escapes": r"show a\ b \"c \\ \$x",
    "in double quotes": r'show "a\"b" "c\\d" "\$x" "e\n"',
    "continued": "show a \\\n  b\\\n c",
    "comments": "show a # b\n# show c\nshow d#e",
    "several": "show a; show b && show c; false || show d",
    "blocks": "if true; then\n  show a\nfi\nfor i in 1; do show b; done",
    "a variable": 'X=1\nshow $X "$X" ${X} a$X',
    "words of a variable": "X='a  b'\nshow $X \"$X\"",
    "exported": "export X=a\nshow $X",
    "an array": "A=(a 'b c' # d\n  e)\nshow \"${A[@]}\"",
    "of a variable": "X=a\nY=$X\nA=($X)\nshow b",
    "redirected": "show a 2>&1 >/dev/null\nshow b",
    "a here document": "cat <<EOF >/dev/null\nshow x\nEOF\nshow a",
    "assigned for one command": "X=1 show a",
    "single quotes keep all": "show '$X' '\\n' '`a`'",
    "empty words": "show '' \"\"",
    "a group": "{ show a; }\n( show b )",
    "a function": "f() {\n  show a\n}\nf",
}


@pytest.mark.skipif(BASH is None, reason="there is no bash")
@pytest.mark.parametrize("text", SAME_AS_BASH.values(), ids=SAME_AS_BASH)
def test_words_are_those_that_bash_makes(text: str) -> None:
    head = 'show() { for word in "$@"; do printf "%s\\0" "$word" >&3; done; printf "\\n" >&3; }\n'
    done = subprocess.run([str(BASH), "-c", f"exec 3>&1\n{head}{text}"], capture_output=True, check=True, timeout=30)
    wanted = [line.split("\0")[:-1] for line in done.stdout.decode().split("\n")[:-1]]
    found = [[word.text for word in command] for command in commands_of(text)]
    assert [words[words.index("show") + 1 :] for words in found if "show" in words] == wanted


OPEN = {
    "a variable": ("show $X", [f"{ANY_WORDS}$X"]),
    "in quotes": ('show "$X"', [f"{OPEN_WORD}$X"]),
    "a part": ('show a"$X"b', [f"{OPEN_WORD}a$Xb"]),
    "all arguments": ('show "$@"', [f"{ANY_WORDS}$@"]),
    "an array that is not known": ('show "${A[@]}"', [f"{ANY_WORDS}${{A[@]}}"]),
    "a command": ("show $(date +%s) `date`", [f"{ANY_WORDS}$(date +%s)", f"{ANY_WORDS}`date`"]),
    "a default": ("show ${X:-1}", [f"{ANY_WORDS}${{X:-1}}"]),
    "set twice": ("X=1\nX=2\nshow $X", [f"{ANY_WORDS}$X"]),
    "set in a loop": ("X=1\nfor X in a; do\nshow $X\ndone", [f"{ANY_WORDS}$X"]),
    "added to": ('A=(a)\nA+=(b)\nshow "${A[@]}"', [f"{ANY_WORDS}${{A[@]}}"]),
    "read": ("X=1\nread X\nshow $X", [f"{ANY_WORDS}$X"]),
    "of another": ("X=$Y\nshow $X", [f"{ANY_WORDS}$X"]),
}


@pytest.mark.parametrize(("text", "wanted"), OPEN.values(), ids=OPEN)
def test_what_only_the_shell_knows_is_marked(text: str, wanted: list[str]) -> None:
    command = next(one for one in commands_of(text) if one[0].text == "show")
    assert [word.text for word in command[1:]] == wanted


@given(st.text(st.sampled_from("ab $\"'\\\n#;&|(){}<>`=-@[]*X"), max_size=60))
def test_any_text_is_read_or_refused_and_words_have_places(text: str) -> None:
    try:
        commands = commands_of(text)
    except ShellError as error:
        assert 1 <= error.line <= text.count("\n") + 1
        return
    for word in (word for command in commands for word in command):
        assert 0 <= word.start <= word.end <= len(text)


@pytest.mark.parametrize("text", ["a 'b", 'a "b', "a $(b", "a `b", "A=(b"])
def test_what_is_not_closed_is_refused(text: str) -> None:
    with pytest.raises(ShellError):
        commands_of(f"x\n{text}")


LAUNCHES = {
    "accelerate": (
        "accelerate launch --num_processes 2 train.py --a 1",
        "accelerate",
        ["--num_processes", "2"],
        "train.py",
    ),
    "with a path": ("/opt/venv/bin/accelerate launch train.py --a 1", "accelerate", [], "train.py"),
    "as a module": ("python -m accelerate.commands.launch train.py --a 1", "accelerate", [], "train.py"),
    "torchrun": ("torchrun --nproc_per_node=2 src/train.py --a 1", "torchrun", ["--nproc_per_node=2"], "src/train.py"),
    "torch's module": (
        "python3 -m torch.distributed.run --standalone t.py --a 1",
        "torchrun",
        ["--standalone"],
        "t.py",
    ),
    "DeepSpeed": ("deepspeed --num_gpus 2 train.py --a 1", "deepspeed", ["--num_gpus", "2"], "train.py"),
    "python": ("CUDA_VISIBLE_DEVICES=0 python -u train.py --a 1", "python", [], "train.py"),
    "behind others": ("nohup srun --gres gpu:2 torchrun train.py --a 1 &", "torchrun", [], "train.py"),
    "uv": ("uv run accelerate launch train.py --a 1", "accelerate", [], "train.py"),
    "trl": ("trl sft --a 1", "trl", [], None),
}


@pytest.mark.parametrize(("text", "launcher", "own", "script"), LAUNCHES.values(), ids=LAUNCHES)
def test_launches(text: str, launcher: str, own: list[str], script: str | None) -> None:
    (launch,) = launches_of(text)
    assert (launch.launcher, [word.text for word in launch.own]) == (launcher, own)
    assert (launch.script.text if launch.script else None) == script
    assert [word.text for word in launch.words] == ["--a", "1"]


@pytest.mark.parametrize(
    "text",
    ["python -c 'print(1)'", "pip install torch", "accelerate config", "trl env", "python -m x", "echo a.py"],
)
def test_what_starts_no_training(text: str) -> None:
    assert launches_of(text) == ()
