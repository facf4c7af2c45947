"""A session: models that stay in memory, and the completions of one prompt after another."""

from __future__ import annotations

import itertools
import tempfile
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feyntune.config.load import parse_section
from feyntune.config.schema.generation import Generation
from feyntune.core.errors import FeynTuneError
from feyntune.playground.models import TriedRun

if TYPE_CHECKING:
    from feyntune.config.schema.generation import CompletionStage
    from feyntune.evaluation.generation.engine import Row, StopReason
    from feyntune.evaluation.generation.streaming import GrowingRow, StreamingEngine

UNNAMED = "playground"
"""Id of a prompt that is not of an evaluation set: the random numbers of a completion depend on seed, run and id."""


@dataclass(frozen=True)
class Prompt:
    """What is completed, and how."""

    text: str
    """The beginning of an abstract."""
    name: str = UNNAMED
    """Id of the abstract."""
    seed: int | None = None
    """Seed of the sampling; None: that of the configuration."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Keys of ``Generation`` that differ from a run's own settings."""

    @property
    def line(self) -> str:
        """The text as it is completed: line breaks become spaces, as in the abstracts of datasets."""
        return " ".join(self.text.split())


@dataclass(frozen=True)
class Growth:
    """A completion so far."""

    run: str
    text: str
    """The continuation."""
    tokens: int
    """Its number of tokens."""
    stopped: StopReason | None
    """Why it ended; None while it grows."""


ENGINES = typing.get_args(Generation.model_fields["engine"].annotation)
"""Names of the engines."""


def with_changes(stage: CompletionStage, prompt: Prompt) -> CompletionStage:
    """Settings of a run with the seed and the changes of a prompt.

    Raises:
        FeynTuneError: a change that ``Generation`` does not allow.
    """
    values = {**stage.generation.model_dump(), **prompt.changes}
    generation = parse_section(Generation, values, "$.generation")
    seed = stage.seed if prompt.seed is None else prompt.seed
    return stage.model_copy(update={"seed": seed, "generation": generation})


class Session:
    """Models of several runs in memory; runs that share a base model have it in memory once.

    Args:
        runs: the runs.
        engine: one of ``ENGINES``.
        results: folder of results, in which models with merged adapters are while the session lasts.
    """

    def __init__(self, runs: Sequence[TriedRun], engine: str = "transformers", results: Path = Path("results")) -> None:
        from feyntune.evaluation.generation.streaming import streaming_loader

        if engine == "vllm":
            from feyntune.playground.merging import with_merged_adapters

            results.mkdir(parents=True, exist_ok=True)
            self._merged = tempfile.TemporaryDirectory(prefix=".try-", dir=results)  # as long as the session
            runs = list(with_merged_adapters(runs, Path(self._merged.name)))
        self.runs = {run.name: run for run in runs}
        groups: dict[tuple[str, str], list[TriedRun]] = {}
        for run in runs:
            groups.setdefault(run.shared, []).append(run)
        load = streaming_loader(engine)
        self.engines: dict[tuple[str, str], StreamingEngine] = {
            shared: load(members[0].base, {run.name: run.adapter for run in members}, members[0].stage, 1 / len(groups))
            for shared, members in groups.items()
        }

    @property
    def devices(self) -> list[str]:
        """Names of the devices that compute."""
        return list(dict.fromkeys(engine.device for engine in self.engines.values()))

    def complete(self, prompt: Prompt, names: Sequence[str] | None = None) -> Iterator[Growth]:
        """Complete a prompt by the runs with these names (None: by all), at the same time.

        Yields a ``Growth`` whenever a completion has grown or ended.

        Raises:
            FeynTuneError: an empty prompt, one that fills the model's context, or settings that are not allowed.
        """
        if not prompt.line:
            raise FeynTuneError("there is no text to complete; give the beginning of an abstract")
        chosen = [self.runs[name] for name in names or self.runs]
        rows: dict[tuple[str, str], list[GrowingRow]] = {}
        for run in chosen:
            rows.setdefault(run.shared, []).append(self._row(run, prompt))
        streams = [self._stream(self.engines[shared], growing) for shared, growing in rows.items()]
        for growths in itertools.zip_longest(*streams):
            yield from (growth for growth in growths if growth)

    def _row(self, run: TriedRun, prompt: Prompt) -> GrowingRow:
        from feyntune.evaluation.generation.completions import make_rows
        from feyntune.evaluation.generation.streaming import GrowingRow

        stage = with_changes(run.stage, prompt)
        rows, _ = make_rows(self.engines[run.shared].tokens, stage, [prompt.name], [prompt.line])
        return GrowingRow(run.name, rows[0], stage.generation)

    def _stream(self, engine: StreamingEngine, rows: Sequence[GrowingRow]) -> Iterator[Growth]:
        for growing in engine.stream(rows):
            yield Growth(growing.run, self._text(engine, growing.row), len(growing.row.new_ids), growing.row.stopped)

    def _text(self, engine: StreamingEngine, row: Row) -> str:
        from feyntune.evaluation.generation.completions import continuation_text

        text = continuation_text(engine.tokens.tokenizer, row.new_ids)
        return text if row.stopped else text.rstrip("\ufffd")  # the first bytes of a character whose others will come
