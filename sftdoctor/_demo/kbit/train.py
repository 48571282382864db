"""Fine-tunes a Llama in 8 bit with LoRA, as a thousand tutorials do it."""

from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from trl import SFTConfig, SFTTrainer

model = AutoModelForCausalLM.from_pretrained(
    "tiny-llama",
    quantization_config=BitsAndBytesConfig(load_in_8bit=True),
    device_map={"": "cpu"},
)
tokenizer = AutoTokenizer.from_pretrained("tiny-llama")
sentence = "the quick brown fox jumps over the lazy dog and sleeps in front of his warm house"
trainer = SFTTrainer(
    model=model,
    args=SFTConfig(
        output_dir="out",
        max_steps=5,
        learning_rate=1e-2,
        gradient_checkpointing=True,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        bf16=False,
        use_cpu=True,
    ),
    train_dataset=Dataset.from_dict({"text": [sentence] * 40}),
    processing_class=tokenizer,
    peft_config=LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"),
)
trainer.train()
losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
print(f"trained {len(losses)} steps: loss {losses[0]:.2f} -> {losses[-1]:.2f}")
