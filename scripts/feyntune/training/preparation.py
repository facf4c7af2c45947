"""What one process of a training prepares: the checked settings, the data, the steps, and the trainer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from feyntune.core.provenance import device_name, provenance
from feyntune.models.load import attention, pick_device
from feyntune.models.tokenizer import load_tokenizer, token_conventions
from feyntune.models.tokens import context_length
from feyntune.training import checks
from feyntune.training.data import TrainingData, load_training_data, step_count
from feyntune.training.evaluation import Evaluator
from feyntune.training.microbatches import MicroBatches, order_steps
from feyntune.training.record import Meter

if TYPE_CHECKING:
    import numpy as np
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from feyntune.config.schema.training import TrainingStage
    from feyntune.training.job import TrainingJob
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
    """Load the model with a fresh adapter, and build the trainer around it."""
    import torch
    from accelerate.utils import set_seed

    from feyntune.training.adapter import load_adapted
    from feyntune.training.trainer import AdapterTrainer, training_arguments

    job, stage, micro_batches = setup.job, setup.stage, _micro_batches(setup)
    arguments = training_arguments(stage, len(setup.order), micro_batches.per_device, job.checkpoints, pick_device())
    set_seed(stage.seed)  # all processes draw the same initial adapter
    model = load_adapted(job.base, (job.base_names or [str(job.base)])[0], stage)
    trainer = AdapterTrainer(
        model=model,
        args=arguments,
        train_dataset=micro_batches,
        evaluator=_evaluator(setup, micro_batches),
        meter=Meter(),
        dtype=getattr(torch, stage.precision.dtype),
    )
    set_seed(stage.seed, device_specific=True)  # from here on each process draws its own dropout
    return trainer


def _micro_batches(setup: TrainingSetup) -> MicroBatches:
    flash = attention(setup.stage.precision, pick_device()) == "flash_attention_2"
    return MicroBatches(
        setup.data.train,
        setup.order,
        devices=max(setup.job.gpus, 1),
        limit=setup.stage.training.per_device_batch_size,
        pad_id=setup.tokenizer.pad_token_id,
        hidden_size=None if flash else setup.config.hidden_size,
    )


def _evaluator(setup: TrainingSetup, micro_batches: MicroBatches) -> Evaluator:
    """An evaluator whose batches have as many tokens as the longest micro-batch, so that the memory suffices."""
    budget = max(setup.tokens.max() // micro_batches.per_step, setup.data.lengths.max())
    settings, context = setup.stage.training.evaluation, context_length(setup.config)
    return Evaluator(setup.data, setup.tokenizer, settings, budget, context, setup.stage.seed)


def describe(setup: TrainingSetup, trainer: AdapterTrainer) -> str:
    """One line for the log: data, steps, micro-batches, device and attention."""
    micro_batches, world_size = trainer.args.gradient_accumulation_steps, trainer.args.world_size
    return (
        f"{len(setup.data.train):,} abstracts, {len(setup.order):,} steps of {setup.tokens.mean():,.0f} tokens,"
        f" {micro_batches} x {world_size} micro-batches a step on {device_name(trainer.args.device)},"
        f" {trainer.model.config._attn_implementation} attention"
    )


def run_record(setup: TrainingSetup, trainer: AdapterTrainer) -> dict[str, Any]:
    """The content of ``run.json``; all but ``measured`` is equal for equal settings, data and machine."""
    tokens = int(setup.tokens.sum())
    return {
        "settings": setup.stage.model_dump(mode="json"),
        **provenance(),
        "device": device_name(trainer.args.device),
        "processes": trainer.args.world_size,
        "attention": trainer.model.config._attn_implementation,
        "tokens": token_conventions(setup.tokenizer),
        "steps": len(setup.order),
        "micro_batches_per_step": trainer.args.gradient_accumulation_steps * trainer.args.world_size,
        "train_abstracts": len(setup.data.train),
        "train_tokens": tokens,
        "test_sample": len(setup.data.test_sample),
        "train_sample": len(setup.data.train_sample),
        "too_long": setup.data.too_long,
        "measured": trainer.meter.summary(tokens),
    }
