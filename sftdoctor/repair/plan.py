"""From a Report to a Plan: what to change, in which order, and what is left out and why."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sftdoctor.model import Plan, Report
from sftdoctor.repair.oracle import Oracle
from sftdoctor.repair.progress import Listener, silent


def make_plan(
    report: Report,
    *,
    oracle: Oracle,
    keep: Mapping[str, str | None] | None = None,
    unsafe: bool = False,
    offline: bool = False,
    cache: Path | None = None,
    timeout: float = 300.0,
    on_event: Listener = silent,
) -> Plan:
    """Merge the fixes of all findings into the smallest set of actions that the linker finds clean.

    Changes nothing. Fetches candidate wheels into the cache unless offline.

    Args:
        report: What is wrong, from check.
        oracle: Judges a candidate environment or a changed script (repair.oracle.RuleOracle is the real one).
        keep: Distributions that must stay, by canonical name: a version that they must have, or None for
            the one that is there.
        unsafe: Take the actions that are unsafe too; manual ones are always left out.
        offline: Ask no index; version changes are then left out with the reason.
        cache: Folder of the cache; None for folders.cache_folder().
        timeout: Seconds for the whole search; what was found until then is planned.
        on_event: Told what is being tried.

    Returns:
        The actions in order (packages first), and what is left out with the reason.

    Raises:
        RepairError: A wish in keep cannot be met, or no resolver works.
        OfflineError: The index cannot be reached although it is needed and allowed.
    """
    raise NotImplementedError
