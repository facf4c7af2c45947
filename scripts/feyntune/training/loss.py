"""Next-token cross-entropy that never holds the logits of all tokens at once.

With a vocabulary of 128,000, the logits of 3,000 tokens, their copy in float32 and their gradients take 4.5 GB. Here
the head is applied to chunks of tokens. The gradient of a chunk is computed right after its logits, which are then
freed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch.nn.functional import cross_entropy, linear, pad
from torch.nn.utils.rnn import pad_sequence

from feyntune.models.likelihood import LOGITS_AT_ONCE, forward_pass, token_losses
from feyntune.training.microbatches import IGNORED, MULTIPLE

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel


class NextTokenLoss:
    """The cross-entropy of a causal language model's predictions of the next tokens.

    Models that do more than apply one linear head to the last hidden state (logit scaling, soft-capping) get the plain
    computation, with the logits of all tokens at once.

    Args:
        model: a causal language model, without wrappers of peft.
        noise_alpha: size of NEFTune's noise in training; None: no noise.
    """

    def __init__(self, model: PreTrainedModel, noise_alpha: float | None = None) -> None:
        self.model = model
        self.chunked = has_plain_head(model)
        self.noise = EmbeddingNoise(model, noise_alpha) if noise_alpha else None

    def total(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """The sum of the losses in nats over all labelled tokens, in float32, with a gradient.

        Args:
            inputs: the model's input with ``labels``, both of shape (rows, width); see ``microbatches.collate``.
        """
        if self.noise:
            self.noise.set_lengths(inputs["position_ids"])
        targets = _shifted(inputs["labels"])
        inputs = {name: tensor for name, tensor in inputs.items() if name != "labels"}
        if not self.chunked:
            logits = self.model(**inputs, use_cache=False).logits.flatten(0, 1).float()
            return cross_entropy(logits, targets.flatten(), ignore_index=IGNORED, reduction="sum")
        head = self.model.get_output_embeddings()
        hidden = self.model.get_decoder()(**inputs, use_cache=False).last_hidden_state
        return linear_cross_entropy(hidden.flatten(0, 1), head.weight, head.bias, targets.flatten())

    @torch.no_grad()
    def by_token(self, sequences: Sequence[Sequence[int] | np.ndarray]) -> Sequence[torch.Tensor]:
        """The losses in nats of each token of each sequence except the first, in float32 and without a gradient."""
        if self.chunked:
            passed = forward_pass(self.model, cast("Sequence[Sequence[int]]", sequences), MULTIPLE)
            return token_losses(self.model.get_output_embeddings(), passed)
        tokens = [torch.as_tensor(sequence, device=self.model.device).long() for sequence in sequences]
        logits = self.model(input_ids=pad_sequence(tokens, batch_first=True), use_cache=False).logits
        return [
            cross_entropy(row[: len(own) - 1].float(), own[1:], reduction="none")
            for row, own in zip(logits, tokens, strict=True)
        ]


class EmbeddingNoise:
    """NEFTune (arXiv:2310.05914): uniform noise on the embeddings in training, within alpha / sqrt(length * width).

    The length is that of the token's own text, so that packing does not change the noise.

    Args:
        model: a causal language model.
        alpha: size of the noise.
    """

    def __init__(self, model: PreTrainedModel, alpha: float) -> None:
        self.alpha = alpha
        self.lengths: torch.Tensor | None = None
        model.get_input_embeddings().register_forward_hook(self._add)

    def set_lengths(self, position_ids: torch.Tensor) -> None:
        """Compute the length of each token's text from positions that start anew with each text.

        Args:
            position_ids: shape (rows, width).
        """
        texts = (position_ids == 0).cumsum(dim=1)
        counts = torch.zeros_like(position_ids).scatter_add_(1, texts - 1, torch.ones_like(texts))
        self.lengths = counts.gather(1, texts - 1)

    def _add(self, module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        if not module.training:
            return output
        assert self.lengths is not None, "set_lengths precedes each forward pass in training"
        size = self.alpha / (self.lengths * output.shape[-1]).sqrt()
        return output + torch.empty_like(output).uniform_(-1, 1) * size[..., None].to(output.dtype)


def _shifted(labels: torch.Tensor) -> torch.Tensor:
    """The target of each position, which is the next label."""
    return pad(labels[:, 1:], (0, 1), value=IGNORED)


def _chunks(tokens: int, vocabulary: int) -> Iterator[slice]:
    step = max(1, LOGITS_AT_ONCE // vocabulary)
    return (slice(start, start + step) for start in range(0, tokens, step))


@torch.no_grad()
def has_plain_head(model: PreTrainedModel) -> bool:
    """Whether a model's logits are the output of one linear layer on the last hidden state, unchanged.

    The model runs on four tokens with the output of its head replaced by large numbers: scaling or soft-capping would
    change them.
    """
    head = model.get_output_embeddings()
    seen: list[torch.Tensor] = []
    if type(head) is not torch.nn.Linear:
        return False
    marks = torch.linspace(-100, 100, head.weight.shape[0], device=head.weight.device)

    def replace(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        seen.extend(inputs)
        return marks.expand(output.shape)

    tokens = torch.arange(4, device=head.weight.device)[None]
    was_training = model.training
    model.eval()
    handle = head.register_forward_hook(replace)
    try:
        logits = model(input_ids=tokens, use_cache=False).logits
        hidden = model.get_decoder()(input_ids=tokens, use_cache=False).last_hidden_state
    finally:
        handle.remove()
        model.train(was_training)
    return torch.equal(logits.float(), marks.expand(logits.shape)) and torch.allclose(seen[0].float(), hidden.float())


def linear_cross_entropy(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, targets: torch.Tensor
) -> torch.Tensor:
    """The sum of the cross-entropies of ``hidden @ weight.T + bias``, in float32, in chunks of tokens.

    On a GPU with Liger installed, its fused kernel computes the same.

    Args:
        hidden: shape (tokens, hidden size).
        weight: shape (vocabulary, hidden size).
        bias: shape (vocabulary,), or None.
        targets: token ids, shape (tokens,); ``IGNORED`` ones count nothing.
    """
    device = hidden.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
    fused = _liger() if hidden.is_cuda else None
    if fused is not None:
        return fused(weight.to(dtype), hidden.to(dtype), targets, bias)
    return _ChunkedCrossEntropy.apply(hidden, weight, bias, targets, dtype)


@functools.cache
def _liger() -> Callable[..., torch.Tensor] | None:
    """Liger's fused linear cross-entropy, if it is installed."""
    try:
        from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss
    except ImportError:
        return None
    return LigerFusedLinearCrossEntropyLoss(ignore_index=IGNORED, reduction="sum")


class _ChunkedCrossEntropy(torch.autograd.Function):
    """The forward pass computes the gradients too, because it has the logits; the backward pass scales them."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        dtype: torch.dtype,
    ) -> torch.Tensor:
        """Arguments as of ``linear_cross_entropy``; ``dtype`` is the number format of the matrix products."""
        needed = ctx.needs_input_grad[:3]
        gradients = [
            torch.zeros_like(tensor, dtype=dtype if tensor is hidden else torch.float32)
            if wanted and tensor is not None
            else None
            for tensor, wanted in zip((hidden, weight, bias), needed, strict=True)
        ]
        total = torch.zeros((), dtype=torch.float64, device=hidden.device)
        with torch.autocast(hidden.device.type, enabled=False):
            matrix, offset = weight.to(dtype), None if bias is None else bias.to(dtype)
            for part in _chunks(len(hidden), weight.shape[0]):
                states = hidden[part].to(dtype)
                losses, slope = _losses_and_slope(linear(states, matrix, offset).float(), targets[part])
                total += losses.sum(dtype=torch.float64)
                _add_gradients(gradients, part, states, matrix, slope)
        present = [gradient for gradient in gradients if gradient is not None]
        ctx.save_for_backward(*present)
        ctx.needed, ctx.formats = needed, [None if each is None else each.dtype for each in (hidden, weight, bias)]
        return total.float()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, scale: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """The gradients of hidden states, weight and bias."""
        present = iter(ctx.saved_tensors)
        gradients = [
            (next(present) * scale).to(dtype) if wanted else None
            for wanted, dtype in zip(ctx.needed, ctx.formats, strict=True)
        ]
        return (*gradients, None, None)


def _losses_and_slope(logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Losses of tokens, and their derivatives by the logits: softmax minus one at the target. Overwrites the logits."""
    counted = targets != IGNORED
    index = targets.clamp(min=0)[:, None]
    normaliser = logits.logsumexp(dim=1, keepdim=True)
    losses = (normaliser - logits.gather(1, index)).squeeze(1) * counted
    slope = logits.sub_(normaliser).exp_()
    slope.scatter_add_(1, index, torch.full_like(index, -1, dtype=slope.dtype))
    return losses, slope.mul_(counted[:, None])


def _add_gradients(
    gradients: list[torch.Tensor | None], part: slice, states: torch.Tensor, matrix: torch.Tensor, slope: torch.Tensor
) -> None:
    """Add a chunk's gradients to those of hidden states, weight and bias, as far as these are wanted."""
    of_hidden, of_weight, of_bias = gradients
    rounded = slope.to(states.dtype)
    if of_hidden is not None:
        torch.mm(rounded, matrix, out=of_hidden[part])
    if of_weight is not None:
        of_weight += rounded.T @ states
    if of_bias is not None:
        of_bias += slope.sum(0)
