"""Reports, plans and proofs made by hand, for tests that look at how they are shown."""

from __future__ import annotations

from sftdoctor.model import (
    Accelerator,
    Action,
    Cause,
    Check,
    Confidence,
    Distribution,
    Edit,
    Environment,
    Failure,
    Finding,
    Fix,
    FixResult,
    LeftOut,
    Location,
    NotJudged,
    Place,
    Plan,
    Proof,
    Report,
    Safety,
    Scenario,
    Severity,
    Target,
    TargetKind,
    TorchBuild,
    Verdict,
    Workload,
)

STACK = {"trl": "0.24.0", "transformers": "4.57.3", "peft": "0.5.0", "torch": "2.13.0"}
SCENARIO = Scenario("sft-lora-4bit", "A 4-bit LoRA SFT run", ("trl:SFTTrainer",))
HOSTILE = "[bold red]x[/] \x1b[31mred\x1b]8;;http://evil\x07 \r\n::error::\u202egnp.exe \ud800 <b>&amp;</b> |||"


def environment(**changes: object) -> Environment:
    """The broken stack of the first failure, with no GPU."""
    values: dict[str, object] = {
        "target": Target(TargetKind.INTERPRETER, "/somewhere/.venv/bin/python", "3.11.7", "/somewhere/.venv"),
        "python": "3.11.7",
        "markers": {"sys_platform": "linux", "platform_machine": "x86_64"},
        "distributions": {name: Distribution(name, version) for name, version in STACK.items()},
        "accelerators": (),
        "torch_build": TorchBuild("2.13.0+cpu"),
    }
    return Environment(**{**values, **changes})  # type: ignore[arg-type]


GPU = Accelerator("cuda", "NVIDIA H200", 141 * 2**30, (9, 0))

LINK = Finding(
    "API021",
    "peft-lacks-gc-kwargs",
    Severity.ERROR,
    Confidence.CERTAIN,
    "trl passes an argument that peft does not take",
    "trl 0.24.0 passes `gradient_checkpointing_kwargs`, which peft 0.5.0 does not accept.",
    "TypeError: prepare_model_for_kbit_training() got an unexpected keyword argument 'gradient_checkpointing_kwargs'",
    Cause(
        Place("trl", "0.24.0", "trl.models.utils", 538, None, "trl/models/utils.py"),
        Place(
            "peft",
            "0.5.0",
            "peft.utils.other",
            81,
            "peft.utils.other.prepare_model_for_kbit_training",
            "peft/utils/other.py",
        ),
        "gradient_checkpointing_kwargs",
        "prepare_model_for_kbit_training(…, gradient_checkpointing_kwargs=…)",
    ),
    None,
    (Fix("package", Safety.SAFE, "install peft>=0.8.0", ("peft>=0.8.0",), reason="the floor of trl's extra"),),
    ("https://github.com/huggingface/peft/pull/1036",),
)
RENAMED = Edit("rename_keyword", Location("train.py", 31, 5, 31, 24), {"old": "max_seq_length", "new": "max_length"})
SCRIPT = Finding(
    "API004",
    "renamed-keyword",
    Severity.ERROR,
    Confidence.LIKELY,
    "SFTConfig(max_seq_length=2048): renamed to max_length in trl 0.20",
    "",
    location=Location("train.py", 31, 5, 31, 24),
    fixes=(Fix("edit", Safety.SAFE, "max_seq_length → max_length", edit=RENAMED),),
)
WARNING = Finding(
    "ENV003",
    "declared-conflict",
    Severity.WARNING,
    Confidence.CERTAIN,
    "peft 0.5.0 is older than trl's extra asks",
    "trl[peft] asks for peft>=0.8.0.",
    cause=Cause(None, Place("scipy", None), "scipy"),
)
GAPS = (NotJudged("GPU001", "no GPU here; say --gpu NAME to judge for one"),)


def report(*findings: Finding, verdict: Verdict = Verdict.BREAKS, **changes: object) -> Report:
    """A Report with these findings."""
    values: dict[str, object] = {"environment": environment(), "workload": Workload(SCENARIO), "seconds": 0.41}
    return Report(verdict=verdict, findings=findings, **{**values, **changes})  # type: ignore[arg-type]


BROKEN = report(LINK, SCRIPT, WARNING, not_judged=GAPS)
HEALTHY = report(verdict=Verdict.CLEAN)
UNPROVED = report(
    verdict=Verdict.CLEAN,
    unproved=("peft: 0.17.1 → 0.5.0", "the script has changed"),
    prove_anew="sftdoctor prove --script train.py --format json=proof.json",
)

DIFF = "--- train.py\n+++ train.py\n@@ -31,1 +31,1 @@\n-    max_seq_length=2048,\n+    max_length=2048,\n"
PLAN = Plan(
    (
        Action("package", "peft", "0.5.0", "0.17.1", Safety.SAFE, "the floor of trl's extra", ("API021",)),
        Action("edit", "train.py", None, None, Safety.SAFE, "renamed in trl 0.20", ("API004",), diff=DIFF),
    ),
    (LeftOut(Action("package", "torch", "2.13.0", "2.12.0", Safety.UNSAFE, "cheaper"), "other findings would come"),),
)
PASSED = Proof(
    "passed",
    "cpu",
    "nf4",
    (Check("loss_finite", True, 4.17), Check("loss_falls", True, (4.17, 3.2)), Check("reload", True)),
    12.5,
    0.051,
    800 * 2**20,
    certificate={"fingerprint": "abc"},
)
FAILED = Proof(
    "failed",
    "cpu",
    "int8",
    (Check("loss_finite", False, float("nan")),),
    2.0,
    failure=Failure("trainer", "TypeError", "unexpected keyword", 'Traceback:\n  File "x.py", line 3\n', (LINK,)),
)
PROOF = Proof(
    "failed", "cpu", "nf4,int8", (), 14.5, failure=FAILED.failure, not_settled=("a GPU",), runs=(PASSED, FAILED)
)
IMPOSSIBLE = Proof("not-possible", "cpu", "nf4", reason="bitsandbytes 0.41 has no CPU backend")
PLANNED = FixResult("planned", PLAN, BROKEN)
APPLIED = FixResult("applied", PLAN, BROKEN, HEALTHY, PASSED, "20261120-abc")
UNDONE = FixResult("undone", PLAN, BROKEN, None, FAILED, "20261120-abc", "the proof failed")
