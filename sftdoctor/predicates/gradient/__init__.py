"""What becomes of a model's gradients: the libraries' own functions, evaluated from their source.

No version table stands behind it. The steps of a workload are replayed, and where a library's function decides
(transformers' gradient_checkpointing_enable, trl's SFTTrainer.__init__, peft's prepare_model_for_kbit_training, …),
that function of the target is evaluated by sftdoctor.flow.
"""
