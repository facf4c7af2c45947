"""What one process of a training prepares: the checked settings, the data, the steps, and the trainer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from feyntune.config.methods import FSDP, FULL
from feyntune.core.cli import say
from feyntune.core.errors import FeynTuneError
from feyntune.core.integrity import base_record
from feyntune.core.provenance import device_name, provenance
from feyntune.models.load import attention, pick_device
from feyntune.models.shape import DTYPE_BYTES, MARGIN, cache_bytes, shape_of
from feyntune.models.tokenizer import load_tokenizer, token_conventions
from feyntune.models.tokens import context_length
from feyntune.training import checks, distributed
from feyntune.training.data import TrainingData, load_training_data, step_count
from feyntune.training.evaluation import Evaluator
from feyntune.training.fit import (
    Demand,
    FitPlan,
    activation_bytes,
    free_bytes,
    largest_micro_batch,
    possible_fits,
    state_bytes,
)
from feyntune.training.initialisation import initial_weights
from feyntune.training.microbatches import PADDING, MicroBatches, order_steps
from feyntune.training.record import Meter
from feyntune.training.step_adapters import VALIDATION, StepAdapters, best_step

if TYPE_CHECKING:
    import numpy as np
    from peft import PeftModel
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from feyntune.config.schema.training import TrainingStage
    from feyntune.training.job import TrainingJob
    from feyntune.training.loss import NextTokenLoss
    from feyntune.training.trainer import AdapterTrainer


@dataclass(frozen=True)
class TrainingSetup:
    """A training before its model is loaded."""

    job: TrainingJob
    config: PretrainedConfig
    """Configuration of the base model."""
    tokenizer: PreTrainedTokenizerBase
    data: TrainingData
    order: np.ndarray
    """Abstracts of each step, shape (steps, batch size)."""

    @property
    def stage(self) -> TrainingStage:
        """Settings of the run."""
        return self.job.settings

    @property
    def tokens(self) -> np.ndarray:
        """Tokens of each step without padding, shape (steps,)."""
        return self.data.lengths[self.order].sum(axis=1)


def prepare(job: TrainingJob) -> TrainingSetup:
    """Check the settings, read the data, and draw the steps.

    Raises:
        FeynTuneError: the settings, the data or this machine do not allow this training.
    """
    stage, config = job.settings, checks.check_job(job)
    tokenizer = load_tokenizer(job.base)
    data = load_training_data(job, tokenizer, checks.longest_sequence(stage.training, config))
    steps = step_count(stage.training, len(data.train))
    order = order_steps(data.lengths, stage.training.batch_size, steps, stage.seed)
    return TrainingSetup(job, config, tokenizer, data, order)


def build_trainer(setup: TrainingSetup) -> AdapterTrainer:
    """Load the model, with a fresh adapter if one is trained, and build the trainer around it."""
    import torch
    from accelerate.utils import set_seed

    from feyntune.training.arguments import training_arguments
    from feyntune.training.loss import NextTokenLoss
    from feyntune.training.trainer import AdapterTrainer

    job, stage, devices = setup.job, setup.stage, max(setup.job.gpus, 1)
    arguments = training_arguments(stage, len(setup.order), job.checkpoints, pick_device())
    set_seed(stage.seed)  # all processes draw the same initial adapter
    model, causal = _load_model(setup)
    loss = NextTokenLoss(causal, stage.training.neftune_noise_alpha)
    if not loss.chunked:
        say(f"{setup.config.model_type} changes its logits after the head: all logits of a micro-batch are in memory")
    trainer = AdapterTrainer(
        model=model,
        args=arguments,
        micro_batches=_micro_batches(setup, devices),
        fits=_fit_plan(setup, model, devices),
        loss=loss,
        evaluator=_evaluator(setup, loss),
        meter=Meter(),
        dtype=getattr(torch, stage.precision.dtype),
        lora_plus_ratio=stage.training.optimizer.lora_plus_ratio,
        initial=initial_weights(cast("PeftModel", model), stage),
        step_adapters=_step_adapters(setup),
    )
    set_seed(stage.seed, device_specific=True)  # from here on each process draws its own dropout
    return trainer


def _step_adapters(setup: TrainingSetup) -> StepAdapters | None:
    """Copies of the adapter at the evaluation steps: all of them for an archive, else what may be the best."""
    job, training = setup.job, setup.stage.training
    if not job.archive and training.keep == "last":
        return None
    steps = training.evaluation.steps(len(setup.order))
    return StepAdapters(job.checkpoints, steps, all_steps=job.archive is not None)


def _load_model(setup: TrainingSetup) -> tuple[PeftModel | PreTrainedModel, PreTrainedModel]:
    """The model that is trained, and the causal language model in it; both are the same if all weights are trained."""
    job, stage = setup.job, setup.stage
    if stage.training.method == FULL:
        from feyntune.training.full import load_trainable

        whole = load_trainable(job.base, stage)
        return whole, whole
    from feyntune.training.adapter import load_adapted

    adapted = load_adapted(job.base, (job.base_names or [str(job.base)])[0], stage)
    return adapted, cast("PreTrainedModel", adapted.get_base_model())


def _micro_batches(setup: TrainingSetup, devices: int) -> MicroBatches:
    flash = attention(setup.stage.precision, pick_device()) == "flash_attention_2"
    return MicroBatches(
        setup.data.train,
        setup.order,
        devices=devices,
        pad_id=setup.tokenizer.pad_token_id,
        hidden_size=None if flash else setup.config.hidden_size,
    )


def _fit_plan(setup: TrainingSetup, model: PeftModel | PreTrainedModel, devices: int) -> FitPlan:
    """The divisions of a step that the settings allow, and the fastest that fits into the memory of every GPU.

    Besides activations, a training needs gradients of what it trains, and the state of its optimizer.
    """
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    shape, number_bytes = shape_of(setup.config), DTYPE_BYTES[setup.stage.precision.dtype]
    held = _held_bytes(setup, model, trained, devices)
    demands = {}
    for fit in possible_fits(setup.stage.training, setup.stage.training.batch_size // devices):
        tokens = largest_micro_batch(setup.data.lengths, setup.order, devices * fit.micro_batches)
        activations = activation_bytes(shape, number_bytes, tokens / (1 - PADDING), fit.recompute)
        demands[fit] = Demand(tokens, MARGIN * (held + activations))
    free = distributed.gather(free_bytes(pick_device()))
    return FitPlan(demands, None if None in free else min(cast("list[float]", free)))


def _held_bytes(setup: TrainingSetup, model: PeftModel | PreTrainedModel, trained: int, devices: int) -> float:
    """Bytes of a GPU that a step needs whatever its size, besides the weights that are there already.

    With FSDP it is a part of them, with the weights that are not there yet, and the whole weights of a few layers.
    """
    states = trained * state_bytes(setup.stage.training, DTYPE_BYTES[setup.stage.precision.dtype])
    if setup.stage.training.parallel != FSDP:
        return states
    weights = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    missing = weights if setup.stage.quantization.method == "none" else 0
    return (states + missing) / devices + 4 * weights / setup.config.num_hidden_layers


def _evaluator(setup: TrainingSetup, loss: NextTokenLoss) -> Evaluator:
    settings, context = setup.stage.training.evaluation, context_length(setup.config)
    cache = cache_bytes(shape_of(setup.config), DTYPE_BYTES[setup.stage.precision.dtype], 1)
    in_step, seed = setup.stage.training.parallel == FSDP, setup.stage.seed_of_evaluations
    return Evaluator(setup.data, setup.tokenizer, loss, settings, cache, context, seed, in_step)


def describe(setup: TrainingSetup, trainer: AdapterTrainer) -> str:
    """One line for the log: data, steps, micro-batches, device and attention."""
    return (
        f"{len(setup.data.train):,} abstracts, {len(setup.order):,} steps of {setup.tokens.mean():,.0f} tokens,"
        f" on {trainer.args.world_size} x {device_name(trainer.args.device)}: {trainer.fits},"
        f" {trainer.model.config._attn_implementation} attention"
    )


def _kept_step(setup: TrainingSetup, trainer: AdapterTrainer) -> dict[str, Any]:
    """The step of the published adapter and by what it was chosen, for ``run.json``; nothing if it is the last one."""
    if setup.stage.training.keep == "last":
        return {}
    step = published_step(setup, trainer)
    chosen = next(entry for entry in trainer.state.log_history if entry["step"] == step and VALIDATION in entry)
    return {"kept_step": step, VALIDATION: chosen[VALIDATION], "validation_sample": len(setup.data.validation_sample)}


def published_step(setup: TrainingSetup, trainer: AdapterTrainer) -> int:
    """The step whose adapter is published.

    Raises:
        FeynTuneError: that with the best validation perplexity is asked for, and no such perplexity is finite.
    """
    if setup.stage.training.keep == "last":
        return trainer.state.global_step
    step = best_step(trainer.state.log_history)
    if step is None:
        raise FeynTuneError(
            "training.keep: no evaluation has a finite validation perplexity; lower training.optimizer.learning_rate"
        )
    return step


def run_record(setup: TrainingSetup, trainer: AdapterTrainer) -> dict[str, Any]:
    """The content of ``run.json``; all but ``measured`` is equal for equal settings, data and machine."""
    tokens = int(setup.tokens.sum())
    of_adapters = {"lora", "target_modules"} if setup.stage.training.method == FULL else None
    return {
        "settings": setup.stage.model_dump(mode="json", exclude=of_adapters),
        **provenance(),
        "device": device_name(trainer.args.device),
        "processes": trainer.args.world_size,
        "attention": trainer.model.config._attn_implementation,
        "tokens": token_conventions(setup.tokenizer),
        "steps": len(setup.order),
        "micro_batches_per_step": trainer.fits.current.micro_batches * trainer.args.world_size,
        "gradient_checkpointing": trainer.fits.current.recompute,
        "fits": trainer.meter.fits,
        "train_abstracts": len(setup.data.train),
        "train_tokens": tokens,
        "test_sample": len(setup.data.test_sample),
        "train_sample": len(setup.data.train_sample),
        **_kept_step(setup, trainer),
        "too_long": setup.data.too_long,
        "base_weights": base_record(setup.job.base),
        "measured": trainer.meter.summary(tokens),
    }
