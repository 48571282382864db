"""What the numbers of a model's config mean, told by their names: counts of layers, heads and experts, sizes, ids.

The names are those of the field (`num_hidden_layers`, `n_layer`, `decoder_layers` …), not of single models. Read off
the configs of every causal language model of transformers 5.23 and 4.57.
"""

import re

DEPTH = re.compile(
    r"^(conf_)?(n_layers?|num_(hidden_)?(blocks|layers)(_per_stack)?|(num_)?(en|de)coder_layers|depth|layers)$"
)
"""How many blocks follow each other."""
PERIOD = re.compile(
    r"(layer|attn|attention)_(period|interval|step)$|sparse_step$|every_n_layers$|layer_group_size$"
    r"|^_?(sliding_window|layer)_pattern$|full_attention_interval$"
)
"""One layer in so many is of another kind."""
PATTERN = re.compile(r"(block|layers?)_(block_)?types?$")
"""The kinds of the layers, in their order; begins anew where it is shorter than they are many."""
FIRST = re.compile(
    r"^first_k|^(num|n)_dense_layers$|^moe_layer_start|^max_window_layers$|^(num|n)_first_\w+_layers$|dense_layers$"
)
"""So many of the first layers are of another kind."""
LAST_INDEX = re.compile(r"layer_end_index$")
LAST = re.compile(r"shared_layers$")
"""So many of the last layers are of another kind."""
INDEXES = re.compile(r"layers?(_ids|_idxs?|_indexes|_indices)?$|_(idxs|indexes|indices)$")
"""A list of the numbers of layers."""

HEADS = re.compile(
    r"(^|_)n_?heads?$|(^|_)n_heads?_\w+$|num_(\w+_)?heads(_per_layer)?$|attention_heads$|num_query_groups$"
    r"|^kv_n_heads$|(^|_)n_?groups$|^o_groups$|^n_\w+_heads$"
)
"""How many heads, or groups of heads."""
HEAD_SIZE = re.compile(r"head_?dim$|head_size$|^d_head$|_d_head$|^dim_head$|^d_kv$|kv_channels$|^rotary_dim$")
"""Numbers of one head."""
SECTIONS = re.compile(r"section$")
"""How the frequencies of a head are shared out; they add up to a part of its size."""
WIDTH = re.compile(
    r"(hidden|intermediate|embedding|feed_forward|proj|mlp|output|input|backbone|codebook|feature)\w*_(size|dim)s?$"
    r"|^intermediate_size|(^|_)(ffn|emb|embed|mlp|prompt_mid|mid)_(hidden_)?(dim|size)s?(_\w+)?$|^d_(model|inner|ff)$"
    r"|^(n_embd|n_inner|dff|dim_ff|lru_width|mamba_d_ssm|mamba_intermediate_size|dim_model_base|axial_pos_embds_dim)$"
    r"|_(lora_rank|dt_rank|lowrank|low_rank)$|^time_step_rank$|_width$|^(hidden|intermediate)_dim$|(^|_)(in|out)_dim$"
    r"|hidden_size_per_layer_input|attention_hidden_size$|hidden_dimension$"
)
"""Sizes that grow with the width of the model."""
STATE = re.compile(r"(^|_)(d_state|state_size)$")
"""Numbers of a recurrent state."""

EXPERTS = re.compile(r"(^|_)(num|n)_(\w+_)?experts$|^zero_expert_num$")
SHARED_EXPERTS = re.compile(r"shared_experts?$")
CHOSEN = re.compile(r"experts_per_tok(en)?$|(^|_)(moe_)?top_?k$|^moe_k$|^num_selected_experts$")
"""How many experts one token goes to."""
GROUPS = re.compile(r"^n_group$|num_expert_groups?$")
CHOSEN_GROUPS = re.compile(r"^topk_group$")

VOCABULARY = re.compile(r"vocab(ulary)?_size|_vocab$|vocab_offset$")
TOKEN = re.compile(r"token_(id|ids|index)$|^(bos|eos|pad|unk|sep|mask|cls)_index$|suppress_tokens$")
POSITIONS = re.compile(
    r"^(max_(\w+_)?position(_embedding)?s|n_positions|n_ctx|max_seq_len|seq_length|max_sequence_length|context_length)$"
)
CHUNK = re.compile(r"^(mamba_)?chunk_size$")
"""Tokens of a recurrent layer that are computed at once."""
WINDOW = re.compile(
    r"^(\w+_)?sliding_window(_size)?$|attention_window(_size)?$|^local_attention(_window_len)?$|^window_size$"
    r"|attention_chunk_size$|^keep_window_size$|^index_topk$"
)
"""How far a token sees."""
MAIN_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "decoder_attention_heads", "attention_heads")
MAIN_WIDTH = ("hidden_size", "d_model", "n_embd", "embed_dim", "embedding_dim", "emb_dim", "dim")
MAIN_HEAD_SIZE = ("head_dim", "d_head", "dim_head", "d_kv", "attention_head_size", "kv_channels")
INITIAL = re.compile(r"^(embedding_)?initializer_range$|^(embed_)?init_std$")
TEXT = ("text_config", "decoder", "language_config", "llm_config", "thinker_config", "text_model_config")
"""Names of the part of a config that is the language model's, where it has parts."""


def numbers(value):
    """Whether this is an int and no bool."""
    return isinstance(value, int) and not isinstance(value, bool)
