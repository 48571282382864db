"""The model that scripts load, where it lies on this machine: a local folder, or the Hugging Face cache."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sftdoctor.errors import WorkloadError
from sftdoctor.model import ModelFolder, NotJudged, Script
from sftdoctor.workload.modeldir import read_model_folder

_NAME = re.compile(r"[\w.-]{1,96}(/[\w.-]{1,96})?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def own_model(scripts: Sequence[Script]) -> tuple[ModelFolder | None, tuple[NotJudged, ...]]:
    """The folder of the one model that scripts load. Nothing is downloaded.

    Args:
        scripts: The scripts.

    Returns:
        None where they load several, or it is not on this machine; and why a folder could not be read.
    """
    said = {fact.value for script in scripts for fact in script.facts if fact.name == "model_path"}
    if len(said) != 1:
        return None, ()
    name = said.pop()
    found = _find(name, scripts) if isinstance(name, str) else None
    if found is None:
        return None, ()
    try:
        return _as_it_will_be(read_model_folder(found), found), ()
    except WorkloadError as error:
        return None, (NotJudged(str(found), error.message),)


def _as_it_will_be(folder: ModelFolder, path: Path) -> ModelFolder:
    """In the cache what is missing will be fetched, so that nothing is missing."""
    if path.parent.name != "snapshots":
        return folder
    return replace(folder, facts=tuple(fact for fact in folder.facts if fact.name != "missing_shard"))


def _find(name: str, scripts: Sequence[Script]) -> Path | None:
    """A relative folder is looked for where the command runs, then beside the script; then a name in the cache."""
    places = [Path(name), *(Path(script.path).parent / name for script in scripts[:1])]
    for place in places:
        if any((place / config).is_file() for config in ("config.json", "adapter_config.json")):
            return place
    return cached_model(name)


def cached_model(name: str) -> Path | None:
    """The snapshot of a model's branch main in the Hugging Face cache; None where there is none.

    Args:
        name: Of the repository: "owner/name", or the name alone.
    """
    if not _NAME.fullmatch(name):
        return None
    repository = _hub() / f"models--{name.replace('/', '--')}"
    try:
        commit = (repository / "refs" / "main").read_bytes()[:64].decode("ascii", errors="replace").strip()
    except OSError:
        return None
    snapshot = repository / "snapshots" / commit
    return snapshot if _COMMIT.fullmatch(commit) and (snapshot / "config.json").is_file() else None


def _hub() -> Path:
    """Where the cache lies, as huggingface_hub reads it from the environment."""
    for variable, below in (("HF_HUB_CACHE", ""), ("HUGGINGFACE_HUB_CACHE", ""), ("HF_HOME", "hub")):
        if os.environ.get(variable):
            return _expanded(os.environ[variable]) / below
    return _expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface" / "hub"


def _expanded(path: str) -> Path:
    return Path(os.path.expanduser(path))  # noqa: PTH111  (no error where nobody knows a home)
