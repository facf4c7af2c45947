"""Evaluation during training: loss and perplexity on samples, and completions of the control prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from feyntune.models.likelihood import batches_by_length, forward_pass, token_losses
from feyntune.training.distributed import map_across_processes
from feyntune.training.microbatches import MULTIPLE

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from feyntune.config.schema.training import TrainingEvaluation
    from feyntune.training.data import TrainingData


class Evaluator:
    """Evaluates the model. The processes of one training share the work, and all get the result.

    Args:
        data: training data.
        tokenizer: the model's tokenizer.
        settings: evaluation settings.
        budget: tokens in a batch, padding included.
        context: tokens that the model can attend to; None: no limit.
        seed: seed of the completions, the same at each evaluation.
    """

    def __init__(
        self,
        data: TrainingData,
        tokenizer: PreTrainedTokenizerBase,
        settings: TrainingEvaluation,
        budget: int,
        context: int | None,
        seed: int,
    ) -> None:
        self.tokenizer, self.settings, self.context, self.seed = tokenizer, settings, context, seed
        self.samples = {
            name: [
                [sequences[item] for item in batch]
                for batch in batches_by_length([len(sequence) for sequence in sequences], budget, MULTIPLE)
            ]
            for name, sequences in (("test", data.test_sample), ("train", data.train_sample))
            if sequences
        }
        self.control_prompts = data.control_prompts

    def __call__(self, model: PreTrainedModel) -> dict[str, Any]:
        """Evaluate ``model``, which is in evaluation mode.

        Returns:
            ``test_loss``, ``test_perplexity``, ``train_loss``, ``train_perplexity``, and ``control_prompts``: a list
            of dicts ``id, prompt, completion``.
        """
        import torch

        metrics: dict[str, Any] = {}
        with torch.no_grad():
            for name, batches in self.samples.items():
                summary = summarise(self._negative_log_likelihoods(model, batches))
                metrics.update({f"{name}_{key}": value for key, value in summary.items()})
            if self.control_prompts:
                metrics["control_prompts"] = self._completions(model)
        return metrics

    def _negative_log_likelihoods(self, model: PreTrainedModel, batches: list[list[np.ndarray]]) -> np.ndarray:
        eos_id = self.tokenizer.eos_token_id
        return np.concatenate(
            map_across_processes(lambda batch: negative_log_likelihoods(model, batch, eos_id), batches)
        )

    def _completions(self, model: PreTrainedModel) -> list[dict[str, str]]:
        prompts = [paper.tokens for paper in self.control_prompts]
        limit = self._max_new_tokens()
        (texts,) = map_across_processes(
            lambda batch: complete(model, self.tokenizer, batch, self.settings, limit, self.seed), [prompts]
        )
        return [
            {"id": paper.id, "prompt": paper.prompt, "completion": text}
            for paper, text in zip(self.control_prompts, texts, strict=True)
        ]

    def _max_new_tokens(self) -> int:
        limit = self.settings.max_new_tokens
        longest = max(len(paper.tokens) for paper in self.control_prompts)
        return min(limit, self.context - longest) if self.context else limit


def negative_log_likelihoods(model: PreTrainedModel, batch: Sequence[np.ndarray], eos_id: int) -> np.ndarray:
    """Sums of negative log-likelihoods over each sequence of one batch.

    Args:
        model: a causal language model.
        batch: arrays of token ids.
        eos_id: id of the end-of-sequence token.

    Returns:
        Array of shape (sequences, 4): nats and tokens without EOS (the text), nats and tokens with EOS. The first
        token of a sequence is given, and never counted.
    """
    losses = token_losses(model.get_output_embeddings(), forward_pass(model, batch, MULTIPLE))
    rows = []
    for loss, sequence in zip(losses, batch, strict=True):
        nats, text = loss.double().cpu().numpy(), sequence[1:] != eos_id
        rows.append([nats[text].sum(), text.sum(), nats.sum(), len(nats)])
    return np.array(rows)


def summarise(sums: np.ndarray) -> dict[str, float]:
    """Loss (mean over all tokens, as in training) and mean of the abstracts' perplexities (over their texts' tokens).

    Args:
        sums: rows of ``negative_log_likelihoods``, shape (abstracts, 4).
    """
    text = sums[sums[:, 1] > 0]
    perplexities = np.exp(text[:, 0] / text[:, 1])
    return {"loss": float(sums[:, 2].sum() / sums[:, 3].sum()), "perplexity": float(perplexities.mean())}


def complete(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[list[int]],
    settings: TrainingEvaluation,
    max_new_tokens: int,
    seed: int,
) -> list[str]:
    """Complete prompts with the model in training.

    Args:
        model: a causal language model in evaluation mode.
        tokenizer: its tokenizer, which pads on the left.
        prompts: sequences of token ids.
        settings: evaluation settings.
        max_new_tokens: most tokens in a completion.
        seed: seed of the sampling.

    Returns:
        The completions, as text.
    """
    import torch

    torch.manual_seed(seed)
    padded = tokenizer.pad({"input_ids": prompts}, return_tensors="pt").to(model.device)
    sampling = {"do_sample": True, "temperature": settings.temperature, "top_p": settings.top_p, "top_k": 0}
    tokens = model.generate(
        **padded,
        **(sampling if settings.temperature > 0 else {"do_sample": False}),
        max_new_tokens=max_new_tokens,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        use_cache=True,
    )
    return tokenizer.batch_decode(tokens[:, padded["input_ids"].shape[1] :], skip_special_tokens=True)
