"""Makes the config of a model small: the same architecture and the same quirks, by what its numbers mean.

Nothing here knows a model by name. One divisor for the numbers of heads and one for the size of a head are found; what
is as wide as a multiple of both is divided by both, so that what fits together before fits together after. Layers are
left out, but of every kind one stays.
"""

import copy
import re
from fractions import Fraction
from math import ceil, gcd

from . import meaning
from .layers import Layers

HEAD_SIZES = (16, 32, 20, 24, 12, 28, 40, 8)
"""Sizes of a small head, the best first."""
WIDEST = 1024
"""A model that its numbers of heads would leave wider than this gets four of them, whatever the ratio was."""
QUANTUM = 64
"""Widths are multiples of it: as in real models, 4-bit blocks must not reach over the end of a row."""
EXPERTS = 4
STATE = 16
WINDOW = 16
"""Tokens; shorter than the rows of a proof, so that a window makes a difference."""
LONGEST = 4096
"""Positions that a model gets which learns them one by one."""
SPECIAL = {"pad": 0, "bos": 1, "eos": 2, "unk": 3, "cls": 1, "sep": 2, "decoder_start": 1}
"""Name of a token in a config → its id in the tokenizer that is made."""


def shrink(config, vocabulary=None, of_a_kind=1, narrow=True, ids=None):
    """A small config of the same architecture.

    Args:
        config: A config as a dictionary, every default filled in (`config.to_dict()`); it stays as it is.
        vocabulary: Tokens of the tokenizer that is made for it, which gives the special ones the ids of SPECIAL; None
            where the model keeps its own tokenizer, its vocabulary and its ids.
        of_a_kind: Layers of every kind that stay. (Some share weights among those of a kind, which one alone cannot.)
        narrow: Whether it gets narrower too, and not only less deep.
        ids: Ids of more special tokens of that tokenizer: {"image": 12} for image_token_id or image_token_index.

    Returns:
        The small one, for `from_dict` of the same class.
    """
    small = copy.deepcopy(config)
    tokens = Tokens(vocabulary, ids or {}) if vocabulary else None
    _shrink_part(small, tokens, None, of_a_kind, narrow)
    for name in ("quantization_config", "_name_or_path", "transformers_version"):
        small.pop(name, None)
    for name in ("dtype", "torch_dtype"):
        if name in small:
            small[name] = "float32"
    return small


def _shrink_part(part, tokens, text, of_a_kind, narrow):
    """Shrinks one part of a config in place, then those inside it; the language model's first.

    Args:
        part: The part.
        tokens: Gives the ids of the tokenizer that is made, or None.
        text: (old width, new width) of the language model, which others must fit; None in it.
        of_a_kind: Layers of every kind that stay.
        narrow: Whether widths shrink.
    """
    inner = [name for name, value in part.items() if isinstance(value, dict) and _is_part(value)]
    inner.sort(key=lambda name: name not in meaning.TEXT)
    for name in inner:
        widths = _shrink_part(part[name], tokens, text, of_a_kind, narrow)
        if text is None and name in meaning.TEXT:
            text = widths
    layers = Layers(part, of_a_kind)
    scale = Scale(part, text, narrow)
    before = dict(part)
    for name, value in list(part.items()):
        if name not in inner:
            part[name] = _shrunken(name, layers.cut(name, value), scale, tokens)
    part.update(layers.counts())
    _keep_products(before, part)
    return scale.widths


def _keep_products(before, after):
    """Where heads × their size was a width of the same prefix (`mamba_d_ssm`), it still is.

    Args:
        before: A part of the config.
        after: The same, shrunken; changed in place.
    """
    for width in (name for name in after if meaning.WIDTH.search(name) and meaning.numbers(before[name])):
        prefix = width.split("_")[0] + "_"
        for heads in (name for name in after if name.startswith(prefix) and meaning.HEADS.search(name)):
            for size in (name for name in after if name.startswith(prefix) and meaning.HEAD_SIZE.search(name)):
                known = all(meaning.numbers(before[name]) for name in (heads, size))
                if known and before[heads] * before[size] == before[width]:
                    after[width] = after[heads] * after[size]


def _is_part(value):
    """Whether a dictionary is a config of its own and not, say, the parameters of a RoPE."""
    return "model_type" in value or any(meaning.DEPTH.match(str(name)) for name in value)


def _shrunken(name, value, scale, tokens):
    """One value made small, by the meaning of its name."""
    if isinstance(value, dict):
        # an id → label table, RoPE's parameters for each kind of layer: those have their own numbers
        return {key: _shrunken(str(key), each, scale, tokens) for key, each in value.items()}
    if meaning.TOKEN.search(name) and tokens is not None:
        return tokens.id_of(name, value)
    if isinstance(value, list):
        if meaning.SECTIONS.search(name) and value:
            return scale.sections(value)
        if len(value) == scale.frequencies and all(isinstance(each, (int, float)) for each in value):
            return value[: scale.new_frequencies]
        return [_shrunken(name, each, scale, tokens) for each in value]
    if isinstance(value, float) and meaning.INITIAL.search(name):
        return max(value, scale.initial)
    if not meaning.numbers(value) or value <= 1:
        return value
    return _smaller(name, value, scale, tokens)


def _smaller(name, value, scale, tokens):
    """An int above 1 made small."""
    if meaning.VOCABULARY.search(name):
        return min(value, tokens.vocabulary) if tokens is not None else value
    if meaning.CHOSEN_GROUPS.search(name):
        return 1
    if meaning.GROUPS.search(name) or (scale.experts and scale.chooses(name)):
        return min(value, 2)
    if meaning.SHARED_EXPERTS.search(name):
        return min(value, 2)
    if meaning.EXPERTS.search(name):
        return min(value, EXPERTS)
    if meaning.STATE.search(name):
        return min(value, STATE)
    if not scale.pixels and (meaning.WINDOW.search(name) or meaning.CHUNK.search(name)):
        return min(value, WINDOW)
    if meaning.POSITIONS.search(name):
        return value if scale.rotary else min(value, LONGEST)
    if meaning.HEAD_SIZE.search(name):
        return scale.head_size(value)
    if meaning.HEADS.search(name):
        return scale.heads(value)
    if meaning.WIDTH.search(name):
        return scale.width(name, value)
    return value


class Tokens:
    """Gives every special token of a config an id that the made tokenizer has."""

    def __init__(self, vocabulary, ids):
        self.vocabulary = vocabulary
        self._ids = ids
        self._taken = {}
        self._next = vocabulary - 1

    def id_of(self, name, value):
        """The id, or ids, for a name such as `eos_token_id`; nothing stays nothing."""
        if isinstance(value, list):
            known = self._special(name)
            return [known] if known is not None and value else [self.id_of(name, each) for each in value]
        if not meaning.numbers(value) or value < 0:
            return value
        known = self._ids.get(re.sub(r"_token_(id|index)$", "", name), self._special(name))
        if known is not None:
            return known
        if value not in self._taken:
            self._taken[value] = self._next
            self._next -= 1
        return self._taken[value]

    @staticmethod
    def _special(name):
        return next((number for key, number in SPECIAL.items() if re.match(rf"(forced_)?{key}_", name)), None)


class Scale:
    """The divisors of one part: of the numbers of its heads, of the size of one head, and of its widths.

    Args:
        part: The part of the config, not yet changed.
        text: (old width, new width) of the language model beside it, or None.
        narrow: Whether anything is divided at all.
    """

    def __init__(self, part, text, narrow=True):
        counts = [value for name, value in part.items() if meaning.HEADS.search(name)]
        flat = [each for value in counts for each in (value if isinstance(value, list) else [value])]
        flat = [each for each in flat if meaning.numbers(each)]
        main = _first(part, *meaning.MAIN_HEADS) or max(flat, default=0)
        # a tower that sees, with a width of its own, calls the width that it gives away hidden_size
        self._own = (
            "embed_dim" if text and "embed_dim" in part and part.get("hidden_size") == text[0] else "hidden_size"
        )
        hidden = _first(part, self._own, *meaning.MAIN_WIDTH)
        size = _first(part, *meaning.MAIN_HEAD_SIZE) or (hidden // main if hidden and main else 0)
        # a projection to a rank and the rotary part of a head at once: their sum must fit kernels too
        best = QUANTUM // 2 if "kv_lora_rank" in part else HEAD_SIZES[0]
        self._heads, new = _divide(flat, main, size, best) if narrow and size else (1, size)
        self._size = max(1, size // new) if new else 1
        self._width = max(1, self._heads * Fraction(size, new)) if new else 1
        if not size and hidden and narrow:  # no heads at all: a state-space model
            self._width = max(1, hidden // QUANTUM)
        self._text = text
        products = {count * each for count in flat for each in _sizes(part)} | {main * size}
        self._exact = {hidden} if any(hidden * times in products for times in (1, 2, 4)) else set()
        # a tower that sees measures its windows in pixels
        self.pixels = "patch_size" in part
        # without experts, top_k is how text is generated
        self._generates = "top_p" in part
        self.experts = any(meaning.EXPERTS.search(name) for name in part)
        self.rotary = any("rope" in name or "rotary" in name for name in part)
        self.frequencies = size // 2 if size >= 16 else -1
        self.new_frequencies = new // 2
        new_hidden = self.width("", hidden) if hidden else 0
        self.initial = min(0.15, 1.2 / max(new_hidden, 16) ** 0.5)
        self.widths = (hidden, new_hidden)

    def chooses(self, name):
        """Whether a name says how many experts a token goes to; top_k beside top_p is how text is generated."""
        return meaning.CHOSEN.search(name) and name != "index_topk" and not (name == "top_k" and self._generates)

    def heads(self, value):
        """A number of heads."""
        return max(1, round(value / self._heads))

    def head_size(self, value):
        """A size of a head; even, since rotary embeddings turn pairs."""
        return value // self._size if value % (2 * self._size) == 0 else max(4, value // self._size // 2 * 2)

    def sections(self, value):
        """Shares of a head's frequencies, with the sum that they had."""
        whole = max(1, sum(value) // self._size)
        small = [max(1, each // self._size) for each in value]
        small[-1] += whole - sum(small)
        return small if small[-1] > 0 else value

    def width(self, name, value):
        """A width; that of the language model where another part must fit to it."""
        if self._width == 1:
            return value
        if self._text and value == self._text[0] and name not in (self._own, "intermediate_size"):
            return self._text[1]
        small, left = divmod(value, self._width)
        small = int(small)
        if not left and small >= 8 and (small % QUANTUM == 0 or value in self._exact):
            return small
        return min(value, max(QUANTUM, ceil(value / self._width / QUANTUM) * QUANTUM))


def _sizes(part):
    """The sizes of a part's heads, of whatever kind."""
    return [value for name, value in part.items() if meaning.HEAD_SIZE.search(name) and meaning.numbers(value)]


def _first(part, *names):
    """The first of the names that stands there with a number."""
    return next((part[name] for name in names if meaning.numbers(part.get(name)) and part[name] > 0), 0)


def _divide(counts, main, size, wanted):
    """What the numbers of heads are divided by, and the size that a head gets.

    The ratios stay, and two of each are left where there were two. All heads together are a multiple of QUANTUM wide,
    the few for keys and values of half of it, as they are in real models and some kernels want them.

    Args:
        counts: All numbers of heads.
        main: That of the queries.
        size: Of one head.
        wanted: What that should become.
    """
    several = [count for count in counts if count > 1]
    common = gcd(*several) if several else 1
    few = min(counts, default=1)
    sizes = [each for each in (*HEAD_SIZES, *range(8, 42, 2), size) if size % each == 0 and each <= size]
    fitting = [
        (divisor, each)
        for divisor in range(1, common + 1)
        if common % divisor == 0 and (divisor == 1 or min(several) // divisor >= 2)
        for each in sizes
        if main // divisor * each % QUANTUM == 0 and max(1, few // divisor) * each % (QUANTUM // 2) == 0
    ]
    # the narrowest, but for heads that are too small for rotary embeddings of a part of them
    best = min(
        fitting,
        key=lambda pair: (pair[1] < 0.75 * wanted, main // pair[0] * pair[1], abs(pair[1] - wanted)),
        default=(1, sizes[0]),
    )
    return best if main // best[0] * best[1] <= WIDEST else (Fraction(main, 4), 2 * HEAD_SIZES[0])
