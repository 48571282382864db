"""Whether a script failed of what was made up for it, and not of itself or its libraries."""

import os
import re
import sysconfig
import traceback

from .columns import TEXT

SAMPLE = TEXT.split("{")[0]
"""What every made-up text begins with."""
OF_VALUES = ("FileNotFoundError", "IsADirectoryError", "UnidentifiedImageError", "JSONDecodeError", "SyntaxError")
OF_VALUES += ("KeyError", "IndexError", "UnicodeDecodeError", "ZeroDivisionError", "AssertionError")
"""Exceptions that come of a value, whatever is done with it."""
BUILTIN = re.compile(r"^'(str|int|bool|float|list|dict|NoneType)' object (has no attribute|is not|does not|cannot)")
OF_COLUMNS = re.compile(
    r"^'Value' object has no attribute '(names|num_classes|int2str|str2int)'"
    r"|^The least populated class in|is missing required columns: "
)
"""What libraries say of columns that hold no labels, or too few of them, or that are not there."""
ODD = re.compile(
    r"^(string indices must be|(list|tuple) indices must be|invalid literal for|could not convert string|"
    r"(not enough|too many) values to unpack|can only concatenate|unsupported operand|cannot unpack|"
    r"join\(\) argument must be|expected str, bytes or os\.PathLike|"
    r"substring not found|sequence item \d+: expected|malformed node|'[<>=!]+' not supported between|unhashable type)"
)
"""How messages begin that tell of a value of another form than was thought."""
DEEPER = ("PIL",)
"""Packages that are asked about a value alone."""


def is_of_made_up(error, world):
    """Whether an error was raised while the script's own code worked on rows that were made up.

    Args:
        error: What the script raised.
        world: The run.
    """
    if not world.made:
        return False
    if OF_COLUMNS.search(str(error)):
        return True
    frames = list(traceback.walk_tb(error.__traceback__))
    own = [place for place, (frame, _) in enumerate(frames) if _lies_in(frame, world.request["root"])]
    if not own or not all(_is_plain(frame) for frame, _ in frames[own[-1] + 1 :]):
        return False
    message, kind = str(error), type(error).__name__
    if SAMPLE[:20] in message:
        return True
    if not (kind in OF_VALUES or BUILTIN.match(message) or ODD.match(message)):
        return False
    frame = frames[own[-1]][0]
    if frame.f_code.co_name == "<module>":
        return kind == "JSONDecodeError"
    return any(_is_row(value, world.made) for value in frame.f_locals.values())


def is_of_architecture(error, kind):
    """Whether an error says that a model lacks modules or attributes, as one of another architecture may.

    Args:
        error: What was raised.
        kind: The model type of the model: its classes' names begin with it, without underscores (GPTNeoXConfig).
    """
    message = str(error)
    if isinstance(error, AttributeError):
        return message.lower().startswith("'" + kind.replace("_", "")) and "object has no attribute" in message
    return "Target modules" in message and "not found in the base model" in message


def _lies_in(frame, folder):
    return os.path.realpath(frame.f_code.co_filename).startswith(os.path.realpath(folder) + os.sep)


def _is_plain(frame):
    """Whether a frame is of Python's own library, or of a package that is asked about values alone."""
    name = frame.f_code.co_filename
    if name.startswith("<") or any(os.sep + package + os.sep in name for package in DEEPER):
        return True
    return name.startswith(sysconfig.get_path("stdlib")) and "-packages" not in name


def _is_row(value, columns):
    """Whether a value is a made-up row, some of them, or a text out of one."""
    if isinstance(value, str):
        return value.startswith(SAMPLE[:20])
    if isinstance(value, (list, tuple)):
        return bool(value) and _is_row(value[0], columns)
    try:
        return bool(set(value.keys()) & set(columns))
    except (AttributeError, TypeError):
        return False
