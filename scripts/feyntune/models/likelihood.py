"""Negative log-likelihoods of token sequences under a causal language model, and the batches in which to compute them.

Sequences are padded on the right. Under causal attention no real token attends to the padding, so no mask is needed,
and the head is applied to real tokens only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

LOGITS_AT_ONCE = 2**25
"""Logits in memory at a time, in fp32: 128 MiB, whatever the vocabulary."""


def batches_by_length(lengths: Sequence[int], batch_tokens: int, multiple: int = 1) -> list[list[int]]:
    """Split indices into batches of at most ``batch_tokens`` tokens, padding included, longest sequences first.

    A sequence that exceeds the budget is a batch of its own.

    Args:
        lengths: tokens of each sequence.
        batch_tokens: tokens per batch.
        multiple: sequences are padded to a multiple of this length.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        width = -(-lengths[batches[-1][0]] // multiple) * multiple if batches else 0
        if batches and (len(batches[-1]) + 1) * width <= batch_tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


@dataclass(frozen=True)
class ForwardPass:
    """A batch of sequences and the model's last hidden states for them."""

    tokens: torch.Tensor
    """Token ids, shape (sequences, width), padded on the right."""
    lengths: list[int]
    """Real tokens of each sequence."""
    states: torch.Tensor
    """Last hidden states, shape (sequences, width, hidden size)."""


def forward_pass(causal: PreTrainedModel, sequences: Sequence[Sequence[int]], multiple: int = 1) -> ForwardPass:
    """Compute the last hidden states of a batch, without the head.

    Args:
        causal: a causal language model.
        sequences: token ids.
        multiple: pad to a multiple of this length.
    """
    import torch

    lengths = [len(sequence) for sequence in sequences]
    tokens = torch.zeros(len(sequences), -(-max(lengths) // multiple) * multiple, dtype=torch.long)
    for row, sequence in zip(tokens, sequences, strict=True):
        row[: len(sequence)] = torch.as_tensor(sequence)
    tokens = tokens.to(causal.device)
    states = causal.get_decoder()(input_ids=tokens, use_cache=False).last_hidden_state
    return ForwardPass(tokens, lengths, states)


def token_losses(head: torch.nn.Module, batch: ForwardPass) -> tuple[torch.Tensor, ...]:
    """-ln p(token | tokens before), in nats and fp32, for each sequence and each of its tokens except the first.

    Args:
        head: the linear layer from hidden states to logits.
        batch: from ``forward_pass``.
    """
    import torch
    from torch.nn.functional import cross_entropy

    pairs = list(zip(batch.states, batch.tokens, batch.lengths, strict=True))
    before = torch.cat([states[: length - 1] for states, _, length in pairs])
    targets = torch.cat([row[1:length] for _, row, length in pairs])
    step = max(1, LOGITS_AT_ONCE // cast("torch.Tensor", head.weight).shape[0])
    losses = [
        cross_entropy(head(part).float(), target, reduction="none")
        for part, target in zip(before.split(step), targets.split(step), strict=True)
    ]
    return torch.cat(losses).split([length - 1 for length in batch.lengths])
