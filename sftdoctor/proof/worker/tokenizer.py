"""The tokenizer that goes with a model: the one of its folder, or one made to fit, with the folder's chat template."""

import json

from .events import short

SENTENCES = (
    "the quick brown fox jumps over the lazy dog",
    "a small test shows what a large run would do",
    "four sentences are enough for an adapter to learn",
    "nothing is downloaded and nothing leaves this folder",
)
VOCABULARY = 128
"""Tokens of a model whose tokenizer is made."""
ROLES = ("system", "user", "assistant", "im_start", "im_end", ":", "<", ">", "|")
TEMPLATE = (
    "{% for message in messages %}<s> {{ message['role'] }} : "
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] }} </s>{% endgeneration %}"
    "{% else %}{{ message['content'] }} </s> {% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<s> assistant : {% endif %}"
)
"""Where a folder has none; says which tokens are the assistant's."""


def make_tokenizer(stack, folder=None, length=128):
    """A word-level tokenizer for SENTENCES; nothing is downloaded.

    Args:
        stack: The libraries.
        folder: The model's folder, whose chat template it gets; None for TEMPLATE.
        length: The longest sequence, in tokens.

    Returns:
        A PreTrainedTokenizerFast with the ids 0 `<pad>`, 1 `<s>`, 2 `</s>`, 3 `<unk>`, then the words; fewer than
        VOCABULARY.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = sorted({*" ".join(SENTENCES).split(), *ROLES})
    vocabulary = {word: index for index, word in enumerate(["<pad>", "<s>", "</s>", "<unk>", *words])}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = stack.transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=length,
    )
    tokenizer.chat_template = (chat_template(folder) if folder else None) or TEMPLATE
    return tokenizer


def chat_template(folder):
    """The chat template that lies in a model's folder, as text; None where there is none."""
    for name in ("chat_template.jinja", "chat_template.json", "tokenizer_config.json"):
        try:
            text = (folder / name).read_text(encoding="utf-8")
            found = text if name.endswith(".jinja") else json.loads(text).get("chat_template")
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(found, list):  # several, by name
            found = next((each.get("template") for each in found if each.get("name") == "default"), None)
        if isinstance(found, str):
            return found
    return None


def fitting_tokenizer(stack, folder, remote=False):
    """The tokenizer of a model's folder.

    Args:
        stack: The libraries.
        folder: The folder; None where there is none.
        remote: Whether its own code may run.

    Returns:
        (the tokenizer, or None where it must be made; notes on why).
    """
    if folder is None:
        return None, ["its tokenizer is made for the test"]
    names = ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model", "vocab.txt", "tokenizer_config.json")
    if not any((folder / name).is_file() for name in names[:-1]):
        return None, ["its folder has no tokenizer: one is made for the test, with its chat template if it has one"]
    options = {"trust_remote_code": True} if remote else {}
    try:
        return stack.transformers.AutoTokenizer.from_pretrained(str(folder), **options), []
    except Exception as error:
        return None, [f"the folder's tokenizer cannot be loaded ({short(error)}): one is made for the test"]
