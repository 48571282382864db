"""Other languages: every text that the reports say is there, and says it with the same placeholders."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from sftdoctor import arguments, settings
from sftdoctor.catalogue import load_catalogue, translated
from sftdoctor.errors import RuleError
from sftdoctor.report import language, text
from sftdoctor.report.style import rendered
from sftdoctor.ruleset import find_rules_folder, load_rules
from tests.report import samples
from tests.report.test_text import Stream
from tests.test_cli import run

REPORT = Path(language.__file__).parent
LANGUAGES = [name for name in arguments.LANGUAGES if name != "en"]
RULES = {rule.id: rule for rule in load_rules()}
BORN_FOR = ("API021", "MDL001", "MDL002", "MDL003", "MDL004", "MDL006", "MDL007", "MDL008", "MDL009", "MDL010")
PLACEHOLDERS = re.compile(r"\{[\w.-]+\}")


def constants(*folders: Path) -> set[str]:
    """All strings in the sources of the reports."""
    trees = [ast.parse(path.read_text("utf-8")) for folder in folders for path in folder.glob("*.py")]
    return {
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def said() -> set[str]:
    """What is passed to say() and count() as it stands."""
    found = set()
    for path in REPORT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                first, last = node.args[0], node.args[-1]
                if node.func.id == "say" and isinstance(first, ast.Constant):
                    found.add(str(first.value))
                if node.func.id == "count" and isinstance(last, ast.Constant):
                    found.add(f"{{n}} {last.value}")
    return found


def test_every_language_has_its_file_and_is_known_everywhere() -> None:
    assert {path.stem for path in (find_rules_folder() / "lang").glob("*.toml")} == set(LANGUAGES)
    assert settings.CHOICES["lang"] == arguments.LANGUAGES


@pytest.mark.parametrize("name", LANGUAGES)
def test_whatever_is_said_is_in_the_catalogue(name: str) -> None:
    in_tables = {words for _, words in (*text.words.VERDICTS.values(), *text.words.OUTCOMES.values())}
    in_tables |= {words for _, words in {**text.words.PROOFS, **text.words.SCRIPT_PROOFS}.values()}
    in_tables |= {"safe", "unsafe", "manual", "likely", "possible", "no GPU", "{n} error", "{n} warning", "{n} note"}
    assert (said() | in_tables) - set(load_catalogue(name).words) == set()


@pytest.mark.parametrize("name", LANGUAGES)
def test_whatever_is_in_the_catalogue_is_said(name: str) -> None:
    known = constants(REPORT, REPORT.parent)
    for key in load_catalogue(name).words:
        assert key in known or key.removeprefix("{n} ") in known, key


@pytest.mark.parametrize("name", LANGUAGES)
def test_words_keep_their_placeholders_and_blanks(name: str) -> None:
    for key, words in load_catalogue(name).words.items():
        assert sorted(PLACEHOLDERS.findall(key)) == sorted(PLACEHOLDERS.findall(words)), key
        assert words.isprintable() and words.strip()
        assert re.findall("`[^`]+`", key) == re.findall("`[^`]+`", words)


@pytest.mark.parametrize("name", LANGUAGES)
def test_rules_keep_their_placeholders_fixes_and_code(name: str) -> None:
    for id_, texts in load_catalogue(name).rules.items():
        rule = RULES[id_]
        pairs = [(rule.message, texts["message"])]
        if rule.title == "{link.title}":  # a page of the linker; the caller stands beside it
            assert set(PLACEHOLDERS.findall(texts["title"])) <= {"{callee}"}
        else:
            pairs.append((rule.title, texts["title"]))
        assert len(texts["fixes"]) == len(rule.fixes), id_
        for fix, said in zip(rule.fixes, texts["fixes"], strict=True):
            assert set(said) == ({"summary", "reason"} if fix.summary else {"reason"}), id_
            pairs += [(getattr(fix, key), value) for key, value in said.items()]
        for english, other in pairs:
            assert sorted(PLACEHOLDERS.findall(english)) == sorted(PLACEHOLDERS.findall(other)), (id_, english)
            assert set(re.findall("`[^`]+`", english)) == set(re.findall("`[^`]+`", other)), (id_, english)
            assert other.isprintable()


@pytest.mark.parametrize("name", LANGUAGES)
def test_the_failures_that_it_was_born_for_are_there(name: str) -> None:
    assert set(BORN_FOR) <= set(load_catalogue(name).rules)


def test_what_a_catalogue_lacks_stays_english() -> None:
    catalogue = load_catalogue("zh")
    mine = replace(RULES["API021"], title="mine", fixes=())
    rules = translated([RULES["ENV001"], mine, RULES["API021"]], catalogue)
    assert rules[:2] == (RULES["ENV001"], mine)
    assert rules[2].title == catalogue.rules["API021"]["title"]
    assert rules[2].fixes[0].require == RULES["API021"].fixes[0].require


def test_a_catalogue_that_is_not_there_is_said() -> None:
    with pytest.raises(RuleError, match=r"xx\.toml cannot be read"):
        load_catalogue("xx")


def test_the_report_speaks_the_language_and_keeps_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.cells import cell_len

    monkeypatch.setenv("COLUMNS", "80")
    language.speak(load_catalogue("zh").words)
    try:
        said = rendered(Stream(), lambda console: text.render(samples.BROKEN, console, given=("train.py",)))
    finally:
        language.speak({})
    assert "✗ 这次训练会失败: 2 个错误, 1 个警告, 1 项未判断" in said
    for words in (
        "报错信息",
        "peft>=0.8.0  (安全)",
        "(很可能)",
        "下一步：",
        "能解决 1 个问题的版本",
    ):
        assert words in said
    assert max(map(cell_len, said.splitlines())) <= 80


@pytest.mark.parametrize("words", [["--lang", "zh"], []])
def test_the_command_line_and_the_configuration_choose_it(words: list[str], broken: Path, tmp_path: Path) -> None:
    if not words:
        (tmp_path / "pyproject.toml").write_text('[tool.sftdoctor]\nlang = "zh"\n')
    done = run("check", "--python", broken, *words, "--format", "text", "--format", "json=out.json", cwd=tmp_path)
    assert (done.returncode, "这次训练会失败" in done.stdout) == (1, True), done.stderr
    [finding] = [one for one in json.loads((tmp_path / "out.json").read_text())["findings"] if one["id"] == "API021"]
    assert finding["title"] == "trl 传入了 peft 不接受的参数"
    assert "trl 0.24.0" in finding["message"]


def test_a_terminal_that_cannot_show_it_gets_english(broken: Path, tmp_path: Path) -> None:
    done = run("check", "--python", broken, "--lang", "zh", cwd=tmp_path, env={"PYTHONIOENCODING": "latin-1"})
    assert "This run will break" in done.stdout
    assert "cannot show zh" in done.stderr


def test_a_language_that_is_not_known_is_bad_usage(tmp_path: Path) -> None:
    done = run("check", "--lang", "fr", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
