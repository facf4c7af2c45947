"""What the work of a job is estimated from: the configuration, its runs, the sizes of its data, its models' shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast

from feyntune.core.schema import Source
from feyntune.planning.devices import DEFAULT
from feyntune.planning.memory import shape_of

if TYPE_CHECKING:
    from feyntune.config.load import Configuration
    from feyntune.config.runs import Run
    from feyntune.config.schema.planning import ModelShape
    from feyntune.planning.sizes import Sizes


@dataclass(frozen=True)
class Context:
    """One configuration and the sizes of its data and models."""

    configuration: Configuration
    runs: Mapping[str, Run]
    """Its runs by name."""
    sizes: Sizes
    """Sizes of its datasets."""
    gpu_memory: float | None = DEFAULT.memory
    """Bytes of a GPU, which trainings with `auto` settings fill."""

    @cached_property
    def shapes(self) -> Mapping[tuple[str, str], ModelShape | None]:
        """Shapes of models by registry and name; None where a shape is not known."""
        return {
            (registry, name): shape_of(self.configuration, registry, name)
            for registry in ("models", "metrics")
            for name, entry in getattr(self.configuration, registry).items()
            if isinstance(entry, Source)  # metrics without a model have no shape
        }

    def shape(self, run: str) -> ModelShape | None:
        """Shape of a run's model."""
        return self.shapes["models", self.model(run)]

    def model(self, run: str) -> str:
        """Name of a run's model; only imported completions, which no stage with a model reads, may have none."""
        return cast("str", self.runs[run].model)

    def tokens(self, run: str, dataset: str | None) -> float:
        """Mean tokens per abstract of a dataset, by the tokenizer of a run's model."""
        name = self.model(run)
        return self.sizes.tokens(dataset, self.configuration.models[name].path or f"results/models/{name}")
