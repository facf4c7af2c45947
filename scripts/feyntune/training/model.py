"""The base model with a fresh adapter on it."""


def load_adapted(folder, name, stage):
    """Load a quantised base model and put a LoRA adapter on it, drawn from the global random numbers: seed them first.

    Args:
        folder: folder of the base model.
        name: by which the adapter remembers its base model.
        stage: ``settings.training.TrainingStage``.
    """
    from peft import get_peft_model

    from feyntune.models.load import load_base

    model = get_peft_model(load_base(folder, stage.quantization, stage.precision), lora_config(stage))
    model.peft_config["default"].base_model_name_or_path = name
    return model


def lora_config(stage):
    """The adapter as peft wants to be told of it."""
    from peft import LoraConfig

    return LoraConfig(
        task_type="CAUSAL_LM",
        r=stage.lora.r,
        lora_alpha=stage.lora.alpha,
        lora_dropout=stage.lora.dropout,
        bias=stage.lora.bias,
        use_dora=stage.lora.use_dora,
        use_rslora=stage.lora.use_rslora,
        target_modules=stage.target_modules,
    )
