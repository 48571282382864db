"""The words of sftdoctor as frozen dataclasses and enums. Standard library only; imports nothing of ours but errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

SCHEMA = 1


FAMILIES: Mapping[str, str] = {
    "API": "links between packages and from scripts",
    "ENV": "versions, metadata, binaries, Python",
    "GPU": "hardware, driver, precision, memory",
    "MDL": "model and adapter set-up, remote code, gradients",
    "DAT": "data, tokenizer, template",
    "CFG": "arguments and their combinations",
    "DST": "several GPUs",
}
"""What the rules are about, by the first three letters of their ids; other letters are somebody's own."""


class Shown:
    """A word that shows itself, printed and in a notebook, once something has registered how."""

    as_text: ClassVar[dict[type, Callable[[Any], str]]] = {}
    """Class → what it looks like as text, several lines."""
    as_html: ClassVar[dict[type, Callable[[Any], str]]] = {}
    """Class → what it looks like as HTML."""

    def __repr__(self) -> str:
        view = self.as_text.get(type(self))
        return view(self) if view else object.__repr__(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """IPython's way to ask for the text."""
        printer.text(repr(self))

    def _repr_html_(self) -> str | None:
        """IPython's way to ask for HTML; None where there is none."""
        view = self.as_html.get(type(self))
        return view(self) if view else None


class Severity(str, Enum):
    """How bad a Finding is."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Confidence(str, Enum):
    """How sure a Finding is: certain means it is on the path and nothing guards it."""

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"


class Safety(str, Enum):
    """Whether a Fix may be applied unasked (safe), only with --unsafe, or by hand alone."""

    SAFE = "safe"
    UNSAFE = "unsafe"
    MANUAL = "manual"


class Verdict(str, Enum):
    """The answer of a Report."""

    BREAKS = "breaks"
    AT_RISK = "at-risk"
    CLEAN = "clean"
    UNKNOWN = "unknown"


class TargetKind(str, Enum):
    """What is examined."""

    INTERPRETER = "interpreter"
    PINS = "pins"
    SNAPSHOT = "snapshot"


@dataclass(frozen=True)
class Target:
    """What is examined, and therefore what is fixed and proved."""

    kind: TargetKind
    path: str
    """The interpreter's executable, the pins file or the snapshot file."""
    python: str
    """Version of the target's Python, "3.11.7"; "3.11" where no more is known."""
    prefix: str | None = None
    """Folder of the venv, conda environment or installation; None where nothing is installed."""


@dataclass(frozen=True)
class Distribution:
    """One installed (or pinned) distribution."""

    name: str
    """Canonical name, as packaging.utils.canonicalize_name gives it."""
    version: str
    root: str | None = None
    """Import root that holds its modules (site-packages, or the folder its wheel was unpacked to)."""
    metadata: str | None = None
    """Its .dist-info or .egg-info folder."""
    requires: tuple[str, ...] = ()
    """Requires-Dist lines, verbatim."""
    extras: tuple[str, ...] = ()
    """Provides-Extra names."""
    requires_python: str | None = None
    top_level: tuple[str, ...] = ()
    """Top-level module names that it installs."""
    editable: bool = False
    installer: str | None = None
    numpy: str | None = None
    """Versions of numpy that its compiled modules load with, a PEP 440 specifier read from these ("<2", ">=1.23");
    None where it has none, or where they were not looked at."""


@dataclass(frozen=True)
class Accelerator:
    """One device that a model could be trained on."""

    kind: str
    """cuda, rocm, xpu or mps."""
    name: str
    memory: int | None = None
    """Bytes."""
    capability: tuple[int, int] | None = None
    """CUDA compute capability."""


@dataclass(frozen=True)
class TorchBuild:
    """What the installed torch was built for, read from its files."""

    version: str
    """With its local part, "2.6.0+cu124"."""
    cuda: str | None = None
    hip: str | None = None
    architectures: tuple[str, ...] = ()
    """sm_XX and compute_XX entries; empty where they cannot be known."""


@dataclass(frozen=True)
class NotJudged:
    """Something that could not be judged, with the reason; it never passes for clean."""

    what: str
    reason: str


@dataclass(frozen=True)
class Problem:
    """A flaw of the installation itself that reading it showed (a leftover, a duplicate, unreadable metadata)."""

    kind: str
    """leftover, duplicate, unreadable, python-path, user-site or library-path (what lies around an environment and
    reaches into it); of pins: incompatible (no file of that version fits the
    target's Python or platform), unavailable (the index has no such version) or unresolvable (the pins contradict
    each other)."""
    name: str
    path: str
    detail: str = ""


@dataclass(frozen=True)
class Environment:
    """The facts of a Target. Nothing in it was obtained by importing anything of the target."""

    target: Target
    python: str
    markers: Mapping[str, str] = field(default_factory=dict)
    """PEP 508 marker environment of the target (python_version, sys_platform, platform_machine, …)."""
    distributions: Mapping[str, Distribution] = field(default_factory=dict)
    """By canonical name; the one that wins on the path where there are several."""
    paths: tuple[str, ...] = ()
    """Import roots in the order that Python searches them, without the standard library."""
    modules: Mapping[str, str] = field(default_factory=dict)
    """Top-level modules that only an editable finder knows (searched after paths): name → its file or folder."""
    stdlib: str | None = None
    """Folder of the target's standard library; None where it is not on this machine."""
    problems: tuple[Problem, ...] = ()
    accelerators: tuple[Accelerator, ...] | None = None
    """None where the hardware is not known (pins); empty where there is no accelerator."""
    driver: str | None = None
    driver_cuda: str | None = None
    """Newest CUDA version that the driver supports."""
    torch_build: TorchBuild | None = None
    complete: bool = True
    """Whether a distribution that is not listed is missing for sure."""
    not_judged: tuple[NotJudged, ...] = ()
    owners: Mapping[str, str] = field(default_factory=dict)
    """Top-level module name → the one import root that provides it, where that is not simply the first on the path;
    "" where nothing provides it any more. A name that the root does not hold is not there."""
    notes: tuple[str, ...] = ()
    """What reading the target had to assume or add, for the report to say ("completed by uv: 31 more packages")."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that decide which libraries are imported or loaded, as they are here; of an interpreter."""

    def version(self, name: str) -> str | None:
        """Version of the distribution with that canonical name, or None."""
        found = self.distributions.get(name)
        return found.version if found else None


@dataclass(frozen=True)
class Location:
    """A place in a file of the user; lines and columns count from 1."""

    path: str
    line: int | None = None
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None


@dataclass(frozen=True)
class Fact:
    """Something a script, config or model folder says, by name; the vocabulary is workload.VOCABULARY."""

    name: str
    value: Any
    """A plain value: str, int, float, bool, None, or a tuple of them."""
    location: Location | None = None


@dataclass(frozen=True)
class ModelFolder:
    """A model folder as read (never imported)."""

    path: str
    config: Mapping[str, Any] = field(default_factory=dict)
    code: tuple[str, ...] = ()
    """Remote-code files (modeling_*.py and what auto_map names), absolute paths."""
    facts: tuple[Fact, ...] = ()
    modules: tuple[str, ...] = ()
    """Names of the modules that its weight files are for; empty where there are none or they cannot be read."""


SHELL = (".sh", ".bash", ".slurm", ".sbatch")
"""Suffixes of launch scripts."""
COMMAND_LINE = "the command line"
"""Path of what a launch command says that stands in no file."""
OPEN_WORD = "\0"
"""What a word of a command line begins with that only the shell knows: `"$LR"`."""
ANY_WORDS = "\0\0"
"""What such a word begins with that may come to several, or none: `$ARGS`, `"$@"`."""


@dataclass(frozen=True)
class Setting:
    """One key of a config file."""

    keys: tuple[str, ...]
    """Its name, after those of the keys that lead to it."""
    value: Any
    """Plain: a scalar, list or dictionary."""
    location: Location
    """Of the key."""
    repeated: bool = False
    """Whether the same key stands further down again, so that readers never see this one."""

    @property
    def name(self) -> str:
        """The key as people write it: "fsdp_config.fsdp_version"."""
        return ".".join(self.keys)


@dataclass(frozen=True)
class Config:
    """A config file as read: YAML or JSON that a training, or what launches it, is given."""

    kind: str
    """trl (the arguments of a training), accelerate or deepspeed."""
    settings: tuple[Setting, ...]
    """Every key at any depth, in the order of the file."""
    command: str = ""
    """Of trl's: the command that it is for (sft, dpo, …)."""
    sure: bool = False
    """Whether a launch script names it, so that it is known what reads it."""

    def at(self, *keys: str) -> Setting | None:
        """The setting of that key (below those before it); None where there is none."""
        return next((one for one in self.settings if one.keys == keys and not one.repeated), None)

    def get(self, *keys: str) -> Any:
        """Its value; None where there is none."""
        found = self.at(*keys)
        return found.value if found else None

    def below(self, *keys: str) -> tuple[Setting, ...]:
        """The settings right below a key; with no key those of the top."""
        return tuple(one for one in self.settings if one.keys[:-1] == keys)


@dataclass(frozen=True)
class Launch:
    """A command of a launch script that starts a training."""

    launcher: str
    """accelerate, torchrun, deepspeed, trl or python."""
    words: tuple[str, ...]
    """What is said to the launcher itself; of trl, which starts a script of its own, everything."""
    places: tuple[Location, ...]
    """Where each of them stands."""
    command: str = ""
    """Of trl: sft, dpo, …"""


@dataclass(frozen=True)
class Script:
    """One training script as read, or a config file or launch script: its path and what it says."""

    path: str
    source: str
    facts: tuple[Fact, ...] = ()
    arguments: tuple[str, ...] = ()
    """The command line that it will get."""
    cells: tuple[tuple[int, int], ...] = ()
    """Of a notebook, whose source is its code cells as one text: (index of the cell, its first line there)."""
    config: Config | None = None
    """What a config file says; None for a script."""
    launches: tuple[Launch, ...] = ()
    """Of a launch script: what it starts."""
    places: tuple[Location, ...] = ()
    """Where each of the arguments stands, where a launch script gives them."""
    started_by: str = ""
    """That launch script; empty where none was read."""
    would_hold: tuple[tuple[str, bytes], ...] = ()
    """Of files that it reads, by their real path: what an edit that is only thought of would make of them."""
    modules: tuple[tuple[str, str], ...] = ()
    """Modules of its project that it imports, as they were followed for its facts: (path, source)."""


@dataclass(frozen=True)
class Scenario:
    """The entry points of a kind of run: a file under rules/scenarios."""

    name: str
    title: str
    entry_points: tuple[str, ...]
    """"module:attribute", or "module" alone, in the order that a run imports them."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What such a run does by default: quantization, peft, gradient_checkpointing, …"""
    core: tuple[str, ...] = ()
    """Distributions without which nothing can be judged."""
    run: str = ""
    """The run as a short Python program over the entry points, followed by the linker and never executed."""
    plain_run: str = ""
    """The same on a model that is not quantised, for scripts that do not show whether they quantise theirs."""


@dataclass(frozen=True)
class Workload:
    """What is to run."""

    scenario: Scenario
    scripts: tuple[Script, ...] = ()
    model: ModelFolder | None = None
    not_judged: tuple[NotJudged, ...] = ()
    launched_by: tuple[str, ...] = ()
    """Launch scripts that nobody named, and that were found beside the script which they start."""
    whole_scenario: bool = False
    """Whether the scenario's run is judged in full beside the scripts, whatever those show: of a run that has failed, a
    log tells more than they do."""


@dataclass(frozen=True)
class Place:
    """One side of a link: a distribution's module and line."""

    distribution: str
    version: str | None
    module: str = ""
    line: int | None = None
    symbol: str | None = None
    path: str | None = None
    """Path of the file below its import root, "trl/models/utils.py"."""


@dataclass(frozen=True)
class Cause:
    """The link that breaks: who asks whom for what."""

    caller: Place | None
    callee: Place | None
    name: str
    """The name, keyword or package that is asked for."""
    expression: str = ""
    """How the caller's source asks, short: "prepare_model_for_kbit_training(…, gradient_checkpointing_kwargs=…)"."""
    value: str = ""
    """What should stand there, as source, where that is known: a number for the text that spells it."""


@dataclass(frozen=True)
class Edit:
    """A change of a script, as repair.edits carries it out on the syntax tree."""

    operation: str
    """One of operations.OPERATIONS."""
    location: Location
    """The node that is changed."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    compatible: bool = False
    """Whether the script is to go on working where the old name is still there."""


@dataclass(frozen=True)
class Fix:
    """The remedy as written."""

    kind: str
    """package, edit, config or command."""
    safety: Safety
    summary: str
    require: tuple[str, ...] = ()
    """PEP 508 requirements that the environment must meet afterwards (kind package)."""
    edit: Edit | None = None
    reason: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    id: str
    rule: str
    severity: Severity
    confidence: Confidence
    title: str
    message: str
    symptom: str = ""
    cause: Cause | None = None
    location: Location | None = None
    fixes: tuple[Fix, ...] = ()
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Suppressed:
    """A Finding that the project has decided to live with; neither shown at large nor counted, and never lost."""

    finding: Finding
    by: str
    """comment (in the script), ignore (the option or the configuration) or baseline."""
    reason: str = ""


@dataclass(frozen=True, repr=False)
class Report(Shown):
    """Environment + Findings + what could not be judged and why."""

    environment: Environment
    workload: Workload
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    not_judged: tuple[NotJudged, ...] = ()
    seconds: float = 0.0
    suppressed: tuple[Suppressed, ...] = ()
    core_unread: bool = False
    """Whether something that the run cannot do without could not be judged."""
    outlived: int = 0
    """Findings of the baseline that are no longer there."""
    unproved: tuple[str, ...] = ()
    """Why the proof that was required does not hold; nothing where it does, or where none was required."""
    prove_anew: str = ""
    """The command that writes that proof anew, where it does not hold."""

    def count(self, severity: Severity) -> int:
        """Number of findings of that severity."""
        return sum(finding.severity is severity for finding in self.findings)


@dataclass(frozen=True)
class Evidence:
    """Where the claim of a Rule comes from and how it was checked."""

    claim: str
    source: str
    checked: str
    """ISO date."""
    method: str


@dataclass(frozen=True)
class Case:
    """One test that a Rule carries: a small environment, workload and the expected answer."""

    name: str
    expect: str
    """pass or fail."""
    distributions: Mapping[str, str] = field(default_factory=dict)
    source: Mapping[str, str] = field(default_factory=dict)
    """Module name → source text of the stub."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Facts of the script, by name."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """Everything else that the case says (python, gpu, requires, model, script, …)."""


@dataclass(frozen=True)
class RuleFix:
    """A Fix as its rule writes it; `{package}` stands for versions, `{fact.name}` for facts."""

    kind: str
    safety: Safety
    reason: str
    summary: str = ""
    require: tuple[str, ...] = ()
    operation: str = ""
    anchor: str = ""
    """Name of the Fact whose location an edit changes."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    """Only for a link that asks for one of these names; empty for any."""
    when: Mapping[str, Any] = field(default_factory=dict)
    """Only where this condition (a probe, as in `fails`) is there; its texts may hold `{name}`s of the match."""


@dataclass(frozen=True)
class CaseResult:
    """What became of one Case of a Rule."""

    rule: str
    """Id of the rule."""
    case: str
    """Name of the case."""
    expected: str
    """pass, fail or unknown."""
    got: str
    """pass, fail or unknown; "broken" where the case could not be set up."""
    reason: str = ""
    """Why it is unknown or broken, or the message of the finding."""

    @property
    def passed(self) -> bool:
        """Whether the rule answered as the case expects."""
        return self.expected == self.got


OUTSIDE = "log"
"""Probe of a rule that no environment, script or model shows: explain alone finds it, in a log."""


@dataclass(frozen=True)
class Rule:
    """One file under rules/: when it applies, what fails, why, the remedy, the evidence, its own test cases."""

    id: str
    name: str
    title: str
    severity: Severity
    message: str
    explain: str
    path: str
    symptom: str = ""
    confidence: Confidence = Confidence.CERTAIN
    applies: Mapping[str, Any] = field(default_factory=dict)
    fails: Mapping[str, Any] = field(default_factory=dict)
    fixes: tuple[RuleFix, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    cases: tuple[Case, ...] = ()

    @property
    def since(self) -> str:
        """ISO date since which its claims have been checked: that of the oldest evidence."""
        return min((evidence.checked for evidence in self.evidence), default="")

    def heading(self) -> str:
        """The title where no environment fills in its placeholders: "…" stands for them; the name if nothing is left.

        "{gpu} does not compute in bfloat16" becomes "… does not compute in bfloat16"; "trl {trl} freezes" loses the
        version alone.
        """
        title = re.sub(r"\b([\w-]+) \{\1\}", r"\1", self.title)
        title = re.sub(r"\{[\w.-]{1,80}\}", "…", title)
        return title if title.strip(" …") else self.name.replace("-", " ")


@dataclass(frozen=True)
class Action:
    """One concrete step of a Plan."""

    kind: str
    """package, edit, config or command."""
    name: str
    """The distribution, or the path of the file."""
    old: str | None
    new: str | None
    safety: Safety
    reason: str
    findings: tuple[str, ...] = ()
    """Ids of the findings that it is for."""
    edit: Edit | None = None
    diff: str = ""
    along: bool = False
    """Whether a package changes only because it has to go with another that does."""
    content: bytes = b""
    """What the file will hold (kind config)."""


@dataclass(frozen=True)
class LeftOut:
    """An Action that will not be taken, and why."""

    action: Action
    reason: str


@dataclass(frozen=True)
class Alternative:
    """A set of versions that was considered and not taken."""

    versions: Mapping[str, str]
    reason: str


@dataclass(frozen=True)
class Plan:
    """All the Actions in order, with those left out and why."""

    actions: tuple[Action, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    diffs: Mapping[str, str] = field(default_factory=dict)
    """File → what all its edits come to, as one diff."""
    foreseen: tuple[Finding, ...] = ()
    """What is still wrong after the actions; with it the breaks that stood behind those that are cured."""
    alternatives: tuple[Alternative, ...] = ()
    """What else was considered for the packages, the runner-up first."""


@dataclass(frozen=True)
class Change:
    """An Action that was taken, with its undo."""

    action: Action
    undo: Mapping[str, Any] = field(default_factory=dict)
    """What the journal needs to take it back."""


@dataclass(frozen=True)
class Check:
    """One thing that a Proof checked."""

    name: str
    passed: bool
    value: Any = None


@dataclass(frozen=True)
class Failure:
    """The step of a Proof that failed."""

    stage: str
    """import, load, config, trainer, train, save or reload."""
    exception: str
    message: str
    traceback: str = ""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, repr=False)
class Proof(Shown):
    """What was trained, where, for how long, what was checked, and its certificate."""

    verdict: str
    """passed, failed or not-possible."""
    device: str
    quantization: str
    """nf4, fp4, int8 or none; unknown where a script ended before its training could show it."""
    checks: tuple[Check, ...] = ()
    seconds: float = 0.0
    seconds_per_step: float | None = None
    peak_memory_bytes: int | None = None
    failure: Failure | None = None
    reason: str = ""
    """Why it was not possible; empty where it was."""
    not_settled: tuple[str, ...] = ()
    """What only other hardware would settle."""
    runs: tuple[Proof, ...] = ()
    """One a quantisation or setting, where several were asked for."""
    script: str = ""
    """The script that was run; empty where a tiny model was trained by ours."""
    replaced: tuple[str, ...] = ()
    """What of the script's outside world was replaced, and by what."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What it was given beside the quantisation, as the libraries name it."""
    model: str = ""
    """The class that was trained; empty for the tiny Llama that is trained where no model is named."""
    notes: tuple[str, ...] = ()
    """What was done to make that model small, a sentence each."""
    certificate: Mapping[str, Any] = field(default_factory=dict)
    operators: tuple[str, ...] = ()
    """Of one step, the operators of quantised layers and of attention."""

    @property
    def name(self) -> str:
        """Quantisation and settings: "nf4 use_dora=true"; "" where nothing is known of them."""
        if self.quantization == UNKNOWN and not self.settings:
            return ""
        return run_name(self.quantization, self.settings)


UNKNOWN = "unknown"
"""Quantisation of a script that ended before it could be told."""


def run_name(quantization: str, settings: Mapping[str, Any]) -> str:
    """What a run is called: "nf4 use_dora=true".

    Args:
        quantization: nf4, fp4, int8 or none.
        settings: Key → True, False, a word, or a list of words.
    """
    return " ".join([quantization, *(f"{key}={_spelt(value)}" for key, value in settings.items())])


def _spelt(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


@dataclass(frozen=True, repr=False)
class FixResult(Shown):
    """What a fix came to."""

    outcome: str
    """nothing-to-do, planned, applied, undone or refused."""
    plan: Plan
    before: Report
    after: Report | None = None
    """The check after the changes; None where nothing was applied."""
    proof: Proof | None = None
    journal: str | None = None
    """Id that undo takes; None where nothing was applied."""
    reason: str = ""
    """Why it was undone or refused."""
    recovered: tuple[str, ...] = ()
    """What was done first about earlier fixes that had been cut short, a sentence each."""
    advice: tuple[str, ...] = ()
    """What is left for the user to do, a sentence each."""
    proof_before: Proof | None = None
    """The same steps before the changes, where they could be run; None otherwise."""


@dataclass(frozen=True)
class JournalEntry:
    """One earlier fix, for lists."""

    id: str
    state: str
    """planned, preparing, applying, checking, proving, committed, settled, undoing or undone; damaged."""
    created: str
    """ISO time, UTC."""
    prefix: str
    """Folder of the environment that it changed, or of the scripts where it changed nothing else."""
    summary: str
    """"peft 0.5.0 → 0.17.1, train.py"."""
    note: str = ""
    """Why it was undone."""
    lost: str = ""
    """Why it can no longer be taken back; empty where it can, or was."""


@dataclass(frozen=True)
class Frame:
    """One frame of a traceback, as a log shows it."""

    path: str
    line: int | None = None
    function: str = ""
    code: str = ""
    """The source line that it stands at; empty where the log does not show it."""

    def __str__(self) -> str:
        line = "" if self.line is None else f":{self.line}"
        return f"{self.path}{line}" + (f" in {self.function}" if self.function else "")


@dataclass(frozen=True)
class Raised:
    """One exception that a log tells."""

    kind: str
    """Its class, as it is written there; empty where the log ends before the exception."""
    message: str
    frames: tuple[Frame, ...] = ()
    """Its frames, outermost first."""
    relation: str = ""
    """How it came of the one before it: cause ("direct cause"), context ("during handling"), or not at all."""
    rank: str = ""
    """Of the process that raised it, where the log says so."""
    line: int = 0
    """Line of the log, from 1."""
    secondary: bool = False
    """Whether it only follows from another one: raised while the process ended, or told by a launcher."""
    whole: bool = True
    """Whether it began a line; False where it is only spoken of in one."""
    before: str = ""
    """What stands before it in its line, where it is only spoken of."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}" if self.message else self.kind


@dataclass(frozen=True)
class Origin:
    """The library that raised an error which no rule knows, and what its own source says of it."""

    distribution: str
    version: str
    path: str = ""
    """Where it is raised, from the import root on; "" where the source at hand does not show it."""
    line: int | None = None
    function: str = ""
    """"Class.method"; "" at the top of the module."""
    conditions: tuple[str, ...] = ()
    """What holds where it is raised, as source: the innermost conditions, the outermost first."""
    tracker: str = ""
    """Address that looks for the error among the project's issues; "" where its metadata names none."""


@dataclass(frozen=True, repr=False)
class Explanation(Shown):
    """What a traceback or log says, matched against the rules."""

    findings: tuple[Finding, ...] = ()
    """What may have caused the error, the likeliest first: one a rule; none where it is not known."""
    pages: tuple[Rule, ...] = ()
    """The rules behind the findings, in the same order."""
    exception: str | None = None
    """The error that ended the run; None where the log tells none."""
    frames: tuple[str, ...] = ()
    """The frames above it that matter, as "path:line in function", outermost first."""
    lines: int = 0
    """Number of lines that were read."""
    root: Raised | None = None
    """That error with all its frames."""
    chain: tuple[Raised, ...] = ()
    """The exceptions that came of it, or that it came of, in the order of the log."""
    others: tuple[Raised, ...] = ()
    """Other errors of the log."""
    also: tuple[Finding, ...] = ()
    """What else the log shows that a rule knows: warnings, errors of other processes."""
    environment: Environment | None = None
    """Where it happened, as far as that could be read; None where it could not."""
    notes: tuple[str, ...] = ()
    """What was made sure of in that environment, and what was not."""
    scripts: tuple[str, ...] = ()
    """The user's script, where it is at hand and was judged with the environment."""
    origin: Origin | None = None
    """Of an error that is not known: the library that raised it, where the environment has it."""
