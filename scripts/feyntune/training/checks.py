"""What a training cannot be: refused in one line, before a model is loaded and before the first GPU second."""

from feyntune.core.errors import FeynTuneError
from feyntune.models.load import check_quantization, context_length, linear_layers, pick_device


def check_early(options):
    """Check all that can be checked without a model; returns the model's configuration."""
    stage = options.settings
    check_batch(stage.training, max(options.gpus, 1))
    if not (options.base / "config.json").is_file():
        raise FeynTuneError(f"{options.base}: no config.json there; name a Hugging Face model folder in models.*.path")
    check_machine(stage.quantization, stage.precision, options.gpus, pick_device())
    check_names(stage.training)
    check_arguments(stage)
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(options.base, local_files_only=True)
    check_target_modules(stage.target_modules, config)
    return config


def check_batch(training, gpus):
    """Refuse an effective batch that the devices do not divide."""
    if training.batch_size % gpus:
        below = training.batch_size // gpus * gpus
        fitting = f"{below} or {below + gpus}" if below else gpus
        raise FeynTuneError(
            f"training.batch_size: {gpus} GPUs do not divide {training.batch_size}; take {fitting}, or other 'gpus'"
        )


def check_names(training):
    """Refuse optimisers and schedules that transformers does not have, or that wait for a metric we do not give."""
    from transformers import SchedulerType
    from transformers.training_args import OptimizerNames

    schedules = set(SchedulerType) - {SchedulerType.REDUCE_ON_PLATEAU, SchedulerType.GREEDY}
    for place, name, known in (
        ("optimizer", training.optimizer.name, OptimizerNames),
        ("schedule", training.schedule.name, schedules),
    ):
        names = sorted(member.value for member in known)
        if name not in names:
            raise FeynTuneError(f"training.{place}.name: there is no {name!r}; there is {', '.join(names)}")


def check_arguments(stage):
    """Refuse arguments that the named optimiser or schedule does not take, by making both for a single number."""
    import torch
    from transformers import Trainer, get_scheduler

    from feyntune.training.trainer import training_arguments

    arguments = training_arguments(stage, 10, 1, ".", pick_device())
    number = torch.nn.Parameter(torch.zeros(1))
    place = "optimizer"
    try:
        kind, given = Trainer.get_optimizer_cls_and_kwargs(arguments)
        sgd = torch.optim.SGD([number])  # stands in for those optimisers that are made from a whole model
        optimizer = kind([number], **given) if isinstance(kind, type) else sgd
        place = "schedule"
        get_scheduler(
            arguments.lr_scheduler_type, optimizer, 1, 10, scheduler_specific_kwargs=arguments.lr_scheduler_kwargs
        )
    except (TypeError, ValueError, KeyError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise FeynTuneError(
            f"training.{place}: {getattr(stage.training, place).name} cannot be made: {reason}"
        ) from None


def check_machine(quantization, precision, gpus, device):
    """Refuse formats that this machine cannot train with, and more GPUs than it has."""
    import torch
    from transformers.utils import is_flash_attn_2_available

    check_quantization(quantization, device)
    if precision.attention == "flash_attention_2" and not is_flash_attn_2_available():
        raise FeynTuneError("precision.attention: flash_attention_2 is not there on this machine; take auto or sdpa")
    if device.type == "cuda":
        present = torch.cuda.device_count()
        if gpus > present:
            raise FeynTuneError(f"gpus: {gpus} are asked for, and this job sees {present}; ask for as many")
        return
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
    limit = context_length(config)
    if training.max_length and limit and training.max_length > limit:
        raise FeynTuneError(f"training.max_length: {training.max_length} is more than the model's {limit}")
    return training.max_length or limit
