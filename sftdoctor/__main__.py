"""`python -m sftdoctor` and the console script."""

import gc
import sys
import time


def main() -> None:
    """Run the command line and end the process with its status."""
    try:
        status = _said_again(time.perf_counter()) if _is_check(sys.argv[1:]) else None
        if status is None:
            from sftdoctor.cli import main as run

            status = run()
    except KeyboardInterrupt:
        sys.exit(130)
    gc.freeze()  # the interpreter searches once more as it ends
    sys.exit(status)


def _is_check(argv: list[str]) -> bool:
    return argv[:1] == ["check"] and "--watch" not in argv


def _said_again(start: float) -> int | None:
    """Say what the same check said before; the exit status, or None where it must be made."""
    gc.disable()  # it follows one run and ends: what it leaves behind is not worth the search
    from sftdoctor import finished, streams
    from sftdoctor.status import FAILED

    kept = finished.recall(sys.argv[1:], lambda: time.perf_counter() - start)
    if kept is None:
        return None
    try:
        streams.write(kept[0], sys.stdout)
    except OSError as error:
        streams.say([f"sftdoctor: error: {error}"], sys.stderr)
        return FAILED
    return kept[1]


if __name__ == "__main__":
    main()
