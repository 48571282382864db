"""`sftdoctor mcp`, spoken to by a real client over standard input and output."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sftdoctor.agents import make_server
from sftdoctor.errors import UsageError

ROOT = Path(__file__).parents[1]
Call = tuple[str, dict[str, Any]]


def ask(calls: Sequence[Call], *words: str) -> tuple[list[str], list[Any]]:
    """Names of the tools, and the answer to each call."""
    pytest.importorskip("mcp.server.mcpserver")
    from mcp.client.client import Client
    from mcp.client.stdio import StdioServerParameters

    environment = {name: os.environ[name] for name in ("PATH", "HOME", "SFTDOCTOR_CACHE", "SFTDOCTOR_STATE")}
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "sftdoctor", "mcp", *words],
        env={**environment, "PYTHONPATH": str(ROOT)},
    )

    async def talk() -> tuple[list[str], list[Any]]:
        async with Client(server, read_timeout_seconds=90) as client:
            tools = await client.list_tools()
            return [tool.name for tool in tools.tools], [await client.call_tool(*call) for call in calls]

    return asyncio.run(asyncio.wait_for(talk(), 120))


def said(result: Any) -> Any:
    return json.loads(result.content[0].text)


def test_the_tools(broken: Path) -> None:
    log = (
        "TypeError: prepare_model_for_kbit_training() got an unexpected keyword argument "
        "'gradient_checkpointing_kwargs'"
    )
    names, (report, explained, plan, refused) = ask(
        [
            ("check", {"python": str(broken)}),
            ("explain", {"log": log}),
            ("fix_plan", {"python": "/nowhere"}),
            ("check", {"paths": ["/nowhere.py"], "python": str(broken)}),
        ]
    )
    assert names == ["check", "explain", "fix_plan"]
    assert said(report)["verdict"] == "breaks" and "API021" in [one["id"] for one in said(report)["findings"]]
    assert said(explained)["findings"][0]["id"] == "API021"
    assert plan.is_error and "/nowhere" in plan.content[0].text
    assert refused.is_error and "cannot be read" in refused.content[0].text


def test_nothing_is_applied_without_the_flag() -> None:
    assert ask([], "--apply")[0] == ["check", "explain", "fix_plan", "fix_apply"]
    _, (result,) = ask([("fix_apply", {})])
    assert result.is_error and "fix_apply" in result.content[0].text


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    with pytest.raises(UsageError, match="the package mcp is needed") as caught:
        make_server()
    assert 'pip install "sftdoctor[mcp]"' in caught.value.hint
