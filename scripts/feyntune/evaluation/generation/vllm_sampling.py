"""The sampler of this project inside vLLM: the same random numbers and the same distribution as in the built-in engine.

vLLM lets a logits processor change the logits and then takes the most likely token of each row (``temperature=0``).
This processor does all that the built-in engine does to logits. So a text depends neither on the batch nor on the
order of the requests, the seeded generators of vLLM (one call per row and token) are not needed, and both engines
sample the same tokens, except where the rounding of their logits differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

import torch
from vllm.v1.sample.logits_processor import LogitsProcessor
from vllm.v1.sample.logits_processor.builtin import process_dict_updates

from feyntune.evaluation.generation.sampling import distribution_processors, gumbel_noise, nan_error

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.config import VllmConfig
    from vllm.v1.sample.logits_processor import BatchUpdate

    from feyntune.config.schema.generation import Generation


@dataclass(frozen=True)
class _Request:
    """What sampling needs to know of a row."""

    name: str
    key: int
    prompt_tokens: int
    new: Sequence[int]
    """The list of its new tokens, which vLLM extends."""


def sampler(settings: Generation, eos_ids: Sequence[int]) -> type[RowSampler]:
    """The class of logits processors for these settings; vLLM creates the object.

    Args:
        settings: generation settings of all requests.
        eos_ids: ids of the end tokens.
    """
    return type("RowSampler", (RowSampler,), {"settings": settings, "eos_ids": list(eos_ids)})


class RowSampler(LogitsProcessor):
    """Samples with the random numbers of each row; requests have ``extra_args`` with ``name`` and ``key``."""

    settings: ClassVar[Generation]
    eos_ids: ClassVar[list[int]]

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        self.device = device
        self.requests: dict[int, _Request] = {}
        self.keys = torch.empty(0, dtype=torch.int64, device=device)
        warpers = self.settings.temperature > 0
        self.warpers = distribution_processors(self.settings) if warpers else None

    def is_argmax_invariant(self) -> bool:
        """It changes which token is the most likely one: vLLM must not leave it out."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follow the requests' places in the batch."""
        if process_dict_updates(self.requests, batch_update, _request):
            keys = [self.requests[place].key for place in sorted(self.requests)]
            self.keys = torch.tensor(keys, device=self.device)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Change float32 logits (rows x vocabulary) so that the most likely token of each row is a sample.

        Raises:
            FeynTuneError: logits are NaN; names the abstracts.
        """
        requests = [self.requests[place] for place in range(len(logits))]
        wrong = logits.isnan().any(dim=1)
        if wrong.any():
            raise nan_error([requests[row].name for row in wrong.nonzero().flatten().tolist()])
        early = [row for row, request in enumerate(requests) if len(request.new) < self.settings.min_new_tokens]
        if early:
            logits[torch.tensor(early, device=self.device)[:, None], self.eos_ids] = -torch.inf
        if self.warpers is None:
            return logits
        positions = torch.tensor([request.prompt_tokens + len(request.new) for request in requests], device=self.device)
        scores = self.warpers(cast("torch.LongTensor", positions[:, None]), logits)
        return scores + gumbel_noise(self.keys, positions, logits.shape[1])


def _request(parameters: SamplingParams, prompt: list[int] | None, new: list[int]) -> _Request:
    """The state of a new request."""
    given = parameters.extra_args
    return _Request(given["name"], given["key"], given["prompt_tokens"], new)
