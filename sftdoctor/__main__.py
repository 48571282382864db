"""`python -m sftdoctor` and the console script."""

import gc
import sys


def main() -> None:
    """Run the command line and end the process with its status."""
    if sys.argv[1:2] == ["check"] and "--watch" not in sys.argv:
        gc.disable()  # it follows one run and ends: what it leaves behind is not worth the search
    try:
        from sftdoctor.cli import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    status = run()
    gc.freeze()  # the interpreter searches once more as it ends
    sys.exit(status)


if __name__ == "__main__":
    main()
