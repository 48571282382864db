"""Makes a conda environment with rattler, which pixi is built on: `python conda_environment.py PREFIX SPEC…`.

Run by a Python that has py-rattler. Channels need not be reached: the packages are made here, of this Python and of
small ones of its own, put into a channel of their own, solved for, and installed as from any other channel.
`python conda_environment.py PREFIX` alone holds every installed file against conda's records of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import sys
import sysconfig
import tarfile
from collections.abc import Iterable
from pathlib import Path

import rattler

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
SKIPPED = {
    "site-packages",
    "dist-packages",
    "test",
    "tests",
    "__pycache__",
    "idlelib",
    "lib2to3",
    "ensurepip",
    "turtledemo",
}
File = tuple[str, bytes, str, bool]
"""Path in the package, content, where it leads if it is a link, whether it is a program."""


def main() -> None:
    """Make or hold against the records."""
    prefix, *specs = sys.argv[1:]
    if not specs:
        print(json.dumps(differing(Path(prefix))))
        return
    channel = Path(prefix).with_name("channel")
    platform = str(rattler.Platform.current())
    index = {"subdir": platform, "depends": [], "build": "0_cpython"}
    write(channel, "python", f"{HERE}.0", index, list(own_python()))
    for name, version in (("alpha", "1.0"), ("alpha", "2.0"), ("gamma", "1.0")):
        index = {"subdir": "noarch", "noarch": "python", "depends": [f"python >={HERE}"], "build": "pyhd8ed1ab_0"}
        write(channel, name, version, index, list(small(name, version)))
    asyncio.run(install(channel, Path(prefix), specs))


async def install(channel: Path, prefix: Path, specs: list[str]) -> None:
    """Index the channel, solve, install."""
    await rattler.index.index_fs(channel)
    records = await rattler.solve([channel.as_uri()], specs)
    await rattler.install(records, prefix, cache_dir=prefix.with_name("pkgs"), show_progress=False)


def differing(prefix: Path) -> list[str]:
    """Files that are not as conda's records say."""
    found = []
    for meta in sorted((prefix / "conda-meta").glob("*.json")):
        for entry in rattler.PrefixRecord.from_path(meta).paths_data.paths:
            path = prefix / str(entry.relative_path)
            wanted = entry.sha256_in_prefix or entry.sha256
            if not path.exists():
                found.append(str(path))
            elif wanted is not None and not path.is_symlink():
                digest = hashlib.sha256(path.read_bytes()).digest()
                if digest != wanted:
                    found.append(str(path))
    return found


def own_python() -> Iterable[File]:
    """This Python's interpreter and standard library."""
    base = Path(sys.base_prefix)
    stdlib = Path(sysconfig.get_path("stdlib"))
    yield f"bin/python{HERE}", Path(os.path.realpath(sys.executable)).read_bytes(), "", True
    yield "bin/python", b"", f"python{HERE}", False
    for folder, folders, names in os.walk(stdlib):
        folders[:] = sorted(set(folders) - SKIPPED)
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_file() and path.suffix != ".a":
                yield str(path.relative_to(base)), path.read_bytes(), "", False


def small(name: str, version: str) -> Iterable[File]:
    """A package as conda-build leaves one of pure Python."""
    info = f"site-packages/{name}-{version}.dist-info"
    files = {
        f"site-packages/{name}/__init__.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/INSTALLER": "conda\n",
    }
    record = [f"{path.removeprefix('site-packages/')},," for path in (*files, f"{info}/RECORD")]
    for path, text in (*files.items(), (f"{info}/RECORD", "\n".join(record) + "\n")):
        yield path, text.encode(), "", False


def write(channel: Path, name: str, version: str, index: dict[str, object], files: list[File]) -> None:
    """A package of conda's older format, which needs nothing but tar."""
    whole = {"name": name, "version": version, "build_number": 0, "license": "MIT", "timestamp": 1764000000000, **index}
    paths = [
        {
            "_path": path,
            "path_type": "softlink" if link else "hardlink",
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_in_bytes": len(data),
        }
        for path, data, link, _ in files
    ]
    about: list[File] = [
        ("info/index.json", json.dumps(whole).encode(), "", False),
        ("info/paths.json", json.dumps({"paths": paths, "paths_version": 1}).encode(), "", False),
    ]
    if "noarch" in index:
        said = {"noarch": {"type": "python"}, "package_metadata_version": 1}
        about.append(("info/link.json", json.dumps(said).encode(), "", False))
    target = channel / str(index["subdir"]) / f"{name}-{version}-{index['build']}.tar.bz2"
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(target, "w:bz2", compresslevel=1) as archive:
        for path, data, link, program in (*about, *files):
            member = tarfile.TarInfo(path)
            member.mode = 0o755 if program else 0o644
            member.size = len(data)
            if link:
                member.type, member.linkname, member.size = tarfile.SYMTYPE, link, 0
            archive.addfile(member, io.BytesIO(data))


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # rattler's threads may outlive the interpreter, and then crash it
