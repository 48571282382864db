"""The tiny model that a proof trains where no other is named."""

from .tokenizer import SENTENCES, make_tokenizer


def make_model(stack, folder):
    """Saves a tiny Llama and a tokenizer to a folder; nothing is downloaded."""
    tokenizer = make_tokenizer(stack, " ".join(SENTENCES).split())
    config = stack.transformers.LlamaConfig(
        vocab_size=64,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        initializer_range=0.15,  # with the usual 0.02 a frozen lm_head this narrow can tell no word from another
    )
    stack.transformers.LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
