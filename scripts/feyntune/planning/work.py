"""The work of each stage: tokens, operations and bytes, from the shape of its model and the size of its data.

A matrix of P weights costs 2 P operations per token forward, and as many backward for the gradients of the activations.
The base model's weights have no gradients, and an adapter has few weights: so a training costs 4 P, and 6 P where
activations are recomputed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from feyntune.config import stages
from feyntune.config.reported import reported_metrics
from feyntune.core.schema import Source
from feyntune.evaluation.generation.batching import rows_that_fit
from feyntune.evaluation.metrics import metric_class
from feyntune.models.shape import cache_bytes
from feyntune.planning import memory
from feyntune.planning.devices import DEFAULT
from feyntune.planning.memory import (
    block_parameters,
    forward_operations,
    lora_parameters,
    shape_of,
    stored_bytes,
    weight_bytes,
)
from feyntune.training.fit import Demand, Fit, FitPlan, possible_fits

if TYPE_CHECKING:
    from feyntune.config.load import Configuration
    from feyntune.config.runs import Run
    from feyntune.config.schema.generation import CompletionStage
    from feyntune.config.schema.planning import ModelShape
    from feyntune.config.schema.training import Training, TrainingStage
    from feyntune.evaluation.metrics.embedding import EmbeddingSettings
    from feyntune.planning.devices import Phase
    from feyntune.planning.sizes import Sizes

LONGEST = 4
"""The longest abstracts have about this many times the mean number of tokens."""
PADDING = 1.3
"""Tokens of a batch with padding, relative to those without."""
OCCUPIED = {"transformers": 0.85, "vllm": 1.0}
"""Fraction of a batch's rows that are not finished yet, by engine: the built-in one replaces an eighth at a time."""
LAUNCHED = {"transformers": 1.0, "vllm": 0.1}
"""Time to launch the kernels of a decoding step, relative to ``Device.layer``, by engine: vLLM replays CUDA graphs."""
STARTS = {"transformers": 5.0, "vllm": 60.0}
"""Seconds in which an engine starts, besides importing torch and reading weights; vLLM compiles and captures graphs."""


@dataclass
class Work:
    """The work of a job; without a shape of its model there are no operations."""

    tokens: float | None = None
    """Tokens to process, without padding; None for a job without a model."""
    operations: float = 0
    """Floating-point operations."""
    phase: Phase = "forward"
    """Decides the fraction of a device's peak rate that they reach."""
    steps: float = 0
    """Decoding steps: tokens that are generated one after another, by whole batches."""
    layers: float = 0
    """Blocks of the model that each step runs through, where launching their kernels takes time."""
    moved: float = 0
    """Bytes of weights and KV cache that each step reads."""
    loaded: float = 0
    """Bytes read from disk at the start."""
    seconds: float = 5
    """Time for everything else."""
    peak: float | None = None
    """Peak memory in bytes, of a GPU if the job has one; None if it is not known."""
    disk: float = 0
    """Bytes that it writes."""
    engine: str | None = None
    """Generation engine; None for a job that completes nothing."""
    known: bool = True
    """Whether the shape of its model is known."""


class Estimator:
    """Estimates the work of jobs under one configuration.

    Args:
        configuration: the configuration.
        runs: its runs by name.
        sizes: sizes of its datasets.
        gpu_memory: bytes of a GPU, which trainings with `auto` settings fill.
    """

    def __init__(
        self,
        configuration: Configuration,
        runs: Mapping[str, Run],
        sizes: Sizes,
        gpu_memory: float | None = DEFAULT.memory,
    ) -> None:
        self.configuration, self.runs, self.sizes, self.gpu_memory = configuration, runs, sizes, gpu_memory
        self.shapes: dict[tuple[str, str], ModelShape | None] = {
            (registry, name): shape_of(configuration, registry, name)
            for registry in ("models", "metrics")
            for name, entry in getattr(configuration, registry).items()
            if isinstance(entry, Source)  # metrics without a model have no shape
        }

    def work(self, stage: str, wildcards: Mapping[str, str]) -> Work:
        """The work of a job: by the function in ``ESTIMATES``; the default ``Work`` for stages without one.

        Args:
            stage: name of its rule.
            wildcards: its wildcards' values by name.
        """
        estimate = ESTIMATES.get(stage)
        return estimate(self, **wildcards) if estimate else Work()

    def _shape(self, run: str) -> ModelShape | None:
        """Shape of a run's model."""
        return self.shapes["models", self._model(run)]

    def _model(self, run: str) -> str:
        """Name of a run's model; only imported completions, which no stage with a model reads, may have none."""
        return cast("str", self.runs[run].model)

    def _tokens(self, run: str, dataset: str | None) -> float:
        """Mean tokens per abstract of a dataset, by the tokenizer of a run's model."""
        name = self._model(run)
        return self.sizes.tokens(dataset, self.configuration.models[name].path or f"results/models/{name}")

    def _train(self, run: str) -> Work:
        shape, dataset = self._shape(run), cast("str", self.runs[run].dataset)
        stage = stages.training_stage(self.configuration, self.runs[run])
        training, rows = stage.training, self.sizes.dataset(dataset).rows["train"]
        each = self._tokens(run, dataset) + 2
        seen = (training.max_steps * training.batch_size) if training.max_steps else rows * training.num_train_epochs
        if not shape:
            return Work(tokens=seen * each, known=False)
        gpus = stages.gpus(self.configuration, self.runs[run])
        control_prompts = min(training.evaluation.max_new_tokens, each) * (training.evaluation.times + 1)
        adapter = lora_parameters(shape, stage.target_modules, stage.lora.r)
        fits = self._training_fits(shape, stage, each, adapter, gpus)
        return Work(
            tokens=seen * each,
            operations=self._training_operations(shape, training, rows, seen, each, fits.current) / max(gpus, 1),
            phase="training",
            steps=control_prompts * bool(training.evaluation.control_prompts),
            layers=shape.num_hidden_layers,
            moved=weight_bytes(shape, stage.quantization, stage.precision),
            loaded=stored_bytes(shape),
            peak=fits.demand.memory,
            disk=4 * adapter,
        )

    def _training_fits(self, shape: ModelShape, stage: TrainingStage, each: float, adapter: int, gpus: int) -> FitPlan:
        """How a training will divide its steps, as it chooses itself; on a CPU there is no limit."""
        own = stage.training.batch_size // max(gpus, 1)
        demands = {}
        for fit in possible_fits(stage.training, own):
            tokens = PADDING * each * own / fit.micro_batches
            needed = memory.training_bytes(shape, stage, tokens, adapter, fit.recompute)
            demands[fit] = Demand(tokens, needed)
        return FitPlan(demands, self.gpu_memory if gpus else None)

    def _training_operations(
        self, shape: ModelShape, training: Training, rows: int, seen: float, each: float, fit: Fit
    ) -> float:
        """Operations of training steps and evaluations.

        Args:
            shape: shape of the base model.
            training: settings of the training.
            rows: abstracts in the training split.
            seen: abstracts that the training processes in all.
            each: tokens per abstract.
            fit: division of the steps.
        """
        passes = 6 if fit.recompute else 4
        forward = seen * each * forward_operations(shape, each)
        fraction, evaluated = self._evaluated_while_training(training, rows)
        return forward * passes / 2 * (1 + fraction) + evaluated * each * forward_operations(shape, each)

    def _evaluated_while_training(self, training: Training, rows: int) -> tuple[float, float]:
        """Cost of the evaluations: a fraction of the training's where it is `auto`, and abstracts where it is not."""
        asked = (training.evaluation.test_rows, training.evaluation.train_rows)
        times = training.evaluation.times + 1
        counted = sum(rows if each is None else each for each in asked if each != "auto")
        return 0.025 * asked.count("auto") / 3, times * min(counted, 2 * rows)

    def _complete(self, set: str, run: str) -> Work:
        shape, rows = self._shape(run), self.sizes.rows(set)
        stage = stages.completion_stage(self.configuration, self.runs[run], set)
        generation = stage.generation
        prompt = self._tokens(run, self.configuration.evaluation_sets[set].dataset) / 2 + 1
        # An adapted model stops after an abstract; a base model may generate up to the maximum length.
        wanted = prompt if self.runs[run].has_adapter else generation.max_new_tokens
        new = max(generation.min_new_tokens, min(generation.max_new_tokens, wanted))
        if not shape:
            return Work(tokens=rows * (prompt + new), known=False, disk=rows * 3e3, engine=generation.engine)
        longest = LONGEST / 2 * prompt
        batch = min(self._rows_in_parallel(shape, stage, longest), rows)
        cache = cache_bytes(shape, memory.DTYPE_BYTES[stage.precision.dtype], batch * (prompt + new / 2))
        # CUDA graphs leave a GPU no gaps: the operations of new tokens happen while weights are read.
        overlapped = generation.engine == "vllm" and self.configuration.resources.complete.gpu
        computed = prompt if overlapped else prompt + new
        return Work(
            tokens=rows * (prompt + new),
            operations=rows * computed * forward_operations(shape, prompt + new),
            steps=rows * new / batch / OCCUPIED[generation.engine],
            layers=shape.num_hidden_layers * LAUNCHED[generation.engine],
            moved=memory.evaluation_weight_bytes(shape, stage) + cache,
            loaded=stored_bytes(shape),
            seconds=STARTS[generation.engine],
            peak=memory.completion_bytes(shape, stage, longest, batch),
            disk=rows * 3e3,
            engine=generation.engine,
        )

    def _rows_in_parallel(self, shape: ModelShape, stage: CompletionStage, prompt: float) -> int:
        """The rows of a completion job's batches, as the job will choose them; ``prompt``: tokens of the longest."""
        asked = self.configuration.resources.complete
        device: Literal["cuda", "cpu"] = "cuda" if asked.gpu else "cpu"
        there = (self.gpu_memory or DEFAULT.memory) if asked.gpu else 1e6 * asked.mem_mb
        assert there is not None, "every GPU of the table has a memory"
        return rows_that_fit(shape, stage, prompt, prompt + stage.generation.max_new_tokens, there, device)

    def _perplexity(self, set: str, run: str) -> Work:
        shape, rows = self._shape(run), self.sizes.rows(set)
        stage = stages.perplexity_stage(self.configuration, self.runs[run], set)
        each = self._tokens(run, self.configuration.evaluation_sets[set].dataset) + 1
        if not shape:
            return Work(tokens=rows * each, known=False)
        device: Literal["cuda", "cpu"] = "cuda" if self.configuration.resources.perplexity.gpu else "cpu"
        return Work(
            tokens=rows * each,
            operations=rows * each * forward_operations(shape, each),
            loaded=stored_bytes(shape),
            peak=memory.perplexity_bytes(shape, stage, device),
            disk=rows * (4 * shape.hidden_size + 60),
        )

    def _similarity(self, set: str, run: str) -> Work:
        shape, rows = self._shape(run), self.sizes.rows(set)
        width, number = shape.hidden_size if shape else 4096, memory.DTYPE_BYTES[self.configuration.similarity.dtype]
        return Work(
            operations=2 * rows * rows * width,
            loaded=4 * rows * width,
            peak=memory.CONTEXT + 3 * 4 * rows * rows + 8 * rows * width,
            disk=number * rows * rows,
        )

    def _prepare_metric(self, metric: str, set: str) -> Work:
        return self._embedding(metric, set, 4 * 1e3)

    def _metric(self, metric: str, set: str, run: str) -> Work:
        return self._embedding(metric, set, 50)

    def _cpu_metric(self, metric: str, set: str, run: str | None = None) -> Work:
        """Counting words takes milliseconds for a completion, and less for an abstract of a training split."""
        rows, dataset = self.sizes.rows(set), self.runs[run].dataset if run else None
        needs_training = metric_class(self.configuration.metrics[metric].kind).needs_training
        trained_on = self.sizes.dataset(dataset).rows["train"] if dataset and needs_training else 0
        return Work(seconds=5 + rows / 200 + trained_on / 6_000, disk=rows * 50)

    def _embedding(self, metric: str, set: str, bytes_each: float) -> Work:
        """Whole texts and their second halves: one and a half abstracts per row."""
        shape, rows = self.shapes["metrics", metric], self.sizes.rows(set)
        settings = cast("EmbeddingSettings", self.configuration.metrics[metric])
        dataset = self.configuration.evaluation_sets[set].dataset
        each = self.sizes.tokens(dataset, settings.path or f"results/metrics/{metric}") + 2
        tokens = rows * 1.5 * each
        if not shape:
            return Work(tokens=tokens, seconds=12 + rows / 500, disk=rows * bytes_each)
        longest = min(settings.max_length or 512, LONGEST * each)
        return Work(
            tokens=tokens,
            operations=PADDING * tokens * 2 * block_parameters(shape),
            loaded=stored_bytes(shape),
            peak=memory.embedding_bytes(shape, settings.batch_size, longest),
            disk=rows * bytes_each,
        )

    def _read_snapshot(self, snapshot: str) -> Work:
        papers = self.sizes.papers(snapshot)
        return Work(seconds=3 + papers / 30_000, disk=papers * 900)

    def _build_dataset(self, dataset: str) -> Work:
        return Work(seconds=5 + self._rows(dataset) / 30_000, disk=self._rows(dataset) * 1_500)

    def _mix_dataset(self, dataset: str) -> Work:
        return Work(seconds=5 + self._rows(dataset) / 1_500, disk=self._rows(dataset) * 1_500)

    def _rows(self, dataset: str) -> int:
        return sum(self.sizes.dataset(dataset).rows.values())

    def _demo_model(self) -> Work:
        demo = self.configuration.demo.model
        shape = self.shapes["models", next(iter(self.configuration.models))]
        each = 100 if not shape else 3 * forward_operations(shape, 100) * 100
        return Work(operations=demo.steps * demo.batch_size * each, phase="training", disk=4e6)

    def _dequantize(self, model: str, storage: str) -> Work:
        return self._model_folder(self.shapes["models", model], storage)

    def _merge(self, run: str) -> Work:
        stage = stages.completion_stage(
            self.configuration, self.runs[run], next(iter(self.configuration.evaluation_sets))
        )
        return self._model_folder(self._shape(run), stage.precision.dtype)

    def _model_folder(self, shape: ModelShape | None, storage: str) -> Work:
        """A model that is loaded and written with 2 or 4 bytes per weight; ``storage`` ends with the number format."""
        if not shape:
            return Work(known=False)
        written = stored_bytes(shape) * memory.DTYPE_BYTES[storage.split("-")[-1]] / 2
        return Work(
            seconds=10 + written / 200e6,
            loaded=stored_bytes(shape),
            peak=memory.CONTEXT + memory.MARGIN * written,
            disk=written,
        )

    def _fetch_model(self, registry: str, name: str) -> Work:
        shape = self.shapes[registry, name]
        size = stored_bytes(shape) if shape else 0
        return Work(seconds=5 + size / 50e6, disk=size, known=bool(shape))

    def _fetch_adapter(self, run: str) -> Work:
        shape = self._shape(run)
        layers = self.runs[run].layers
        modules = [] if layers is None else self.configuration.layer_sets.get(layers, [])
        return Work(disk=4 * lora_parameters(shape, modules, self.configuration.lora.r) if shape else 0)

    def _collect(self, kind: str) -> Work:
        rows = sum(map(self.sizes.rows, self.configuration.evaluation_sets)) * len(self.runs)
        return Work(seconds=3 + rows / 200_000, disk=rows * (1_500 if kind == "completions" else 40))

    def _tables(self) -> Work:
        columns = 4 + sum(len(metric.columns) for metric in reported_metrics(self.configuration))
        rows = sum(map(self.sizes.rows, self.configuration.evaluation_sets)) * len(self.runs) * columns
        return Work(seconds=5 + self.configuration.report.uncertainty.resamples * rows / 4e8)

    def _figures(self) -> Work:
        return Work(seconds=15 + 2 * len(self.runs), disk=5e6)

    def _explore(self) -> Work:
        completions = sum(map(self.sizes.rows, self.configuration.evaluation_sets)) * len(self.runs)
        return Work(seconds=5 + completions / 2_000, disk=completions * 1_000)

    def _report(self) -> Work:
        return Work(seconds=10, disk=8e6)


ESTIMATES: Mapping[str, Callable[..., Work]] = {
    "read_snapshot": Estimator._read_snapshot,
    "build_dataset": Estimator._build_dataset,
    "import_dataset": Estimator._build_dataset,
    "mix_dataset": Estimator._mix_dataset,
    "hold_out": Estimator._build_dataset,
    "join_splits": Estimator._build_dataset,
    "demo_model": Estimator._demo_model,
    "fetch_model": Estimator._fetch_model,
    "fetch_adapter": Estimator._fetch_adapter,
    "train": Estimator._train,
    "dequantize": Estimator._dequantize,
    "merge": Estimator._merge,
    "complete": Estimator._complete,
    "perplexity": Estimator._perplexity,
    "similarity": Estimator._similarity,
    "prepare_metric": Estimator._prepare_metric,
    "prepare_cpu_metric": Estimator._cpu_metric,
    "metric": Estimator._metric,
    "cpu_metric": Estimator._cpu_metric,
    "collect": Estimator._collect,
    "tables": Estimator._tables,
    "figures": Estimator._figures,
    "explore": Estimator._explore,
    "report": Estimator._report,
}
"""The function that estimates a rule's work, by the rule's name; its keyword arguments are the rule's wildcards."""
SHORT = frozenset(
    "check_compute check_metrics control_papers demo_metric_model evaluation_set import_completions"
    " import_values read_texts select_dates".split()
)
"""Rules that ask for resources but take seconds, or a minute: the default ``Work`` describes them."""
