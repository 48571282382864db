"""Which columns a data set has that is not here: what is known of it, what the script reads, what its trainer takes."""

import re

from .pictures import made_picture
from .reading import CONVERSATION, FILE, LIST, NUMBER, PICTURE, TEXTS, keys_read
from .world import PICTURES, is_installed, sources_of

KNOWN = {
    "trl-lib/Capybara": ("messages",),
    "HuggingFaceTB/smoltalk": ("messages",),
    "HuggingFaceH4/ultrachat_200k": ("prompt", "messages"),
    "philschmid/dolly-15k-oai-style": ("messages",),
    "timdettmers/openassistant-guanaco": ("text",),
    "mlabonne/guanaco-llama2-1k": ("text",),
    "stanfordnlp/imdb": ("text", "label"),
    "imdb": ("text", "label"),
    "Abirate/english_quotes": ("quote", "author", "tags"),
    "tatsu-lab/alpaca": ("instruction", "input", "output", "text"),
    "yahma/alpaca-cleaned": ("output", "input", "instruction"),
    "lucasmccabe-lmi/CodeAlpaca-20k": ("instruction", "input", "output"),
    "databricks/databricks-dolly-15k": ("instruction", "context", "response", "category"),
    "Open-Orca/OpenOrca": ("id", "system_prompt", "question", "response"),
    "trl-lib/ultrafeedback_binarized": ("chosen", "rejected"),
    "Anthropic/hh-rlhf": ("chosen", "rejected"),
    "trl-lib/tldr": ("prompt", "completion"),
    "openai/gsm8k": ("question", "answer"),
    "samsum": ("id", "dialogue", "summary"),
    "HuggingFaceH4/llava-instruct-mix-vsft": ("messages", "images"),
    "trl-lib/llava-instruct-mix": ("images", "prompt", "completion"),
    "HuggingFaceH4/rlaif-v_formatted": ("images", "prompt", "chosen", "rejected"),
    "HuggingFaceM4/ChartQA": ("image", "query", "label", "human_or_machine"),
    "unsloth/LaTeX_OCR": ("image", "text"),
    "merve/vqav2-small": ("image", "question", "multiple_choice_answer"),
    "lmms-lab/multimodal-open-r1-8k-verified": ("image", "problem", "solution"),
}
"""Repository → columns, as their data cards show them."""
SPLITS = {"HuggingFaceH4/ultrachat_200k": ("train_sft", "test_sft", "train_gen", "test_gen")}
CONVERSATIONS = ("messages", "conversations", "conversation")
TRAINERS = (
    ("DPOTrainer", ("prompt", "chosen", "rejected")),
    ("ORPOTrainer", ("prompt", "chosen", "rejected")),
    ("CPOTrainer", ("prompt", "chosen", "rejected")),
    ("RewardTrainer", ("chosen", "rejected")),
    ("KTOTrainer", ("prompt", "completion", "label")),
    ("GRPOTrainer", ("prompt",)),
    ("RLOOTrainer", ("prompt",)),
)
"""Class whose name stands in a script → columns that it takes; any other takes a text."""
TEXT = "the quick brown fox jumps over the lazy dog and number {} looks on"
IMAGE = re.compile(r"^(pil_)?(image|img|picture|photo)(_?\d+)?$", re.IGNORECASE)
IMAGES = re.compile(r"^(image|img|picture|photo)s(_list)?$", re.IGNORECASE)
SAID = ("prompt", "chosen", "rejected", "completion")
"""Columns that are messages where the data set has pictures, and texts elsewhere."""
WORSE = "the quick brown fox jumps over the lazy dog and nobody of those {} knows why"
"""What is rejected. Were it what is chosen, no gradient would be left; what both begin with is taken for the prompt."""
FIELD = re.compile(r"dataset_text_field\W{1,4}([A-Za-z_]\w*)")


def columns_of(name, request):
    """The columns of a made-up data set.

    Args:
        name: What the script calls it.
        request: root, script, arguments, and the columns that earlier runs were found to lack.
    """
    texts = sources_of(request)
    found = list(KNOWN.get(name) or keys_read(texts) or _taken(texts))
    field = FIELD.search(" ".join(request["arguments"])) or FIELD.search("\n".join(texts))
    if field and name not in KNOWN:
        found.append(field[1])
    return tuple(dict.fromkeys([*found, *request.get("columns", ())]))


def made_rows(columns, count, read=None, folder=None):
    """Made-up rows, as `Dataset.from_dict` takes them: column → values.

    Args:
        columns: Their names.
        count: How many rows.
        read: Column → how the script uses it (see reading.keys_read); those that it does not read are left out.
        folder: Where the files go that the script opens; None for none.
    """
    read, seen = read or {}, any(IMAGE.match(column) or IMAGES.match(column) for column in columns)
    rows = {
        column: [_value(column, columns, number, read.get(column), seen, column in read) for number in range(count)]
        for column in columns
    }
    for column in columns:
        if folder is not None and read.get(column) == FILE and is_installed("PIL"):
            rows[column] = [_saved(made_picture(number), folder / f"{number}.png") for number in range(count)]
    return rows


def _saved(picture, path):
    """The path of a picture that a script opens itself: one from the root, so that no folder is put before it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return str(path)


def _value(column, columns, number, use, seen, is_read):
    """One made-up value.

    Args:
        column: Its column's name.
        columns: Of all its row.
        number: Its row's number.
        use: What the script does with it, or None.
        seen: Whether it comes with pictures.
        is_read: Whether the script reads it, and does not leave it to its trainer.
    """
    text = (WORSE if column == "rejected" else TEXT).format(number)
    if IMAGES.match(column) or (IMAGE.match(column) and use == LIST):
        return [made_picture(number)]
    if use == PICTURE or (IMAGE.match(column) and use not in (FILE, TEXTS)):
        return made_picture(number)
    if column in CONVERSATIONS or use == CONVERSATION or (seen and column in SAID and not is_read):
        return _messages(column, number, text, seen)
    if use == LIST:
        return [text]
    if use == NUMBER or column in ("label", "labels"):
        return number % 2 if use == NUMBER or "completion" not in columns else bool(number % 2)  # KTO asks for True
    if column == "tags":
        return ["a", "b"]
    if use is None and re.search(r"(^|_)(score|id|num|idx|index)", column):
        return number
    return text


def _messages(column, number, text, seen):
    """A conversation, or the part of one that a column of that name is."""
    pairs = (("user", "human", f"what does number {number} do"), ("assistant", "gpt", text))
    if seen:
        asked, answered = [{"type": "text", "text": pairs[0][2]}], [{"type": "text", "text": text}]
        asked.insert(0, {"type": "image", "text": None})
        both = [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
    else:
        both = [{"role": role, "content": said, "from": who, "value": said} for role, who, said in pairs]
        if column in ("messages", *SAID):
            # trl compares the keys of messages with those of the form that it knows; the other names have either form
            both = [{key: each[key] for key in ("role", "content")} for each in both]
    return both[:1] if column == "prompt" else both[1:] if column in SAID else both


def _taken(texts):
    """What the trainer that a script names takes."""
    found = next((columns for name, columns in TRAINERS if any(name in text for text in texts)), None)
    if any(PICTURES.search(text) for text in texts):
        return (*(found or ("messages",)), "images")
    return found or ("text",)
