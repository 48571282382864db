"""Fine-tunes a model with code of its own, with LoRA and gradient checkpointing."""

from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, Trainer, TrainingArguments

config = AutoConfig.from_pretrained("old-model", trust_remote_code=True)
model = AutoModelForCausalLM.from_config(config, trust_remote_code=True)
model.gradient_checkpointing_enable()
model.enable_input_require_grads()
model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=["c_attn"], task_type="CAUSAL_LM"))

rows = [{"input_ids": list(range(4, 20)), "labels": list(range(4, 20))} for _ in range(40)]
trainer = Trainer(
    model=model,
    args=TrainingArguments(
        output_dir="out",
        max_steps=5,
        learning_rate=1e-2,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
    ),
    train_dataset=rows,
)
trainer.train()
losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
print(f"trained {len(losses)} steps: loss {losses[0]:.2f} -> {losses[-1]:.2f}")
