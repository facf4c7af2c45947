"""A process in vLLM's environment that completes prompts again and again, for ``engines``: lines of JSON in and out.

The first line describes the model and the settings; the answer comes when the model is loaded. Each further line is
``{"sequences": […], "temperature": …, "most": …}``; the answer is the new tokens of each sequence.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "scripts")]


def main() -> None:
    """Answer until the standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not mix with the answers
    engine = _engine(json.loads(sys.stdin.readline()))
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(engine.answer(**json.loads(line))), file=answers, flush=True)


def _engine(given: dict):
    from benchmarks.completions import rows_of
    from feyntune.config.schema.generation import CompletionStage
    from feyntune.evaluation.generation import vllm_engine
    from feyntune.evaluation.generation.completions import CompletionJob
    from feyntune.evaluation.generation.sampling import distribution_processors
    from feyntune.evaluation.generation.vllm_sampling import sampler

    stage = CompletionStage.model_validate(given["stage"])
    tokens = SimpleNamespace(eos_ids=given["eos_ids"])
    samplers = []

    class Kept(vllm_engine.VllmEngine):
        """Loads the model once."""

        def _start(self):
            return started

        def answer(self, sequences: list[list[int]], temperature: float, most: int) -> list[list[int]]:
            for each in samplers:
                least = self.settings.min_new_tokens if temperature else 0
                each.settings = self.settings.model_copy(update={"temperature": temperature, "min_new_tokens": least})
                each.warpers = distribution_processors(each.settings) if temperature else None
            rows = rows_of(sequences, most)
            self.complete(rows, lambda *_: None)
            return [row.new_ids for row in rows]

    class Noted(sampler(stage.generation, given["eos_ids"])):
        """Can be given other settings."""

        def __init__(self, *arguments) -> None:
            super().__init__(*arguments)
            samplers.append(self)

    job = CompletionJob(stage, Path(given["base"]), None, None, None, None, "code")
    rows = rows_of([[0] * given["prompt"]] * stage.generation.batch_size, stage.generation.max_new_tokens)
    engine = Kept(job, tokens, rows)
    started = vllm_engine.start_engine(engine.arguments, Noted)
    return engine


if __name__ == "__main__":
    main()
