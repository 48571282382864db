"""Trainers in the libraries' source: where they are defined, what they take, where they switch checkpointing on."""

from __future__ import annotations

import ast

from sftdoctor import nodes
from sftdoctor.predicates.gradient.sources import Module, Sources

_ENABLE = ("activation_checkpointing_enable(", "gradient_checkpointing_enable(")


def trainer_class(sources: Sources, class_: str) -> str | None:
    """Where the trainer's class is defined."""
    stem = class_.removesuffix("Trainer").lower()
    for dotted in (f"trl.trainer.{stem}_trainer.{class_}", f"trl.{class_}", f"transformers.{class_}"):
        located = sources.locate(dotted)
        if located is not None:
            return f"{located[0].name}.{located[1]}"
    return None


def arguments_class(sources: Sources, class_: str) -> str:
    """Where the arguments class is defined; TrainingArguments, its base, where that cannot be found."""
    stem = class_.removesuffix("Config").lower()
    candidates = (
        f"trl.trainer.{stem}_config.{class_}",
        f"trl.{class_}",
        f"transformers.training_args.{class_}",
        f"transformers.{class_}",
    )
    located = next((found for found in map(sources.locate, candidates) if found is not None), None)
    return f"{located[0].name}.{located[1]}" if located is not None else "transformers.training_args.TrainingArguments"


def required(definition: ast.FunctionDef) -> list[str]:
    """The parameters that a call must pass, without self."""
    spec = definition.args
    positional = [item.arg for item in (*spec.posonlyargs, *spec.args)][1:]
    by_keyword = [item.arg for item, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if default is None]
    return [*positional[: len(positional) - len(spec.defaults)], *by_keyword]


def enabling(module: Module) -> ast.If | None:
    """The `if args.gradient_checkpointing:` of transformers' Trainer."""
    for text in _ENABLE:
        for method in module.methods_with(f"self.model.{text}"):
            for node in nodes.walk(method):
                if (
                    isinstance(node, ast.If)
                    and "checkpointing" in ast.unparse(node.test)
                    and text[:-1] in ast.unparse(node)
                ):
                    return node
    return None
