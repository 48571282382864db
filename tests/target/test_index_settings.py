"""What uv is told of pip's settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftdoctor.target.index_settings import uv_variables

PIP = {"PIP_INDEX_URL": "https://a/simple", "PIP_EXTRA_INDEX_URL": "https://b"}
FOR_UV = {
    "UV_DEFAULT_INDEX": "https://a/simple",
    "UV_INDEX": "https://b",
    "UV_INDEX_STRATEGY": "unsafe-best-match",
}


@pytest.mark.parametrize(
    ("environ", "config", "expected"),
    [
        ({}, "", {}),
        (PIP, "", FOR_UV),
        ({}, "[global]\nindex-url = https://a/simple\nextra-index-url = https://b\n", FOR_UV),
        ({**PIP, "UV_DEFAULT_INDEX": "https://u"}, "", {}),
        ({"UV_FIND_LINKS": "/wheels"}, "[global]\nindex-url = https://a\n", {}),
        ({"PIP_FIND_LINKS": "https://x https://y"}, "", {"UV_FIND_LINKS": "https://x,https://y"}),
        ({"PIP_CERT": "{here}/ca.pem"}, "", {"SSL_CERT_FILE": "{here}/ca.pem"}),
        ({}, "[global]\ncert = {here}/ca.pem\n", {"SSL_CERT_FILE": "{here}/ca.pem"}),
        ({"PIP_CERT": "{here}/ca.pem", "UV_INDEX": "https://u"}, "", {"SSL_CERT_FILE": "{here}/ca.pem"}),
        ({"PIP_CERT": "{here}/ca.pem", "SSL_CERT_FILE": "mine"}, "", {}),
        ({"PIP_CERT": "{here}/gone.pem"}, "", {}),
    ],
)
def test_what_uv_is_told(tmp_path: Path, environ: dict[str, str], config: str, expected: dict[str, str]) -> None:
    (tmp_path / "ca.pem").write_text("")
    (tmp_path / "pip.conf").write_text(config.replace("{here}", str(tmp_path)))
    environ = {name: value.replace("{here}", str(tmp_path)) for name, value in environ.items()}
    expected = {name: value.replace("{here}", str(tmp_path)) for name, value in expected.items()}
    environ["XDG_CONFIG_HOME"] = str(tmp_path)
    assert uv_variables(environ, [tmp_path / "pip.conf"]) == expected


def test_a_uv_with_settings_of_its_own_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv/uv.toml").write_text('index-url = "https://u"\n')
    assert uv_variables({**PIP, "XDG_CONFIG_HOME": str(tmp_path)}, []) == {}
