"""A real package index on 127.0.0.1, with a handful of small wheels made on the spot."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

PURE = "py3-none-any"


def wheel(
    name: str,
    version: str,
    files: Mapping[str, str | bytes] | None = None,
    requires: tuple[str, ...] = (),
    more: str = "",
) -> bytes:
    """A wheel with those files; a module of its own name where none are given."""
    module = name.replace("-", "_")
    folder = f"{module}-{version}.dist-info"
    content = dict(files if files is not None else {f"{module}/__init__.py": f"__version__ = {version!r}\n"})
    lines = "".join(f"Requires-Dist: {one}\n" for one in requires)
    content[f"{folder}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}{lines}\nText.\n"
    content[f"{folder}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    content[f"{folder}/RECORD"] = "".join(f"{path},,\n" for path in [*content, f"{folder}/RECORD"])
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in content.items():
            archive.writestr(path, text)
    return data.getvalue()


def sdist(folder: str, files: Mapping[str, str]) -> bytes:
    """A source archive."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        for path, text in files.items():
            entry = tarfile.TarInfo(f"{folder}/{path}")
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return data.getvalue()


@dataclass
class TinyIndex:
    """What is served, how, and what was asked for."""

    url: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Canonical project name → file name → content."""
    requires_python: dict[str, str] = field(default_factory=dict)
    """By file name."""
    yanked: set[str] = field(default_factory=set)
    hashes: dict[str, str] = field(default_factory=dict)
    """SHA-256 digests that are given instead of the right ones."""
    ranges: bool = True
    suffixes: bool = True
    """Whether "the last N bytes" can be asked for."""
    as_json: bool = False
    encoding: str = ""
    """"gzip" to compress pages, "damaged" to say so and not to do it."""
    cut: int = 0
    """How many answers to break off half-way."""
    broken: int = 0
    """How many answers to refuse with 503."""
    log: list[str] = field(default_factory=list)
    sent: int = 0

    def add(self, name: str, version: str, content: bytes | None = None, tags: str = PURE, **more: Any) -> str:
        """Publish a wheel; returns its file name."""
        filename = f"{name.replace('-', '_')}-{version}-{tags}.whl"
        self.files.setdefault(name, {})[filename] = content if content is not None else wheel(name, version, **more)
        return filename

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Serve one GET or HEAD."""
        self.log.append(handler.path)
        if self.broken > 0:
            self.broken -= 1
            handler.send_error(503)
            return
        parts = handler.path.strip("/").split("/")
        if parts[0] == "simple" and len(parts) == 2 and parts[1] in self.files:
            kind, data = self._page(parts[1])
            headers = {"Content-Type": kind}
            if self.encoding:
                headers["Content-Encoding"] = "gzip"
                data = gzip.compress(data) if self.encoding == "gzip" else data
            self._send(handler, 200, data, headers)
        elif parts[0] == "files" and len(parts) == 3 and parts[2] in self.files.get(parts[1], {}):
            self._file(handler, self.files[parts[1]][parts[2]])
        else:
            handler.send_error(404)

    def _page(self, name: str) -> tuple[str, bytes]:
        entries = []
        for filename, content in self.files[name].items():
            digest = self.hashes.get(filename) or hashlib.sha256(content).hexdigest()
            entries.append((filename, f"/files/{name}/{filename}", digest))
        if self.as_json:
            files = [
                {
                    "filename": filename,
                    "url": url,
                    "hashes": {"sha256": digest},
                    "requires-python": self.requires_python.get(filename),
                    "yanked": filename in self.yanked,
                }
                for filename, url, digest in entries
            ]
            return "application/vnd.pypi.simple.v1+json", json.dumps({"name": name, "files": files}).encode()
        lines = []
        for filename, url, digest in entries:
            python = self.requires_python.get(filename, "").replace(">", "&gt;")
            more = f' data-requires-python="{python}"' if python else ""
            more += ' data-yanked=""' if filename in self.yanked else ""
            lines.append(f'<a href="{url}#sha256={digest}"{more}>{filename}</a><br/>')
        return "text/html", ("<!DOCTYPE html><html><body>" + "\n".join(lines) + "</body></html>").encode()

    def _file(self, handler: BaseHTTPRequestHandler, content: bytes) -> None:
        wanted = handler.headers.get("Range", "")
        if not self.ranges or not wanted:
            self._send(handler, 200, content, {})
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        if not first and not self.suffixes:
            handler.send_error(416)
            return
        start = int(first) if first else max(0, len(content) - int(last))
        stop = min(len(content), int(last) + 1) if first else len(content)
        self._send(handler, 206, content[start:stop], {"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"})

    def _send(self, handler: BaseHTTPRequestHandler, status: int, data: bytes, headers: Mapping[str, str]) -> None:
        handler.send_response(status)
        for key, value in headers.items():
            handler.send_header(key, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        if self.cut > 0:
            self.cut -= 1
            data = data[: len(data) // 2]
        if handler.command != "HEAD":
            self.sent += len(data)
            handler.wfile.write(data)


@contextmanager
def serve() -> Iterator[TinyIndex]:
    """A running index."""
    index = TinyIndex()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.answer(self)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    index.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
