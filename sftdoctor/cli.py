"""The commands: the only file that prints or exits. Whatever is heavy is imported inside the command that needs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from sftdoctor import __version__, finished
from sftdoctor.arguments import parse
from sftdoctor.errors import SftDoctorError, UsageError
from sftdoctor.outputs import in_its_language, show, write
from sftdoctor.status import DONE, FAILED, FOUND, INTERRUPTED, status

if TYPE_CHECKING:
    from rich.console import Console

    from sftdoctor.fleet import Member
    from sftdoctor.model import CaseResult, Environment, Rule
    from sftdoctor.report.progress import Progress
    from sftdoctor.settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Its arguments, without the program's name; None for the process's own.

    Returns:
        The exit status.
    """
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    except SftDoctorError as error:
        _complain(f"error: {error.message}", error.hint)
    except OSError as error:
        _complain(f"error: {error}")
    except Exception as error:
        import traceback

        if os.environ.get("SFTDOCTOR_DEBUG"):
            traceback.print_exc()
        what = f"{type(error).__name__}: {error}"
        _complain(f"this is a bug in sftdoctor: {what}", "Run it again with SFTDOCTOR_DEBUG=1 for the traceback.")
    return FAILED


def _run(argv: Sequence[str]) -> int:
    try:
        options, rest = parse(argv, __version__)
    except SystemExit as leave:  # --help, --version or bad usage, said already
        write("", None)
        return int(leave.code or 0)
    except BrokenPipeError:  # nobody reads the help (Python 3.10 says so at once)
        write("", None)
        return DONE
    from sftdoctor.settings import make_settings

    given = vars(options)
    command = given.pop("command")
    settings = in_its_language(make_settings(given, rest, Path.cwd()))
    return COMMANDS[command](settings, given)


Words = dict[str, Any]


def check(settings: Settings, _: Words) -> int:
    """sftdoctor check."""
    return _watched(settings) if settings.watch else _checked(settings)


def _watched(settings: Settings) -> int:
    """Check, and check again whenever a file is saved; Ctrl-C is the way to end it."""
    from sftdoctor.watching import rounds

    if not settings.paths:
        raise UsageError("--watch needs a file", "Name the script: sftdoctor check train.py --watch")
    answer = DONE
    try:
        for number in rounds((*settings.paths, *filter(None, (settings.model, settings.pins)))):
            if number > 1 and sys.stdout.isatty():
                write("\033[2J\033[H", None)  # an empty screen
            try:
                answer = _checked(settings)
            except SftDoctorError as error:  # a script that is half written, say
                _complain(f"error: {error.message}", error.hint)
                answer = FAILED
            _complain("watching; Ctrl-C ends it")
    except KeyboardInterrupt:
        return answer
    return answer


def _checked(settings: Settings) -> int:
    from sftdoctor import jobs
    from sftdoctor import report as views
    from sftdoctor.reading import asked_rules

    with _progress() as progress:
        report = jobs.check(settings, progress)
        if settings.write_baseline:
            from sftdoctor.baseline import baseline_text

            write(baseline_text(report.findings), settings.baseline)
            progress(f"{len(report.findings)} findings are written to {settings.baseline}")
            report = jobs.accepted(report)
    said = show(
        settings,
        lambda console: views.text.render(report, console, given=settings.given, verbose=settings.verbose),
        lambda: views.views.of_check(report, lambda: asked_rules(settings), jobs.edited, settings.given),
    )
    answer = status(report, settings.fail_on)
    if _hangs_on_files_alone(settings):
        finished.keep(said, answer, views.words.duration(report.seconds))
    return answer


def _hangs_on_files_alone(settings: Settings) -> bool:
    """Whether a check may be said again: it writes no more, reads a cache, and asks no index and no certificate."""
    text = settings.outputs == (("text", None),) and getattr(sys.stdout, "encoding", "") == "utf-8"
    asks_more = settings.pins or settings.require_proof or settings.write_baseline or settings.no_cache
    return text and not asks_more and not settings.watch


def fix(settings: Settings, _: Words) -> int:
    """sftdoctor fix."""
    from sftdoctor import jobs
    from sftdoctor import report as views

    with _progress() as progress:
        result = jobs.fix(settings, progress)
    show(
        settings,
        lambda console: views.repair_text.render_fix(
            result, console, given=settings.given, alternatives=settings.alternatives
        ),
        lambda: views.views.of_fix(result),
    )
    if result.outcome == "refused":
        return FAILED
    return FOUND if result.outcome == "undone" else status(result.after or result.before, settings.fail_on)


def undo(settings: Settings, words: Words) -> int:
    """sftdoctor undo."""
    from sftdoctor import report as views
    from sftdoctor.repair import transaction

    prefix = _prefix(settings) if "python" in words else None
    if words.get("list"):
        entries = transaction.journals(prefix)
        show(settings, lambda console: views.repair_text.render_journals(entries, console))
        return DONE
    with _progress() as progress:
        result = transaction.undo(
            words.get("id"),
            prefix=prefix,
            force=words.get("force", False),
            on_event=lambda event: progress(event.text),
        )
    show(
        settings,
        lambda console: views.repair_text.render_undo(
            result.journal, result.restored, result.reason, result.drift, console
        ),
    )
    return DONE


def _prefix(settings: Settings) -> str:
    from sftdoctor.reading import read_target

    return str(read_target(settings).target.prefix)


def prove(settings: Settings, _: Words) -> int:
    """sftdoctor prove."""
    from sftdoctor import jobs
    from sftdoctor import report as views

    with _progress() as progress:
        proof = jobs.prove(settings, progress)
    show(
        settings,
        lambda console: views.proof_text.render(proof, console),
        lambda: views.views.of_proof(proof),
    )
    return {"passed": DONE, "failed": FOUND}.get(proof.verdict, FAILED)


def explain(settings: Settings, words: Words) -> int:
    """sftdoctor explain."""
    from sftdoctor import jobs
    from sftdoctor import report as views
    from sftdoctor.logs import read_blocks
    from sftdoctor.reading import read_rules
    from sftdoctor.report.progress import reading

    name = words.get("log")
    if name is not None and not Path(name).exists() and any(name == rule.id for rule in read_rules(settings)[0]):
        return rules(settings, {"words": [name]})
    with _progress() as progress, _log(name) as stream:
        explanation = jobs.explain(read_blocks(stream, reading(stream, progress)), settings, progress)
    show(
        settings,
        lambda console: views.explanation_text.render(
            explanation, console, given=settings.given, verbose=settings.verbose
        ),
        lambda: views.views.of_explanation(explanation),
    )
    return FOUND if explanation.findings else DONE


def _log(name: str | None) -> IO[bytes]:
    if name is None or name == "-":
        if sys.stdin is None:
            raise UsageError("there is no standard input", "Name a file.")
        if sys.stdin.isatty():
            _complain("paste the traceback, then press Ctrl-D")
        return sys.stdin.buffer
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}", "Name a log file or the id of a rule.") from error


def rules(settings: Settings, words: Words) -> int:
    """sftdoctor rules [ID], sftdoctor rules test [ID], sftdoctor rules pages."""
    from sftdoctor import report as views
    from sftdoctor.reading import read_rules
    from sftdoctor.ruleset import read_own, select_rules

    named = list(words["words"])
    job = named.pop(0) if named[:1] in (["test"], ["pages"]) else "show"
    quick = job == "show" and len(named) == 1 and not settings.rules and settings.lang == "en"
    one = read_own(named[0]) if quick else None
    sound, broken = ((one,), ()) if one else read_rules(settings, pages=True)
    for error in broken:
        _complain(f"refused: {error.message}", error.hint)
    chosen = select_rules(sound, named)
    if job == "pages":
        return _write_pages(chosen)
    if job == "test":
        return max(_test_rules(settings, chosen), FOUND if broken else DONE)

    page = bool(named) and len(chosen) == 1

    def draw(console: Console) -> None:
        if page:
            views.rules_text.render_page(chosen[0], console)
        else:
            views.rules_text.render_list(chosen, console)

    show(settings, draw, lambda: views.views.of_rules(chosen, page=page))
    return DONE


def _write_pages(chosen: Sequence[Rule]) -> int:
    """Write a README.md with the pages of its rules into each folder of rules."""
    from sftdoctor import report as views
    from sftdoctor import streams

    by_folder: dict[Path, list[Rule]] = {}
    for rule in chosen:
        by_folder.setdefault(Path(rule.path).parent, []).append(rule)
    for folder, members in by_folder.items():
        streams.write_file(views.rules_markdown.family_page(members), folder / "README.md")
        _complain(f"{folder / 'README.md'}: {len(members)} rules")
    return DONE


def _test_rules(settings: Settings, chosen: Sequence[Rule]) -> int:
    from sftdoctor import report as views
    from sftdoctor.fix_cases import run_fixes
    from sftdoctor.testing import run_cases

    results: list[CaseResult] = []
    with _progress() as progress:
        for rule in chosen:
            progress(f"testing {rule.id}")
            results += run_cases(rule)
            results += [result for result in run_fixes(rule) if not result.passed]
    show(
        settings,
        lambda console: views.rules_text.render_results(results, console),
        lambda: views.views.of_results(results),
    )
    return DONE if all(result.passed for result in results) else FOUND


def env(settings: Settings, _: Words) -> int:
    """sftdoctor env."""
    from sftdoctor import report as views
    from sftdoctor.reading import read_target
    from sftdoctor.target.machine import machine_of
    from sftdoctor.target.pip_view import ask_pip

    with _progress() as progress:
        environment = read_target(settings, progress)
        pip = ask_pip(environment)
    version, listed = (pip.version, pip.distributions) if pip is not None else (None, None)
    block = views.environment.env_block(environment, version, listed, machine_of(environment))
    show(
        settings,
        lambda console: console.out(block, end="", highlight=False),
        lambda: {
            "json": lambda: views.json_report.dumps(views.json_report.env_to_dict(environment, version, listed)),
            "markdown": lambda: views.environment.env_markdown(block),
        },
    )
    return DONE


def snapshot(settings: Settings, _: Words) -> int:
    """sftdoctor snapshot."""
    import tempfile

    from sftdoctor.reading import read_target
    from sftdoctor.target.snapshot import save_snapshot

    with _progress() as progress:
        environment = read_target(settings, progress)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "snapshot.json")
        save_snapshot(environment, path)
        write(path.read_text(encoding="utf-8"), None if settings.output == "-" else settings.output)
    return DONE


def diff(settings: Settings, words: Words) -> int:
    """sftdoctor diff."""
    from sftdoctor import report as views

    if words["others"]:
        return _diff_many(settings, [words["a"], words["b"], *words["others"]])
    a, b = ((words[name], _side(words[name])) for name in ("a", "b"))
    found = views.environment.differences(a[1], b[1])
    show(
        settings,
        lambda console: views.environment_text.render_differences(a, b, console),
        lambda: {"json": lambda: views.json_report.dumps(views.environment.differences_to_dict(a, b))},
    )
    return FOUND if found else DONE


def _diff_many(settings: Settings, names: Sequence[str]) -> int:
    """More than two: each against what most of them have."""
    from sftdoctor.fleet import Member, read_member

    # one at a time: of a thousand, only the facts are kept
    members = (read_member(Path(name)) if _is_snapshot(name) else Member(name, _side(name), {}) for name in names)
    return _show_crowd(settings, members)


def _show_crowd(settings: Settings, members: Iterable[Member]) -> int:
    from sftdoctor.report import crowd, crowd_text, json_report

    found = crowd.compare((one.name, one.environment, one.machine) for one in members)
    show(
        settings,
        lambda console: crowd_text.render(found, console),
        lambda: {"json": lambda: json_report.dumps(crowd.crowd_to_dict(found))},
    )
    return FOUND if found.splits else DONE


def fleet(settings: Settings, _: Words) -> int:
    """sftdoctor fleet."""
    from sftdoctor.fleet import gather, rank_of
    from sftdoctor.fleet.members import links_of, member_dict
    from sftdoctor.reading import read_target
    from sftdoctor.target.machine import machine_of

    rank = rank_of(os.environ)
    if rank is None:
        raise UsageError(
            "no launcher says which rank this is",
            "Start it as your job is started: torchrun --nproc-per-node 2 -m sftdoctor fleet.",
        )
    with _progress() as progress:
        environment = read_target(settings, progress)
        said = member_dict(rank, environment, {**machine_of(environment), **links_of()})
        share = Path(settings.share or ".")
        gathered = gather(rank, said, environment.target.path, share, settings.wait, progress)
    if rank.rank != 0:
        return DONE
    if gathered.trouble:
        print(f"torch.distributed could not be used: {gathered.trouble}", file=sys.stderr)
    if gathered.missing:
        print(f"not heard of: rank {', '.join(map(str, gathered.missing))}", file=sys.stderr)
    status = _show_crowd(settings, gathered.members)
    return FOUND if gathered.missing or gathered.trouble else status


def _is_snapshot(name: str) -> bool:
    return name.endswith(".json") and Path(name).is_file()


def _side(name: str) -> Environment:
    """One side of a diff: a snapshot is a JSON file, all else is read as an interpreter."""
    from sftdoctor.reading import read_target
    from sftdoctor.settings import Settings

    side = Settings(snapshot=name) if _is_snapshot(name) else Settings(python=name)
    with _progress() as progress:
        return read_target(side, progress)


def mcp(settings: Settings, _: Words) -> int:
    """sftdoctor mcp."""
    from sftdoctor.agents import make_server

    make_server(apply=settings.apply).run("stdio")
    return DONE


def init(settings: Settings, words: Words) -> int:
    """sftdoctor init."""
    from sftdoctor import gate
    from sftdoctor import report as views

    gates = tuple(words.get("gates", ()))
    made = gate.draft(settings, gates, Path.cwd())
    if settings.apply:
        gate.write(made)
    given = (*settings.given, *(f"--{name}" for name in gates))
    show(settings, lambda console: views.repair_text.render_init(made.plan, console, settings.apply, given=given))
    return DONE


def completion(_: Settings, words: Words) -> int:
    """sftdoctor completion."""
    from sftdoctor.completion import script

    write(script(words["shell"]), None)
    return DONE


def demo(settings: Settings, _: Words) -> int:
    """sftdoctor demo."""
    from sftdoctor.demo import run_demo

    with _progress() as progress:

        def tell(text: str) -> None:
            progress.pause()
            write(text, None)

        return run_demo(tell, progress)


COMMANDS: dict[str, Callable[[Settings, Words], int]] = {
    function.__name__: function
    for function in (check, fix, undo, prove, explain, rules, env, snapshot, diff, fleet, mcp, init, completion, demo)
}


def _progress() -> Progress:
    from sftdoctor.report.progress import Progress

    return Progress(sys.stderr)


def _complain(message: str, hint: str = "") -> None:
    """Say on stderr what went wrong."""
    from sftdoctor import streams

    streams.say([*f"sftdoctor: {message}".splitlines()[:20], hint], sys.stderr)
