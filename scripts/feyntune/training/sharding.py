"""Fully sharded data parallelism (``training.parallel: fsdp``): every process holds a part of each weight.

It is PyTorch's FSDP2 by accelerate. Each decoder layer is gathered when it computes, and forgotten after that; its
gradients are averaged and divided among the processes in the backward pass. 4-bit weights are stored in the number
format of the computation (``bnb_4bit_quant_storage``), because only such tensors can be divided.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from feyntune.config.methods import FSDP
from feyntune.core.errors import FeynTuneError

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator

    from feyntune.config.schema.training import TrainingStage
    from feyntune.training.loss import NextTokenLoss

OPTIMIZERS = ("adagrad", "adamw_torch", "adamw_torch_fused", "rmsprop", "sgd")
"""Optimizers of torch, which compute on parts of weights."""
FSDP_ARGUMENTS: dict[str, Any] = {
    "fsdp": True,
    "fsdp_config": {"version": 2, "state_dict_type": "FULL_STATE_DICT", "cpu_ram_efficient_loading": False},
}
"""Arguments of transformers' ``TrainingArguments``. Layers are divided by the model's own list of classes."""


def check_sharding(stage: TrainingStage, gpus: int) -> None:
    """Refuse settings with which a model cannot be divided among GPUs.

    Args:
        stage: settings of the training.
        gpus: data-parallel processes; 0: one on the CPU.

    Raises:
        FeynTuneError: there is one.
    """
    training = stage.training
    if training.parallel != FSDP:
        return
    optimizer, place = training.optimizer.name, "training.parallel: fsdp"
    if gpus < 2:
        raise FeynTuneError(f"{place} divides a model among GPUs, and there is {gpus}; set gpus to 2 or more, or ddp")
    if stage.quantization.method == "int8":
        raise FeynTuneError(f"{place} cannot divide int8 weights; set quantization.method to nf4, fp4 or none")
    if stage.precision.dtype == "float16":
        raise FeynTuneError(f"{place} is not tested in float16; set precision.dtype to bfloat16")
    if stage.lora.init == "loftq":
        raise FeynTuneError(f"{place} does not combine with lora.init: loftq; set lora.init to default")
    if optimizer not in OPTIMIZERS:
        raise FeynTuneError(f"{place} does not work with {optimizer}; set training.optimizer.name to adamw_torch")


def divide_on_cpus(accelerator: Accelerator, plugin_arguments: dict[str, Any]) -> None:
    """Let accelerate divide a model among processes without GPUs, as it does on GPUs; by itself it ignores FSDP there.

    Args:
        accelerator: the trainer's.
        plugin_arguments: of accelerate's plugin, from ``TrainingArguments``.
    """
    from accelerate import PartialState
    from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

    for state in (accelerator.state, PartialState()):  # as accelerate does where it does not ignore it
        state.distributed_type = DistributedType.FSDP
    accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin(**plugin_arguments)


def compute_inside(model: torch.nn.Module, loss: NextTokenLoss) -> None:
    """Let a loss compute as part of the model's forward pass, so that FSDP gathers the weights that it uses.

    Args:
        model: the divided model.
        loss: loss of the causal language model in it.

    Raises:
        FeynTuneError: the model is not divided.
    """
    from torch.distributed.fsdp import FSDPModule, register_fsdp_forward_method

    if not isinstance(model, FSDPModule):
        raise FeynTuneError("training.parallel: accelerate has not divided the model; set it to ddp, and report this")
    head = loss.model.get_output_embeddings()
    for name in ("total", "by_token"):
        inside = f"next_token_loss_{name}"
        setattr(model, inside, _with_head(head, getattr(loss, name)))
        register_fsdp_forward_method(model, inside)
        setattr(loss, name, getattr(model, inside))


def _with_head(head: torch.nn.Module, compute: Callable[..., Any]) -> Callable[..., Any]:
    """The function, after the head's weights were gathered: a loss reads them without a forward pass of the head."""
    from torch.distributed.fsdp import FSDPModule

    def computed(*arguments: Any) -> Any:
        if isinstance(head, FSDPModule):
            head.unshard()
        return compute(*arguments)

    return computed


def gathered_weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The trained weights of a divided model by name, whole, in the memory of the first process's host.

    All processes must call it; for the others the result is empty.
    """
    import torch
    from torch.distributed.tensor import DTensor

    found = {}
    for name, weight in model.named_parameters(remove_duplicate=False):
        if weight.requires_grad:
            whole = weight.full_tensor() if isinstance(weight, DTensor) else weight
            if torch.distributed.get_rank() == 0:
                found[name] = whole.detach().cpu()
    return found
