"""What the processor of a model brings along, as the installed transformers has it: `video-processor`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sftdoctor.predicates.core import HOLDS, Context, Judgement, Match, fails, predicate, unknown

_TAKES_VIDEO = re.compile(r"def __init__\([^)]*\bvideo_processor\b")
_MODELS = "transformers.models"


@predicate("video-processor", {}, values=("model", "type"))
def video_processor(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """The script loads a processor, and by its name the model is of a type whose processor in the installed
    transformers takes a video processor too."""
    loaded = context.facts.get("processor_loaded", ())
    names = [str(fact.value) for fact in context.facts.get("model_path", ()) if isinstance(fact.value, str)]
    if not loaded or not names:
        return HOLDS
    home = context.library.path(_MODELS)
    if home is None:
        return unknown("which models transformers has cannot be read")
    folder = home.parent
    files = sorted(folder.glob("*/processing_*.py"))

    def ask() -> list[list[str]]:
        kinds = sorted(one.name for one in folder.iterdir() if one.is_dir() and not one.name.startswith("_"))
        return [kinds, sorted({file.parent.name for file in files if _takes_video(file)})]

    kinds, seeing = context.library.known("video processors", ask, lambda: [str(folder), *map(str, files)])
    told = next(((name, kind) for name in names if (kind := type_told(name, kinds)) in seeing), None)
    return HOLDS if told is None else fails(Match({"model": told[0], "type": told[1]}, location=loaded[0].location))


def _takes_video(file: Path) -> bool:
    try:
        return _TAKES_VIDEO.search(file.read_text("utf-8", errors="replace")) is not None
    except OSError:
        return False


def type_told(name: str, kinds: Sequence[str]) -> str:
    """The model type that a repository's name tells: the longest that it contains, by letters and digits alone.

    Args:
        name: "Qwen/Qwen2.5-VL-7B-Instruct"; the owner counts only where the rest tells nothing.
        kinds: The types.

    Returns:
        The type, "qwen2_5_vl"; empty where none is told.
    """
    for said in (name.rpartition("/")[2], name):
        plain = "".join(_plain(said))
        found = [kind for kind in kinds if "".join(_plain(kind)) in plain]
        if found:
            return max(found, key=len)
    return ""


def _plain(text: str) -> Iterator[str]:
    return (letter for letter in text.lower() if letter.isalnum())
