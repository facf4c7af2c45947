"""Where the workflow keeps models and adapters, relative to the working folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feyntune.config.weights import dequantised_name

if TYPE_CHECKING:
    from feyntune.config.load import Configuration
    from feyntune.config.runs import Run
    from feyntune.config.schema.evaluated import EvaluationStage


def model_folder(configuration: Configuration, registry: str, name: str) -> str:
    """The folder of an entry of ``models`` or ``metrics``: its own, or the one that it is fetched into."""
    return getattr(configuration, registry)[name].path or f"results/{registry}/{name}"


def dequantised_folder(model: str, stage: EvaluationStage) -> str:
    """The folder with the dequantised weights of a base model (a name), as an evaluation uses them."""
    return f"results/models/{dequantised_name(model, stage.quantization, stage.precision)}"


def trained_folder(run: Run) -> str:
    """The folder of what a run has trained: an adapter, or a whole model."""
    return f"results/full/{run.name}" if run.is_full else f"results/adapters/{run.name}"


def run_model_folder(configuration: Configuration, run: Run) -> str:
    """The folder of the model that a run evaluates, without its adapter if it has one."""
    return trained_folder(run) if run.is_full else model_folder(configuration, "models", str(run.model))


def adapter_folder(run: Run) -> str:
    """The folder of a run's adapter: named by the configuration, or trained or fetched by the workflow."""
    return run.adapter.path if run.adapter and run.adapter.path else f"results/adapters/{run.name}"
