"""sftdoctor for agents: check, explain and a plan of repair as tools of an MCP server, over standard input and output.

Nothing is applied unless the server was started with --apply: the plan is a tool, carrying it out is another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sftdoctor import __version__, api
from sftdoctor.errors import SftDoctorError, UsageError
from sftdoctor.report import json_report

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

INSTRUCTIONS = """\
sftdoctor says whether a fine-tuning run (torch, transformers, trl, peft, bitsandbytes, accelerate) will start, and if
not, why, and what the smallest repair is. Nothing of what it examines is run. Call check before a run, and explain with
the traceback after one that failed."""
LONGEST_LOG = 4_000_000
"""Characters of a log."""


def make_server(*, apply: bool = False) -> MCPServer[Any]:
    """The server with its tools.

    Args:
        apply: Whether there is a tool that carries a plan out.

    Returns:
        The server; it is not running yet.

    Raises:
        UsageError: The mcp package is not installed, or it is of another generation.
    """
    try:
        from mcp.server.mcpserver import MCPServer
    except ImportError as error:
        raise UsageError(
            f"the package mcp is needed for this ({error})", 'Install it beside sftdoctor: pip install "sftdoctor[mcp]"'
        ) from error
    server: MCPServer[Any] = MCPServer("sftdoctor", version=__version__, instructions=INSTRUCTIONS)
    for tool in (check, explain, fix_plan, *([fix_apply] if apply else [])):
        server.tool()(tool)
    return server


def check(
    paths: list[str] | None = None,
    python: str | None = None,
    pins: str | None = None,
    model: str | None = None,
    scenario: str = "sft-lora-4bit",
    gpu: str | None = None,
) -> dict[str, Any]:
    """Will this fine-tuning run start? Reads the environment, and scripts, notebooks, configs or folders where given.

    Args:
        paths: What is to run; nothing for the scenario alone.
        python: Interpreter, venv or conda folder; without it the active one.
        pins: File with versions that are not installed, instead of python.
        model: Model folder; read, never imported.
        scenario: Kind of run: sft-lora-4bit, sft-lora-8bit, sft-lora, sft-full, dpo, grpo, reward.
        gpu: GPU to judge for, where it is not here: "T4", "A100".

    Returns:
        The report: verdict (breaks, at-risk, clean, unknown), findings with causes and fixes, what was not judged.
    """
    return json_report.to_dict(
        _done(api.check, paths or (), python=python, pins=pins, model=model, scenario=scenario, gpu=gpu)
    )


def explain(log: str) -> dict[str, Any]:
    """What does this traceback or training log mean?

    Args:
        log: Its text.

    Returns:
        What was recognised, with the remedy; no findings where the error is not known.
    """
    return json_report.explanation_to_dict(_done(api.explain, log[-LONGEST_LOG:]))


def fix_plan(paths: list[str] | None = None, python: str | None = None, unsafe: bool = False) -> dict[str, Any]:
    """The smallest change that makes the run start: packages, and edits of scripts as diffs. Changes nothing.

    Args:
        paths: As for check.
        python: As for check.
        unsafe: Also changes that may change what is trained.

    Returns:
        The plan: its actions in order, what was left out and why.
    """
    return json_report.fix_to_dict(_done(api.fix, paths or (), python=python, unsafe=unsafe))


def fix_apply(paths: list[str] | None = None, python: str | None = None) -> dict[str, Any]:
    """Carry out the plan of fix_plan: install, edit, check again, prove; all is undone if that fails.

    Args:
        paths: As for check.
        python: As for check.

    Returns:
        What was done, with the journal that `sftdoctor undo` takes.
    """
    return json_report.fix_to_dict(_done(api.fix, paths or (), python=python, apply=True))


def _done(function: Any, *arguments: Any, **options: Any) -> Any:
    """The answer of the public door; what it refuses is told to the agent, with the hint."""
    from mcp.server.mcpserver.exceptions import ToolError

    try:
        return function(*arguments, **options)
    except SftDoctorError as error:
        raise ToolError(f"{error.message} {error.hint}".strip()) from error
