"""Where the target's interpreter begins: loads the worker under a name of its own and does the job that is asked for.

The one argument is JSON:

    {"job": "proof", "events": FD, "lifeline": FD, "folder": DIR, …}

`job` names the module whose main() gets the request, "proof" where it is absent. The folder of this file leaves
sys.path before anything is imported, and the package has a name that nobody else has: a `data.py` or `models.py` of
the user's or of a library is never taken for one of these files, nor one of these for it.
"""

import sys
from os.path import abspath, dirname, join, realpath  # loaded before this file is, by Python itself

FOLDER = dirname(abspath(__file__))
PACKAGE = "_sftdoctor_worker"
LAST_WORDS = 3
"""Seconds that the other ranks get to say what went wrong with them."""
JOBS = ("proof", "script", "gather")

if __name__ == "__main__":
    own = (FOLDER, dirname(realpath(__file__)))  # some installers link files: Python then takes the folder behind
    sys.path[:] = [entry for entry in sys.path if entry and abspath(entry) not in own]

import importlib
import importlib.util
import json
import os
import time


def load():
    """Makes the package importable under its own name."""
    path = join(FOLDER, "__init__.py")
    spec = importlib.util.spec_from_file_location(PACKAGE, path, submodule_search_locations=[FOLDER])
    package = sys.modules[PACKAGE] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)


def run(request):
    """Does the job that a request asks for.

    Args:
        request: The JSON argument, parsed.

    Returns:
        Whether something failed; the parent hears of it by events.
    """
    job = request.get("job", "proof")
    if job not in JOBS:
        raise SystemExit("unknown job: " + repr(job))
    load()
    return importlib.import_module(PACKAGE + "." + job).main(request)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    failed = run(asked)
    sys.stdout.flush()
    sys.stderr.flush()
    if failed and isinstance(asked["events"], str):
        time.sleep(LAST_WORDS)
        os._exit(1)  # the launcher then ends the other ranks, which would wait for this one
    os._exit(0)  # the libraries' exit handlers have nothing to add, and some hang
