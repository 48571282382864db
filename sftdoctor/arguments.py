"""The command line as argparse sees it. Imports nothing else, so that --help and --version cost next to nothing."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

PLAIN = ("text", "json", "markdown")
REPORTS = ("text", "json", "sarif", "github", "gitlab", "junit", "markdown", "html")
LEVELS = ("error", "warning", "never")
LANGUAGES = ("en", "zh")
SHELLS = ("bash", "zsh", "fish")
COMPLETED = "completed"
"""Attribute of a type function that names the words to offer for it."""
GATES = {
    "github": "GitHub Actions",
    "gitlab": "GitLab CI",
    "pre-commit": "pre-commit",
    "docker": "a container image",
    "slurm": "the nodes of a Slurm job",
    "kubernetes": "a Kubernetes job",
}
QUANTIZATIONS = ("nf4", "fp4", "int8", "none")

SUMMARY = """\
Will this fine-tuning run start? If not: why, the smallest repair, and a 4-bit
LoRA step to prove it."""
STATUSES = """\
exit status: 0 nothing at or above --fail-on; 1 findings, or a proof that
failed; 2 the job could not be done; 130 interrupted"""
EXAMPLES = """\
examples:
  sftdoctor check                      will a 4-bit LoRA SFT run start in this environment?
  sftdoctor check train.py -- --bf16   and this script, started with these arguments?
  sftdoctor fix --apply                repair it, prove the repair; undo it if the proof fails
  sftdoctor explain train.log          what does this traceback mean?
  sftdoctor check --pins requirements.txt --python-version 3.11
"""

COMMAND_EXAMPLES = {
    "check": """\
  sftdoctor check train.py --python .venv
  sftdoctor check --pins uv.lock --gpu A100 --fail-on warning
  sftdoctor check --require-proof proof.json
  sftdoctor check --format text --format sarif=out.sarif --format html=report.html
""",
    "fix": """\
  sftdoctor fix train.py            show the plan
  sftdoctor fix train.py --apply    carry it out and prove it
  sftdoctor fix --keep torch        any package may change but torch
  sftdoctor fix --keep torch==2.4.1,requirements.txt --alternatives
  sftdoctor fix --apply --write requirements.txt --constraints good.txt
""",
    "undo": """\
  sftdoctor undo              the last fix
  sftdoctor undo --list       which fixes there were, and what became of them
  sftdoctor undo 20261125-1   the one whose id begins so
""",
    "prove": """\
  sftdoctor prove --python .venv
  sftdoctor prove --model qwen3 --quantization nf4 --timeout 300
  sftdoctor prove --model ./my-model --set use_dora=true --set optim=paged_adamw_8bit
  sftdoctor prove --matrix          which settings work here, as a table
  sftdoctor prove --script train.py -- --bf16   run your own script, made small
  sftdoctor prove --nproc 2         two processes, as torchrun starts them
  sftdoctor prove --nproc 2 --accelerate-config fsdp.yaml --script train.py
""",
    "explain": """\
  sftdoctor explain train.log
  python train.py 2>&1 | sftdoctor explain
""",
    "rules": """\
  sftdoctor rules API021
  sftdoctor rules test API021
""",
    "env": """\
  sftdoctor env --python .venv
""",
    "snapshot": """\
  sftdoctor snapshot --output works.json
""",
    "fleet": """\
  sftdoctor fleet --share /shared   after srun, or torchrun … -m sftdoctor fleet
""",
    "diff": """\
  sftdoctor diff works.json .venv
""",
    "mcp": """\
  sftdoctor mcp
  sftdoctor mcp --apply    with a tool that carries the plan out
""",
    "init": """\
  sftdoctor init train.py --gpu A100            show what would be written
  sftdoctor init train.py --gpu A100 --apply    write it
  sftdoctor init --slurm --kubernetes --apply
""",
    "completion": """\
  eval "$(sftdoctor completion bash)"           in ~/.bashrc; zsh in ~/.zshrc
  sftdoctor completion zsh > ~/.zfunc/_sftdoctor
  sftdoctor completion fish > ~/.config/fish/completions/sftdoctor.fish
""",
}

Adder = Callable[[argparse.ArgumentParser], None]


def parse(argv: Sequence[str], version: str) -> tuple[argparse.Namespace, tuple[str, ...]]:
    """Parse a command line.

    Args:
        argv: The arguments, without the program's name.
        version: What --version says.

    Returns:
        The command and the options that were given (those that were not are absent), and everything after the
        first `--`.

    Raises:
        SystemExit: As argparse does: 0 after --help and --version, 2 for bad usage.
    """
    words = list(argv)
    at = words.index("--") if "--" in words else len(words)
    words, rest = words[:at], tuple(words[at + 1 :])
    name = words[0] if words else ""
    if name not in COMMANDS:
        _front(version).parse_args(words)  # ends the program: help, version or bad usage
    parser = _command(name)
    options = parser.parse_intermixed_args(words[1:])
    options.command = name
    if rest and name not in ("check", "fix", "prove"):
        parser.error(f"{name} takes nothing after --")
    if rest and not (getattr(options, "script", None) if name == "prove" else len(options.paths) == 1):
        wanted = "name it with --script" if name == "prove" else "name exactly one"
        parser.error(f"after -- comes the command line of one script: {wanted}")
    return options, rest


def _front(version: str) -> argparse.ArgumentParser:
    listing = "\n".join(f"  {name:<10}  {summary}" for name, (summary, _) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="sftdoctor",
        usage="sftdoctor [-h] [--version] COMMAND ...",
        description=f"{SUMMARY}\n\ncommands:\n{listing}",
        epilog=f"{EXAMPLES}\n{STATUSES}",
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"sftdoctor {version}")
    parser.add_argument("command", choices=list(COMMANDS), metavar="COMMAND", help="sftdoctor COMMAND --help says more")
    return parser


def whole() -> argparse.ArgumentParser:
    """One parser with all commands below it, for what walks them; parse() makes only the one that it needs."""
    parser = argparse.ArgumentParser(prog="sftdoctor", description=SUMMARY)
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND")
    for name, (summary, adders) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        for add in adders:
            add(command)
    return parser


def _command(name: str) -> argparse.ArgumentParser:
    """The parser of one command; it leaves out what was not given, so that defaults can come from pyproject.toml."""
    summary, adders = COMMANDS[name]
    parser = argparse.ArgumentParser(
        prog=f"sftdoctor {name}",
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"examples:\n{COMMAND_EXAMPLES[name]}\n{STATUSES}" if name in COMMAND_EXAMPLES else STATUSES,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for add in adders:
        add(parser)
    return parser


def _paths(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        default=[],
        help="scripts, notebooks, configs, launch scripts or folders of them",
    )


def _python(parser: argparse.ArgumentParser) -> None:
    text = "interpreter, venv or conda folder (default: the active one, else the running interpreter)"
    parser.add_argument("--python", metavar="PATH", help=text)


def _target(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("target (one of)").add_mutually_exclusive_group()
    group.add_argument(
        "--python",
        metavar="PATH",
        help="interpreter, venv or conda folder (default: the active one, else the running interpreter)",
    )
    group.add_argument("--pins", metavar="FILE", help="versions that are not installed yet: requirements, freeze, lock")
    group.add_argument("--snapshot", metavar="FILE", help="a target recorded with `sftdoctor snapshot`")
    parser.add_argument("--python-version", metavar="X.Y", help="Python that the pins are for")
    parser.add_argument("--offline", action="store_true", help="fetch nothing; what is missing is not judged")


def _workload(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("workload")
    group.add_argument("--model", metavar="PATH", help="model folder; read, never imported")
    group.add_argument("--scenario", metavar="NAME", help="kind of run (default: sft-lora-4bit)")
    group.add_argument("--gpu", metavar="NAME", help="judge for a GPU that is not here: T4, A100, RTX 4090, sm_75")


def _rules_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rules", metavar="DIR", action="append", help="folder with more rules (may be repeated)")


def _judgement(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--select", metavar="ID,...", action="append", help="only these ids or families")
    parser.add_argument("--ignore", metavar="ID,...", action="append", help="not these ids or families")
    parser.add_argument("--baseline", metavar="FILE", help="findings that were there before; only new ones are judged")
    parser.add_argument("--fail-on", choices=LEVELS, help="what makes the exit status 1 (default: error)")
    parser.add_argument("--no-cache", action="store_true", help="neither use nor write the cache")


def _format(*names: str) -> Adder:
    """The options of a command that prints in these formats."""

    def wanted(word: str) -> tuple[str, str | None]:
        name, sign, file = word.partition("=")
        if name not in names or (sign and not file):
            raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(names)} (or NAME=FILE)")
        return name, file or None

    setattr(wanted, COMPLETED, names)

    def add(parser: argparse.ArgumentParser) -> None:
        group = parser.add_argument_group("output")
        text = f"{', '.join(names)} (default: text); with =FILE it goes there; may be repeated"
        group.add_argument("--format", type=wanted, action="append", metavar="NAME[=FILE]", help=text)
        group.add_argument("--output", metavar="FILE", help="write the report to FILE instead of stdout")
        parser.set_defaults(formats=names)

    return add


def _output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", metavar="FILE", help="write to FILE instead of stdout")


def _language(parser: argparse.ArgumentParser) -> None:
    text = "language of titles, remedies and the text report (default: en)"
    parser.add_argument("--lang", choices=LANGUAGES, help=text)


def _verbose(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-v", "--verbose", action="store_true", help="every finding in full, with its evidence")


def _watch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--watch", action="store_true", help="judge again whenever a PATH is saved, until Ctrl-C")


def _serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--apply", action="store_true", help="also offer a tool that carries the plan out")


def _timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--timeout", metavar="SECONDS", type=float, help="end the proof after this long (default: 600)")


def _gate(parser: argparse.ArgumentParser) -> None:
    text = "what `prove --format json` wrote; exit status 1 unless it passed and still holds"
    parser.add_argument("--require-proof", metavar="FILE", help=text)


def _baseline(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--write-baseline", action="store_true", help="write what is found to the baseline FILE")


def _fix(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--apply", action="store_true", help="carry the plan out, check again and prove it")
    parser.add_argument("--unsafe", action="store_true", help="also fixes that may change what is trained")
    parser.add_argument("--compat", action="store_true", help="edit scripts so that they work on older stacks too")
    text = "what must stay: NAME, NAME==VERSION, or a requirements file whose pins hold"
    parser.add_argument("--keep", metavar="NAME,...", action="append", help=text)
    parser.add_argument("--alternatives", action="store_true", help="show what else was considered, and why it lost")
    text = "change this file along: requirements.txt, pyproject.toml, environment.yml (may be repeated)"
    parser.add_argument("--write", metavar="FILE", action="append", help=text)
    parser.add_argument(
        "--constraints", metavar="FILE", help="write the versions of the repaired set to FILE, for pip -c"
    )


def _undo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", metavar="ID", default=None, help="journal of the fix (default: the last one)")
    parser.add_argument("--python", metavar="PATH", help="only fixes of this environment (default: of any)")
    parser.add_argument("--force", action="store_true", help="even where something has changed since")
    parser.add_argument("--list", action="store_true", help="list the fixes on record, the last one first")


def _quantization(parser: argparse.ArgumentParser) -> None:
    text = "what to train in (default: nf4 on a GPU, nf4 and int8 on a CPU)"
    parser.add_argument("--quantization", choices=QUANTIZATIONS, action="append", help=text)


def _script(parser: argparse.ArgumentParser) -> None:
    text = "processes that train together, started by torchrun (default: 1)"
    parser.add_argument("--nproc", metavar="N", type=int, help=text)
    text = "started by `accelerate launch` with this config of yours instead (DDP, FSDP, DeepSpeed)"
    parser.add_argument("--accelerate-config", metavar="FILE", help=text)
    text = "run your own script or notebook for a step or two, on a tiny model and a few rows; its arguments after --"
    parser.add_argument("--script", metavar="FILE", help=text)


def _proof(parser: argparse.ArgumentParser) -> None:
    text = "architecture to train, made small: a model type (qwen3), a class, a folder, a config.json, a cached name"
    parser.add_argument("--model", metavar="NAME|PATH", help=text)
    text = "run the code that lies in the model's folder"
    parser.add_argument("--trust-remote-code", action="store_true", help=text)
    text = "a setting as the libraries name it: use_dora=true, optim=adamw_8bit (may be repeated; README lists them)"
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--set", metavar="KEY=VALUE", action="append", help=text)
    text = "try every quantization, and each setting alone; print what works here as a table"
    group.add_argument("--matrix", action="store_true", help=text)


def _log(parser: argparse.ArgumentParser) -> None:
    text = "file with a traceback or log, or the id of a rule (default: standard input)"
    parser.add_argument("log", nargs="?", metavar="LOG", default=None, help=text)


def _words(parser: argparse.ArgumentParser) -> None:
    text = "nothing: list all; ID: its page; test [ID]: run the cases; pages: write a Markdown page a family"
    parser.add_argument("words", nargs="*", metavar="ID", default=[], help=text)


def _shell(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="the shell")


def _gates(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to write, beside [tool.sftdoctor] (default: the CI workflow)")
    for name in GATES:
        text = f"a gate for {GATES[name]}"
        group.add_argument(f"--{name}", dest="gates", action="append_const", const=name, help=text)
    group.add_argument("--pins", metavar="FILE", help="versions that CI judges (default: the lock file that is here)")
    group.add_argument("--python-version", metavar="X.Y", help="Python that the pins are for")
    parser.add_argument("--apply", action="store_true", help="write it; without it the diff is shown")


def _two(parser: argparse.ArgumentParser) -> None:
    for name in ("a", "b"):
        parser.add_argument(name, metavar=name.upper(), help="snapshot file, interpreter or venv folder")
    text = "more of them: then it is told who differs from the others"
    parser.add_argument("others", metavar="C", nargs="*", default=[], help=text)


def _fleet(parser: argparse.ArgumentParser) -> None:
    text = "folder that all nodes share, for where torch.distributed cannot be used (default: the present one)"
    parser.add_argument("--share", metavar="DIR", help=text)
    parser.add_argument("--wait", metavar="SECONDS", type=float, help="how long to wait for the others (default: 60)")


_PLAIN = _format(*PLAIN)
_RULES = (_rules_folder, _language)
_REPORT = _format(*REPORTS)
_JUDGE: tuple[Adder, ...] = (_paths, _target, _workload, _judgement, *_RULES, _verbose)
COMMANDS: dict[str, tuple[str, tuple[Adder, ...]]] = {
    "check": (
        "judge the environment, and scripts, configs or folders where given",
        (*_JUDGE, _REPORT, _baseline, _gate, _watch),
    ),
    "fix": (
        "show the plan of repair; with --apply carry it out and prove it",
        (*_JUDGE, _PLAIN, _fix, _timeout),
    ),
    "undo": ("put back exactly what an earlier fix changed", (_undo,)),
    "prove": (
        "train a real LoRA SFT step in the target",
        (_python, _script, _proof, _quantization, _timeout, *_RULES, _PLAIN),
    ),
    "explain": ("a traceback or training log: the cause and the remedy", (_log, _target, *_RULES, _verbose, _PLAIN)),
    "rules": ("list the rules, show one's page, test them, write their pages", (_words, *_RULES, _PLAIN)),
    "env": ("what to paste into a bug report", (_target, _PLAIN)),
    "snapshot": ("record a target", (_target, _output)),
    "diff": ("what differs between two targets, or among many", (_two, _format("text", "json"))),
    "fleet": (
        "under torchrun, accelerate launch, srun or mpirun: which rank's machine or packages differ",
        (_python, _fleet, _format("text", "json")),
    ),
    "mcp": ("offer check, explain and the plan of repair to agents (MCP)", (_serve,)),
    "init": (
        "write the configuration and a gate: CI, containers, clusters",
        (_paths, _workload, _gates),
    ),
    "completion": ("print the completion script of a shell", (_shell,)),
    "demo": ("break three environments, then check, fix and prove each", ()),
}
