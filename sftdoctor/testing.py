"""Runs the cases that rules carry: each becomes a tiny real environment on disk, judged by the same code as any other.

A case (`[[case]]`) says, besides its name and what to `expect` (fail: the rule makes a finding; pass: it makes none;
unknown: it cannot tell):

distributions    name → version, installed with metadata
source           module → stub text; every distribution without one is an empty package
requires         distribution → list of Requires-Dist lines
extras           distribution → list of extras that it provides
requires_python  distribution → Requires-Python
files            path below site-packages → text, for what no healthy installer leaves there
elf              path below site-packages → { defines = […], needs = […], code = […] }: a compiled library with these
                 symbols, and code for these GPU architectures ("sm_80")
problems         list of { kind, name, path, detail }, for the flaws that only pins can have
complete         false: a distribution that is not named may be there all the same
python           version of the target's Python, "3.11.7"
platform         { system = "win32", machine = "arm64" }
gpu              "NVIDIA T4" or another name of the table, "8.0" (a capability), "unknown"; without it there is none
variables        environment variables that decide what is imported or loaded, by name
driver           version of the NVIDIA driver
driver_cuda      newest CUDA version that the driver supports
torch            { cuda = "12.4", hip = "6.2", architectures = ["sm_80"] }: what the installed torch was built for
scenario         name of the scenario; without it the default
entry_points     "module:attribute" that the run imports, in order: what the linker follows; without it none
facts            facts of the script, by name; with neither these nor a script the scenario's speak
script           text of the script, read as any script is; arguments: its command line
config           text of a config file, YAML (JSON where it begins with a brace)
beside           name → text of files that lie beside the script
model            { config = { … }, "modeling_x.py" = "…" }: the model folder
log              text of a log: explain is asked whether it shows the rule's error, and nothing else is looked at
"""

from __future__ import annotations

import json
import sysconfig
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sftdoctor.engine import judge
from sftdoctor.errors import SftDoctorError
from sftdoctor.model import (
    Accelerator,
    Case,
    CaseResult,
    Environment,
    Fact,
    Problem,
    Report,
    Rule,
    Script,
    Target,
    TargetKind,
    TorchBuild,
    Workload,
)
from sftdoctor.ruleset import load_scenario
from sftdoctor.suppression import ignores_in, suppress
from sftdoctor.tiny_elf import tiny_library

PYTHON = "3.11.7"
"""The target's Python where a case does not say."""
_HARDWARE_UNKNOWN = "unknown"


def run_cases(rule: Rule) -> tuple[CaseResult, ...]:
    """Run all cases of a rule.

    Args:
        rule: The rule, with its cases.

    Returns:
        One result a case, in order.
    """
    return tuple(run_case(rule, case) for case in rule.cases)


def judge_case(rule: Rule, case: Case, folder: Path) -> Report:
    """Build the environment of a case and judge it by its rule.

    Args:
        rule: The rule.
        case: One of its cases.
        folder: An empty folder to build it in.

    Returns:
        The report.

    Raises:
        SftDoctorError: The case asks for something that is not there (a GPU, a scenario).
    """
    from sftdoctor.link.index import Library
    from sftdoctor.link.linker import link

    environment = build_environment(case, folder)
    workload = build_workload(case, folder)
    library = Library(environment, None)
    ignores = tuple(one for script in workload.scripts for one in ignores_in(script))
    return judge(
        environment,
        workload,
        (rule,),
        link(library, environment, workload),
        library,
        suppress=lambda findings: suppress(findings, ignores, (rule,)),
    )


def build_environment(case: Case, folder: Path) -> Environment:
    """Write the distributions of a case to disk and read them back as any target is read.

    Args:
        case: The case.
        folder: An empty folder.

    Returns:
        The environment, with the case's hardware.
    """
    from sftdoctor.target.platforms import marker_environment
    from sftdoctor.target.scan import scan
    from sftdoctor.target.search import find_roots

    site = folder / "site-packages"
    site.mkdir(parents=True)
    _write_sources(case, site)
    _write_metadata(case, site)
    for path, text in case.data.get("files", {}).items():
        _write(site, path, text)
    for path, symbols in case.data.get("elf", {}).items():
        library = tiny_library(*(symbols.get(key, ()) for key in ("defines", "needs", "code")))
        _write(site, path, "").write_bytes(library)
    search = find_roots((), (str(site),))
    found = scan(search)
    python = case.data.get("python", PYTHON)
    markers = marker_environment(python)
    for key, marker in (("system", "sys_platform"), ("machine", "platform_machine")):
        markers[marker] = case.data.get("platform", {}).get(key, markers[marker])
    environment = Environment(
        target=Target(TargetKind.INTERPRETER, str(folder / "python"), python, prefix=str(folder)),
        python=python,
        markers=markers,
        distributions=found.distributions,
        paths=tuple(search.roots),
        modules=search.modules,
        stdlib=sysconfig.get_path("stdlib"),
        problems=(*found.problems, *(Problem(**problem) for problem in case.data.get("problems", ()))),
        complete=case.data.get("complete", True),
        not_judged=(*search.not_judged, *found.not_judged),
    )
    return _with_hardware(environment, case)


def build_workload(case: Case, folder: Path) -> Workload:
    """What a case runs.

    Args:
        case: The case.
        folder: The folder that the environment was built in.

    Returns:
        The workload: the script's text read, or the facts as the case says them, or the scenario's.
    """
    for name, text in case.data.get("beside", {}).items():
        _write(folder, name, text)
    scenario = load_scenario(case.data.get("scenario"))
    scenario = replace(scenario, entry_points=tuple(case.data.get("entry_points", ())), run="")
    if not {"script", "config", "model"}.isdisjoint(case.data):
        from sftdoctor.workload import read_workload

        model = _write_model(case.data["model"], folder / "model") if "model" in case.data else None
        scripts = [_write(folder, "train.py", case.data["script"])] if "script" in case.data else []
        if "config" in case.data:
            text = case.data["config"]
            scripts.append(_write(folder, f"config.{'json' if text.lstrip().startswith('{') else 'yaml'}", text))
        workload = read_workload(scripts, model=model, scenario=scenario, arguments=case.data.get("arguments", ()))
    else:
        workload = Workload(scenario)
    if not case.facts:
        return workload
    facts = tuple(Fact(name, tuple(value) if isinstance(value, list) else value) for name, value in case.facts.items())
    first = workload.scripts[0] if workload.scripts else Script("train.py", "")
    return replace(workload, scripts=(replace(first, facts=first.facts + facts), *workload.scripts[1:]))


def _explained(rule: Rule, log: str) -> CaseResult:
    from sftdoctor.explanation import explain

    found = explain(log.splitlines(), (rule,)).findings
    return CaseResult(rule.id, "", "", *(("fail", found[0].symptom) if found else ("pass", "")))


def run_case(rule: Rule, case: Case) -> CaseResult:
    """Run one case, one of the rule's or another.

    Args:
        rule: The rule.
        case: The case.

    Returns:
        Its result; "broken" where it asks for something that is not there.
    """
    if "log" in case.data:
        return replace(_explained(rule, case.data["log"]), case=case.name, expected=case.expect)
    with tempfile.TemporaryDirectory(prefix="sftdoctor-case-") as folder:
        try:
            got, reason = _answer(judge_case(rule, case, Path(folder)), rule)
        except (SftDoctorError, OSError, TypeError, ValueError) as error:
            got, reason = "broken", f"{type(error).__name__}: {error}"
    return CaseResult(rule.id, case.name, case.expect, got, reason)


def _answer(report: Report, rule: Rule) -> tuple[str, str]:
    for finding in report.findings:
        if finding.id == rule.id:
            return "fail", finding.message
    for not_judged in report.not_judged:
        if not_judged.what == f"rule {rule.id}":
            return "unknown", not_judged.reason
    return "pass", ""


def _write_sources(case: Case, site: Path) -> None:
    stubs = dict(case.source)
    tops = {name.partition(".")[0] for name in stubs}
    for distribution in case.distributions:
        if distribution.replace("-", "_") not in tops:
            stubs[distribution.replace("-", "_")] = ""
    for module, text in stubs.items():
        parts = module.split(".")
        is_package = len(parts) == 1 or any(other.startswith(f"{module}.") for other in stubs)
        for depth in range(1, len(parts)):
            package = site.joinpath(*parts[:depth], "__init__.py")
            if not package.exists():
                _write(site, str(package.relative_to(site)), "")
        _write(site, "/".join(parts) + ("/__init__.py" if is_package else ".py"), text)


def _write_metadata(case: Case, site: Path) -> None:
    modules = sorted(str(path.relative_to(site)) for path in site.rglob("*.py"))
    for name, version in case.distributions.items():
        folder = f"{name.replace('-', '_')}-{version}.dist-info"
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {line}" for line in case.data.get("requires", {}).get(name, ())]
        lines += [f"Provides-Extra: {extra}" for extra in case.data.get("extras", {}).get(name, ())]
        if python := case.data.get("requires_python", {}).get(name):
            lines.append(f"Requires-Python: {python}")
        _write(site, f"{folder}/METADATA", "\n".join(lines) + "\n")
        own = [path for path in modules if path.partition("/")[0] == name.replace("-", "_")]
        _write(site, f"{folder}/RECORD", "".join(f"{path},,\n" for path in [*own, f"{folder}/METADATA"]))


def _write_model(model: Mapping[str, object], folder: Path) -> Path:
    folder.mkdir()
    for name, content in model.items():
        if name == "config":
            _write(folder, "config.json", json.dumps(content))
        else:
            _write(folder, name, content if isinstance(content, str) else json.dumps(content))
    return folder


def _write(folder: Path, relative: str, text: str) -> Path:
    """Write a file below a folder; a path that leads out of it is refused, since a rule file may be anyone's."""
    path = (folder / relative).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError(f"{relative!r} leads out of the case's folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _with_hardware(environment: Environment, case: Case) -> Environment:
    from sftdoctor.target.gpus import find_gpu

    wanted = str(case.data.get("gpu", "none"))
    accelerators: tuple[Accelerator, ...] | None
    if wanted == _HARDWARE_UNKNOWN:
        accelerators = None
    elif wanted.replace(".", "", 1).isdigit():
        major, _, minor = wanted.partition(".")
        accelerators = (Accelerator("cuda", f"a GPU of capability {wanted}", capability=(int(major), int(minor or 0))),)
    else:
        accelerators = find_gpu(wanted)
    return replace(
        environment,
        accelerators=accelerators,
        driver=case.data.get("driver"),
        driver_cuda=case.data.get("driver_cuda"),
        torch_build=_torch_build(environment, case),
        variables=case.data.get("variables", {}),
    )


def _torch_build(environment: Environment, case: Case) -> TorchBuild | None:
    said = case.data.get("torch")
    if said is None:
        return None
    version = environment.version("torch") or ""
    return TorchBuild(version, said.get("cuda"), said.get("hip"), tuple(said.get("architectures", ())))
