"""What an interpreter says of itself.

This file also runs inside the target, alone (`python -I -S ask.py`): no site-packages, no .pth file, no sitecustomize,
nothing of the user's. So it stays plain: the standard library, and syntax that Python 3.6 reads.
"""

import json
import os
import platform
import site
import sys

MARK = "sftdoctor-facts:"
"""Stands before the answer; wrappers around an interpreter may print lines of their own."""


def facts() -> "dict[str, object]":
    """Version, folders and markers of the running interpreter.

    Returns:
        version, executable, base_prefix, stdlib, libdirs (names below a venv that hold pythonX.Y/site-packages), sites
        (site-packages of the base installation), user_site (None where it is off) and markers.
    """
    return {
        "version": platform.python_version().rstrip("+"),
        "executable": sys.executable,
        "base_prefix": sys.base_prefix,
        "stdlib": os.path.dirname(os.__file__),
        "libdirs": list(dict.fromkeys([getattr(sys, "platlibdir", "lib"), "lib"])),
        "sites": site.getsitepackages(list(dict.fromkeys([sys.base_prefix, sys.base_exec_prefix]))),
        "user_site": _user_site(),
        "markers": markers(),
    }


def markers() -> "dict[str, str]":
    """The PEP 508 marker environment of the running interpreter."""
    version = platform.python_version().rstrip("+")
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": _implementation_version(),
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_full_version": version,
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
    }


def _implementation_version() -> str:
    info = sys.implementation.version
    version = ".".join(str(part) for part in info[:3])
    return version if info.releaselevel == "final" else version + info.releaselevel[0] + str(info.serial)


def _user_site() -> "str | None":
    """Folder of the user's own packages, as `site` would use it; -I switches it off, so that is decided here."""
    same_user = not hasattr(os, "geteuid") or (os.geteuid() == os.getuid() and os.getegid() == os.getgid())
    return site.getusersitepackages() if same_user and not os.environ.get("PYTHONNOUSERSITE") else None


if __name__ == "__main__":
    sys.stdout.write(MARK + json.dumps(facts()) + "\n")
