"""What is examined → Environment: interpreters, pins, snapshots, hardware. Each part is imported on first use."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # type checkers take it for true; importing typing for it would be most of the cost

if TYPE_CHECKING:
    from sftdoctor.target.hardware import with_gpu, with_hardware
    from sftdoctor.target.interpreter import read_interpreter
    from sftdoctor.target.pins import read_pins, with_versions
    from sftdoctor.target.snapshot import load_snapshot, save_snapshot

_HOMES = {
    "load_snapshot": "snapshot",
    "read_interpreter": "interpreter",
    "read_pins": "pins",
    "save_snapshot": "snapshot",
    "with_gpu": "hardware",
    "with_hardware": "hardware",
    "with_versions": "pins",
}
__all__ = [
    "load_snapshot",
    "read_interpreter",
    "read_pins",
    "save_snapshot",
    "with_gpu",
    "with_hardware",
    "with_versions",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
