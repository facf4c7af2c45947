"""What one job of each stage has to do: tokens, operations, bytes; from the shape of its model and its data's size.

A matrix of P weights costs 2 P operations a token forward, and as many backward for the activations' gradients. The
base model's weights have no gradients, and an adapter's are few: so a training costs 4 P, and 6 P where activations are
computed again. Attention adds 4 × layers × width operations for each pair of tokens that see each other.
"""

import math
from dataclasses import dataclass

from feyntune.config import runs as declared
from feyntune.planning import memory
from feyntune.planning.memory import block_parameters, head_parameters, lora_parameters, shape_of

LONGEST = 4
"""The longest abstracts have about so many times the mean of tokens."""


@dataclass
class Work:
    """What a job has to do; None where the model's shape is not known."""

    tokens: float | None = None
    """Tokens to process, real ones."""
    operations: float = 0
    """Floating-point operations."""
    share: str = "forward"
    """Which share of a device's peak they reach: ``forward`` or ``training``."""
    steps: float = 0
    """Tokens that grow one after another, by whole batches."""
    layers: int = 0
    """Blocks that each of those goes through."""
    moved: float = 0
    """Bytes of weights that each of those reads."""
    loaded: float = 0
    """Bytes read from disk before it begins."""
    seconds: float = 5
    """What it takes besides."""
    peak: float | None = None
    """Peak memory in bytes, of a card where the job has one."""
    disk: float = 0
    """Bytes that it leaves behind."""
    known: bool = True
    """Whether a shape was known; without it there are no operations."""


class Estimator:
    """Estimates the work of jobs under one configuration.

    Args:
        configuration: ``configuration.Configuration``.
        runs: ``runs.Run`` by name.
        sizes: ``sizes.Sizes``.
    """

    def __init__(self, configuration, runs, sizes):
        self.configuration, self.runs, self.sizes = configuration, runs, sizes
        self.shapes = {
            (registry, name): shape_of(configuration, registry, name)
            for registry in ("models", "metrics")
            for name in getattr(configuration, registry)
        }

    def work(self, stage, wildcards):
        """The ``Work`` of a job.

        Args:
            stage: name of its rule.
            wildcards: dict of its wildcards' values.
        """
        estimate = getattr(self, f"_{stage}", None)
        return estimate(**wildcards) if estimate else Work()

    def _model(self, run):
        """Shape of a run's model, tokens of an abstract by its tokenizer as a function of the dataset."""
        name = self.runs[run].model
        entry = self.configuration.models[name]
        folder = entry.path or f"results/models/{name}"
        return self.shapes["models", name], lambda dataset: self.sizes.tokens(dataset, folder)

    def _train(self, run):
        shape, count = self._model(run)
        stage = declared.training_stage(self.configuration, self.runs[run])
        training, dataset = stage.training, self.runs[run].dataset
        rows = self.sizes.dataset(dataset).rows["train"]
        each = count(dataset) + 2
        seen = (training.max_steps * training.batch_size) if training.max_steps else rows * training.num_train_epochs
        if not shape:
            return Work(tokens=seen * each, known=False)
        passes = 6 if training.gradient_checkpointing else 4
        operations = seen * each * passes / 2 * forward_operations(shape, each)
        measured, checked = self._evaluated_while_training(training, rows, seen)
        operations = operations * (1 + measured) + checked * each * forward_operations(shape, each)
        devices = declared.gpus(self.configuration, self.runs[run]) or 1
        held = math.ceil(min(training.per_device_batch_size or training.batch_size, training.batch_size) / devices)
        trained = lora_parameters(shape, stage.target_modules, stage.lora.r)
        control_prompts = min(training.evaluation.max_new_tokens, each) * (training.evaluation.times + 1)
        return Work(
            tokens=seen * each,
            operations=operations / devices,
            share="training",
            steps=control_prompts * bool(training.evaluation.control_prompts),
            layers=shape.num_hidden_layers,
            moved=memory.weight_bytes(shape, stage.quantization, stage.precision),
            loaded=stored_bytes(shape),
            peak=memory.training_bytes(shape, stage, 1.3 * held * each, trained),
            disk=4 * trained,
        )

    def _evaluated_while_training(self, training, rows, seen):
        """Measuring while training: as a share of it where it is `auto`, and abstracts where they are counted."""
        asked = (training.evaluation.test_rows, training.evaluation.train_rows)
        times = training.evaluation.times + 1
        counted = sum(rows if each is None else each for each in asked if each != "auto")
        return 0.025 * asked.count("auto") / 3, times * min(counted, 2 * rows)

    def _complete(self, set, run):
        shape, count = self._model(run)
        stage = declared.completion_stage(self.configuration, self.runs[run], set)
        generation, rows = stage.generation, self.sizes.rows(set)
        prompt = count(self.configuration.evaluation_sets[set].dataset) / 2 + 1
        # An adapted model ends where an abstract would; a base model may write on to the longest length.
        wanted = prompt if self.runs[run].has_adapter else generation.max_new_tokens
        new = max(generation.min_new_tokens, min(generation.max_new_tokens, wanted))
        if not shape:
            return Work(tokens=rows * (prompt + new), known=False, disk=rows * 3e3)
        return Work(
            tokens=rows * (prompt + new),
            operations=rows * (prompt + new) * forward_operations(shape, prompt + new),
            steps=rows * new / min(generation.batch_size, rows) / 0.85,  # rows leave and come in eighths of a batch
            layers=shape.num_hidden_layers,
            moved=memory.weight_bytes(shape, stage.quantization, stage.precision),
            loaded=stored_bytes(shape),
            peak=memory.completion_bytes(shape, stage, LONGEST / 2 * prompt + generation.max_new_tokens),
            disk=rows * 3e3,
        )

    def _perplexity(self, set, run):
        shape, count = self._model(run)
        stage, rows = declared.perplexity_stage(self.configuration, self.runs[run], set), self.sizes.rows(set)
        each = count(self.configuration.evaluation_sets[set].dataset) + 1
        if not shape:
            return Work(tokens=rows * each, known=False)
        return Work(
            tokens=rows * each,
            operations=rows * each * forward_operations(shape, each),
            loaded=stored_bytes(shape),
            peak=memory.perplexity_bytes(
                shape, stage, "cuda" if self.configuration.resources.perplexity.gpu else "cpu"
            ),
            disk=rows * (4 * shape.hidden_size + 60),
        )

    def _similarity(self, set, run):
        shape, rows = self._model(run)[0], self.sizes.rows(set)
        width, number = shape.hidden_size if shape else 4096, memory.DTYPE_BYTES[self.configuration.similarity.dtype]
        return Work(
            operations=2 * rows * rows * width,
            loaded=4 * rows * width,
            peak=memory.CONTEXT + 3 * 4 * rows * rows + 8 * rows * width,
            disk=number * rows * rows,
        )

    def _embed_truth(self, metric, set):
        return self._embedding(metric, set, 4 * 1e3)

    def _semscore(self, metric, set, run):
        return self._embedding(metric, set, 50)

    def _embedding(self, metric, set, bytes_each):
        """Whole texts and their second halves: one and a half abstracts each."""
        shape, rows = self.shapes["metrics", metric], self.sizes.rows(set)
        settings, dataset = self.configuration.metrics[metric], self.configuration.evaluation_sets[set].dataset
        each = self.sizes.tokens(dataset, settings.path or f"results/metrics/{metric}") + 2
        tokens = rows * 1.5 * each
        if not shape:
            return Work(tokens=tokens, seconds=12 + rows / 500, disk=rows * bytes_each)
        longest = min(settings.max_length or 512, LONGEST * each)
        return Work(
            tokens=tokens,
            operations=1.3 * tokens * 2 * block_parameters(shape),  # short texts are padded
            loaded=stored_bytes(shape),
            peak=memory.embedding_bytes(shape, settings.batch_size, longest),
            disk=rows * bytes_each,
        )

    def _read_snapshot(self, snapshot):
        papers = self.sizes.papers(snapshot)
        return Work(seconds=3 + papers / 30_000, disk=papers * 900)

    def _build_dataset(self, dataset):
        return Work(seconds=5 + self._rows(dataset) / 30_000, disk=self._rows(dataset) * 1_500)

    _import_dataset = _build_dataset

    def _mix_dataset(self, dataset):
        return Work(seconds=5 + self._rows(dataset) / 1_500, disk=self._rows(dataset) * 1_500)

    def _rows(self, dataset):
        return sum(self.sizes.dataset(dataset).rows.values())

    def _demo_model(self):
        demo = self.configuration.demo.model
        shape = self.shapes["models", next(iter(self.configuration.models))]
        each = 100 if not shape else 3 * forward_operations(shape, 100) * 100
        return Work(operations=demo.steps * demo.batch_size * each, share="training", disk=4e6)

    def _fetch_model(self, registry, name):
        shape = self.shapes[registry, name]
        size = stored_bytes(shape) if shape else 0
        return Work(seconds=5 + size / 50e6, disk=size, known=bool(shape))

    def _fetch_adapter(self, run):
        shape, run = self._model(run)[0], self.runs[run]
        modules = self.configuration.layer_sets.get(run.layers, [])
        return Work(disk=4 * lora_parameters(shape, modules, self.configuration.lora.r) if shape else 0)

    def _collect(self, kind):
        rows = sum(map(self.sizes.rows, self.configuration.evaluation_sets)) * len(self.runs)
        return Work(seconds=3 + rows / 200_000, disk=rows * (1_500 if kind == "completions" else 40))

    def _tables(self):
        measures = 4 + 2 * len(self.configuration.metrics)
        rows = sum(map(self.sizes.rows, self.configuration.evaluation_sets)) * len(self.runs) * measures
        return Work(seconds=5 + self.configuration.report.uncertainty.resamples * rows / 4e8)

    def _figures(self):
        return Work(seconds=15 + 2 * len(self.runs), disk=5e6)

    def _report(self):
        return Work(seconds=10, disk=8e6)


def forward_operations(shape, length):
    """Operations of a forward pass over one token of a text of ``length`` tokens, the head included."""
    matrices = 2 * (block_parameters(shape) + head_parameters(shape))
    return matrices + 2 * shape.num_hidden_layers * shape.hidden_size * length


def stored_bytes(shape):
    """Bytes of a model's files: two a weight."""
    return 2 * (block_parameters(shape) + 2 * head_parameters(shape))
