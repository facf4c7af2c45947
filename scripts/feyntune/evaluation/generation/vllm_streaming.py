"""vLLM for completions that are shown while they grow: a process in vLLM's own environment, spoken to in lines of JSON.

Only token ids go through the pipes: texts are encoded and decoded here.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from feyntune.core.errors import FeynTuneError, shorten
from feyntune.core.fingerprint import SCRIPTS
from feyntune.core.integrity import check_recorded
from feyntune.evaluation.generation.adapters import check_applicable
from feyntune.evaluation.generation.streaming import GrowingRow
from feyntune.evaluation.generation.vllm_environment import PYTHON, check_environment
from feyntune.models.tokens import load_tokens

if TYPE_CHECKING:
    from feyntune.config.schema.generation import CompletionStage

PROGRAM = SCRIPTS / "stream_vllm.py"
LONGEST = 4096
"""Tokens of prompt and completion together: memory is reserved for them."""


def load_streaming(
    base: Path, adapters: Mapping[str, Path | None], stage: CompletionStage, fraction: float = 1
) -> StreamingVllm:
    """Start vLLM with a base model and adapters; see ``streaming.LoadStreaming``.

    Raises:
        FeynTuneError: vLLM's environment is missing, it needs other weights, or it cannot apply an adapter.
    """
    check_weights(base, stage)
    for folder in filter(None, adapters.values()):
        check_applicable(folder, stage.base_names, "take --engine transformers")
    return StreamingVllm(base, adapters, stage, fraction)


def check_weights(base: Path, stage: CompletionStage) -> None:
    """Raise FeynTuneError if vLLM's environment is missing, or if vLLM cannot load a base model's weights."""
    check_environment()
    if stage.quantization.method != "none" and stage.weights == "quantised":
        raise FeynTuneError(
            f"{base}: vLLM needs dequantised weights; make them by snakemake with generation.engine: vllm,"
            " or take --engine transformers"
        )
    check_recorded(base)


class StreamingVllm:
    """A ``StreamingEngine`` in another process, which ends with this one.

    Args:
        base: folder of the base model.
        adapters: by run the folder of its PEFT adapter, or None for the base model alone.
        stage: settings that say how the base model is loaded.
        fraction: the fraction of the GPU's memory that vLLM would reserve alone.
    """

    def __init__(
        self, base: Path, adapters: Mapping[str, Path | None], stage: CompletionStage, fraction: float = 1
    ) -> None:
        tokens = load_tokens(base)
        self.tokens = dataclasses.replace(tokens, context=min(tokens.context or LONGEST, LONGEST))
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # as long as the process
        self._process = subprocess.Popen(
            [PYTHON, PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        folders = {run: str(folder.resolve()) if folder else None for run, folder in adapters.items()}
        job = {"base": str(base.resolve()), "adapters": folders, "stage": stage.model_dump(mode="json")}
        self._send({**job, "context": self.tokens.context, "eos_ids": tokens.eos_ids, "fraction": fraction})
        self.device = str(self._receive()["device"])

    def stream(self, rows: Sequence[GrowingRow]) -> Iterator[GrowingRow]:
        """As ``StreamingEngine`` describes."""
        self._send({"rows": [_request(each) for each in rows]})
        by_run = {each.run: each for each in rows}
        finished = False
        try:
            while not (finished := "done" in (answer := self._receive())):
                growing = by_run[answer["run"]]
                growing.row.new_ids[:], growing.row.stopped = answer["new_ids"], answer["stopped"]
                yield growing
        except FeynTuneError:
            finished = True
            raise
        finally:
            if not finished:  # nobody wants the rest
                self._send({"stop": True})
                while "done" not in self._receive():
                    pass

    def _send(self, content: Mapping[str, Any]) -> None:
        try:
            pipe = cast("IO[str]", self._process.stdin)
            pipe.write(json.dumps(content) + "\n")
            pipe.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def _receive(self) -> dict[str, Any]:
        line = cast("IO[str]", self._process.stdout).readline()
        if not line:
            raise self._ended()
        answer = json.loads(line)
        if "error" in answer:
            raise FeynTuneError(answer["error"])
        return answer

    def _ended(self) -> FeynTuneError:
        self._process.wait()
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
        return FeynTuneError(f"vLLM has ended: {shorten(lines[-1], 120)}; take --engine transformers")


def _request(growing: GrowingRow) -> dict[str, Any]:
    row = dataclasses.asdict(growing.row)
    return {"run": growing.run, "row": row, "settings": growing.settings.model_dump(mode="json")}
