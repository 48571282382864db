"""Names of a lazy package that stand for what is not installed: they can be imported, and not be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.link.worlds import World, check

HELPER = """
import importlib
import importlib.util
import os
import re
import types

_NEW = re.compile("Backend")
BASE_FILE_REQUIREMENTS = {
    lambda name, content: "modeling_" in name: ("there",),
    lambda name, content: "image_processing_" in name and _NEW.search(content): ("vision", "torchvision"),
    lambda name, content: "image_processing_" in name: ("vision",),
}


def is_there_available():
    return True


def is_vision_available():
    return importlib.util.find_spec("PIL") is not None


def is_torchvision_available():
    return importlib.util.find_spec("torchvision") is not None


def is_sound_available():
    return importlib.util.find_spec("soundfile") is not None


def requires(backends=()):
    return lambda target: target


AVAILABLE = {
    "there": is_there_available,
    "vision": is_vision_available,
    "torchvision": is_torchvision_available,
    "sound": is_sound_available,
}


def define_import_structure(path, prefix=None):
    found = {}
    folder = os.path.dirname(path)
    for file in sorted(os.listdir(folder)):
        stem = file[:-3]
        if file == "__init__.py" or not file.endswith(".py"):
            continue
        content = open(os.path.join(folder, file)).read()
        base = next((wants for check, wants in BASE_FILE_REQUIREMENTS.items() if check(stem, content)), ())
        for name in re.search(r"__all__ = \\[(.*)\\]", content)[1].split(","):
            name = name.strip(" '")
            own = re.search(r"@requires\\(backends=\\((.*),\\)\\)\\nclass " + name + r"\\b", content)
            found[name] = stem, (*base, *([own[1].strip("'")] if own else []))
    return {frozenset(): found}


class _LazyModule(types.ModuleType):
    def __init__(self, name, file, structure, module_spec=None):
        super().__init__(name)
        self._object_missing_backend = {}
        self._found = structure[frozenset()]
        for one, (_, wants) in self._found.items():
            missing = [backend for backend in wants if not AVAILABLE[backend]()]
            if missing:
                self._object_missing_backend[one] = missing
        self.__file__, self.__spec__, self.__path__ = file, module_spec, [os.path.dirname(file)]

    def __getattr__(self, name):
        if name in self._object_missing_backend:
            slow = name + "Pil"
            if name.endswith("ImageProcessor") and slow in self._found and slow not in self._object_missing_backend:
                return getattr(self, slow)

            class Placeholder:
                def __init__(self, *args, **kwargs):
                    raise ImportError(name + " requires what is not there")

                @classmethod
                def from_pretrained(cls, *args, **kwargs):
                    raise ImportError(name + " requires what is not there")

            return Placeholder
        if name in self._found:
            return getattr(importlib.import_module(self.__name__ + "." + self._found[name][0]), name)
        raise AttributeError(name)
"""
PACKAGE = {
    "lib": "",
    "lib.utils": "",
    "lib.utils.import_utils": HELPER,
    "lib.models": "import sys\nfrom ..utils.import_utils import _LazyModule, define_import_structure\n"
    "sys.modules[__name__] = _LazyModule(__name__, __file__, define_import_structure(__file__), module_spec=__spec__)",
    "lib.models.modeling_a": "class A: pass\n\n__all__ = ['A']\n",
    "lib.models.image_processing_a": "from PIL import Image\nclass Plain: pass\n\n__all__ = ['Plain']\n",
    "lib.models.image_processing_fancy": "# Backend\nimport torchvision\nclass FancyImageProcessor: pass\n\n"
    "__all__ = ['FancyImageProcessor']\n",
    "lib.models.image_processing_pil_fancy": "import PIL\nclass FancyImageProcessorPil: pass\n\n"
    "__all__ = ['FancyImageProcessorPil']\n",
    "lib.models.feature_a": "from ..utils.import_utils import requires\n\n\n@requires(backends=('sound',))\n"
    "class Heard: pass\n\n__all__ = ['Heard']\n",
    "lib.models.needs": "import nowhere\nclass Needs: pass\n\n__all__ = ['Needs']\n",
}
PIL = {"PIL": "Image = 1"}


@pytest.mark.parametrize(
    ("program", "more", "expected"),
    [
        ("from lib.models import A, Plain, Heard, FancyImageProcessor", {}, ()),
        ("from lib.models import A\nA()", {}, ()),
        ("from lib.models import Plain\nPlain()", {}, ("API003 PIL certain",)),
        ("from lib.models import Plain\nPlain.from_pretrained('x')", {}, ("API003 PIL certain",)),
        ("from lib.models import Plain\nPlain()", PIL, ()),
        ("from lib.models import Heard\nHeard()", PIL, ("API003 sound certain",)),
        ("from lib.models import FancyImageProcessor\nFancyImageProcessor()", {}, ("API003 PIL certain",)),
        ("from lib.models import FancyImageProcessor\nFancyImageProcessor()", PIL, ()),
        ("from lib.models import FancyImageProcessor as F\nF()", {**PIL, "torchvision": ""}, ()),
        ("import lib.models\nlib.models.Plain", {}, ()),
        ("from lib.models import Needs", PIL, ("API003 nowhere certain",)),
    ],
)
def test_what_a_placeholder_refuses(
    program: str, more: dict[str, str], expected: tuple[str, ...], tmp_path: Path
) -> None:
    check(World({**PACKAGE, **more}, program, expected, script=True), tmp_path)
