"""Evaluation during training: loss and perplexity on samples, and completions of the control prompts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from feyntune.core.errors import FeynTuneError
from feyntune.models.likelihood import batches_by_length
from feyntune.training.distributed import map_across_processes
from feyntune.training.microbatches import MULTIPLE

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from feyntune.config.schema.training import TrainingEvaluation
    from feyntune.training.data import TrainingData
    from feyntune.training.fit import FitPlan
    from feyntune.training.loss import NextTokenLoss


class Evaluator:
    """Evaluates the model. The processes of one training share the work, and all get the result.

    Args:
        data: training data.
        tokenizer: the model's tokenizer.
        loss: loss of the model.
        settings: evaluation settings.
        cache_bytes: bytes of the KV cache for each token.
        context: tokens that the model can attend to; None: no limit.
        seed: seed of the completions, the same at each evaluation.
        in_step: the processes must compute the same number of forward passes, because the model is divided among them.
    """

    def __init__(
        self,
        data: TrainingData,
        tokenizer: PreTrainedTokenizerBase,
        loss: NextTokenLoss,
        settings: TrainingEvaluation,
        cache_bytes: float,
        context: int | None,
        seed: int,
        in_step: bool = False,
    ) -> None:
        self.tokenizer, self.loss, self.settings, self.in_step = tokenizer, loss, settings, in_step
        self.cache_bytes, self.context, self.seed = cache_bytes, context, seed
        self.data, self.control_prompts = data, data.control_prompts
        self.samples: dict[str, list[list[np.ndarray]]] = {}
        self.prompts_at_once = len(self.control_prompts)

    def resize(self, fits: FitPlan) -> None:
        """Choose batches so that an evaluation needs no more memory than a training step.

        Args:
            fits: division of the training steps.
        """
        self.samples = {
            name: [
                [sequences[item] for item in batch]
                for batch in batches_by_length(
                    [len(sequence) for sequence in sequences], int(fits.demand.tokens), MULTIPLE
                )
            ]
            for name, sequences in (
                ("test", self.data.test_sample),
                ("train", self.data.train_sample),
                ("validation", self.data.validation_sample),
            )
            if sequences
        }
        if fits.free is not None and self.control_prompts:
            longest = max(len(paper.tokens) for paper in self.control_prompts)
            text = (longest + self._max_new_tokens()) * self.cache_bytes
            self.prompts_at_once = max(1, min(len(self.control_prompts), int(fits.demand.memory / text)))

    def __call__(self, model: PreTrainedModel | PeftModel) -> dict[str, Any]:
        """Evaluate ``model``, which is in evaluation mode.

        Returns:
            ``test_loss``, ``test_perplexity``, the same of ``train`` and of ``validation`` where they are sampled, and
            ``control_prompts``: a list of dicts ``id, prompt, completion``.

        Raises:
            FeynTuneError: the training has diverged.
        """
        import torch

        metrics: dict[str, Any] = {}
        with torch.no_grad():
            for name, batches in self.samples.items():
                summary = summarise(self._negative_log_likelihoods(batches))
                metrics.update({f"{name}_{key}": value for key, value in summary.items()})
            if not math.isfinite(metrics.get("test_loss", 0)):
                raise FeynTuneError(
                    f"the loss on the test sample is {metrics['test_loss']}; lower training.optimizer.learning_rate,"
                    " and check the data and the model if that does not help"
                )
            if self.control_prompts:
                metrics["control_prompts"] = self._completions(model)
        return metrics

    def _negative_log_likelihoods(self, batches: list[list[np.ndarray]]) -> np.ndarray:
        eos_id = self.tokenizer.eos_token_id
        return np.concatenate(
            map_across_processes(
                lambda batch: negative_log_likelihoods(self.loss, batch, eos_id), batches, self.in_step
            )
        )

    def _completions(self, model: PreTrainedModel | PeftModel) -> list[dict[str, str]]:
        prompts, count = [paper.tokens for paper in self.control_prompts], self.prompts_at_once
        limit = self._max_new_tokens()
        batches = map_across_processes(
            lambda batch: complete(model, self.tokenizer, batch, self.settings, limit, self.seed, self.in_step),
            [prompts[start : start + count] for start in range(0, len(prompts), count)],
            self.in_step,
        )
        texts = [text for batch in batches for text in batch]
        return [
            {"id": paper.id, "prompt": paper.prompt, "completion": text}
            for paper, text in zip(self.control_prompts, texts, strict=True)
        ]

    def _max_new_tokens(self) -> int:
        limit = self.settings.max_new_tokens
        longest = max(len(paper.tokens) for paper in self.control_prompts)
        return min(limit, self.context - longest) if self.context else limit


def negative_log_likelihoods(loss: NextTokenLoss, batch: Sequence[np.ndarray], eos_id: int) -> np.ndarray:
    """Sums of negative log-likelihoods over each sequence of one batch.

    Args:
        loss: loss of a causal language model.
        batch: arrays of token ids.
        eos_id: id of the end-of-sequence token.

    Returns:
        Array of shape (sequences, 4): nats and tokens without EOS (the text), nats and tokens with EOS. The first
        token of a sequence is given, and never counted.
    """
    rows = []
    for losses, sequence in zip(loss.by_token(batch), batch, strict=True):
        nats, text = losses.double().cpu().numpy(), sequence[1:] != eos_id
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
    model: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[list[int]],
    settings: TrainingEvaluation,
    max_new_tokens: int,
    seed: int,
    in_step: bool = False,
) -> list[str]:
    """Complete prompts with the model in training.

    Args:
        model: a causal language model in evaluation mode.
        tokenizer: its tokenizer, which pads on the left.
        prompts: sequences of token ids.
        settings: evaluation settings.
        max_new_tokens: most tokens in a completion.
        seed: seed of the sampling.
        in_step: continue until all processes have finished.

    Returns:
        The completions, as text.
    """
    import torch
    from transformers import GenerationConfig

    torch.manual_seed(seed)
    padded = tokenizer.pad({"input_ids": prompts}, return_tensors="pt").to(model.device)
    sampling = {"do_sample": True, "temperature": settings.temperature, "top_p": settings.top_p, "top_k": 0}
    base = cast("PeftModel", model).get_base_model() if hasattr(model, "peft_config") else model
    # The generation settings in the model's folder must not apply.
    cast("PreTrainedModel", base).generation_config = GenerationConfig()
    generative = cast("Any", model)  # transformers' annotation of generate excludes PreTrainedModel and PeftModel
    tokens: torch.Tensor = generative.generate(
        **padded,
        **(sampling if settings.temperature > 0 else {"do_sample": False}),
        max_new_tokens=max_new_tokens,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        use_cache=True,
        synced_gpus=in_step,
    )
    return tokenizer.batch_decode(tokens[:, padded["input_ids"].shape[1] :], skip_special_tokens=True)
