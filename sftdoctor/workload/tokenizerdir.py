"""The tokenizer of a model folder, read as files: special tokens, chat template, what it puts in front of a text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sftdoctor.model import Fact, Location

HEAD = 2 * 1024 * 1024
"""Bytes of tokenizer.json that are looked at: the vocabulary comes after everything that matters here."""
TEMPLATE_LIMIT = 512 * 1024
_GENERATION = re.compile(r"\{%-?\s{0,20}generation\s{0,20}-?%\}")
_TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<turn|>", "<|end|>", "<|eot|>", "<|return|>")
"""What well-known chat templates write behind a turn."""
_SPECIAL = ("bos_token", "eos_token", "pad_token", "unk_token")


def tokenizer_facts(folder: Path, config: Mapping[str, Any]) -> Iterator[Fact]:
    """What a tokenizer's files say.

    Args:
        folder: The model folder.
        config: Its tokenizer_config.json.

    Returns:
        The facts; nothing where there is no tokenizer.
    """
    if not any((folder / name).is_file() for name in ("tokenizer_config.json", "tokenizer.json")):
        return
    where = Location(str(folder / "tokenizer_config.json"))
    class_ = config.get("tokenizer_class")
    yield Fact("tokenizer_class", class_ if isinstance(class_, str) else "unset", where)
    form = _form(folder)
    if form:
        yield Fact("tokenizer_form", form, Location(str(folder / "tokenizer.model")))
    special = {name: _token(config.get(name)) for name in _SPECIAL}
    for name, token in special.items():
        yield Fact(f"model_{name}", token if token is not None else "none", where)
    head = _head(folder / "tokenizer.json")
    added = _section(head, "added_tokens")
    highest = -1
    for item in added if isinstance(added, list) else ():
        if isinstance(item, dict) and isinstance(item.get("content"), str):
            yield Fact("added_token", item["content"], where)
            if isinstance(item.get("id"), int):
                highest = max(highest, item["id"])
    if highest >= 0:
        yield Fact("highest_token", highest, Location(str(folder / "tokenizer.json")))
    yield Fact("adds_bos", _adds_bos(_section(head, "post_processor"), config, special["bos_token"]), where)
    extra = config.get("extra_special_tokens")
    shape = "list" if isinstance(extra, list) else ("table" if isinstance(extra, dict) else "unset")
    yield Fact("extra_special_tokens", shape, where)
    yield from _template_facts(folder, config, special)


def _form(folder: Path) -> str:
    """What the tokenizer is stored as: "tokenizers", "sentencepiece" or "tiktoken"; empty where none of these."""
    if (folder / "tokenizer.json").is_file():
        return "tokenizers"
    try:
        with (folder / "tokenizer.model").open("rb") as file:
            first = file.read(1)
    except OSError:
        return ""
    # a protobuf whose first field is the list of pieces; tiktoken's lines begin with base64
    return "sentencepiece" if first == b"\n" else "tiktoken"


def _token(said: object) -> str | None:
    """A special token, which is a text or a table with its content."""
    content = said.get("content") if isinstance(said, dict) else said
    return content if isinstance(content, str) else None


def _head(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(HEAD).decode("utf-8", errors="replace")
    except OSError:
        return ""


def _section(head: str, name: str) -> Any:
    """The value of a top-level key that comes before the vocabulary; None where it is not there, or not whole."""
    start = head.find(f'"{name}":')
    if start < 0:
        return None
    try:
        return json.JSONDecoder().raw_decode(head[start + len(name) + 3 :].lstrip())[0]
    except (ValueError, RecursionError):
        return None


def _adds_bos(processor: Any, config: Mapping[str, Any], bos: str | None) -> Any:
    """Whether the tokenizer puts the beginning-of-sequence token before a text: true, false or "unknown"."""
    if bos is None:
        return False
    said = config.get("add_bos_token")
    if isinstance(said, bool):
        return said
    parts = processor.get("processors", [processor]) if isinstance(processor, dict) else None
    if not isinstance(parts, list):
        return "unknown"
    for part in parts:
        single = part.get("single") if isinstance(part, dict) else None
        first = single[0] if isinstance(single, list) and single else None
        special = first.get("SpecialToken") if isinstance(first, dict) else None
        if isinstance(special, dict) and special.get("id") == bos:
            return True
    return False


def read_template(folder: Path, config: Mapping[str, Any]) -> tuple[str | None, str]:
    """The chat template of a folder.

    Args:
        folder: The model folder.
        config: Its tokenizer_config.json.

    Returns:
        Its text, and where it stands: "config", "file" (chat_template.jinja or .json) or "none".
    """
    said = config.get("chat_template")
    if isinstance(said, list):  # several, by name
        named = {item.get("name"): item.get("template") for item in said if isinstance(item, dict)}
        said = named.get("default") or next(iter(named.values()), None)
    if isinstance(said, str) and said:
        return said[:TEMPLATE_LIMIT], "config"
    for name in ("chat_template.jinja", "chat_template.json"):
        if (folder / name).is_file():
            text = _head(folder / name)
            return text[:TEMPLATE_LIMIT], "file"
    return None, "none"


def _template_facts(folder: Path, config: Mapping[str, Any], special: Mapping[str, str | None]) -> Iterator[Fact]:
    template, stands = read_template(folder, config)
    where = Location(str(folder / "chat_template.jinja" if stands == "file" else folder / "tokenizer_config.json"))
    yield Fact("template_place", stands, where)
    if template is None:
        return
    yield Fact("template_has_tools", "tool" in template, where)
    yield Fact("template_has_generation", bool(_GENERATION.search(template)), where)
    bos, eos = special["bos_token"], special["eos_token"]
    yield Fact("template_writes_bos", "bos_token" in template or (bool(bos) and str(bos) in template), where)
    yield Fact("template_writes_eos", "eos_token" in template or (bool(eos) and str(eos) in template), where)
    turn_end = next((token for token in _TURN_ENDS if token in template), None)
    yield Fact("template_turn_end", turn_end if turn_end is not None else "unknown", where)
