"""Throwaway environments with real packages: sized up before anything is fetched, and sharing one torch.

uv where it is there: every environment then shares its files through uv's cache. Else venv and pip: torch is installed
once, and linked into the other environments, file by file.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.tags import sys_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from sftdoctor.errors import OfflineError, RepairError, SftDoctorError
from sftdoctor.target.index_settings import certificates

Progress = Callable[[str], None]

TORCH = "2.13.0"
"""The torch that the demonstrated stacks, old and new, were all seen to run on."""
CPU_TORCH = "https://download.pytorch.org/whl/cpu/torch/"
"""Where PyTorch keeps builds without CUDA: a tenth of the download, and all that a throwaway needs."""
UNPACKED = 4
"""How much more room wheels need than their download, at most, on the disk."""
_HEAD_SECONDS = 10.0
_ANSWER_SECONDS = 5.0
_BUILD_SECONDS = 3600.0


@dataclass(frozen=True)
class Wheel:
    """One file that would be installed."""

    name: str
    version: str
    url: str
    size: int | None = None
    """Bytes; None where nobody says."""

    @property
    def is_local(self) -> bool:
        """Whether it needs no download."""
        return self.url.startswith("file:")


class Workshop:
    """Builds environments in a folder.

    Args:
        folder: Where; the caller removes it.
        progress: Told what takes long.
        python: Version ("3.11") or path of the Python to build on; None for the running one.
        uv: Command of uv; empty for venv and pip.
    """

    def __init__(
        self, folder: Path, progress: Progress, *, python: str | None = None, uv: Sequence[str] | None = None
    ) -> None:
        from sftdoctor.repair.packages import find_uv

        self.folder = folder
        self.progress = progress
        self.python = python or sys.executable
        self.uv = tuple(find_uv() or () if uv is None else uv)
        self.torch = f"torch=={TORCH}"
        self.options = index_options()
        """Which indexes uv and pip are to ask."""
        if self.uv:
            # pip looks at all of its indexes, and these are its settings
            self.options += ("--index-strategy", "unsafe-best-match")
        self._base: Path | None = None

    def resolve(self, sets: Sequence[Sequence[str]]) -> tuple[Wheel, ...]:
        """Works out what the environments need, and which torch it will be.

        Args:
            sets: The requirements of each environment, without torch.

        Returns:
            Every file that is needed, once.

        Raises:
            SftDoctorError: No index answers, or it has not what is needed.
        """
        self.progress("resolving what has to be installed")
        refused: SftDoctorError | None = None
        for torch, options in self._torches():
            try:
                found = [self._resolve((torch, *requirements), options) for requirements in sets]
            except SftDoctorError as error:
                refused = refused or error
                continue
            self.torch, self.options = torch, options
            wheels = {wheel.url: wheel for wheels in found for wheel in wheels}
            return with_sizes(tuple(wheels.values()))
        assert refused is not None
        raise refused

    def build(self, path: Path, requirements: Sequence[str], *, torch: bool = True) -> Path:
        """Builds one environment.

        Args:
            path: Its folder, which must not exist.
            requirements: What it gets, without torch.
            torch: Whether it gets torch too.

        Returns:
            Its Python.

        Raises:
            SftDoctorError: It cannot be built.
        """
        if self.uv or not torch:
            return self._make(path, (*([self.torch] if torch else []), *requirements))
        if self._base is None:
            self._base = self.folder / "torch"
            self._make(self._base, (self.torch,))
        return self._make(path, (self.torch, *requirements), like=self._base)

    def _make(self, path: Path, requirements: Sequence[str], like: Path | None = None) -> Path:
        python = path / "bin" / "python"
        if self.uv:
            self._run([*self.uv, "venv", "--quiet", "--no-project", "--python", self.python, str(path)])
            if requirements:
                self._run([*self.uv, "pip", "install", "--python", str(python), *self.options, *requirements])
            return python
        self._run([self.python, "-m", "venv", *(["--without-pip"] if like else []), str(path)])
        if like is not None:
            self.progress(f"linking the files of {self.torch}")
            shutil.copytree(_site_packages(like), _site_packages(path), copy_function=_link, dirs_exist_ok=True)
        pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
        self._run([*pip, *self.options, *requirements])
        return python

    def _torches(self) -> list[tuple[str, tuple[str, ...]]]:
        """Which torch to ask for, best first, with the options that find it."""
        plain = (f"torch=={TORCH}", self.options)
        if not sys.platform.startswith("linux"):
            return [plain]
        without_cuda = f"torch=={TORCH}+cpu"
        choices = [(without_cuda, self.options), plain]
        if _answers(CPU_TORCH):
            choices.insert(0, (without_cuda, (*self.options, "--find-links", CPU_TORCH)))
        return choices

    def _resolve(self, requirements: Sequence[str], options: Sequence[str]) -> tuple[Wheel, ...]:
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            wanted = Path(folder, "requirements.in")
            wanted.write_text("\n".join(requirements) + "\n")
            if self.uv:
                lock = Path(folder, "pylock.toml")
                format_ = ["--format", "pylock.toml", "--output-file", str(lock), "--quiet"]
                self._run([*self.uv, "pip", "compile", *format_, "--python", self.python, *options, str(wanted)])
                return _read_lock(lock)
            report = Path(folder, "report.json")
            dry = ["--dry-run", "--ignore-installed", "--quiet", "--report", str(report), "-r", str(wanted)]
            self._run([self.python, "-m", "pip", "install", "--disable-pip-version-check", *options, *dry])
            return _read_report(report)

    def _run(self, command: Sequence[str]) -> None:
        """Runs a command, telling its lines as they come.

        Raises:
            SftDoctorError: It fails.
        """
        variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        variables |= certificates()
        said: list[str] = []
        # not in the present folder: uv would read its project file, Python its modules
        with subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            env=variables,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    said = [*said[-40:], line.rstrip()]
                    if not line.lstrip().startswith(("+", "Requirement already", "Using Python")):
                        self.progress(line.strip())
                status = process.wait(_BUILD_SECONDS)
            except BaseException:
                process.kill()
                raise
        if status:
            raise _refusal(command, said)


def index_options() -> tuple[str, ...]:
    """The user's own indexes as options, which uv and pip spell alike: uv does not read pip's settings."""
    from sftdoctor.target.index_settings import read_index_settings

    settings = read_index_settings()
    options = ["--index-url", settings.urls[0]] if settings.urls else []
    for url in settings.urls[1:]:
        options += ["--extra-index-url", url]
    for url in settings.find_links:
        options += ["--find-links", url]
    return tuple(options)


def with_sizes(wheels: Sequence[Wheel]) -> tuple[Wheel, ...]:
    """Fills in the sizes that the index did not say, by asking the files' host."""
    with ThreadPoolExecutor(8) as pool:
        sizes = list(pool.map(lambda wheel: wheel.size if wheel.size is not None else _size(wheel.url), wheels))
    return tuple(Wheel(wheel.name, wheel.version, wheel.url, size) for wheel, size in zip(wheels, sizes, strict=True))


def require_room(folder: Path, wheels: Sequence[Wheel]) -> int:
    """Refuses where the wheels would not fit, unpacked.

    Args:
        folder: Where they would be unpacked.
        wheels: With their sizes.

    Returns:
        The bytes that they may need.

    Raises:
        SftDoctorError: There is less than that.
    """
    needed = UNPACKED * sum(wheel.size or 0 for wheel in wheels)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SftDoctorError(
            f"{folder} has {free / 1e9:.1f} GB left; the environments need up to {needed / 1e9:.1f} GB",
            "Make room, or name another folder: TMPDIR=/somewhere sftdoctor demo",
        )
    return needed


def _read_lock(lock: Path) -> tuple[Wheel, ...]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    packages = tomllib.loads(lock.read_text(encoding="utf-8")).get("packages", [])
    found = []
    for package in packages:
        file = _fitting(package.get("wheels") or []) or package.get("sdist") or package.get("archive") or {}
        url = file.get("url") or (f"file://{file['path']}" if "path" in file else "")
        found.append(Wheel(str(package["name"]), str(package.get("version", "")), str(url), file.get("size")))
    return tuple(found)


def _fitting(wheels: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The wheel that this machine would choose; the first where the file names do not say."""
    order = {tag: number for number, tag in enumerate(sys_tags())}

    def rank(wheel: dict[str, Any]) -> int:
        name = str(wheel.get("name") or str(wheel.get("url", "")).rsplit("/", 1)[-1]).replace("%2B", "+")
        with contextlib.suppress(InvalidWheelFilename):
            return min((order.get(tag, len(order)) for tag in parse_wheel_filename(name)[3]), default=len(order))
        return len(order)

    return min(wheels, key=rank, default=None)


def _read_report(report: Path) -> tuple[Wheel, ...]:
    items = json.loads(report.read_text(encoding="utf-8")).get("install", [])
    return tuple(
        Wheel(str(item["metadata"]["name"]), str(item["metadata"]["version"]), str(item["download_info"]["url"]))
        for item in items
    )


def _size(url: str) -> int | None:
    if url.startswith("file:"):
        with contextlib.suppress(OSError, ValueError):
            return Path(urllib.request.url2pathname(url.removeprefix("file://"))).stat().st_size
        return None
    if not url.startswith(("https:", "http:")):
        return None
    with contextlib.suppress(OSError, ValueError):
        request = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(request, timeout=_HEAD_SECONDS) as answer:
            return int(answer.headers.get("Content-Length") or 0) or None
    return None


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=_ANSWER_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True


def _site_packages(path: Path) -> Path:
    return next(path.glob("lib/python3*/site-packages"))


def _link(source: str, target: str) -> None:
    """Gives a file a second name; copies it where the file system cannot, and leaves alone what is there."""
    if not Path(target).exists():
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)


def _refusal(command: Sequence[str], said: Sequence[str]) -> SftDoctorError:
    text = "\n".join(line for line in said if line)[-3000:]
    tool = Path(command[0]).name
    if "no space left" in text.lower():
        return RepairError(f"{tool}: no space left\n{text}", "Make room, or name another folder with TMPDIR.")
    index = index_options()[1]
    if not _answers(index):
        return OfflineError(f"{tool}: {index} does not answer\n{text}", "Check the network, or the index settings.")
    return RepairError(f"{tool} failed:\n{text}", "What it said stands above.")
