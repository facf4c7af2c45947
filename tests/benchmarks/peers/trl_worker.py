"""Steps of TRL's SFTTrainer on the same abstracts, padded or packed into rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from serve import serve


def prepare(
    base: str, adapter: str, sequences: list[list[int]], steps: int, width: int | None, output: str
) -> Callable[[], Any]:
    """Load a model with an adapter; the work trains it from its first weights.

    Args:
        base: folder of the model and its tokenizer.
        adapter: folder of the adapter.
        sequences: token ids of the abstracts; each step is on all of them.
        steps: steps of AdamW.
        width: tokens of a packed row; a micro-batch is one row. None: one padded batch.
        output: folder that the trainer wants.

    Returns:
        Gives the losses of the steps, and the norm of the last gradient.
    """
    from datasets import Dataset
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTTrainer

    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.pad_token = tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(base, dtype="float32")
    model = PeftModel.from_pretrained(model, adapter, is_trainable=True)
    first = {name: weights.detach().clone() for name, weights in _trained(model)}
    arguments = _arguments(len(sequences), steps, width, output)
    data = Dataset.from_dict({"input_ids": sequences})
    trainer = SFTTrainer(model=model, args=arguments, train_dataset=data, processing_class=tokenizer)
    if width:
        trainer.args.gradient_accumulation_steps = len(trainer.train_dataset)

    def run() -> Any:
        for name, weights in _trained(model):
            weights.data.copy_(first[name])
        trainer.optimizer = trainer.lr_scheduler = None
        trainer.train()
        logs = [each for each in trainer.state.log_history if "grad_norm" in each]
        return [each["loss"] for each in logs], float(logs[-1]["grad_norm"])

    return run


def _arguments(rows: int, steps: int, width: int | None, output: str) -> Any:
    """Settings of the trainer: as ours in the comparison, and nothing written or reported."""
    from trl import SFTConfig

    return SFTConfig(
        output_dir=output,
        max_steps=steps,
        per_device_train_batch_size=1 if width else rows,
        packing=width is not None,
        max_length=width,
        pad_to_multiple_of=None if width else 8,
        shuffle_dataset=False,
        train_sampling_strategy="sequential",
        optim="adamw_torch",
        learning_rate=3e-4,
        lr_scheduler_type="constant",
        weight_decay=0.0,
        max_grad_norm=1.0,
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=True,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def _trained(model: Any) -> list[tuple[str, Any]]:
    return [(name, weights) for name, weights in model.named_parameters() if weights.requires_grad]


if __name__ == "__main__":
    serve(prepare)
