"""Small models with random weights."""

from support.sentences import SENTENCES


def save_random_llama(folder, ending, **sizes):
    """Save a random Llama of two layers with a byte-level tokenizer that has BOS and EOS; context 256.

    ``ending`` scales the weights of the end token: some texts shall end soon, others late. ``sizes`` are those of
    ``LlamaConfig``. Returns the folder.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>").save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(), intermediate_size=64, num_hidden_layers=2, max_position_embeddings=256,
        bos_token_id=0, eos_token_id=1, initializer_range=0.3, **sizes,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    model.lm_head.weight.data[1] *= ending
    model.save_pretrained(folder)
    return folder
