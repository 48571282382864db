"""The thirteen shapes of `_set_gradient_checkpointing` that fixtures/gradients/truth.json tables, as model folders."""

from __future__ import annotations

from pathlib import Path

_OLD_BODY = "        if isinstance(module, QWenModel):\n            module.gradient_checkpointing = value\n"
_NEW_BODY = (
    "        for module in self.modules():\n"
    '            if hasattr(module, "gradient_checkpointing"):\n'
    "                module._gradient_checkpointing_func = gradient_checkpointing_func\n"
    "                module.gradient_checkpointing = enable\n"
)
_RENAMED = "        if isinstance(module, QWenModel):\n            module.gradient_checkpointing = {}\n"
_STAR_BODY = (
    "        module = args[0] if args else None\n"
    '        value = args[1] if len(args) > 1 else kwargs.get("value", False)\n' + _OLD_BODY
)
_ENABLE_BODY = (
    "        for module in self.modules():\n"
    '            if hasattr(module, "gradient_checkpointing"):\n'
    "                module.gradient_checkpointing = enable\n"
)
_SHAPES = {
    "qwen_orig(module, value=False)": ("module, value=False", _OLD_BODY),
    "(module, value)": ("module, value", _OLD_BODY),
    "(module, value=False, **kw)": ("module, value=False, **kw", _OLD_BODY),
    "(module, enabled=False)": ("module, enabled=False", _RENAMED.format("enabled")),
    "(module, gradient_checkpointing=False)": (
        "module, gradient_checkpointing=False",
        _RENAMED.format("gradient_checkpointing"),
    ),
    "(*args, **kwargs) old body": ("*args, **kwargs", _STAR_BODY),
    "(enable, gradient_checkpointing_func)": ("enable, gradient_checkpointing_func", _NEW_BODY),
    "(enable=True, gradient_checkpointing_func=ckpt)": (
        "enable=True, gradient_checkpointing_func=torch.utils.checkpoint.checkpoint",
        _NEW_BODY,
    ),
    "(enable=True) only": ("enable=True", _ENABLE_BODY),
    "none defined, attribute + flag": None,
    "none defined, flag, NO attribute": None,
    "none defined, no flag": None,
    "qwen_orig but supports flag missing": ("module, value=False", _OLD_BODY),
}
_OVERRIDE = "    def _set_gradient_checkpointing(self, module, value=False):\n" + _OLD_BODY


def write_variant(variant: str, original: Path, folder: Path) -> Path:
    """Write a model folder whose override has one of the shapes.

    Args:
        variant: A key of the tables.
        original: fixtures/models/qwen_old.
        folder: Where to write it.

    Returns:
        The folder.
    """
    shape = _SHAPES[variant]
    text = (original / "modeling_qwen.py").read_text().replace("QWenLMHeadModel", "QLMHeadModel")
    assert _OVERRIDE in text
    if shape is None:
        text = text.replace(_OVERRIDE, "")
    else:
        text = text.replace(_OVERRIDE, f"    def _set_gradient_checkpointing(self, {shape[0]}):\n{shape[1]}")
    if "no flag" in variant or "flag missing" in variant:
        text = text.replace("    supports_gradient_checkpointing = True\n", "")
    if "NO attribute" in variant:
        text = text.replace("        self.gradient_checkpointing = False\n", "")
        text = text.replace("self.gradient_checkpointing and self.training", "False")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "modeling_qwen.py").write_text(text)
    config = (original / "config.json").read_text().replace("QWenLMHeadModel", "QLMHeadModel")
    (folder / "config.json").write_text(config)
    return folder
