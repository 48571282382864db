"""What all replacements share: where to work, what was asked for, and the list of what was replaced."""

import functools
import importlib.util
import os
import re
import sys
from pathlib import Path

READERS = 20
"""Python files beside the script that are read for what they say."""
PICTURES = re.compile(
    r"""ImageTextToText|Vision2Seq|AutoProcessor|VLProcessor|VLForConditional|ImageProcessor|["']images?["']|\bPIL\b"""
)
"""What a script says that trains on pictures."""
LOOKS = re.compile(r"vision|multimodal|(?<![a-z])vlm?(?![a-z])|llava", re.IGNORECASE)
"""In the name of a model, or of a data set, with pictures."""
WEIGHTS = (".safetensors", ".bin", ".pt", ".gguf")


class World:
    """One run of a script.

    Args:
        request: The JSON argument: folder, root, home, script, arguments, device, models, columns.
        emit: Where the events go.
    """

    def __init__(self, request, emit):
        self.request = request
        self.emit = emit
        self.folder = Path(os.path.realpath(request["folder"]))
        """Everything is written below it."""
        self._told = set()
        self.made = []
        """Columns of every data set that was made up."""
        self.stands_in = ""
        """Model type of a tiny model that is of another architecture than the one it stands for."""
        self.spread = False
        """Whether a model of several processes is, by the script's device_map, to lie on several GPUs in each."""

    def replaced(self, what):
        """Tells once that something of the script's was replaced.

        Args:
            what: A sentence's beginning: "the data set x by 32 made-up rows".
        """
        if what not in self._told:
            self._told.add(what)
            self.emit("replaced", text=what)

    @functools.cached_property
    def sources(self):
        """The texts of the script and of the modules beside it that it names."""
        return sources_of(self.request)

    @property
    def source(self):
        """All of them as one text."""
        return "\n".join(self.sources)

    @property
    def pictures(self):
        """Whether the script seems to train on pictures."""
        return bool(PICTURES.search(self.source) or any(map(LOOKS.search, self.request["arguments"])))

    @property
    def torch(self):
        """The torch that the script, or what it imports, has imported; None before."""
        return sys.modules.get("torch")

    @property
    def cuda(self):
        """Whether torch sees a GPU that may be used."""
        if self.request.get("device") == "cpu" or not hasattr(self.torch, "cuda"):
            return False
        return self.torch.cuda.is_available()

    def is_inside(self, path):
        """Whether a path lies in the folder that everything is written to."""
        try:
            real = os.path.realpath(os.fspath(path))
        except (TypeError, ValueError):
            return False
        return real == str(self.folder) or real.startswith(str(self.folder) + os.sep)

    def inside(self, path):
        """Where something goes that the script wants to write to that path.

        Args:
            path: Absolute or relative.

        Returns:
            The same path where it lies in the folder, else one in the folder.
        """
        if not isinstance(path, (str, os.PathLike)) or self.is_inside(path):
            return path
        other = self.folder / "outside" / os.path.realpath(os.fspath(path)).lstrip(os.sep)
        other.parent.mkdir(parents=True, exist_ok=True)
        self.replaced(f"what it saves to {os.fspath(path)} by a temporary folder")
        return str(other)

    def at_home(self, path):
        """Where a relative path leads that leaves the copied folder (`../data/train.jsonl`): beside the original.

        Args:
            path: What the script says; a text, or a list or table of them.

        Returns:
            The same, with every path that is there beside the original, and not here, in full.
        """
        if isinstance(path, (list, tuple)):
            return type(path)(map(self.at_home, path))
        if isinstance(path, dict):
            return {key: self.at_home(value) for key, value in path.items()}
        if not isinstance(path, (str, os.PathLike)) or os.path.isabs(path) or os.path.exists(path):
            return path
        below = os.path.relpath(os.getcwd(), os.path.realpath(self.request["root"]))
        other = os.path.normpath(os.path.join(self.request.get("home") or os.getcwd(), below, path))
        return other if os.path.exists(other) else path

    def has_weights(self, path):
        """Whether a path is a folder with weights that the script may load as they are: copied, or saved by itself."""
        return self.is_inside(path) and os.path.isdir(path) and any(n.endswith(WEIGHTS) for n in os.listdir(path))


def sources_of(request):
    """The texts of the script and of the modules beside it that it names.

    Args:
        request: The JSON argument: root, script.
    """
    folder = os.path.dirname(os.path.join(request["root"], request["script"]))
    own = os.path.basename(request["script"])
    others = sorted(name for name in os.listdir(folder) if name.endswith(".py") and name != own)
    texts = []
    for name in [own, *others[:READERS]]:
        try:
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                text = file.read(1000000)
        except OSError:
            continue
        if name == own or re.search(rf"\b{re.escape(name[:-3])}\b", texts[0] if texts else ""):
            texts.append(text)
    return texts


def is_installed(module):
    """Whether a top-level module could be imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
