"""What a training cannot be: refused in one line, before a model is loaded and before the first GPU second."""

from feyntune.errors import FeynTuneError
from feyntune.models import linear_layers


def check_batch(training, gpus):
    """Refuse an effective batch that the devices do not divide."""
    if training.batch_size % gpus:
        below = training.batch_size // gpus * gpus
        fitting = f"{below} or {below + gpus}" if below else gpus
        raise FeynTuneError(
            f"training.batch_size: {gpus} GPUs do not divide {training.batch_size}; take {fitting}, or other 'gpus'"
        )


def check_names(training):
    """Refuse optimisers and schedules that transformers does not have."""
    from transformers import SchedulerType
    from transformers.training_args import OptimizerNames

    for place, name, known in (
        ("optimizer", training.optimizer.name, OptimizerNames),
        ("schedule", training.schedule.name, SchedulerType),
    ):
        names = [member.value for member in known]
        if name not in names:
            raise FeynTuneError(f"training.{place}.name: transformers has no {name!r}; it has {', '.join(names)}")


def check_machine(quantization, precision, device):
    """Refuse formats that this machine cannot train with."""
    if device.type == "cuda":
        return
    if quantization.method == "int8":
        raise FeynTuneError("quantization.method: int8 needs a GPU; take nf4, fp4 or none on this machine")
    if precision.dtype == "float16":
        raise FeynTuneError("precision.dtype: training in float16 needs a GPU; take bfloat16 or float32 here")


def check_target_modules(target_modules, config):
    """Refuse layers that the model does not have, and list those that it has."""
    present = linear_layers(config)
    unknown = [name for name in target_modules if name not in present]
    if unknown:
        raise FeynTuneError(
            f"target_modules: {config.model_type} has no layer {unknown[0]!r}; it has {', '.join(present)}"
        )


def longest_sequence(training, config):
    """The most tokens in a sequence: as set, or as the model can take. Raises if set to more than that."""
    limit = getattr(config, "max_position_embeddings", None)
    if training.max_length and limit and training.max_length > limit:
        raise FeynTuneError(f"training.max_length: {training.max_length} is more than the model's {limit}")
    return training.max_length or limit
