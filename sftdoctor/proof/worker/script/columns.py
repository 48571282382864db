"""Which columns a data set has that is not here: what is known of it, what the script reads, what its trainer takes."""

import ast
import os
import re

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
READERS = 20
"""Python files beside the script that are searched for columns."""
FIELD = re.compile(r"dataset_text_field\W{1,4}([A-Za-z_]\w*)")


def columns_of(name, request):
    """The columns of a made-up data set.

    Args:
        name: What the script calls it.
        request: root, script, arguments, and the columns that earlier runs were found to lack.
    """
    texts = _sources(request)
    found = list(KNOWN.get(name) or _read(texts) or _taken(texts))
    field = FIELD.search(" ".join(request["arguments"])) or FIELD.search("\n".join(texts))
    if field and name not in KNOWN:
        found.append(field[1])
    return tuple(dict.fromkeys([*found, *request.get("columns", ())]))


def made_rows(columns, count):
    """Made-up rows, as `Dataset.from_dict` takes them: column → values."""
    return {column: [_value(column, number) for number in range(count)] for column in columns}


def _value(column, number):
    """One made-up value, of the kind that columns of that name hold."""
    text = TEXT.format(number)
    if column in CONVERSATIONS:
        pairs = (("user", "human", f"what does number {number} do"), ("assistant", "gpt", text))
        both = [{"role": role, "content": said, "from": who, "value": said} for role, who, said in pairs]
        # trl compares the keys of messages with those of the form that it knows; the other names have either form
        return [{key: each[key] for key in ("role", "content")} for each in both] if column == "messages" else both
    if column in ("label", "labels"):
        return number % 2
    if column == "tags":
        return ["a", "b"]
    if re.search(r"(^|_)(score|id|num|idx|index)", column):
        return number
    return text


def _sources(request):
    """The texts of the script and of the modules beside it."""
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


def _read(texts):
    """The keys that functions of a script read from what they are given: `example["instruction"]`."""
    found = {}
    for text in texts:
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            continue
        for function in ast.walk(tree):
            if isinstance(function, (ast.FunctionDef, ast.Lambda)):
                found.update(dict.fromkeys(_keys(function)))
    return tuple(found)


def _keys(function):
    """Constant keys that are read from the first parameter, or from what a loop takes out of it."""
    parameters = {each.arg for each in function.args.args if each.arg != "self"}
    if len(parameters) != 1:
        return
    for node in ast.walk(function):
        key = None
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and _is_of(node.value, parameters):
            key = node.slice.value if hasattr(node.slice, "value") else node.slice  # Python 3.8 has an Index there
            key = key.value if isinstance(key, ast.Constant) else key
        if isinstance(key, str) and key.isidentifier():
            yield key


def _is_of(node, names):
    return isinstance(node, ast.Name) and node.id in names


def _taken(texts):
    """What the trainer that a script names takes."""
    return next((columns for name, columns in TRAINERS if any(name in text for text in texts)), ("text",))
