"""A rule's texts where no judgement fills in all of their placeholders: whole sentences, or none."""

from __future__ import annotations

import re
from collections.abc import Mapping

NOTHING_KNOWN: Mapping[str, str] = {}
_PLACEHOLDER = re.compile(r"\{([\w.-]{1,80})\}")
_OWN_VERSION = re.compile(r"\b(?!capability\b)([\w-]{1,60}) \{\1\}")
"""`trl {trl}`: the version of what stands before it; compute capability is no package."""
_SIDES_VERSION = re.compile(
    r"(?<!\w)(?!(?:in|of|to|from|since|before|until|with|and)\b)([\w-]{1,60}|\{\w{1,40}\}) \{\w{1,40}_version\}"
)
_ASIDE = re.compile(r" \([^(){}]{0,200}\{[^()]{0,200}\)")
"""Brackets that only say what is not known."""
_SENTENCE = re.compile(r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.) ")
GENERIC = {"gpu": "the GPU"}
"""What may stand for a placeholder in any sentence."""


def fill(text: str, known: Mapping[str, str] = NOTHING_KNOWN) -> str:
    """A rule's text with the placeholders filled in that are known.

    Args:
        text: A template of a rule: `{trl}` is a version, `{name}` a value of a match, `{fact.name}` a fact.
        known: Placeholder → what it stands for.

    Returns:
        The text. Versions that stand behind their package's name, and brackets of what is not known, are left out;
        other placeholders stay.
    """
    text = _PLACEHOLDER.sub(lambda found: known.get(found[1]) or found[0], text)
    text = _SIDES_VERSION.sub(r"\1", _OWN_VERSION.sub(r"\1", text))
    text = _PLACEHOLDER.sub(lambda found: GENERIC.get(found[1], found[0]), text)
    return _ASIDE.sub("", text).strip()


def is_whole(text: str) -> bool:
    """Whether a text has no placeholder left."""
    return not _PLACEHOLDER.search(text)


def sentences(text: str, known: Mapping[str, str] = NOTHING_KNOWN) -> str:
    """Those sentences of a rule's text that can be said with what is known; "" where there is none."""
    return " ".join(filter(is_whole, _SENTENCE.split(fill(text, known))))


def phrase(text: str, known: Mapping[str, str] = NOTHING_KNOWN) -> str:
    """An instruction of a rule; what is not known is named in capitals, as manuals do: "rename PATH"."""
    return _PLACEHOLDER.sub(lambda found: _capitals(found[1]), fill(text, known))


def _capitals(placeholder: str) -> str:
    return re.sub(r"\W", "_", placeholder.removeprefix("fact.")).upper()
