"""Fine-tunes a Llama with LoRA and gradient checkpointing, wrapped by hand and never prepared for it."""

from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    Trainer,
    TrainingArguments,
)

model = AutoModelForCausalLM.from_pretrained("tiny-llama")
tokenizer = AutoTokenizer.from_pretrained("tiny-llama")
model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))

sentence = "the quick brown fox jumps over the lazy dog and sleeps in front of his warm house"
rows = Dataset.from_dict(dict(tokenizer([sentence] * 40)))
trainer = Trainer(
    model=model,
    args=TrainingArguments(
        output_dir="out",
        max_steps=5,
        learning_rate=1e-2,
        gradient_checkpointing=True,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
    ),
    train_dataset=rows,
    data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
)
trainer.train()
losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
print(f"trained {len(losses)} steps: loss {losses[0]:.2f} -> {losses[-1]:.2f}")
