"""Min-K%++: a score of how much a text looks like training data to a model, without a second model.

Zhang et al., *Min-K%++: Improved Baseline for Detecting Pre-Training Data from Large Language Models* (ICLR 2025,
arXiv:2404.02936).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from feyntune.models.likelihood import LOGITS_AT_ONCE, ForwardPass

if TYPE_CHECKING:
    import torch

FRACTION = 0.2
"""The fraction of a text's tokens that counts, those with the lowest scores: the paper's K is 20%."""
LEAST_DEVIATION = 1e-6
"""In nats; where the model is certain, the standard deviation is zero."""


def membership_scores(head: torch.nn.Module, batch: ForwardPass) -> list[float]:
    """Min-K%++ of each sequence; higher for texts that the model was trained on.

    The score of a token is (log p(token) - mean) / standard deviation, both of log p over the vocabulary under the
    model's own distribution at this place: in training data, the tokens are maxima of it. The score of a text is the
    mean over the lowest ``FRACTION`` of its tokens, at least one.

    Args:
        head: the linear layer from hidden states to logits.
        batch: from ``likelihood.forward_pass``; the first token of each sequence has no score.
    """
    import torch

    pairs = list(zip(batch.states, batch.tokens, batch.lengths, strict=True))
    before = torch.cat([states[: length - 1] for states, _, length in pairs])
    targets = torch.cat([row[1:length] for _, row, length in pairs])
    step = max(1, LOGITS_AT_ONCE // cast("torch.Tensor", head.weight).shape[0])
    parts = zip(before.split(step), targets.split(step), strict=True)
    scores = torch.cat([_standardised(head(part).float(), target) for part, target in parts])
    return [_lowest_mean(own) for own in scores.split([length - 1 for length in batch.lengths])]


def _standardised(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Log-probabilities of the targets, in standard deviations from their mean: one number for each row of logits."""
    logs = logits.log_softmax(-1)
    probabilities = logs.exp()
    mean = (probabilities * logs).sum(-1)
    variance = (probabilities * (logs - mean[:, None]) ** 2).sum(-1)
    chosen = logs.gather(-1, targets[:, None])[:, 0]
    return (chosen - mean) / variance.sqrt().clamp(min=LEAST_DEVIATION)


def _lowest_mean(scores: torch.Tensor) -> float:
    count = max(1, int(FRACTION * len(scores)))
    return scores.double().topk(count, largest=False).values.mean().item()
