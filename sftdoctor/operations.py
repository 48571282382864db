"""What an edit may do: what a rule may ask for, and what repair carries out."""

from __future__ import annotations

from collections.abc import Mapping

OPERATIONS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "rename_keyword": (("old", "new"), ("unless",)),
    "translate_keyword": (("old", "new", "true"), ("false",)),
    "remove_keyword": (("name",), ("value",)),
    "set_keyword": (("name", "value"), ()),
    "move_keyword": (
        ("name", "argument", "class"),
        ("module", "new", "base", "keep", "position", "first", "switch", "drop", "options", "unsaid"),
    ),
    "nest_keyword": (("name", "argument", "into"), ()),
    "copy_argument": (("argument", "class", "module", "position"), ()),
    "insert_before": (("code",), ()),
    "insert_after": (("code",), ()),
    "add_parameter": (("name", "default"), ()),
    "take_keywords": ((), ()),
    "replace_import": (("module", "old", "new"), ("new_module", "keep", "drop")),
    "redirect_imports": (("module", "to"), ()),
    "remove_import": (("module", "old"), ()),
    "define_import": (("module", "old", "code"), ("needs",)),
    "rename_attribute": (("old", "new"), ()),
    "move_attribute": (("name", "call"), ("keyword",)),
    "call_object": (("name",), ()),
    "rename_option": (("old", "new"), ()),
}
"""Name → the arguments that it needs, and those that it may have."""
