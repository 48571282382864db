"""What pip lists below some import roots, by way of pip-api.

This file runs in a process of its own: pip-api runs pip as soon as it is imported, and fails where there is none.
"""

import json
import sys
from pathlib import Path


def listed(roots: "list[str]") -> "dict[str, object]":
    """Ask the pip of the running interpreter.

    Args:
        roots: Import roots to look into; nothing in them is imported.

    Returns:
        version (of pip) and distributions (name → version).
    """
    import pip_api

    found = pip_api.installed_distributions(paths=[Path(root) for root in roots])  # type: ignore[attr-defined]
    return {
        "version": str(pip_api.PIP_VERSION),
        "distributions": {name: str(one.version) for name, one in found.items()},
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(listed(sys.argv[1:])) + "\n")
