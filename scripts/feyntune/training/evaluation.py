"""What a model in training is measured by: loss and perplexity on samples, and control papers that it completes."""

import numpy as np

from feyntune.models.likelihood import batches_by_length, forward_pass, token_losses
from feyntune.training.microbatches import MULTIPLE


class Evaluator:
    """Measures the model; the processes of one training share the work, and all get the result.

    Args:
        material: ``material.Material``.
        tokenizer: the model's.
        settings: ``settings.training.TrainingEvaluation``.
        budget: tokens in a batch, padding included.
        context: tokens that the model can take; None if it knows no limit.
        seed: seed of the completions, the same at each evaluation.
    """

    def __init__(self, material, tokenizer, settings, budget, context, seed):
        self.tokenizer, self.settings, self.context, self.seed = tokenizer, settings, context, seed
        self.samples = {
            name: [
                [sequences[item] for item in batch]
                for batch in batches_by_length([len(sequence) for sequence in sequences], budget, MULTIPLE)
            ]
            for name, sequences in (("test", material.test_sample), ("train", material.train_sample))
            if sequences
        }
        self.control_prompts = material.control_prompts

    def __call__(self, model):
        """Measure ``model``, which is in evaluation mode.

        Returns:
            A dict with ``test_loss``, ``test_perplexity``, ``train_loss``, ``train_perplexity`` and
            ``control_prompts``: list of dicts ``id, prompt, completion``.
        """
        import torch

        with torch.no_grad():
            return self._measured(model)

    def _measured(self, model):
        measured = {}
        for name, batches in self.samples.items():
            sums = _shared(lambda batch: negative_log_likelihoods(model, batch, self.tokenizer.eos_token_id), batches)
            summary = summarise(np.concatenate(sums))
            measured.update({f"{name}_{key}": value for key, value in summary.items()})
        if self.control_prompts:
            measured["control_prompts"] = self._completions(model)
        return measured

    def _completions(self, model):
        prompts = [paper.tokens for paper in self.control_prompts]
        (texts,) = _shared(
            lambda batch: complete(model, self.tokenizer, batch, self.settings, self._room(), self.seed), [prompts]
        )
        return [
            {"id": paper.id, "prompt": paper.prompt, "completion": text}
            for paper, text in zip(self.control_prompts, texts, strict=True)
        ]

    def _room(self):
        longest = max(len(paper.tokens) for paper in self.control_prompts)
        return min(
            self.settings.max_new_tokens, self.context - longest if self.context else self.settings.max_new_tokens
        )


def _shared(function, items):
    """Apply a function to each item, every process to its own part of them; all processes get all results, in order."""
    from accelerate import PartialState
    from accelerate.utils import gather_object

    processes, own = PartialState().num_processes, PartialState().process_index
    if processes == 1:
        return [function(item) for item in items]
    numbers = range(own, len(items), processes)
    gathered = gather_object([(number, function(items[number])) for number in numbers])
    return [result for _, result in sorted(gathered, key=lambda pair: pair[0])]


def negative_log_likelihoods(model, batch, eos_id):
    """Sums of negative log-likelihoods over each sequence of one batch.

    Args:
        model: a causal language model.
        batch: arrays of token ids.
        eos_id: id of the end-of-sequence token.

    Returns:
        An array of shape (sequences, 4): nats and tokens without EOS (the text's), nats and tokens with it. The first
        token of a sequence is given, and never counted.
    """
    losses = token_losses(model.get_output_embeddings(), forward_pass(model, batch, MULTIPLE))
    rows = []
    for nats, sequence in zip(losses, batch, strict=True):
        nats, text = nats.double().cpu().numpy(), sequence[1:] != eos_id
        rows.append([nats[text].sum(), text.sum(), nats.sum(), len(nats)])
    return np.array(rows)


def summarise(sums):
    """Loss (mean over all tokens, as in training) and mean of the abstracts' perplexities (over their texts' tokens).

    Args:
        sums: rows of ``negative_log_likelihoods``, shape (abstracts, 4).
    """
    text = sums[sums[:, 1] > 0]
    perplexities = np.exp(text[:, 0] / text[:, 1])
    return {"loss": float(sums[:, 2].sum() / sums[:, 3].sum()), "perplexity": float(perplexities.mean())}


def complete(model, tokenizer, prompts, settings, room, seed):
    """Complete prompts by the model in training.

    Args:
        model: a causal language model in evaluation mode.
        tokenizer: its tokenizer, which pads on the left.
        prompts: sequences of token ids.
        settings: ``settings.training.TrainingEvaluation``.
        room: most new tokens.
        seed: seed of the drawing.

    Returns:
        A list of continuations, as text.
    """
    import torch

    torch.manual_seed(seed)
    padded = tokenizer.pad({"input_ids": prompts}, return_tensors="pt").to(model.device)
    drawing = {"do_sample": True, "temperature": settings.temperature, "top_p": settings.top_p, "top_k": 0}
    tokens = model.generate(
        **padded,
        **(drawing if settings.temperature > 0 else {"do_sample": False}),
        max_new_tokens=room,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        use_cache=True,
    )
    return tokenizer.batch_decode(tokens[:, padded["input_ids"].shape[1] :], skip_special_tokens=True)
