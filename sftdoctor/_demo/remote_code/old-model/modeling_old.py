"""A small language model whose code is of the generation of Qwen-7B-Chat: its hook has the signature of 2023."""

from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from .configuration_old import OldConfig


class OldBlock(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.hidden_size)
        self.c_attn = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.c_proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden_states):
        query, key, value = self.c_attn(self.ln_1(hidden_states)).chunk(3, dim=-1)
        attended = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return hidden_states + self.c_proj(attended)


class OldPreTrainedModel(PreTrainedModel):
    config_class = OldConfig
    base_model_prefix = "transformer"
    supports_gradient_checkpointing = True
    _no_split_modules = ["OldBlock"]

    def _init_weights(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            module.weight.data.normal_(mean=0.0, std=0.15)

    def _set_gradient_checkpointing(self, module, value=False):
        if isinstance(module, OldModel):
            module.gradient_checkpointing = value


class OldModel(OldPreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.gradient_checkpointing = False
        self.wte = nn.Embedding(config.vocab_size, config.hidden_size)
        self.h = nn.ModuleList([OldBlock(config) for _ in range(config.num_hidden_layers)])
        self.ln_f = nn.LayerNorm(config.hidden_size)
        self.post_init()

    def get_input_embeddings(self):
        return self.wte

    def set_input_embeddings(self, value):
        self.wte = value

    def forward(self, input_ids):
        hidden_states = self.wte(input_ids)
        for block in self.h:
            if self.gradient_checkpointing and self.training:
                hidden_states = checkpoint(block, hidden_states, use_reentrant=True)
            else:
                hidden_states = block(hidden_states)
        return self.ln_f(hidden_states)


class OldLMHeadModel(OldPreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.transformer = OldModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_output_embeddings(self):
        return self.lm_head

    def forward(self, input_ids=None, labels=None, **kwargs):
        logits = self.lm_head(self.transformer(input_ids))
        loss = None
        if labels is not None:
            loss = nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        return CausalLMOutput(loss=loss, logits=logits)

    def prepare_inputs_for_generation(self, input_ids, **kwargs):
        return {"input_ids": input_ids}


