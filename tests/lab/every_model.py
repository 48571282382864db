"""Runs in a target: makes every causal language model of its transformers small and trains it, one JSON line each.

    python every_model.py WORKER QUANTIZATION FOLDER [MODEL_TYPE …]

WORKER is sftdoctor/proof/worker/__main__.py. With no model types, all that the installed transformers registers.
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
from pathlib import Path

OTHERWISE = ({"gradient_checkpointing": False},)
"""What is tried where the defaults fail: some models cannot recompute anything."""


def main(worker: str, quantization: str, folder: str, *types: str) -> None:
    started = runpy.run_path(worker)
    started["load"]()
    names = ("model", "plan", "stack", "training", "errors")
    model, plan, stack, training, errors = (importlib.import_module(f"{started['PACKAGE']}.{name}") for name in names)
    libraries = stack.Stack("cpu")
    libraries.load(lambda *_, **__: None)
    libraries.transformers.logging.set_verbosity_error()
    auto = importlib.import_module("transformers.models.auto.modeling_auto")
    for name in types or tuple(auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES):
        begun = time.monotonic()
        place = Path(folder) / name
        said: dict[str, object] = {"verdict": "", "checks": [], "loss": None}

        def emit(event: str, said: dict[str, object] = said, **values: object) -> None:
            if event == "check" and not values["passed"]:
                said["checks"] = [*said["checks"], f"{values['name']}: {values['value']}"]  # type: ignore[misc]
            if event == "check" and values["name"] == "loss_falls":
                said["loss"] = values["value"]
            if event in ("passed", "not_possible"):
                said.update(verdict=event.replace("_", "-"), why=values.get("reason", ""))

        def failure(stage: str, error: BaseException, said: dict[str, object] = said) -> None:
            said.update(verdict="failed", why=f"{stage}: {type(error).__name__}: {' '.join(str(error).split())[:300]}")

        emit.failure = failure  # type: ignore[attr-defined]
        try:
            asked = {"name": name, "path": None}
            subject = model.make_small(libraries, asked, str(place / "model"))
            said["model"] = subject.source
            for settings in ({}, *OTHERWISE):
                said.update(settings=settings, checks=[])
                run = training.Run(libraries, emit, subject, plan.Plan("x", quantization, settings), place)
                with contextlib.redirect_stdout(sys.stderr):
                    run.run()
                if said["verdict"] == "passed":
                    break
                said.setdefault("first", said["why"])
        except errors.NotPossibleError as error:
            said.update(verdict="not-possible", why=str(error)[:300])
        except (Exception, SystemExit) as error:
            failure("make", error)
        said.update(type=name, seconds=round(time.monotonic() - begun, 1))
        print(json.dumps(said), flush=True)
        shutil.rmtree(place, ignore_errors=True)
        run = subject = None
        gc.collect()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
