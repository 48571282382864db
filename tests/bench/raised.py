"""How many of the errors that the stack raises itself `explain` knows, by library.

    python -m tests.bench.raised FOLDER [FOLDER …] [--library trl] [--unknown]

Each FOLDER is a site-packages folder; nothing in it is imported. Every `raise` and `assert` with words of its own, in
the modules that a fine-tuning run reaches, is asked for as its log would show it: two frames, and its message with a
word, then a number, where something is filled in. It counts as answered where either is, and as a page where the answer
is no more than the page of a kind of link. A message of several releases counts once.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from sftdoctor.explanation import Symptoms, is_page
from sftdoctor.link.locate import parse, read_source
from sftdoctor.model import Frame, Raised
from sftdoctor.raises import Site, sites
from sftdoctor.ruleset import load_rules

REACHED = {
    "trl": r"trainer/(?!ppo|alignprop|ddpo|gkd|nash|online|xpo)|models/|data_utils|import_utils|scripts/|core|extras",
    "transformers": r"trainer\w*|training_args\w*|modeling_(?!tf|flax)\w*|core_model_loading|conversion_mapping"
    r"|quantizers/|integrations/(?!executorch|ggml|integration_utils)|tokenization_utils\w*|configuration_utils"
    r"|generation/(?!tf|flax|candidate|stopping)|processing_utils|image_processing_\w*|data/data_collator|optimization"
    r"|hf_argparser|utils/(hub|import_utils|quantization_config|chat_template\w*|versions|loading_report)|safetensors_conv"
    r"|models/auto/|dynamic_module_utils|masking_utils|cache_utils|modelcard|convert_slow_tokenizer|loss/|deepspeed"
    r"|models/(llama|mistral|mixtral|qwen2|qwen3|gemma\d?|phi3|gpt2|gptj|bloom|falcon|opt|t5)/(modeling|tokenization|conf)",
    "peft": r"(?!tuners/(boft|hra|vblora|fourierft|randlora|bone|xlora|trainable|c3a|shira|road|waveft|gralora))\w",
    "accelerate": r"(?!test_utils|big_modeling_tests)\w",
    "bitsandbytes": r"(?!research)\w",
    "datasets": r"load|builder|arrow_\w+|features/|table|dataset_dict|data_files|info|splits|formatting/|inspect"
    r"|packaged_modules/(json|csv|text|parquet|generator|folder_based)|utils/(?!tf_utils)|iterable_dataset|fingerprint",
    "torch": r"utils/(checkpoint|data/(dataloader|_utils|sampler|dataset|distributed))|autograd/|amp/|cuda/(?!_gpu)"
    r"|optim/|nn/parallel/|nn/modules/(module|sparse|linear|activation)|nn/functional|nn/utils|distributed/(fsdp|distrib"
    r"uted_c10d|run|launcher|elastic|checkpoint/|device_mesh|rendezvous)|serialization|_tensor|_utils|__init__|storage",
    "deepspeed": r"runtime/(?!pipe|comm|compress|swap)|__init__|comm/|launcher/|ops/(op_builder|adam)|utils/|accelera",
    "flash_attn": r"flash_attn_interface|bert_padding|layers/rotary|ops/triton/(rotary|cross)",
}
"""Which modules, by the start of their path below the library's folder."""
LEFT_OUT = re.compile(r"(^|/)(tests?|testing|benchmarks?)/|_(tf|flax)_|/(tf|flax)_")
NO_CAUSE = ("NotImplementedError", "StopIteration", "KeyError", "AttributeError", "SystemExit", "IndexError", "")
"""Raised by a protocol of Python's, or by an abstract method: people rarely meet them as words."""
FEWEST = 18
"""Letters of a message that counts: shorter ones are anybody's."""


def raised_in(folder: Path, library: str) -> Iterator[tuple[str, Site]]:
    """Every raise of a library with words of its own, and the path of its module within the folder."""
    reached = re.compile(REACHED[library])
    for path in sorted((folder / library).rglob("*.py")):
        inside = path.relative_to(folder / library).as_posix()
        if not reached.match(inside) or LEFT_OUT.search(inside):
            continue
        try:
            tree = parse(read_source(path), str(path))
        except (OSError, ValueError):
            continue
        for site in sites(tree):
            if site.kind not in NO_CAUSE and sum(map(str.isalpha, "".join(site.words))) >= FEWEST:
                yield f"{library}/{inside}", site


def answers(path: str, site: Site, known: Symptoms) -> list[str]:
    """Ids of the rules that answer for a raise, with a word or with a number in it."""
    frames = (
        Frame("/home/me/train.py", 40, "main", "trainer.train()"),
        Frame(f"/venv/lib/python3.11/site-packages/{path}", site.line, site.function.rpartition(".")[2]),
    )
    for filling in ("model", "8"):
        message = filling.join(site.words).strip()[:4_000]
        if hits := known.of(Raised(site.kind, message, frames)):
            return list(hits)
    return []


def main(argv: Sequence[str] | None = None) -> None:
    """Ask for them all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--library", choices=sorted(REACHED), action="append")
    parser.add_argument("--unknown", action="store_true", help="list what no rule knows")
    asked = parser.parse_args(argv)
    rules = load_rules()
    known, pages = Symptoms(rules), {rule.id for rule in rules if is_page(rule)}
    print("| library | raised | answered | of a page alone | not known |\n|---|--:|--:|--:|--:|")
    unknown: list[str] = []
    for library in asked.library or REACHED:
        found = {
            (site.kind, site.words): (path, site)
            for folder in asked.folders
            for path, site in raised_in(folder, library)
        }
        counts: Counter[str] = Counter()
        for path, site in found.values():
            ids = answers(path, site, known)
            counts["page" if pages.issuperset(ids) and ids else "answered" if ids else "unknown"] += 1
            if not ids:
                unknown.append(f"{path}:{site.line} {site.function} {site.kind}: {'…'.join(site.words)}")
        print(f"| {library} | {len(found)} | {counts['answered']} | {counts['page']} | {counts['unknown']} |")
    if asked.unknown:
        print("", *(" ".join(line.split())[:400] for line in unknown), sep="\n")


if __name__ == "__main__":
    main()
