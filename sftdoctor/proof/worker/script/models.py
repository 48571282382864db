"""Models, configs and their names: each by a small one of the same architecture, loaded by the script's own call."""

import contextlib
import functools
import json
import os
import re
import shutil
from pathlib import Path

from .. import meaning, sharding
from ..errors import NotPossibleError
from ..ranks import world_size
from ..shrink import LONGEST, shrink
from ..tokenizer import chat_template
from . import pictures
from .kinds import kind_for
from .tokenizers import TOKENIZER_FILES, make_tokenizer

DROPPED = ("subfolder", "variant", "use_safetensors", "revision")
"""Arguments that name a part of the real repository."""
STORED = ("Mxfp4Config",)
"""Quantisations that are none of a load: they say how weights are stored."""
FLASH = re.compile(r"flash|kernels|flex", re.IGNORECASE)
SPREAD = ("auto", "balanced", "balanced_low_0")
"""What device_map says to spread a model over all GPUs."""
SEED = 0
FILE_LIMIT = 64 * 1024 * 1024


class Models:
    """Gives every name of a model a small folder.

    Args:
        world: The run.
    """

    def __init__(self, world):
        self.world = world
        self._folders = {}
        self._unfit = {}
        world.models = self

    def install(self, hooks):
        """Puts itself before the libraries' loaders.

        Args:
            hooks: Where changes of modules are asked for.
        """
        places = (
            ("transformers.models.auto.auto_factory", "_BaseAutoModelClass", self._model),
            ("transformers.modeling_utils", "PreTrainedModel", self._model),
            ("transformers.models.auto.configuration_auto", "AutoConfig", self._config),
            ("transformers.configuration_utils", "PretrainedConfig", self._config),
            ("transformers.configuration_utils", "PreTrainedConfig", self._config),
            ("transformers.generation.configuration_utils", "GenerationConfig", self._config),
        )
        for module, name, choose in places:
            hooks.after(module, functools.partial(self._redirect, name=name, choose=choose))

    def _redirect(self, module, name, choose):
        """Wraps a class's from_pretrained."""
        cls = getattr(module, name, None)
        if cls is not None and "from_pretrained" in vars(cls):
            redirect(cls, choose, self._spread if choose == self._model else _as_it_is)

    def _spread(self, model, device_map):
        """Marks a model of several processes as spread over GPUs, as a real one would be; a tiny one fits on one.

        accelerate, from 0.23 on, looks at nothing but how many entries the map has, whatever the devices are.
        """
        model = model[0] if isinstance(model, tuple) else model  # with what was loaded of it
        placed = getattr(model, "hf_device_map", None) or {}  # transformers 5 sets none for one device
        if not (isinstance(device_map, str) and device_map in SPREAD) or world_size() == 1 or len(placed) > 1:
            return
        where = next(iter(placed.values()), str(model.device))
        model.hf_device_map = {name: where for name, _ in model.named_children()}
        self.world.spread = True
        self.world.replaced(
            f'the map that device_map="{device_map}" gives a model as small as this, on one device, by one of several '
            "parts, as it would be where each process sees several GPUs"
        )

    def _model(self, cls, name, kwargs):
        """(folder, arguments) for a model that is loaded; None where it may be loaded as it is."""
        if self.world.has_weights(name):
            return None
        self.world.emit("stage", stage="load")
        kwargs = {key: value for key, value in kwargs.items() if key not in DROPPED}
        stored = type(kwargs.get("quantization_config")).__name__
        if stored in STORED:
            del kwargs["quantization_config"]
            self.world.replaced(f"{stored} by nothing, since the tiny weights are not stored in that form")
        if not self.world.cuda:
            kwargs = self._without_gpu(kwargs)
        folder = self.folder(name, kwargs, cls)
        self._give_weights(folder, cls, kwargs)
        return str(folder), kwargs

    def _config(self, cls, name, kwargs):
        if self.world.is_inside(name) and os.path.exists(name):
            return None
        return str(self.folder(name, kwargs, cls)), {key: value for key, value in kwargs.items() if key not in DROPPED}

    def _without_gpu(self, kwargs):
        """The arguments without what only a GPU can do."""
        kwargs = dict(kwargs)
        attention = kwargs.get("attn_implementation")
        if isinstance(attention, str) and FLASH.search(attention):
            del kwargs["attn_implementation"]
            self.world.replaced(f'attn_implementation="{attention}" by the default, since there is no GPU here')
        device_map = kwargs.get("device_map")
        if device_map is not None and device_map not in ("auto", "cpu", "balanced", "sequential"):
            kwargs["device_map"] = {"": "cpu"}
            self.world.replaced(f"device_map={device_map!r} by the CPU, since there is no GPU here")
        return kwargs

    def folder(self, name, kwargs, cls):
        """The small folder of a name: a config and a tokenizer; the first request makes it.

        Args:
            name: What the script calls it: a repository or a folder.
            kwargs: The arguments of the call.
            cls: The class that is asked to load it.
        """
        there = self.world.at_home(name)
        key = os.path.realpath(there) if os.path.isdir(there) else str(name)
        if key not in self._folders:
            self._folders[key] = self._make(str(name), key, kwargs, cls)
        return self._folders[key]

    def processor_folder(self, name, kwargs, cls):
        """The same for a processor.

        Raises:
            ImportError: What the processor needs is not installed.
            NotPossibleError: None could be made that fits the small model.
        """
        folder = Path(name) if self.world.is_inside(name) and os.path.exists(name) else self.folder(name, kwargs, cls)
        if folder in self._unfit:
            raise self._unfit[folder]
        return folder

    def _make(self, name, key, kwargs, cls):
        folder = (
            self.world.folder
            / f"models-{self.world.emit.rank}"
            / f"{len(self._folders)}-{re.sub(r'[^A-Za-z0-9._-]+', '-', name)[-60:]}"
        )
        folder.mkdir(parents=True)
        real = self._real(key)
        config_class, data, told = self._real_config(real, name, kwargs, cls)
        if real is not None:
            _copied(real, folder, (".py", *pictures.FILES_OF_PROCESSORS))
        if real is not None and _copied(real, folder, TOKENIZER_FILES):
            small = shrink(data)
        else:
            small, made = self._made(folder, config_class, data, real)
            told += f", with a made-up {made} and chat template"
        small["architectures"] = small.get("architectures") or _architectures(config_class.model_type)
        config_class.from_dict(small).save_pretrained(str(folder))
        self.world.replaced(f"the model {name} by a tiny one {told}")
        return folder

    def _made(self, folder, config_class, data, real):
        """(small config, what was made for it): a tokenizer, and a processor for a model that sees."""
        import torch
        import transformers

        template = chat_template(real) if real else None
        maker = pictures.Maker(transformers, torch, folder, config_class)
        try:
            if maker.is_needed():
                return maker.make(data, template, narrower=real is None), "tokenizer, processor"
        except ImportError as error:
            self._unfit[folder] = error
        except pictures.UnfitError as error:
            self._unfit[folder] = NotPossibleError(str(error))
        return shrink(data, len(make_tokenizer(transformers, folder, template))), "tokenizer"

    def _real(self, key):
        """The folder that really holds a model, or its snapshot in the cache; None where neither is here."""
        if os.path.isfile(os.path.join(key, "config.json")):
            return Path(key)
        cache = self.world.request.get("cache")
        if not cache:
            return None
        snapshots = Path(cache, "models--" + key.replace("/", "--"), "snapshots")
        with contextlib.suppress(OSError):
            for found in sorted(snapshots.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True):
                if (found / "config.json").is_file():
                    return found
        return None

    def _real_config(self, real, name, kwargs, cls):
        """(class, the config as a dictionary, what it was taken from)."""
        from transformers.models.auto.configuration_auto import CONFIG_MAPPING, AutoConfig

        if real is not None:
            data = json.loads((real / "config.json").read_text(encoding="utf-8"))
            if data.get("model_type") in CONFIG_MAPPING:
                config = CONFIG_MAPPING[data["model_type"]].from_dict(data)
            else:  # its own code, which runs where the script says that it may; else transformers says what is wrong
                trust = kwargs.get("trust_remote_code")
                config = AutoConfig.from_pretrained.__wrapped__(AutoConfig, str(real), trust_remote_code=trust)
            return type(config), {**config.to_dict(), **_auto_map(data)}, "of its own config"
        own = getattr(cls, "config_class", None) or (cls if hasattr(cls, "model_type") else None)
        if own is not None:
            return own, own().to_dict(), f"of the same class ({own.model_type})"
        kind, how, stands_in = kind_for(name, cls, self.world)
        config = CONFIG_MAPPING[kind]()
        data = config.to_dict()
        if stands_in:  # how many positions the real one has is not known either: no error may come of it
            self.world.stands_in = kind
            data.update({key: LONGEST for key in data if meaning.POSITIONS.search(key)})
        return type(config), data, f"{how}, since nothing of it is here"

    def _give_weights(self, folder, cls, kwargs):
        """Saves weights for the class that will load them, once each folder."""
        if self.world.has_weights(folder):
            return
        from transformers import AutoConfig

        torch = self.world.torch
        trust = {"trust_remote_code": True} if kwargs.get("trust_remote_code") else {}
        config = AutoConfig.from_pretrained(str(folder), **trust)
        if "num_labels" in kwargs:  # else a head is saved that the script's own call does not fit
            config.num_labels = kwargs["num_labels"]
        build = getattr(cls, "from_config", None) if hasattr(cls, "_model_mapping") else cls
        try:
            # the same on every rank, as one checkpoint is
            with sharding.alone(), torch.random.fork_rng(devices=[]):
                torch.manual_seed(SEED)
                model = build(config, **(trust if build is not cls else {}))
        except ValueError:
            return  # no model of that kind for this config: the script's own call will say so
        if hasattr(model, "should_save_on_this_rank"):
            model.should_save_on_this_rank = lambda *_: True  # each rank has a folder of its own
        model.save_pretrained(str(folder))


def _as_it_is(made, device_map):
    """What becomes of what was loaded where nothing must."""


def redirect(cls, choose, loaded=_as_it_is):
    """Wraps a class's from_pretrained: a name that is not here becomes a small folder, all else is passed on.

    Args:
        cls: The class.
        choose: A function of (class, name, keywords) that gives (folder, keywords), and the class where it is another;
            None leaves the call as it is.
        loaded: Called with what was loaded and the device_map that the script gave.
    """
    original = vars(cls)["from_pretrained"].__func__

    @functools.wraps(original)
    def from_pretrained(cls, *args, **kwargs):
        name = args[0] if args else kwargs.get("pretrained_model_name_or_path")
        chosen = choose(cls, name, kwargs) if isinstance(name, (str, os.PathLike)) else None
        device_map = kwargs.get("device_map")
        if chosen is None:
            made = original(cls, *args, **kwargs)
        else:
            folder, kwargs, *other = chosen
            kwargs.pop("pretrained_model_name_or_path", None)
            made = original(other[0] if other else cls, folder, *args[1:], **kwargs)
        loaded(made, device_map)
        return made

    cls.from_pretrained = classmethod(from_pretrained)


def _architectures(kind):
    """What a real config says of its class, where nothing real is here: that of a model that writes text."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    name = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(kind) or pictures.seeing_kinds().get(kind)
    return [name] if isinstance(name, str) else None


def _auto_map(data):
    return {"auto_map": data["auto_map"]} if "auto_map" in data else {}


def _copied(source, target, endings):
    """Copies the files of a folder that end so, none of them large; says whether there was one."""
    found = False
    for path in source.iterdir():
        if path.name.endswith(endings) and path.is_file() and path.stat().st_size <= FILE_LIMIT:
            shutil.copyfile(str(path), str(target / path.name))
            found = True
    return found
