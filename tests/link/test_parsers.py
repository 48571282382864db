"""Command lines: argparse, and the dataclass parsers of transformers and trl."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftdoctor.link.index import Library
from sftdoctor.link.linker import link
from sftdoctor.link.options import read_options
from sftdoctor.model import Scenario, Script, Workload
from tests.link.worlds import World, told

NOTHING = Scenario("a run", "a run", ())
LIBRARIES = World(
    {
        "yaml": "def safe_load(stream): ...",
        "transformers": """
            import dataclasses
            from argparse import ArgumentParser
            @dataclasses.dataclass
            class TrainingArguments:
                output_dir: str = None
                eval_strategy: str = "no"
                logging: bool = True
                betas: list = None
                def __post_init__(self):
                    pass
            class HfArgumentParser(ArgumentParser):
                def __init__(self, dataclass_types=None, **kwargs):
                    super().__init__(**kwargs)
                    self.options = [name.replace("_", "-") for name in ()]
                def parse_args_into_dataclasses(self, args=None, return_remaining_strings=False): ...
                def parse_dict(self, args, allow_extra_keys=False): ...
                def parse_json_file(self, json_file, allow_extra_keys=False): ...
            class Trainer:
                def __init__(self, args): pass
        """,
        "trl": """
            from transformers import HfArgumentParser
            class TrlParser(HfArgumentParser):
                def parse_args_and_config(self, args=None, return_remaining_strings=False):
                    raise ValueError("Unknown arguments from config file")
        """,
    }
)
HEAD = "from transformers import HfArgumentParser, Trainer, TrainingArguments\nfrom trl import TrlParser\n"
PARSE = HEAD + "args, = HfArgumentParser(TrainingArguments).parse_args_into_dataclasses()\n"
BRANCH = "if args.eval_strategy == 'steps':\n    Trainer(tokenizer=1, args=args)"
ARGPARSE = "import argparse\nfrom transformers import Trainer\np = argparse.ArgumentParser()\n"
MODE = "p.add_argument('--mode', default='new')\n"
OLD = "if args.mode == 'old':\n    Trainer(tokenizer=1, args=args)"
OWN = """
import dataclasses
@dataclasses.dataclass
class Mine:
    rank: int = 8
mine, args = HfArgumentParser((Mine, TrainingArguments)).parse_args_into_dataclasses()
"""


def found(tmp_path: Path, source: str, *arguments: str) -> tuple[str, ...]:
    environment = LIBRARIES.environment(tmp_path / "target")
    script = Script(str(tmp_path / "train.py"), source, arguments=arguments)
    return told(link(Library(environment), environment, Workload(NOTHING, (script,))))


LINES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "all are fields": (PARSE, ("--output_dir", "out", "--eval_strategy=no"), ()),
    "one is gone": (PARSE, ("--evaluation_strategy", "no"), ("API013 evaluation_strategy certain",)),
    "two are": (PARSE, ("--x", "1", "--y"), ("API013 x certain", "API013 y certain")),
    "the beginning of one": (PARSE, ("--out", "x"), ()),
    "hyphens": (PARSE, ("--output-dir", "x"), ()),
    "switched off": (PARSE, ("--no_logging",), ()),
    "nothing is known of the command line": (PARSE, (), ()),
    "several words": (PARSE, ("--betas", "1", "2", "--output_dir", "x"), ()),
    "numbers below zero": (PARSE, ("--betas", "-1", "-0.5"), ()),
    "the script's own": (HEAD + OWN, ("--rank", "4", "--output_dir", "x"), ()),
    "neither's": (HEAD + OWN, ("--rang", "4"), ("API013 rang certain",)),
    "what is left is wanted": (
        HEAD + "HfArgumentParser(TrainingArguments).parse_args_into_dataclasses(return_remaining_strings=True)",
        ("--mine", "4"),
        (),
    ),
    "add_argument": (
        HEAD
        + "p = HfArgumentParser([TrainingArguments])\np.add_argument('--mine', default=1)\n"
        + "args, more = p.parse_args_into_dataclasses()\nargs.mine\nmore.mine\n",
        ("--mine", "4"),
        ("API005 mine certain",),
    ),
    "a field that the class has no more": (PARSE + "args.old", ("--output_dir", "x"), ("API005 old certain",)),
    "whatever the constructor does with what it is given": (
        HEAD
        + "import os\nclass P(HfArgumentParser):\n    def __init__(self, dataclass_types):\n"
        + "        super().__init__(dataclass_types)\n        os.x(dataclass_types)\n"
        + "args, = P([TrainingArguments]).parse_args_into_dataclasses()\nargs.old",
        (),
        ("API005 old certain",),
    ),
    "a value decides a branch": (PARSE + BRANCH, ("--eval_strategy", "no"), ()),
    "and the other way": (PARSE + BRANCH, ("--eval_strategy", "steps"), ("API002 tokenizer certain",)),
    "a value that is not known": (PARSE + BRANCH, (), ("API002 tokenizer possible",)),
    "given in the call": (
        HEAD + "HfArgumentParser(TrainingArguments).parse_args_into_dataclasses(['--old', 'x'])",
        (),
        ("API013 old certain",),
    ),
    "classes that are not known": (
        HEAD + "import os\nHfArgumentParser(os.x).parse_args_into_dataclasses()",
        ("--old", "x"),
        (),
    ),
    "a dictionary": (
        HEAD + "args, = HfArgumentParser(TrainingArguments).parse_dict({})\nargs.old",
        (),
        ("API005 old certain",),
    ),
    "argparse, a value": (
        ARGPARSE + MODE + "args = p.parse_args()\n" + OLD,
        ("--mode", "old"),
        ("API002 tokenizer certain",),
    ),
    "argparse, a default": (
        ARGPARSE + MODE + "p.add_argument('--x')\nargs = p.parse_args()\n" + OLD,
        ("--x", "1"),
        (),
    ),
    "argparse, a switch": (
        ARGPARSE
        + "p.add_argument('--old', action='store_true')\nargs, rest = p.parse_known_args()\n"
        + "if args.old:\n    Trainer(tokenizer=1, args=args)",
        ("--old",),
        ("API002 tokenizer certain",),
    ),
}


@pytest.mark.parametrize(("source", "arguments", "wanted"), LINES.values(), ids=LINES)
def test_command_lines(source: str, arguments: tuple[str, ...], wanted: tuple[str, ...], tmp_path: Path) -> None:
    assert found(tmp_path, source, *arguments) == wanted


CLASHES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "a field of both": ("eval_strategy: str = ''", "", ("API073 eval_strategy certain",)),
    "one of its own": ("mine: str = ''", "", ()),
    "a class variable": ("eval_strategy: ClassVar[str] = ''", "", ()),
    "resolved": ("eval_strategy: str = ''", ", conflict_handler='resolve'", ()),
}


@pytest.mark.parametrize(("field", "more", "wanted"), CLASHES.values(), ids=CLASHES)
def test_fields_that_clash(field: str, more: str, wanted: tuple[str, ...], tmp_path: Path) -> None:
    own = f"import dataclasses\nfrom typing import ClassVar\n@dataclasses.dataclass\nclass Mine:\n    {field}\n"
    assert found(tmp_path, HEAD + own + f"HfArgumentParser((Mine, TrainingArguments){more})\n") == wanted


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("eval_strategy", ("API073 eval_strategy certain",)),
        ("more", ("API073 more certain",)),
        ("mine", ()),
    ],
)
@pytest.mark.parametrize("order", ["(Theirs, Mine)", "(Mine, Theirs)"])
def test_fields_that_clash_with_those_of_a_class_that_the_script_derives(
    field: str, order: str, wanted: tuple[str, ...], tmp_path: Path
) -> None:
    own = (
        "import dataclasses\n@dataclasses.dataclass\nclass Theirs(TrainingArguments):\n    more: int = 1\n"
        f"@dataclasses.dataclass\nclass Mine:\n    {field}: str = ''\n"
    )
    assert found(tmp_path, HEAD + own + f"HfArgumentParser({order})\n") == wanted


FILE = "HfArgumentParser(TrainingArguments).parse_json_file({})\n"
LOADED = "import json\nwith open('args.json') as f:\n    said = json.load(f)\n"
YAML = "import yaml\nsaid = yaml.safe_load(open('args.json'))\n"
TEXTS = "import json\nsaid = json.loads(open('args.json').read())\n"
PATHLIB = (
    "import yaml\nfrom pathlib import Path\nsaid = yaml.safe_load((Path(__file__).parent / 'args.json').read_text())\n"
)
READ: dict[str, tuple[str, tuple[str, ...]]] = {
    "by the parser": (FILE.format("'args.json'"), ("API071 old certain",)),
    "extra keys are allowed": (FILE.format("'args.json', allow_extra_keys=True"), ()),
    "a file that is not there": (FILE.format("'gone.json'"), ()),
    "a dictionary": ("HfArgumentParser(TrainingArguments).parse_dict({'old': 1})", ("API071 old certain",)),
    "a dictionary, loosely": ("HfArgumentParser(TrainingArguments).parse_dict({'old': 1}, allow_extra_keys=True)", ()),
    "by json": (LOADED + "TrainingArguments(**said)", ("API071 old certain",)),
    "by yaml": (YAML + "TrainingArguments(**said)", ("API071 old certain",)),
    "as text": (f"{TEXTS}TrainingArguments(**said)", ("API071 old certain",)),
    "by pathlib": (f"{PATHLIB}TrainingArguments(**said)", ("API071 old certain",)),
    "copied and overridden": (
        YAML + "TrainingArguments(**{**dict(said), 'seed': 1})",
        ("API071 old certain", "API002 seed certain"),
    ),
    "set anew in the script": (YAML + "said['old'] = 2\nTrainingArguments(**said)", ("API002 old certain",)),
    "one that a handler expects": (YAML + "try:\n    TrainingArguments(**said)\nexcept TypeError:\n    pass", ()),
    "a part of it": (YAML + "TrainingArguments(output_dir=said['output_dir'])", ()),
    "what is taken out": (YAML + "said.pop('old')\nTrainingArguments(**said)", ()),
    "a value decides a branch": (YAML + "if said['output_dir'] == 'x':\n    Trainer(tokenizer=1, args=1)", ()),
}


@pytest.mark.parametrize(("source", "wanted"), READ.values(), ids=READ)
def test_files_that_the_script_reads(source: str, wanted: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "args.json").write_text('{"output_dir": "out", "old": 1}')
    assert found(tmp_path, HEAD + source) == wanted


def test_a_key_is_told_of_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "args.yaml").write_text("model: m\ntraining:\n  output_dir: x\n  # why\n  old: 1\n")
    source = HEAD + "import yaml\nsaid = yaml.safe_load(open('args.yaml'))\nTrainingArguments(**said['training'])"
    environment = LIBRARIES.environment(tmp_path / "target")
    script = Script(str(tmp_path / "train.py"), source)
    (item,) = link(Library(environment), environment, Workload(NOTHING, (script,))).findings
    assert item.location and (Path(item.location.path).name, item.location.line) == ("args.yaml", 5)
    assert item.symptom == "TypeError: TrainingArguments.__init__() got an unexpected keyword argument 'old'"
    assert "`training.old`" in item.message


def test_what_a_file_would_hold_is_taken_for_what_it_holds(tmp_path: Path) -> None:
    environment = LIBRARIES.environment(tmp_path / "target")
    path = tmp_path / "args.json"
    path.write_text('{"old": 1}')
    script = Script(str(tmp_path / "train.py"), HEAD + FILE.format("'args.json'"))
    better = replace(script, would_hold=((str(path.resolve()), b'{"output_dir": "x"}'),))
    library = Library(environment, tmp_path / "cache")
    for one, wanted in ((script, ("API071 old certain",)), (better, ()), (script, ("API071 old certain",))):
        assert told(link(library, environment, Workload(NOTHING, (one,)))) == wanted
    path.write_text('{"output_dir": "out"}')
    assert told(link(Library(environment, tmp_path / "cache"), environment, Workload(NOTHING, (script,)))) == ()


@pytest.mark.parametrize(
    ("source", "arguments", "said"),
    [
        (PARSE, ("--eval_stratgy", "no"), "The nearest that there is: `--eval_strategy`."),
        (PARSE, ("--eval-stratgy", "no"), "The nearest that there is: `--eval-strategy`."),
        (PARSE, ("--evaluation_strategy", "no"), ""),  # a name that other releases have
        (PARSE, ("--something_else", "no"), ""),
        (HEAD + "TrainingArguments(eval_stratgy='no')", (), "The nearest that there is: `eval_strategy`."),
        (HEAD + "TrainingArguments(evaluation_strategy='no')", (), ""),
    ],
)
def test_what_was_meant_is_named(source: str, arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    environment = LIBRARIES.environment(tmp_path)
    workload = Workload(NOTHING, (Script("train.py", source, arguments=arguments),))
    found = [finding.message for finding in link(Library(environment), environment, workload).findings]
    assert len(found) == 1 and (found[0].endswith(said) if said else "nearest" not in found[0])


def test_hyphens_are_known_where_the_parser_makes_them(tmp_path: Path) -> None:
    older = {name: text.replace('.replace("_", "-")', "") for name, text in LIBRARIES.sources.items()}
    environment = World(older).environment(tmp_path / "target")
    script = Script(str(tmp_path / "train.py"), PARSE, arguments=("--output-dir", "x", "--eval_strategy", "no"))
    result = link(Library(environment), environment, Workload(NOTHING, (script,)))
    assert told(result) == ("API013 output-dir certain",)


CONFIGS = {
    "all are fields": ({"output_dir": "x", "env": {"A": "1"}}, ()),
    "one is gone": ({"output_dir": "x", "evaluation_strategy": "no"}, ("API071 evaluation_strategy certain",)),
    "no mapping": (["output_dir"], ()),
}


@pytest.mark.parametrize(("config", "wanted"), CONFIGS.values(), ids=CONFIGS)
def test_config_files(config: object, wanted: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(config))
    source = HEAD + "args, = TrlParser(TrainingArguments).parse_args_and_config()\n"
    assert found(tmp_path, source, "--config", str(path)) == wanted


@pytest.mark.parametrize("text", [None, "", "a: [", "!!python/object:os.system {}", "\x00", "&a [*a, *a]"])
def test_config_files_that_are_none(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_text(text)
    source = HEAD + "args, = TrlParser(TrainingArguments).parse_args_and_config()\n"
    assert found(tmp_path, source, "--config", str(path)) == ()


NAMES = ["lr", "learning_rate", "log", "logging_steps", "output_dir"]


@given(st.lists(st.tuples(st.sampled_from([*NAMES, "learn", "out", "old", "l"]), st.sampled_from(["1", "x y", ""]))))
def test_options_are_read_as_argparse_reads_them(pairs: list[tuple[str, str]]) -> None:
    words = [word for name, value in pairs for word in (f"--{name}", value)]
    parser = argparse.ArgumentParser(exit_on_error=False, add_help=False)
    for name in NAMES:
        parser.add_argument(f"--{name}")
    options, _ = read_options(words, {name: name for name in NAMES}, config=False)
    try:
        known, _ = parser.parse_known_args(words)
    except (argparse.ArgumentError, SystemExit):  # "--l" may mean several
        assert any(name == "l" for name, _ in pairs)
        return
    assert options.known == {name: value for name, value in vars(known).items() if value is not None}
