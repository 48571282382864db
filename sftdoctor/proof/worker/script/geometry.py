"""How large pictures are, and how many tokens they become, in a config and in the processor that goes with it."""

from .. import meaning

SIDE = 4
"""A small picture is so many tokens high and wide."""
FACTORS = ("scale_factor", "spatial_merge_size", "pixel_shuffle_ratio", "downsample_ratio")
"""How many patches of a side become one token, or by which part they are scaled down."""
TOKENS = ("mm_tokens_per_image", "image_seq_length", "num_image_tokens", "image_seq_len", "mm_soft_tokens_per_image")
"""How many tokens a picture becomes."""


def small_geometry(config):
    """A config whose pictures are few tokens, each of as many patches as before; changed in place, and given back."""
    vision, text = vision_part(config), text_part(config)
    # what the tower gives is as wide as what the language model takes, as in every real config
    for name in ("out_hidden_size", *(("hidden_size",) if "embed_dim" in vision else ())):
        if name in vision and meaning.numbers(text.get("hidden_size")):
            vision[name] = text["hidden_size"]
    patch, old = _one(vision.get("patch_size")), vision.get("image_size")
    if not patch or not meaning.numbers(_one(old)):
        return config
    merged = _merged(config, vision)
    # where so many tokens are asked for, a picture has twice as many patches on a side, which are pooled
    fixed = [name for name in TOKENS if meaning.numbers(config.get(name))]
    pooled = 2 if "mm_tokens_per_image" in fixed else 1
    new = patch * merged * SIDE * pooled
    vision["image_size"] = [new] * len(old) if isinstance(old, (list, tuple)) else new
    for name in fixed:
        config[name] = SIDE * SIDE
    for part in (config, vision):
        if isinstance(part.get("num_image_tokens"), int):
            part["num_image_tokens"] = SIDE * SIDE
    points = config.get("image_grid_pinpoints")
    if isinstance(points, list) and meaning.numbers(old):
        config["image_grid_pinpoints"] = [[each * new // old for each in point] for point in points]
    return config


def vision_part(config):
    """The part of a config that is of the tower that sees; empty where there is none."""
    return next((config[name] for name in ("vision_config", "visual") if isinstance(config.get(name), dict)), {})


def text_part(config):
    """The part of a config that is the language model's; the whole where it has no parts."""
    return next((config[name] for name in meaning.TEXT if isinstance(config.get(name), dict)), config)


def _merged(config, vision):
    """How many patches of a side become one token."""
    for part in (config, vision):
        for name in FACTORS:
            value = part.get(name)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
                return int(value) if value >= 1 else round(1 / value)
    return 1


def _one(value):
    return value[0] if isinstance(value, (list, tuple)) and value else value


def processor_options(whole, parameters):
    """What a processor is told beside its parts, from the config."""
    vision = vision_part(whole)
    patch, size = _one(vision.get("patch_size")), _one(vision.get("image_size"))
    merged = _merged(whole, vision)
    count = next((whole[name] for name in TOKENS if meaning.numbers(whole.get(name))), None)
    if count is None and meaning.numbers(patch) and meaning.numbers(size):
        count = (size // patch // merged) ** 2
    known = {
        "patch_size": patch,
        "spatial_merge_size": whole.get("spatial_merge_size", vision.get("spatial_merge_size")),
        "vision_feature_select_strategy": whole.get("vision_feature_select_strategy"),
        **dict.fromkeys(TOKENS, count),
    }
    return {name: value for name, value in known.items() if name in parameters and value is not None}


def part_sizes(part, whole):
    """What a part of a processor must be told so that it cuts pictures as the config says."""
    vision = vision_part(whole)
    size, patch, merged = _one(vision.get("image_size")), _one(vision.get("patch_size")), _merged(whole, vision)
    found = {}
    for name in ("size", "crop_size", "max_image_size"):
        value = getattr(part, name, None)
        if not meaning.numbers(size) or value is None:
            continue
        keys = {key for key, each in dict(value).items() if each is not None} if not isinstance(value, int) else set()
        if keys == {"height", "width"}:
            found[name] = {"height": size, "width": size}
        elif keys == {"shortest_edge"}:
            found[name] = {"shortest_edge": size}
        elif keys == {"longest_edge"}:  # of what is split into pictures of max_image_size
            found[name] = {"longest_edge": 2 * size if name == "size" and hasattr(part, "max_image_size") else size}
    for name, value in (("patch_size", patch), ("merge_size", merged), ("image_seq_length", None)):
        if hasattr(part, name) and value is not None:
            found[name] = {"height": value, "width": value} if isinstance(getattr(part, name), dict) else value
    if meaning.numbers(vision.get("temporal_patch_size")) and hasattr(part, "temporal_patch_size"):
        found["temporal_patch_size"] = vision["temporal_patch_size"]
    if "image_grid_pinpoints" in whole and hasattr(part, "image_grid_pinpoints"):
        found["image_grid_pinpoints"] = whole["image_grid_pinpoints"]
    if meaning.numbers(size) and meaning.numbers(patch):
        found["image_seq_length"] = (size // patch // merged) ** 2  # PaliGemma's processor asks its part for it
    return found
