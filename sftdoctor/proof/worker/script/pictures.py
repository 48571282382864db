"""Models that see: a processor made to fit the small one, and a picture that proves that it does."""

import importlib
import inspect
import json
import re

from ..events import short
from ..shrink import shrink
from .geometry import TOKENS, part_sizes, processor_options, small_geometry, text_part
from .tokenizers import make_tokenizer

PLACES = (
    ("modeling_auto", "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES"),
    ("modeling_auto", "MODEL_FOR_VISION_2_SEQ_MAPPING_NAMES"),
)
"""Tables of transformers.models.auto: model type → class that takes pictures and text, in new releases and in old."""
COMPONENTS = {
    "image_processor": ("image_processing_auto", "IMAGE_PROCESSOR_MAPPING_NAMES", "AutoImageProcessor"),
    "video_processor": ("video_processing_auto", "VIDEO_PROCESSOR_MAPPING_NAMES", "AutoVideoProcessor"),
    "feature_extractor": ("feature_extraction_auto", "FEATURE_EXTRACTOR_MAPPING_NAMES", "AutoFeatureExtractor"),
}
"""Part of a processor → the table that names its class for a model type, and the class that loads it."""
FILES = {
    "image_processor": ("preprocessor_config.json", "image_processor_type"),
    "video_processor": ("video_preprocessor_config.json", "video_processor_type"),
    "feature_extractor": ("preprocessor_config.json", "feature_extractor_type"),
}
"""The same → the file that says its class, and how."""
FILES_OF_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
"""How the names of files end that a real processor has."""
MARK = re.compile(r"""["'](<[^<>\s"'{}]{1,40}>|\[[A-Z_]{2,20}\])["']""")
"""A special token, as the source of a processor writes it."""
ASKED = re.compile(r"\btokenizer\.(\w+_token)\b(?!\s*=[^=])")
"""A special token that a processor takes from its tokenizer."""
GUARDED = re.compile(r"""(?:has|get)attr\(\s*(?:self\.)?tokenizer,\s*["'](\w+_token)["']""")
"""One that it takes where the tokenizer has it."""
GENERAL = ("pad_token", "bos_token", "eos_token", "unk_token", "cls_token", "sep_token", "mask_token")
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' or part['type'] == 'image_url' %}IMAGE{% elif part['type'] == 'video' %}VIDEO"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def table(module, name):
    """A table of transformers.models.auto; empty where this release has none of that name."""
    try:
        return getattr(importlib.import_module("transformers.models.auto." + module), name, {})
    except ImportError:
        return {}


def seeing_kinds():
    """Model type → the class that takes pictures and text."""
    found = {}
    for module, name in PLACES:
        found.update(table(module, name))
    return {kind: name if isinstance(name, str) else name[0] for kind, name in found.items()}


class Maker:
    """Makes a processor for one model type, and the model's config to fit.

    Args:
        transformers: The module.
        torch: The module.
        folder: Where the model lies.
        config_class: Of the model.
    """

    def __init__(self, transformers, torch, folder, config_class):
        self.transformers, self.torch, self.folder = transformers, torch, folder
        self.config_class, self.kind = config_class, config_class.model_type
        self.cls = None

    def is_needed(self):
        """Whether models of that type take pictures, with a processor.

        Raises:
            ImportError: The processor's module needs something that is not installed.
        """
        name = table("processing_auto", "PROCESSOR_MAPPING_NAMES").get(self.kind)
        self.cls = getattr(self.transformers, name) if name and self.kind in seeing_kinds() else None
        if self.cls is not None:
            getattr(self.cls, "from_pretrained", None)  # what stands in for one that cannot be imported says why
        return self.cls is not None

    def make(self, data, template=None, narrower=True):
        """Saves a processor, and gives the config that it fits.

        Args:
            data: The config at its full size, as a dictionary.
            template: The folder's own chat template; None for one of ours.
            narrower: Whether the config is one of mere defaults, and its pictures may get other sizes.

        Returns:
            The small config as a dictionary.

        Raises:
            ImportError: A library that the processor needs is missing; what the script's own call would raise.
            UnfitError: None that was made fits.
        """
        errors = []
        for small, named in ((narrower, False), (narrower, True), (False, False)):
            whole = json.loads(json.dumps(data, default=str))
            if narrower:
                self._give_eyes(whole)
                self._fill(text_part(whole))
            if small:
                small_geometry(whole)
            try:
                return self._fit(whole, template, named)
            except ImportError:
                raise
            except Exception as error:
                errors.append(error)
        raise UnfitError(f"no processor could be made that fits a tiny {self.kind}: {short(errors[-1])}") from errors[
            -1
        ]

    def _fit(self, whole, template, named):
        """The first of the processors that may fit with which a picture can be trained on."""
        parameters = inspect.signature(self.cls.__init__).parameters
        tokenizer = self._tokenizer(named)
        parts = {name: self._part(name, whole) for name in COMPONENTS if name in parameters}
        told = processor_options(whole, parameters)
        options = [told, {name: value for name, value in told.items() if name not in TOKENS}]
        if "num_additional_image_tokens" in parameters:  # of a tower with a token for the whole picture
            options.insert(0, {**told, "num_additional_image_tokens": 1})
        errors = []
        for each in options:
            processor = self.cls(tokenizer=tokenizer, **parts, **each)
            ids = _ids(whole, processor, tokenizer)
            small = shrink(whole, len(tokenizer), ids=ids)
            model = self._model(small)
            for placeholder in _placeholders(processor, tokenizer, ids):
                _give_template(processor, template or _template(placeholder, processor))
                try:
                    self._try(processor, model)
                except Exception as error:
                    errors.append(error)
                    continue
                processor.save_pretrained(str(self.folder))
                return small
        raise errors[-1]

    def _give_eyes(self, whole):
        """Fills in the part that sees, where a config of mere defaults leaves it out."""
        for name, kind in (getattr(self.config_class, "sub_configs", None) or {}).items():
            if "vision" in name and name in whole and whole[name] is None and hasattr(kind, "model_type"):
                whole[name] = kind().to_dict()

    def _fill(self, text):
        """Shares out the frequencies of a head over time, height and width, where only the model's code does so."""
        code = inspect.getsource(inspect.getmodule(self._model_class()))
        name = "rope_parameters" if "rope_parameters" in text else "rope_scaling"
        shared = text.get(name) or {}
        heads, hidden = text.get("num_attention_heads"), text.get("hidden_size")
        if "mrope_section" not in code or name not in text or "mrope_section" in shared or not (heads and hidden):
            return
        size = text.get("head_dim") or hidden // heads
        sections = [size // 2 - 2 * (size * 3 // 16), size * 3 // 16, size * 3 // 16]
        text[name] = {"rope_type": "default", **shared, "mrope_section": sections}

    def _tokenizer(self, all_named):
        """A tokenizer of the class that the processor wants, with the tokens that it speaks of.

        Args:
            all_named: Whether it has also those that the processor can do without.
        """
        source = inspect.getsource(inspect.getmodule(self.cls))
        marks = tuple(dict.fromkeys(MARK.findall(source)))
        guarded = GUARDED.findall(source)
        asked = [name for name in ASKED.findall(source) if name not in guarded] + (guarded if all_named else [])
        asked = [name for name in dict.fromkeys(asked) if name not in GENERAL]
        named = {name: f"<{name[:-6]}>" for name in asked}
        wanted = getattr(self.cls, "tokenizer_class", None)
        names = wanted if isinstance(wanted, (tuple, list)) else (wanted,)
        fast = next((getattr(self.transformers, str(n), None) for n in names if str(n).endswith("Fast")), None)
        return make_tokenizer(self.transformers, self.folder, None, (*marks, *named.values()), named, fast)

    def _part(self, name, whole):
        """One part of the processor, with the sizes that the config has."""
        module, mapping, auto = COMPONENTS[name]
        known, processors = table(module, mapping), table("processing_auto", "PROCESSOR_MAPPING_NAMES")
        same = [kind for kind, each in processors.items() if each == processors[self.kind]]  # "…_moe" beside its like
        named = next((known[kind] for kind in (self.kind, *same) if kind in known), None)
        names = list(named.values()) if isinstance(named, dict) else named if isinstance(named, tuple) else (named,)
        file, key = FILES[name]
        said = next((each for each in names if each), None) or _of_source(self.cls, name)
        loader = getattr(self.transformers, auto)
        if said is None:  # of transformers 4, where what it needs is not installed: its own message
            return loader.from_pretrained(str(self.folder))
        (self.folder / file).write_text(json.dumps({key: said}), encoding="utf-8")
        sizes = part_sizes(loader.from_pretrained(str(self.folder)), whole)
        (self.folder / file).write_text(json.dumps({key: said, **sizes}), encoding="utf-8")
        return loader.from_pretrained(str(self.folder))

    def _model_class(self):
        return getattr(self.transformers, seeing_kinds()[self.kind])

    def _model(self, small):
        config = self.config_class.from_dict(dict(small))
        with self.torch.random.fork_rng(devices=[]):
            return self._model_class()(config).float()

    def _try(self, processor, model):
        """Trains on a picture, as a script would."""
        said = [("user", [{"type": "image"}, {"type": "text", "text": "what is it"}])]
        said.append(("assistant", [{"type": "text", "text": "a picture"}]))
        messages = [{"role": role, "content": content} for role, content in said]
        text = processor.apply_chat_template(messages, tokenize=False)
        try:
            batch = processor(text=[text], images=[[made_picture(0)]], return_tensors="pt", padding=True)
        except ValueError:  # of one that takes one picture a text
            batch = processor(text=[text], images=[made_picture(0)], return_tensors="pt", padding=True)
        batch["labels"] = batch["input_ids"].clone()
        model.train()
        loss = model(**batch).loss
        loss.backward()
        if not self.torch.isfinite(loss):
            raise UnfitError("the loss of a picture is not finite")


class UnfitError(Exception):
    """No processor that was made fits a model."""


def made_picture(number, side=64):
    """A small picture of its own colours, as PIL has it."""
    from PIL import Image

    return Image.new("RGB", (side, side), (40 * number % 256, 90 * number % 256, 200))


def _of_source(cls, name):
    """The class that a processor of transformers 4 names for a part of it."""
    said = getattr(cls, f"{name}_class", None)
    said = said[0] if isinstance(said, (tuple, list)) else said
    return said if isinstance(said, str) and not said.startswith("Auto") else None


def _ids(config, processor, tokenizer):
    """Stem of a special token ("image") → its id, for all that the config names."""
    found = {}
    for part in (config, *(each for each in config.values() if isinstance(each, dict))):
        for name in part:
            stem = re.sub(r"_token_(id|index)$", "", name)
            if stem == name or stem in found:
                continue
            for owner in (tokenizer, processor):
                text = getattr(owner, stem + "_token", None)
                text = getattr(text, "content", text)  # of an AddedToken
                if isinstance(text, str) and stem + "_token" not in GENERAL:
                    found[stem] = tokenizer.convert_tokens_to_ids(text)
                    break
            else:
                known = tokenizer.get_vocab().get(f"<|{stem}|>")
                if known is not None:
                    found[stem] = known
    return found


def _placeholders(processor, tokenizer, ids):
    """What may stand in a text where a picture comes, the likeliest first."""
    image = getattr(processor, "image_token", None) or getattr(tokenizer, "image_token", None) or "<image>"
    image = getattr(image, "content", image)
    found = []
    if "vision_start" in ids and "vision_end" in ids:
        start, end = (tokenizer.convert_ids_to_tokens(ids[name]) for name in ("vision_start", "vision_end"))
        found.append(f"{start}{image}{end}")
    begin = getattr(processor, "boi_token", None)
    if isinstance(begin, str):
        found.append(begin)
    return list(dict.fromkeys([*found, image]))


def _template(placeholder, processor):
    video = getattr(processor, "video_token", None)
    image = getattr(processor, "image_token", None)
    for_video = placeholder.replace(image, video) if isinstance(video, str) and isinstance(image, str) else "<video>"
    return TEMPLATE.replace("IMAGE", placeholder).replace("VIDEO", for_video)


def _give_template(processor, template):
    processor.chat_template = template
    processor.tokenizer.chat_template = template
