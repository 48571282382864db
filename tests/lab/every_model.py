"""Runs in a target: makes every causal language model of its transformers small and trains it, one JSON line each.

    python every_model.py WORKER DEVICE QUANTIZATION FOLDER [MODEL_TYPE …]

WORKER is sftdoctor/proof/worker/__main__.py, DEVICE cpu or cuda. With no model types, all that the installed
transformers registers.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import runpy
import shutil
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

OTHERWISE = ({"gradient_checkpointing": False},)
"""What is tried where the defaults fail: some models cannot recompute anything."""


def main(worker: str, device: str, quantization: str, folder: str, *types: str) -> None:
    started = runpy.run_path(worker)
    started["load"]()
    names = ("model", "plan", "stack", "training", "errors", "events")
    model, plan, stack, training, errors, events = (
        importlib.import_module(f"{started['PACKAGE']}.{name}") for name in names
    )
    libraries = stack.Stack(device)
    libraries.load(lambda *_, **__: None)
    libraries.transformers.logging.set_verbosity_error()
    auto = importlib.import_module("transformers.models.auto.modeling_auto")
    for name in types or tuple(auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES):
        begun = time.monotonic()
        place = Path(folder) / name
        place.mkdir(parents=True, exist_ok=True)
        said: dict[str, object] = {}
        try:
            subject = model.make_small(libraries, {"name": name, "path": None}, str(place / "model"))
            for settings in ({}, *OTHERWISE):
                with (place / "events").open("w+b") as stream, contextlib.redirect_stdout(sys.stderr):
                    emit = events.Events(stream.fileno())
                    training.Run(libraries, emit, subject, plan.Plan("x", quantization, settings), place).run()
                    stream.seek(0)
                    told = heard([json.loads(line) for line in stream])
                first = said.get("first", told["why"])
                said = {**told, "model": subject.source, "settings": settings, "first": first}
                if said["verdict"] == "passed":
                    break
        except errors.NotPossibleError as error:
            said.update(verdict="not-possible", why=str(error)[:300])
        except (Exception, SystemExit) as error:
            said.update(verdict="failed", why=f"make: {type(error).__name__}: {' '.join(str(error).split())[:300]}")
        print(json.dumps({"type": name, "seconds": round(time.monotonic() - begun, 1), **said}), flush=True)
        shutil.rmtree(place, ignore_errors=True)
        subject = None
        gc.collect()


def heard(told: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """What one run came to."""
    checks = [one for one in told if one["event"] == "check"]
    last = told[-1]
    why = last.get("reason") or " ".join(str(last.get(key, "")) for key in ("stage", "exception", "message"))
    return {
        "verdict": {"passed": "passed", "not_possible": "not-possible"}.get(str(last["event"]), "failed"),
        "why": "" if last["event"] == "passed" else " ".join(str(why).split())[:300],
        "checks": [f"{one['name']}: {one['value']}" for one in checks if not one["passed"]],
        "loss": next((one["value"] for one in checks if one["name"] == "loss_falls"), None),
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
