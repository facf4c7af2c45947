"""One training from the command line's options to the adapter in place."""

import shutil
import time
from dataclasses import dataclass

import numpy as np

from feyntune.digests import content_hash, digest
from feyntune.errors import FeynTuneError, StoppedInTime
from feyntune.files import read_table
from feyntune.fingerprint import code_fingerprint
from feyntune.locks import locked
from feyntune.models import attention, load_base, pick_device
from feyntune.program import Progress, say
from feyntune.prompts import split_abstract
from feyntune.provenance import device_name, provenance
from feyntune.tokens import encode, load_tokenizer, token_conventions
from feyntune.training import checks, evaluation
from feyntune.training.abstracts import encode_abstracts, read_abstracts
from feyntune.training.batches import Pieces, order_steps
from feyntune.training.checkpoints import claim, newest_complete
from feyntune.training.record import history_table, publish


@dataclass(frozen=True)
class Material:
    """What a training works on, as tokens."""

    train: list
    test: list
    train_sample: list
    watched: list  # (id, prompt, tokens of the prompt)
    too_long: dict


def train(options):
    """Train one adapter and put it in place; see ``scripts/train.py`` for the options.

    Raises:
        StoppedInTime: the job's time limit is near, and the progress is saved.
        FeynTuneError: something the user can mend.
    """
    stage, device = options.settings, pick_device()
    config = refuse_early(stage, options.base, options.gpus, device)
    tokenizer = load_tokenizer(options.base)
    material = prepare(options, tokenizer, checks.longest_sequence(stage.training, config))
    with locked(options.checkpoints):
        resume = _newest_checkpoint(options)
        trainer, pieces = _trainer(options, tokenizer, material, device, resume)
        _train_to_the_end(trainer, resume)
        history = history_table(trainer.state.log_history, len(material.train), stage.training.batch_size)
        publish(trainer.model, history, _record(trainer, pieces, material, tokenizer, stage, device), options.output)
        shutil.rmtree(options.checkpoints)
    say(f"adapter in {options.output}")


def refuse_early(stage, base, gpus, device):
    """Check all that can be checked without a model; returns the model's configuration."""
    from transformers import AutoConfig

    checks.check_batch(stage.training, max(gpus, 1))
    checks.check_machine(stage.quantization, stage.precision, device)
    if not (base / "config.json").is_file():
        raise FeynTuneError(f"{base}: no config.json there; name a Hugging Face model folder in models.*.path")
    config = AutoConfig.from_pretrained(base, local_files_only=True)
    checks.check_names(stage.training)
    checks.check_target_modules(stage.target_modules, config)
    return config


def prepare(options, tokenizer, longest):
    """Read and encode the abstracts of both splits and the control papers."""
    stage = options.settings
    training, measured = stage.training, stage.training.evaluation
    test = evaluation.sample(read_abstracts(options.test), measured.test_rows, stage.seed)
    sequences, over, too_long = {}, {}, training.too_long
    for name, place, abstracts in (
        ("train", options.train, read_abstracts(options.train)),
        ("test", options.test, test),
    ):
        sequences[name], over[name] = encode_abstracts(tokenizer, abstracts, longest, too_long, place)
        if over[name]:
            say(f"{place}: {over[name]} abstracts have more than {longest} tokens: {too_long}")
    return Material(
        train=sequences["train"],
        test=sequences["test"],
        train_sample=evaluation.sample(sequences["train"], measured.train_rows, stage.seed),
        watched=_watched(options.watched, tokenizer, measured.watched),
        too_long=over,
    )


def _watched(path, tokenizer, count):
    papers = read_table(path, ["id", "abstract"]).slice(0, count).to_pylist()
    prompts = [split_abstract(paper["abstract"])[0] for paper in papers]
    tokens = encode(tokenizer, prompts, eos=False)
    return [(paper["id"], *rest) for paper, *rest in zip(papers, prompts, tokens, strict=True)]


def _newest_checkpoint(options):
    note = {
        "settings": options.settings.model_dump(mode="json"),
        "base": content_hash(options.base),
        "data": [digest(path) for path in (options.train, options.test, options.watched)],
        "code": code_fingerprint("train.py"),
    }
    if claim(options.checkpoints, note):
        say("checkpoints of other settings, data or code discarded: starting over")
    resume = newest_complete(options.checkpoints)
    if resume:
        say(f"going on from {resume.name}")
    return resume


def steps_of(training, rows):
    """Number of steps: as set, or as the epochs make it, the last batch filled up from the next pass."""
    return training.max_steps or int(np.ceil(training.num_train_epochs * rows / training.batch_size))


def _trainer(options, tokenizer, material, device, resume):
    import torch
    from transformers import set_seed

    from feyntune.training.trainer import AdapterTrainer, Pace, training_arguments

    stage, training = options.settings, options.settings.training
    lengths = np.array([len(sequence) for sequence in material.train])
    order = order_steps(lengths, training.batch_size, steps_of(training, len(lengths)), stage.seed)
    one_row = attention(stage.precision, device) == "flash_attention_2"
    pieces = Pieces(
        material.train, order, max(options.gpus, 1), training.per_device_batch_size, tokenizer.pad_token_id, one_row
    )
    set_seed(stage.seed)  # before the adapter is drawn
    model = _adapted(options, stage)
    budget = max(int(lengths[order].sum(axis=1).max()) // pieces.per_step, int(lengths.max()))
    steps = Progress("training", len(order), "steps")
    trainer = AdapterTrainer(
        model,
        training_arguments(stage, len(order), pieces.per_device, options.checkpoints, device, resume is not None),
        train_dataset=pieces,
        callbacks=[Pace(training.evaluation.times, training.checkpoint_minutes, options.deadline, steps)],
        measure=lambda: _measure(model, tokenizer, material, training.evaluation, budget, stage.seed),
        dtype=getattr(torch, stage.precision.dtype),
    )
    return trainer, pieces


def _adapted(options, stage):
    from peft import LoraConfig, get_peft_model

    lora = stage.lora
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        bias=lora.bias,
        use_dora=lora.use_dora,
        use_rslora=lora.use_rslora,
        target_modules=stage.target_modules,
        base_model_name_or_path=(options.base_names or [str(options.base)])[0],
    )
    base = load_base(options.base, stage.quantization, stage.precision)
    name = config.base_model_name_or_path
    model = get_peft_model(base, config)
    config.base_model_name_or_path = name
    return model


def _measure(model, tokenizer, material, settings, budget, seed):
    measured = {}
    for name, sequences in (("test", material.test), ("train", material.train_sample)):
        batches = evaluation.batches_by_length(sequences, budget)
        sums = [evaluation.negative_log_likelihoods(model, batch, tokenizer.eos_token_id) for batch in batches]
        if sums:
            measured.update(
                {f"{name}_{key}": value for key, value in evaluation.summarise(np.concatenate(sums)).items()}
            )
    if material.watched:
        ids, prompts, tokens = zip(*material.watched, strict=True)
        texts = evaluation.complete(model, tokenizer, list(tokens), settings, seed)
        rows = zip(ids, prompts, texts, strict=True)
        measured["watched"] = [dict(zip(("id", "prompt", "completion"), row, strict=True)) for row in rows]
    return measured


def _train_to_the_end(trainer, resume):
    trainer.train(resume_from_checkpoint=resume and str(resume))
    if trainer.state.global_step < trainer.state.max_steps:
        raise StoppedInTime(
            f"stopped before the time limit at step {trainer.state.global_step} of {trainer.state.max_steps};"
            " all is saved: run again to go on"
        )


def _record(trainer, pieces, material, tokenizer, stage, device):
    return {
        "settings": stage.model_dump(mode="json"),
        **provenance(),
        "device": device_name(device),
        "attention": trainer.model.config._attn_implementation,
        "tokens": token_conventions(tokenizer),
        "abstracts": {"train": len(material.train), "test": len(material.test), "too_long": material.too_long},
        "steps": trainer.state.max_steps,
    }


__all__ = ["prepare", "refuse_early", "steps_of", "time", "train"]
