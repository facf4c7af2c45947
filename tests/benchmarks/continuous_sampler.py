"""The sampler of this project inside ``generate_batch`` of transformers, by way of its private parts.

``generate_batch`` has no parameter for a processor of logits that knows the request of each row. Here the model returns
such a processor in place of the usual ones, and it is registered as one that exists for single requests.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from transformers import LogitsProcessor, LogitsProcessorList
from transformers.generation.continuous_batching import cb_logits_processors as private

from feyntune.evaluation.generation.sampling import distribution_processors, gumbel_noise

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from feyntune.config.schema.generation import Generation


class _Sampler(LogitsProcessor):
    """What ``RequestSampler`` is created from."""

    def __init__(self, settings: Generation, keys: Sequence[int], eos_ids: Sequence[int]) -> None:
        self.settings, self.keys, self.eos_ids = settings, keys, list(eos_ids)


class RequestSampler(private.ContinuousBatchingLogitsProcessor):
    """Changes logits so that the most likely token of each request is the sample of the built-in engine.

    Args:
        given: settings, and the keys of all requests in the order in which they were added.
    """

    supported_kwargs: ClassVar[dict[str, type]] = {}
    ignored_kwargs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, given: _Sampler) -> None:
        self.given, self.warpers = given, distribution_processors(given.settings)

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        """One number per request, which is not used: keys have 64 bits."""
        int32_tensor.zero_()

    def prepare_tensor_args(self, requests_with_new_token: list[Any]) -> torch.Tensor:
        """Note keys and positions of the requests of the next step."""
        states = [request.state for request in requests_with_new_token]
        self.new = [len(state.generated_tokens) for state in states]
        self.positions = torch.tensor([len(state.initial_tokens) + len(state.generated_tokens) for state in states])
        self.keys = torch.tensor([self.given.keys[int(state.request_id.rpartition("_")[2])] for state in states])
        return torch.zeros(len(states), dtype=torch.int32)

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        """Logits (requests x vocabulary) to scores."""
        early = [row for row, new in enumerate(self.new) if new < self.given.settings.min_new_tokens]
        scores[torch.tensor(early, dtype=torch.long)[:, None], self.given.eos_ids] = -torch.inf
        scores = self.warpers(self.positions[:, None], scores)  # type: ignore[arg-type]
        keys, positions = self.keys.to(scores.device), self.positions.to(scores.device)
        return scores + gumbel_noise(keys, positions, scores.shape[1])


@contextlib.contextmanager
def sampling(
    model: PreTrainedModel, settings: Generation, keys: Sequence[int], eos_ids: Sequence[int]
) -> Iterator[None]:
    """Let ``generate_batch`` sample by this project's random numbers inside the block; it must not sample by itself."""
    chosen = LogitsProcessorList([_Sampler(settings, keys, eos_ids)])
    private.CLASSIC_TO_CB_PROCESSORS_MAP[_Sampler] = RequestSampler
    model._get_logits_processor = lambda *_, **__: chosen
    try:
        yield
    finally:
        del model._get_logits_processor, private.CLASSIC_TO_CB_PROCESSORS_MAP[_Sampler]
