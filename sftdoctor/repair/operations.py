"""The edit operations by name: each finds its node with libcst and says which spans of the text become what."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sftdoctor.model import Location
from sftdoctor.repair.attributes import call_object, move_attribute, rename_attribute
from sftdoctor.repair.copying import copy_argument
from sftdoctor.repair.imports import define_import, redirect_imports, remove_import, replace_import
from sftdoctor.repair.keywords import remove_keyword, rename_keyword, set_keyword, translate_keyword
from sftdoctor.repair.moving import move_keyword
from sftdoctor.repair.nested import nest_keyword
from sftdoctor.repair.statements import add_parameter, insert_after, insert_before, take_keywords
from sftdoctor.repair.tree import Splice, Tree

Operation = Callable[[Tree, Location, Mapping[str, str]], tuple[Splice, ...]]

FUNCTIONS: Mapping[str, Operation] = {
    "rename_keyword": rename_keyword,
    "translate_keyword": translate_keyword,
    "remove_keyword": remove_keyword,
    "set_keyword": set_keyword,
    "move_keyword": move_keyword,
    "nest_keyword": nest_keyword,
    "copy_argument": copy_argument,
    "insert_before": insert_before,
    "insert_after": insert_after,
    "add_parameter": add_parameter,
    "take_keywords": take_keywords,
    "replace_import": replace_import,
    "redirect_imports": redirect_imports,
    "remove_import": remove_import,
    "define_import": define_import,
    "rename_attribute": rename_attribute,
    "move_attribute": move_attribute,
    "call_object": call_object,
}
