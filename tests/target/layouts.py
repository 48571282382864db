"""Environments made by hand, file by file."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"


def make_venv(folder: Path, *arguments: str) -> Path:
    """A real venv without pip; its site-packages folder is returned."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", *arguments, str(folder)], check=True, timeout=60)
    return site_packages(folder)


def site_packages(folder: Path) -> Path:
    """The site-packages folder of a venv on Linux or a Mac."""
    return next(folder.glob("lib/python*/site-packages"))


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    """Write files below a root, folders included."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def wheel_info(name: str, version: str, more: str = "", **files: str) -> dict[str, str | bytes]:
    """The .dist-info folder of a wheel; `more` are header lines, `files` further files in it."""
    folder = f"{name.replace('-', '_')}-{version}.dist-info"
    content: dict[str, str | bytes] = {
        f"{folder}/METADATA": METADATA.format(name=name, version=version) + more + "\nText.\n"
    }
    return content | {f"{folder}/{key.replace('__', '.')}": value for key, value in files.items()}


def make_wheel(folder: Path, name: str, version: str, more: str = "") -> Path:
    """A wheel of one empty package that pip and uv install without a network."""
    stem = f"{name}-{version}"
    files = {
        f"{name}/__init__.py": "",
        f"{stem}.dist-info/METADATA": METADATA.format(name=name, version=version) + more,
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{stem}.dist-info/RECORD"
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in files.items():
            archive.writestr(file, content)
        archive.writestr(record, "".join(f"{file},,\n" for file in [*files, record]))
    return path


def find_uv() -> str | None:
    """The uv executable, of the test extra or on PATH."""
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv")
