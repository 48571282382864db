"""Fills in what a config made from a model's name alone leaves open, as every config that came with weights does."""

from . import meaning


def fill(config):
    """Fills in a config that says nothing where its model needs something.

    Args:
        config: A config of a text model as a dictionary, of nothing but defaults; changed in place.

    Returns:
        The names that were filled in.
    """
    heads, layers = _first(config, "num_attention_heads", "n_head"), _first(config, "num_hidden_layers", "n_layer")
    hidden = _first(config, "hidden_size", "n_embd", "d_model")
    wanted = {}
    for name, value in config.items():
        if isinstance(value, dict) and name in meaning.TEXT:
            wanted.update({f"{name}.{inner}": None for inner in fill(value)})
        if value is not None:
            continue
        if name == "head_dim" and heads and hidden:
            wanted[name] = hidden // heads
        elif name == "num_key_value_heads" and heads:
            wanted[name] = heads
        elif name == "layer_types" and layers:
            wanted[name] = ["full_attention"] * layers
        elif name == "n_routed_experts":
            wanted[name] = 8
        elif name == "n_shared_experts":
            wanted[name] = 1
        elif name in ("num_experts_per_tok", "moe_topk"):
            wanted[name] = 2
    if config.get("is_decoder") is False and not config.get("is_encoder_decoder"):
        wanted["is_decoder"] = True  # what generates text from left to right
    config.update({name: value for name, value in wanted.items() if "." not in name})
    return sorted(wanted)


def _first(config, *names):
    return next((config[name] for name in names if meaning.numbers(config.get(name))), 0)
