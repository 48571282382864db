"""The command line over `[tool.sftdoctor]` over the defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftdoctor.arguments import parse
from sftdoctor.errors import UsageError
from sftdoctor.settings import Settings, make_settings


def settings(folder: Path, *argv: str) -> Settings:
    options, rest = parse(argv, "0")
    given = vars(options)
    given.pop("command")
    return make_settings(given, rest, folder)


def configured(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(f"[project]\nname = 'x'\n[tool.sftdoctor]\n{text}\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("text", "argv", "name", "expected"),
    [
        ("", [], "scenario", "sft-lora-4bit"),
        ('scenario = "dpo"', [], "scenario", "dpo"),
        ('scenario = "dpo"', ["--scenario", "grpo"], "scenario", "grpo"),
        ('fail-on = "warning"', [], "fail_on", "warning"),
        ('fail-on = "warning"', ["--fail-on", "never"], "fail_on", "never"),
        ('select = ["API", "GPU001"]', [], "select", ("API", "GPU001")),
        ('select = ["API"]', ["--select", "ENV,CFG", "--select", "DAT001"], "select", ("ENV", "CFG", "DAT001")),
        ("offline = true", [], "offline", True),
        ("no-cache = true", [], "no_cache", True),
        ('ignore = { GPU007 = "no GPU here" }', [], "ignore", ("GPU007",)),
        ('ignore = { GPU007 = "no GPU here" }', [], "reasons", (("GPU007", "no GPU here"),)),
        ('ignore = { GPU007 = "no GPU here" }', ["--ignore", "API"], "ignore", ("API",)),
        ('ignore = { GPU007 = "no GPU here" }', ["--ignore", "API"], "reasons", ()),
        ('ignore = ["GPU007"]', [], "reasons", ()),
        ("timeout = 30", [], "timeout", 30.0),
        ('python = "python3.11"', [], "python", "python3.11"),
        ('pins = "a.txt"', ["--python", "x"], "pins", None),
        ('snapshot = "a.json"', ["--pins", "x"], "snapshot", None),
        ('python-version = "3.12"', ["--python", "x"], "python_version", "3.12"),
    ],
)
def test_who_wins(text: str, argv: list[str], name: str, expected: object, tmp_path: Path) -> None:
    found = settings(configured(tmp_path, text), "fix" if "timeout" in text else "check", *argv)
    assert getattr(found, name) == expected


@pytest.mark.parametrize("key", ["pins", "snapshot", "model", "baseline"])
def test_paths_are_relative_to_the_file_that_says_them(key: str, tmp_path: Path) -> None:
    below = configured(tmp_path, f'{key} = "here"') / "a" / "b"
    below.mkdir(parents=True)
    assert getattr(settings(below, "check"), key) == str(tmp_path / "here")


@pytest.mark.parametrize(("text", "folders"), [('"a"', ["a"]), ('["a", "b"]', ["a", "b"]), ("[]", [])])
def test_rules_of_ones_own_are_one_folder_or_several(text: str, folders: list[str], tmp_path: Path) -> None:
    found = settings(configured(tmp_path, f"rules = {text}"), "check").rules
    assert found == tuple(str(tmp_path / folder) for folder in folders)


def test_rules_may_be_named_more_than_once(tmp_path: Path) -> None:
    found = settings(configured(tmp_path, 'rules = "a"'), "check", "--rules", "b", "--rules", "c")
    assert found.rules == ("b", "c")
    assert found.given == ("--rules", "b", "--rules", "c")


def test_an_environment_of_the_project_is_relative_too(tmp_path: Path) -> None:
    assert settings(configured(tmp_path, 'python = "./.venv"'), "check").python == str(tmp_path / ".venv")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pin = 1", "is no key of sftdoctor"),
        ("apply = true", "is no key of sftdoctor"),
        ("pins = 1", "must be a string"),
        ("offline = 1", "must be true or false"),
        ("offline = 'yes'", "must be true or false"),
        ("select = 'API'", "must be a list of strings"),
        ("ignore = [1]", "must be a list of strings"),
        ("rules = 1", "must be a list of strings"),
        ("ignore = { API = 1 }", "a table of id = reason"),
        ("timeout = true", "must be a number"),
        ("timeout = -1", "makes no sense"),
        ("fail-on = 'notes'", "none of error, warning, never"),
        ("format = 'xml'", "none of text, json"),
        ("quantization = ['int3']", "none of"),
        ("x = [", "no valid TOML"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        settings(configured(tmp_path, text), "check")


@pytest.mark.parametrize("text", ["tool = 3", "[tool]\nsftdoctor = 3"])
def test_a_table_that_is_none_is_no_crash(text: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(f"{text}\n# sftdoctor", encoding="utf-8")
    try:
        assert settings(tmp_path, "check") == Settings()
    except UsageError as error:
        assert "must be a table" in error.message


def test_a_pyproject_of_others_is_not_even_parsed(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("this is [no TOML", encoding="utf-8")
    assert settings(tmp_path, "check") == Settings()


def test_advice_repeats_what_named_the_target(tmp_path: Path) -> None:
    found = settings(tmp_path, "check", "train.py", "--python", ".venv", "--select", "API", "--gpu", "T4")
    assert found.given == ("train.py", "--python", ".venv", "--gpu", "T4")


@pytest.mark.parametrize(
    ("argv", "paths", "rest"),
    [
        (["check", "a.py", "--python", "x", "b.py"], ("a.py", "b.py"), ()),
        (["check", "--python", "x", "a.py", "--", "--bf16", "--", "y"], ("a.py",), ("--bf16", "--", "y")),
        (["fix", "a.py", "--apply", "--"], ("a.py",), ()),
    ],
)
def test_paths_and_options_may_mix(
    argv: list[str], paths: tuple[str, ...], rest: tuple[str, ...], tmp_path: Path
) -> None:
    found = settings(tmp_path, *argv)
    assert (found.paths, found.arguments) == (paths, rest)


@pytest.mark.parametrize(
    "argv",
    [
        ["check", "--", "--bf16"],
        ["check", "a.py", "b.py", "--", "--bf16"],
        ["prove", "--", "x"],
        ["check", "--python", "x", "--pins", "y"],
        ["check", "--form", "json"],
        ["check", "--format", "xml"],
        ["check", "--format", "json="],
        ["fix", "--format", "sarif"],
        ["explain", "--format", "junit=x.xml"],
        ["snapshot", "--format", "json"],
        ["undo", "a", "b"],
        ["nonsense"],
        [],
    ],
)
def test_bad_usage_ends_with_two(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leave:
        parse(argv, "0")
    assert leave.value.code == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("argv", "outputs"),
    [
        ([], (("text", None),)),
        (["--output", "x"], (("text", "x"),)),
        (["--output", "-"], (("text", None),)),
        (["--format", "html", "--output", "x"], (("html", "x"),)),
        (["--format", "text", "--format", "sarif=a.sarif"], (("text", None), ("sarif", "a.sarif"))),
        (["--format", "json=a=b", "--format", "text", "--output", "x"], (("json", "a=b"), ("text", "x"))),
        (["--format", "json=-"], (("json", None),)),
    ],
)
def test_each_format_goes_where_it_is_wanted(
    argv: list[str], outputs: tuple[tuple[str, str | None], ...], tmp_path: Path
) -> None:
    assert settings(tmp_path, "check", *argv).outputs == outputs


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--format", "text", "--format", "json"], "text and json would both"),
        (["--format", "json=x", "--output", "y"], "--output is for"),
        (["--format", "json=x", "--format", "sarif=x"], "two formats would go to x"),
        (["--format", "json=-", "--format", "text"], "two formats would go to standard output"),
        (["--format", "json=x", "--format", "text", "--output", "x"], "two formats would go to x"),
    ],
)
def test_two_formats_never_share_a_place(argv: list[str], words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        settings(tmp_path, "check", *argv)


def test_a_configured_format_holds_where_the_command_has_it(tmp_path: Path) -> None:
    folder = configured(tmp_path, "format = 'sarif'")
    assert settings(folder, "check").outputs == (("sarif", None),)
    assert settings(folder, "check", "--format", "json").outputs == (("json", None),)
    assert settings(folder, "explain").outputs == (("text", None),)


def test_python_version_needs_pins(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="belongs to --pins"):
        settings(tmp_path, "check", "--python-version", "3.11")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"nproc": 0}, "makes no sense"),
        ({"nproc": 65}, "makes no sense"),
        ({"accelerate_config": "there.yaml"}, "for several processes"),
        ({"accelerate_config": "nowhere.yaml", "nproc": 2}, "no config of accelerate"),
        ({"accelerate_config": "there.yaml", "nproc": 2}, ""),
    ],
)
def test_how_many_processes_and_who_launches_them(
    options: dict[str, object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.yaml").touch()
    if not said:
        assert make_settings(options, (), tmp_path).accelerate_config == "there.yaml"
        return
    with pytest.raises(UsageError, match=said):
        make_settings(options, (), tmp_path)
