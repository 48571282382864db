"""Tokenizers: the real one where its files are here, else one made of bytes, with a chat template."""

import functools
import os

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
TOKENIZER_FILES += ("vocab.json", "merges.txt", "tokenizer.model", "spiece.model", ".tiktoken", ".jinja")
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
MARKS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end|>", "<image>")
"""Tokens that scripts ask for by name."""
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] }}<|im_end|>{% endgeneration %}"
    "{% else %}{{ message['content'] }}<|im_end|>{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
DROPPED = ("subfolder", "revision", "use_fast", "legacy", "from_slow")


class Tokenizers:
    """Gives every name of a tokenizer the folder that the model of that name has.

    Args:
        world: The run.
    """

    def __init__(self, world):
        self.world = world

    def install(self, hooks):
        """Puts itself before the libraries' loaders.

        Args:
            hooks: Where changes of modules are asked for.
        """
        places = (
            ("transformers.models.auto.tokenization_auto", "AutoTokenizer"),
            ("transformers.tokenization_utils_base", "PreTrainedTokenizerBase"),
            ("transformers.models.auto.processing_auto", "AutoProcessor"),
            ("transformers.processing_utils", "ProcessorMixin"),
            ("transformers.models.auto.image_processing_auto", "AutoImageProcessor"),
            ("transformers.image_processing_base", "ImageProcessingMixin"),
        )
        for module, name in places:
            hooks.after(module, functools.partial(self._redirect, name=name))

    def _redirect(self, module, name):
        from .models import redirect

        choose = {"AutoTokenizer": self._folder, "PreTrainedTokenizerBase": self._of_class}.get(name, self._processor)
        if hasattr(module, name):
            redirect(getattr(module, name), choose)

    def _folder(self, cls, name, kwargs):
        if self.world.is_inside(name) and os.path.exists(name):
            return None
        self.world.emit("stage", stage="load")
        folder = self.world.models.folder(name, kwargs, cls)
        return str(folder), {key: value for key, value in kwargs.items() if key not in DROPPED}

    def _processor(self, cls, name, kwargs):
        """The same for what makes pictures into numbers, too."""
        folder = self.world.models.processor_folder(name, kwargs, cls)
        return str(folder), {key: value for key, value in kwargs.items() if key not in DROPPED}

    def _of_class(self, cls, name, kwargs):
        """The same for a class of tokenizers, which may want files that a made one does not have."""
        chosen = self._folder(cls, name, kwargs)
        wanted = set(getattr(cls, "vocab_files_names", {}).values())
        if (
            chosen is None
            or "tokenizer.json" in wanted
            or any(os.path.exists(os.path.join(chosen[0], n)) for n in wanted)
        ):
            return chosen
        import transformers

        self.world.replaced(f"{cls.__name__} by PreTrainedTokenizerFast, since its files are not here")
        return (*chosen, transformers.PreTrainedTokenizerFast)


def make_tokenizer(transformers, folder, template=None, marks=(), named=None, cls=None):
    """Saves a tokenizer whose tokens are bytes, so that it takes any text; nothing is downloaded.

    Args:
        transformers: The module.
        folder: Where it goes.
        template: A chat template; None for one of ours.
        marks: More special tokens.
        named: Name of an attribute (image_token) → the special token that it has.
        cls: The class that it should be of; None for the general one.

    Returns:
        It.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    special = list(dict.fromkeys([*SPECIAL, *MARKS, *marks]))
    tokens = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    raw = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.add_special_tokens(special)
    kinds = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    more = {"extra_special_tokens": named} if named else {}
    more["model_input_names"] = ["input_ids", "attention_mask"]  # generate() refuses what its model does not take
    tokenizer = (cls or transformers.PreTrainedTokenizerFast)(
        tokenizer_object=raw, model_max_length=4096, **kinds, **more
    )
    tokenizer.chat_template = template or TEMPLATE
    tokenizer.save_pretrained(str(folder))
    return tokenizer
