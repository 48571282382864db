"""What lies around an environment and reaches into it: PYTHONPATH, user site, LD_LIBRARY_PATH, other variables."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence

from sftdoctor.model import Distribution, Problem

_CUDA_LIBRARY = re.compile(r"lib(?:cudnn|cublas|cublasLt|cusparse|cusolver|cufft|nccl|nvJitLink|cudart)\.so\.\d{1,3}")
_OTHER_PYTHON = re.compile(r"[\\/]python(\d\.\d{1,2})[\\/](?:site|dist)-packages")
DECIDING = (
    *("USE_TF", "USE_TORCH", "USE_FLAX", "USE_JAX", "USE_TORCH_XLA", "FORCE_TF_AVAILABLE"),
    *("BNB_CUDA_VERSION", "BNB_ROCM_VERSION"),
)
"""What transformers (utils/import_utils.py) and bitsandbytes (cextension.py) ask for."""
_LONGEST = 40
_FOLDERS_LIMIT = 64
_ENTRIES_LIMIT = 20_000


def python_path_problems(
    folders: Sequence[str], python: str, distributions: Mapping[str, Distribution]
) -> Iterator[Problem]:
    """What PYTHONPATH does to an environment.

    Args:
        folders: Its entries.
        python: Version of the environment's Python.
        distributions: What is there, by name; the first on the path of each.

    Yields:
        "python-path" for each folder that belongs to another Python, or from which a distribution is taken.
    """
    version = ".".join(python.split(".")[:2])
    for folder in folders:
        other = _OTHER_PYTHON.search(folder)
        taken = sorted(name for name, one in distributions.items() if one.root and _below(one.root, folder))
        if other and other[1] != version:
            yield Problem("python-path", folder, folder, f"It belongs to Python {other[1]}; this is {version}.")
        elif taken:
            yield Problem("python-path", folder, folder, _taken(taken))


def user_site_problems(
    user_site: str | None, prefix: str | None, distributions: Mapping[str, Distribution]
) -> Iterator[Problem]:
    """What the user's own packages (~/.local) do to a conda environment, which they come before.

    Args:
        user_site: Their folder; None where Python does not look there.
        prefix: Folder of the environment.
        distributions: What is there, by name.

    Yields:
        "user-site", one for all that is taken from there.
    """
    if not user_site or not prefix or not os.path.isdir(os.path.join(prefix, "conda-meta")):
        return
    taken = sorted(name for name, one in distributions.items() if one.root and _below(one.root, user_site))
    if taken:
        yield Problem("user-site", "user site", user_site, _taken(taken))


def _taken(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"{shown} {'are' if len(names) > 1 else 'is'} taken from there."


def library_path_problems(variables: Mapping[str, str], distributions: Mapping[str, Distribution]) -> Iterator[Problem]:
    """Libraries of CUDA that LD_LIBRARY_PATH puts before those which torch brings.

    Args:
        variables: The environment variables.
        distributions: What is there, by name; NVIDIA's wheels are "nvidia-cudnn-cu12" and the like.

    Yields:
        "library-path" for each folder that has some of the same names.
    """
    roots = {one.root for one in distributions.values() if one.name.startswith("nvidia-") and one.root}
    brought = {name for root in roots for name in _libraries(root)}
    if not brought:
        return
    for folder in dict.fromkeys(variables.get("LD_LIBRARY_PATH", "").split(":")[:_FOLDERS_LIMIT]):
        there = sorted(brought.intersection(_listed(folder))) if folder else []
        if there:
            shown = ", ".join(there[:4]) + (f" and {len(there) - 4} more" if len(there) > 4 else "")
            yield Problem("library-path", folder, folder, f"{shown} lie there.")


def deciding(variables: Mapping[str, str]) -> dict[str, str]:
    """Of the environment variables those that decide which libraries are imported or loaded."""
    return {name: variables[name][:_LONGEST] for name in DECIDING if variables.get(name)}


def _libraries(root: str) -> Iterator[str]:
    """Names of the libraries that NVIDIA's wheels put into nvidia/*/lib of an import root."""
    folder = os.path.join(root, "nvidia")
    for part in _listed(folder):
        yield from (name for name in _listed(os.path.join(folder, part, "lib")) if _CUDA_LIBRARY.fullmatch(name))


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)[:_ENTRIES_LIMIT]
    except OSError:
        return []


def _below(path: str, folder: str) -> bool:
    return os.path.normpath(path) == os.path.normpath(folder) or path.startswith(os.path.normpath(folder) + os.sep)
