"""Configuration of a model that brings its own code."""

from transformers import PretrainedConfig


class OldConfig(PretrainedConfig):
    model_type = "old"

    def __init__(self, vocab_size=64, hidden_size=32, num_hidden_layers=2, **kwargs):
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        super().__init__(**kwargs)
