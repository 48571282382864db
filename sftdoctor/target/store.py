"""Files of the cache: small versioned JSON, whole folders; written at one stroke, ignored when damaged."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any


def read_json(path: Path, schema: int) -> dict[str, Any] | None:
    """The content of a JSON file of the cache; None where it is not there, damaged or of another schema.

    Args:
        path: The file.
        schema: The schema that it must have been written with.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and content.get("schema") == schema else None


def write_json(path: Path, schema: int, content: dict[str, Any]) -> None:
    """Write a JSON file of the cache at one stroke; silently not, where the cache cannot be written.

    Args:
        path: The file; its folder is made.
        schema: The schema of the content.
        content: What JSON can hold.
    """
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump({"schema": schema, **content}, file, separators=(",", ":"))
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def move_into_place(temporary: Path, final: Path) -> None:
    """Give a finished folder its name; where another process was first, its folder stays and ours goes.

    Args:
        temporary: The folder, on the same file system.
        final: Its name.

    Raises:
        OSError: It cannot be renamed, and nothing of that name is there.
    """
    try:
        temporary.replace(final)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)
        if not final.is_dir():
            raise
