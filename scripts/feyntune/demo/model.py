"""The small Llama of the embedded default: a tokenizer like that of Llama 3, and a minute of pretraining."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

    from feyntune.config.schema.demo import DemoModel

FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
"""The files of the model folder."""

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How Llama 3 splits text before it merges bytes (the pattern in the tokenizer of meta-llama/Llama-3.1-8B)."""


def train_tokenizer(texts: Sequence[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer of ``vocabulary`` tokens, with Llama 3's text splitting and special tokens."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    begin, end = "<|begin_of_text|>", "<|end_of_text|>"
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[begin, end],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=begin, eos_token=end)


def build_model(settings: DemoModel, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A randomly initialised Llama, the same for the same seed."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(settings.seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=settings.hidden_size,
            intermediate_size=3 * settings.hidden_size,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.hidden_size // 32,
            num_key_value_heads=max(1, settings.hidden_size // 64),
            max_position_embeddings=settings.context,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def pretrain(
    model: LlamaForCausalLM, sequences: Sequence[list[int]], settings: DemoModel, progress: Callable[[float], None]
) -> None:
    """Train on token sequences for ``settings.steps`` steps, with a one-cycle learning rate.

    Args:
        model: from ``build_model``.
        sequences: token ids of each text, with BOS and EOS.
        settings: steps, batch size, learning rate, context length and seed.
        progress: called with the loss after each step.
    """
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.95), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=settings.learning_rate, total_steps=settings.steps, pct_start=0.1
    )
    model.train()
    for batch in _batches(sequences, settings):
        loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        progress(loss.item())


def _batches(sequences: Sequence[list[int]], settings: DemoModel) -> Iterator[dict[str, torch.Tensor]]:
    """Yield random batches of sequences of similar length (tensors batch x length), padded on the right and masked."""
    import torch

    generator = torch.Generator().manual_seed(settings.seed)
    by_length = sorted((sequence[: settings.context] for sequence in sequences), key=len)
    groups = [by_length[start : start + settings.batch_size] for start in range(0, len(by_length), settings.batch_size)]
    for _ in range(settings.steps):
        rows = groups[int(torch.randint(len(groups), (1,), generator=generator))]
        padded = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], True, -100)
        mask = padded != -100
        yield {"input_ids": padded.clamp(min=0), "attention_mask": mask.long(), "labels": padded}
