"""One training, from the command line's options to the adapter in place."""

import contextlib
import hashlib
import json
import shutil

from feyntune.digests import content_hash, digest
from feyntune.errors import StoppedInTime
from feyntune.fingerprint import code_fingerprint
from feyntune.locks import locked
from feyntune.models import attention, pick_device
from feyntune.program import Progress, quiet, say
from feyntune.provenance import device_name, provenance
from feyntune.tokens import load_tokenizer, token_conventions
from feyntune.training import checks, processes
from feyntune.training.batches import Pieces, order_steps
from feyntune.training.checkpoints import claim, newest_complete, step_of
from feyntune.training.evaluation import Evaluator
from feyntune.training.material import prepare, steps_of
from feyntune.training.memory import remedy
from feyntune.training.meter import Meter
from feyntune.training.record import history_table, publish


def train(options):
    """Train one adapter and put it in place; see ``scripts/train.py`` for the options.

    Raises:
        StoppedInTime: the job's time limit is near, and the progress is saved.
        FeynTuneError: something the user can mend.
    """
    if options.gpus > 1 and not processes.is_launched():
        checks.check_batch(options.settings.training, options.gpus)
        processes.launch_processes(options.gpus)
    else:
        _train_here(options)


def _train_here(options):
    if processes.rank() > 0:
        quiet()
    stage = options.settings
    model_config = checks.check_early(options)
    tokenizer = load_tokenizer(options.base)
    longest = checks.longest_sequence(stage.training, model_config)
    material = prepare(options, tokenizer, longest)
    with _checkpoint_folder(options) as (checkpoint, note):
        order = order_steps(
            material.lengths, stage.training.batch_size, steps_of(stage.training, len(material.train)), stage.seed
        )
        pieces = _pieces(options, material, order, model_config, tokenizer)
        trainer = _trainer(options, tokenizer, material, pieces, model_config)
        tokens = material.lengths[order].sum(axis=1)
        say(_plan(trainer, material, tokens))
        with _tracked(options, note, trainer, step_of(checkpoint)), remedy(stage.training, tokens.max()):
            _train_to_the_end(trainer, checkpoint)
        if processes.rank() == 0:
            history = history_table(trainer.state.log_history, len(material.train), stage.training.batch_size)
            record = _record(trainer, material, tokenizer, stage, int(tokens.sum()))
            publish(trainer.model, history, record, options.output)
            shutil.rmtree(options.checkpoints)
            say(f"adapter in {options.output}")


@contextlib.contextmanager
def _checkpoint_folder(options):
    """Hold the folder of the checkpoints; give the newest complete one (or None) and the digest of their note.

    Of several processes the first one holds it and looks, and tells the others.
    """
    if not processes.is_launched():
        with locked(options.checkpoints):
            yield _newest_checkpoint(options)
        return
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    first = PartialState(cpu=pick_device().type == "cpu").is_main_process
    with locked(options.checkpoints) if first else contextlib.nullcontext():
        (found,) = broadcast_object_list([_newest_checkpoint(options) if first else None])
        yield found


def _newest_checkpoint(options):
    note = {
        "run": options.settings.run,
        "settings": options.settings.model_dump(mode="json"),
        "base": content_hash(options.base),
        "data": [digest(path) for path in (options.train, options.test, options.watched)],
        "code": code_fingerprint("train.py"),
    }
    if claim(options.checkpoints, note):
        say("the checkpoints are of other settings, data or code: starting over")
    checkpoint = newest_complete(options.checkpoints)
    if checkpoint:
        say(f"going on from {checkpoint.name}")
    return checkpoint, hashlib.sha256(json.dumps(note, sort_keys=True).encode()).hexdigest()


def _pieces(options, material, order, model_config, tokenizer):
    flash = attention(options.settings.precision, pick_device()) == "flash_attention_2"
    return Pieces(
        material.train,
        order,
        devices=max(options.gpus, 1),
        most=options.settings.training.per_device_batch_size,
        pad_id=tokenizer.pad_token_id,
        hidden_size=None if flash else model_config.hidden_size,
    )


def _trainer(options, tokenizer, material, pieces, model_config):
    import torch
    from accelerate.utils import set_seed

    from feyntune.training.model import load_adapted
    from feyntune.training.trainer import AdapterTrainer, training_arguments

    stage = options.settings
    arguments = training_arguments(stage, len(pieces.order), pieces.per_device, options.checkpoints, pick_device())
    set_seed(stage.seed)  # the adapter is drawn now, and the same by all processes
    model = load_adapted(options.base, (options.base_names or [str(options.base)])[0], stage)
    budget = max(int(material.lengths[pieces.order].sum(axis=1).max()) // pieces.per_step, max(material.lengths))
    context = checks.context(model_config)
    trainer = AdapterTrainer(
        model=model,
        args=arguments,
        train_dataset=pieces,
        evaluator=Evaluator(material, tokenizer, stage.training.evaluation, budget, context, stage.seed),
        meter=Meter(),
        dtype=getattr(torch, stage.precision.dtype),
    )
    set_seed(stage.seed, device_specific=True)  # from here on each process draws its own dropout
    return trainer


def _plan(trainer, material, tokens):
    steps, mean = len(tokens), tokens.mean()
    pieces, attention_used = trainer.args.gradient_accumulation_steps, trainer.model.config._attn_implementation
    return (
        f"{len(material.train):,} abstracts, {steps:,} steps of {mean:,.0f} tokens, in {pieces} pieces on each of"
        f" {trainer.args.world_size} x {device_name(trainer.args.device)}, {attention_used} attention"
    )


@contextlib.contextmanager
def _tracked(options, note, trainer, done):
    """Give the trainer its clock, its progress (``done`` steps are behind it) and, if wanted, W&B."""
    from feyntune.training.trainer import Pace, Watch

    stage, steps = options.settings, trainer.args.max_steps
    trainer.add_callback(Pace(stage.training, options.time_limit and 60 * options.time_limit, options.started))
    with contextlib.ExitStack() as stack:
        what = f"training from step {done} of {steps}" if done else "training"
        trainer.add_callback(Watch(stack.enter_context(Progress(what, steps - done, "steps"))))
        if options.tracking.wandb != "disabled" and processes.rank() == 0:
            from feyntune.training.tracking import Tracker, wandb_id

            tracker = Tracker(options.tracking, stage.run, wandb_id(stage.run, note), stage.model_dump(mode="json"))
            stack.callback(tracker.finish)
            trainer.add_callback(tracker)
        yield


def _train_to_the_end(trainer, checkpoint):
    trainer.train(checkpoint)
    if trainer.state.global_step < trainer.state.max_steps:
        raise StoppedInTime(
            f"stopped before the time limit at step {trainer.state.global_step} of {trainer.state.max_steps};"
            " all is saved: run again to go on"
        )


def _record(trainer, material, tokenizer, stage, tokens):
    """The content of ``run.json``; all but ``measured`` is the same for the same settings, data and machine."""
    return {
        "settings": stage.model_dump(mode="json"),
        **provenance(),
        "device": device_name(trainer.args.device),
        "processes": trainer.args.world_size,
        "attention": trainer.model.config._attn_implementation,
        "tokens": token_conventions(tokenizer),
        "steps": trainer.state.max_steps,
        "pieces_per_step": trainer.args.gradient_accumulation_steps,
        "train_abstracts": len(material.train),
        "train_tokens": tokens,
        "test_sample": len(material.test_sample),
        "train_sample": len(material.train_sample),
        "too_long": material.too_long,
        "measured": trainer.meter.summary(tokens),
    }
