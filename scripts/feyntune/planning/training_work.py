"""The work of a training: its steps, its evaluations and its control prompts.

A matrix of P weights costs 2 P operations per token forward, and as many backward for the gradients of the activations.
The base model's weights have no gradients, and an adapter has few weights: so a training costs 4 P, and 6 P where
activations are recomputed. Training all weights costs 2 P more, for their gradients.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

from feyntune.config import stages
from feyntune.config.methods import FSDP, FULL
from feyntune.planning import memory
from feyntune.planning.memory import forward_operations, stored_bytes
from feyntune.planning.work import PADDING, SAFE, Work
from feyntune.training.fit import Demand, Fit, FitPlan, possible_fits

if TYPE_CHECKING:
    from feyntune.config.schema.planning import ModelShape
    from feyntune.config.schema.training import Training, TrainingStage
    from feyntune.planning.context import Context


def train(context: Context, run: str) -> Work:
    """The work of a run's training."""
    shape, dataset = context.shape(run), cast("str", context.runs[run].dataset)
    stage = stages.training_stage(context.configuration, context.runs[run])
    training, rows = stage.training, context.sizes.dataset(dataset).rows["train"]
    each = context.tokens(run, dataset) + 2
    seen = abstracts_seen(training, rows)
    if not shape:
        return Work(tokens=seen * each, known=False)
    gpus = stages.gpus(context.configuration, context.runs[run])
    control_prompts = min(training.evaluation.max_new_tokens, each) * (training.evaluation.times + 1)
    fits = _training_fits(context, shape, stage, each, gpus)
    return Work(
        tokens=seen * each,
        operations=_training_operations(shape, training, rows, seen, each, fits.current) / max(gpus, 1),
        phase="training",
        steps=control_prompts * bool(training.evaluation.control_prompts),
        layers=shape.num_hidden_layers,
        moved=memory.base_weight_bytes(shape, stage) + 4 * memory.trained_parameters(shape, stage),
        loaded=stored_bytes(shape),
        peak=fits.demand.memory,
        fewest_gpus=_fewest_gpus(context, shape, stage, gpus),
        disk=memory.training_disk(shape, stage) * (1 + _archived_steps(context, training, seen)),
    )


def _archived_steps(context: Context, training: Training, seen: float) -> int:
    """Adapters in the archive of a training's evaluation steps; ``seen``: abstracts that it processes in all."""
    if training.method == FULL or not context.configuration.evaluation.checkpoints:
        return 0
    return evaluated_steps(training, seen)


def evaluated_steps(training: Training, seen: float) -> int:
    """Evaluations of a training besides the one before the first step; ``seen``: abstracts that it processes in all."""
    return len(training.evaluation.steps(max(1, math.ceil(seen / training.batch_size))))


def abstracts_seen(training: Training, rows: int) -> float:
    """Abstracts that a training processes in all; ``rows``: those of its training split."""
    return training.max_steps * training.batch_size if training.max_steps else rows * training.num_train_epochs


def _training_fits(context: Context, shape: ModelShape, stage: TrainingStage, each: float, gpus: int) -> FitPlan:
    """How a training will divide its steps, as it chooses itself; on a CPU there is no limit."""
    own, trained = stage.training.batch_size // max(gpus, 1), memory.trained_parameters(shape, stage)
    demands = {}
    for fit in possible_fits(stage.training, own):
        tokens = PADDING * each * own / fit.micro_batches
        needed = memory.training_bytes(shape, stage, tokens, trained, fit.recompute, gpus)
        demands[fit] = Demand(tokens, needed)
    return FitPlan(demands, context.gpu_memory if gpus else None)


def _fewest_gpus(context: Context, shape: ModelShape, stage: TrainingStage, gpus: int) -> int | None:
    """GPUs among which FSDP has to divide a model that does not fit otherwise; None if it fits, or never does."""
    trained, limit = memory.trained_parameters(shape, stage), SAFE * (context.gpu_memory or float("inf"))

    def fits(stage: TrainingStage, count: int) -> bool:
        return memory.CONTEXT + memory.MARGIN * memory.model_bytes(shape, stage, trained, count) <= limit

    if gpus < 1 or fits(stage, gpus):
        return None
    divided = stage.model_copy(update={"training": stage.training.model_copy(update={"parallel": FSDP})})
    return next((count for count in (2, 4, 8, 16, 32, 64) if fits(divided, count)), None)


def _training_operations(shape: ModelShape, training: Training, rows: int, seen: float, each: float, fit: Fit) -> float:
    """Operations of training steps and evaluations.

    Args:
        shape: shape of the base model.
        training: settings of the training.
        rows: abstracts in the training split.
        seen: abstracts that the training processes in all.
        each: tokens per abstract.
        fit: division of the steps.
    """
    passes = (6 if fit.recompute else 4) + (2 if training.method == FULL else 0)
    forward = seen * each * forward_operations(shape, each)
    fraction, evaluated = _evaluated_while_training(training, rows)
    return forward * passes / 2 * (1 + fraction) + evaluated * each * forward_operations(shape, each)


def _evaluated_while_training(training: Training, rows: int) -> tuple[float, float]:
    """Cost of the evaluations: a fraction of the training's where it is `auto`, and abstracts where it is not."""
    test, train = training.evaluation.test_rows, training.evaluation.train_rows
    asked = (test, train, test) if training.keep == "best" else (test, train)  # of the validation split, as many
    times = training.evaluation.times + 1
    counted = sum(rows if each is None else each for each in asked if each != "auto")
    return 0.025 * asked.count("auto") / 3, times * min(counted, 2 * rows)
