"""`python -m sftdoctor` and the console script."""

import sys


def main() -> None:
    """Run the command line and end the process with its status."""
    try:
        from sftdoctor.cli import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(run())


if __name__ == "__main__":
    main()
