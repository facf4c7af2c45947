"""What a model in training is measured by: loss and perplexity on samples, and control papers that it completes."""

import numpy as np

from feyntune.training.batches import IGNORED, rounded


def sample(abstracts, count, seed):
    """``count`` of the abstracts, drawn without replacement, in their order; all of them if None or too many."""
    if count is None or count >= len(abstracts):
        return abstracts
    chosen = np.random.default_rng(seed).choice(len(abstracts), count, replace=False)
    return [abstracts[number] for number in sorted(chosen)]


def batches_by_length(sequences, budget):
    """Cut sequences, longest first, into batches of at most ``budget`` tokens, padding included.

    Returns:
        A list of batches, each a list of arrays; one sequence over the budget is a batch of its own.
    """
    batches, width = [], 0
    for sequence in sorted(sequences, key=len, reverse=True):
        if not batches or (len(batches[-1]) + 1) * width > budget:
            batches.append([])
            width = rounded(len(sequence))
        batches[-1].append(sequence)
    return batches


def negative_log_likelihoods(model, batch, eos_id):
    """Sums of negative log-likelihoods over each sequence of one batch.

    Sequences are padded on the right; what a causal model says of a token does not depend on what comes after it, so
    that no mask is needed.

    Args:
        model: a causal language model.
        batch: arrays of token ids.
        eos_id: id of the end-of-sequence token.

    Returns:
        An array of shape (sequences, 4): nats and tokens without EOS (the text's), nats and tokens with it. The first
        token of a sequence is given, and never counted.
    """
    import torch

    width = rounded(max(map(len, batch)))
    tokens = np.full((len(batch), width), eos_id, dtype=np.int64)
    labels = np.full((len(batch), width), IGNORED, dtype=np.int64)
    for row, sequence in enumerate(batch):
        tokens[row, : len(sequence)] = labels[row, : len(sequence)] = sequence
    tokens, labels = torch.from_numpy(tokens).to(model.device), torch.from_numpy(labels).to(model.device)
    logits = model(input_ids=tokens, use_cache=False).logits[:, :-1].float()
    targets = labels[:, 1:]
    nats = torch.nn.functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none", ignore_index=IGNORED)
    text, every = (targets != IGNORED) & (targets != eos_id), targets != IGNORED
    sums = [(nats * text).sum(1), text.sum(1), nats.sum(1), every.sum(1)]
    return torch.stack([column.double() for column in sums], dim=1).cpu().numpy()


def summarise(sums):
    """Loss (mean over all tokens, as in training) and mean of the abstracts' perplexities (of their texts' tokens).

    Args:
        sums: rows of ``negative_log_likelihoods``, shape (abstracts, 4).
    """
    text = sums[sums[:, 1] > 0]
    perplexities = np.exp(text[:, 0] / text[:, 1])
    return {"loss": float(sums[:, 2].sum() / sums[:, 3].sum()), "perplexity": float(perplexities.mean())}


def complete(model, tokenizer, prompts, settings, seed):
    """Complete prompts by the model in training; its random numbers are its own, so that training draws the same ones.

    Args:
        model: a causal language model in evaluation mode.
        tokenizer: its tokenizer, which pads on the left.
        prompts: sequences of token ids.
        settings: ``settings.training.TrainingEvaluation``.
        seed: seed of the drawing, the same at each evaluation.

    Returns:
        A list of continuations, as text.
    """
    import torch

    padded = tokenizer.pad({"input_ids": prompts}, return_tensors="pt").to(model.device)
    drawing = {"do_sample": True, "temperature": settings.temperature, "top_p": settings.top_p, "top_k": 0}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        tokens = model.generate(
            **padded,
            **(drawing if settings.temperature > 0 else {"do_sample": False}),
            max_new_tokens=settings.max_new_tokens,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            use_cache=True,
        )
    return tokenizer.batch_decode(tokens[:, padded["input_ids"].shape[1] :], skip_special_tokens=True)
