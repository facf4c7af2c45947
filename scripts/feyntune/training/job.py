"""One training, from the command line's options to the adapter in place."""

import contextlib
import hashlib
import json
import shutil
from dataclasses import dataclass
from typing import Any

from feyntune.core.cli import Progress, quiet, say
from feyntune.core.errors import StoppedInTime
from feyntune.core.fingerprint import code_fingerprint
from feyntune.core.hashing import content_hash, digest
from feyntune.core.locks import locked
from feyntune.core.provenance import device_name, provenance
from feyntune.models.load import attention, pick_device
from feyntune.models.tokenizer import load_tokenizer, token_conventions
from feyntune.training import checks, distributed
from feyntune.training.checkpoints import claim, newest_complete, step_of
from feyntune.training.data import prepare, steps_of
from feyntune.training.evaluation import Evaluator
from feyntune.training.memory import remedy
from feyntune.training.meter import Meter
from feyntune.training.microbatches import Pieces, order_steps
from feyntune.training.record import history_table, publish


def train(options):
    """Train one adapter and put it in place; see ``scripts/train.py`` for the options.

    Raises:
        StoppedInTime: the job's time limit is near, and the progress is saved.
        FeynTuneError: something the user can mend.
    """
    if options.gpus > 1 and not distributed.is_launched():
        checks.check_batch(options.settings.training, options.gpus)
        distributed.launch_processes(options.gpus, options.started)
    else:
        _train_here(options)


@dataclass(frozen=True)
class _Job:
    """What one process of a training knows before it loads a model."""

    options: Any
    config: Any
    tokenizer: Any
    material: Any
    order: Any

    @classmethod
    def of(cls, options):
        """Refuse what cannot be trained, read the abstracts, and draw the steps."""
        stage, config = options.settings, checks.check_early(options)
        tokenizer = load_tokenizer(options.base)
        material = prepare(options, tokenizer, checks.longest_sequence(stage.training, config))
        steps = steps_of(stage.training, len(material.train))
        order = order_steps(material.lengths, stage.training.batch_size, steps, stage.seed)
        return cls(options, config, tokenizer, material, order)

    @property
    def stage(self):
        """The settings."""
        return self.options.settings

    @property
    def tokens(self):
        """Real tokens of each step."""
        return self.material.lengths[self.order].sum(axis=1)


def _train_here(options):
    if distributed.rank() > 0:
        quiet()
    job = _Job.of(options)
    with _checkpoint_folder(options) as (checkpoint, note):
        trainer = _trainer(job)
        say(_plan(job, trainer))
        with _called_back(job, trainer, note, step_of(checkpoint)), remedy(job.stage.training, job.tokens.max()):
            _train_to_the_end(trainer, checkpoint)
        if distributed.rank() == 0:
            history = history_table(trainer.state.log_history, len(job.material.train), job.stage.training.batch_size)
            publish(trainer.model, history, _record(job, trainer), options.output)
            shutil.rmtree(options.checkpoints)
            say(f"adapter in {options.output}")


@contextlib.contextmanager
def _checkpoint_folder(options):
    """Hold the folder of the checkpoints; give the newest complete one (or None) and the digest of their note.

    Of several processes the first one holds it and looks, and tells the others.
    """
    if not distributed.is_launched():
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
        "data": [digest(path) for path in (options.train, options.test, options.control_prompts)],
        "code": code_fingerprint("train.py"),
    }
    if claim(options.checkpoints, note):
        say("the checkpoints are of other settings, data or code: starting over")
    checkpoint = newest_complete(options.checkpoints)
    if checkpoint:
        say(f"going on from {checkpoint.name}")
    return checkpoint, hashlib.sha256(json.dumps(note, sort_keys=True).encode()).hexdigest()


def _trainer(job):
    import torch
    from accelerate.utils import set_seed

    from feyntune.training.model import load_adapted
    from feyntune.training.trainer import AdapterTrainer, training_arguments

    options, stage, pieces = job.options, job.stage, _pieces(job)
    arguments = training_arguments(stage, len(job.order), pieces.per_device, options.checkpoints, pick_device())
    set_seed(stage.seed)  # the adapter is drawn now, and the same by all processes
    model = load_adapted(options.base, (options.base_names or [str(options.base)])[0], stage)
    trainer = AdapterTrainer(
        model=model,
        args=arguments,
        train_dataset=pieces,
        evaluator=_evaluator(job, pieces),
        meter=Meter(),
        dtype=getattr(torch, stage.precision.dtype),
    )
    set_seed(stage.seed, device_specific=True)  # from here on each process draws its own dropout
    return trainer


def _pieces(job):
    flash = attention(job.stage.precision, pick_device()) == "flash_attention_2"
    return Pieces(
        job.material.train,
        job.order,
        devices=max(job.options.gpus, 1),
        most=job.stage.training.per_device_batch_size,
        pad_id=job.tokenizer.pad_token_id,
        hidden_size=None if flash else job.config.hidden_size,
    )


def _evaluator(job, pieces):
    """Evaluates in batches of as many tokens as the longest step has for a device, so that memory suffices."""
    budget = max(job.tokens.max() // pieces.per_step, job.material.lengths.max())
    settings = job.stage.training.evaluation
    return Evaluator(job.material, job.tokenizer, settings, budget, checks.context_length(job.config), job.stage.seed)


def _plan(job, trainer):
    pieces, attention_used = trainer.args.gradient_accumulation_steps, trainer.model.config._attn_implementation
    return (
        f"{len(job.material.train):,} abstracts, {len(job.order):,} steps of {job.tokens.mean():,.0f} tokens,"
        f" {pieces} x {trainer.args.world_size} pieces a step on {device_name(trainer.args.device)},"
        f" {attention_used} attention"
    )


@contextlib.contextmanager
def _called_back(job, trainer, note, done):
    """Give the trainer its clock, its progress (``done`` steps are behind it) and, if wanted, W&B."""
    from feyntune.training.trainer import Pace, Watch

    options, steps = job.options, len(job.order)
    limit = options.time_limit and 60 * options.time_limit
    trainer.add_callback(Pace(job.stage.training, limit, distributed.started(options.started)))
    progress = Progress(f"training from step {done} of {steps}" if done else "training", steps - done, "steps")
    trainer.add_callback(Watch(progress))
    with contextlib.ExitStack() as stack:
        if distributed.rank() == 0:
            stack.enter_context(progress)
            _begin_tracking(job, trainer, note, stack)
        yield


def _begin_tracking(job, trainer, note, stack):
    if job.options.tracking.wandb == "disabled":
        return
    from feyntune.training.wandb import Tracker, wandb_id

    run = job.stage.run
    tracker = Tracker(job.options.tracking, run, wandb_id(run, note), job.stage.model_dump(mode="json"))
    stack.callback(tracker.finish)
    trainer.add_callback(tracker)


def _train_to_the_end(trainer, checkpoint):
    trainer.train(checkpoint)
    if trainer.state.global_step < trainer.state.max_steps:
        raise StoppedInTime(
            f"stopped before the time limit at step {trainer.state.global_step} of {trainer.state.max_steps};"
            " all is saved: run again to go on"
        )


def _record(job, trainer):
    """The content of ``run.json``; all but ``measured`` is the same for the same settings, data and machine."""
    tokens = int(job.tokens.sum())
    return {
        "settings": job.stage.model_dump(mode="json"),
        **provenance(),
        "device": device_name(trainer.args.device),
        "processes": trainer.args.world_size,
        "attention": trainer.model.config._attn_implementation,
        "tokens": token_conventions(job.tokenizer),
        "steps": len(job.order),
        "pieces_per_step": trainer.args.gradient_accumulation_steps * trainer.args.world_size,
        "train_abstracts": len(job.material.train),
        "train_tokens": tokens,
        "test_sample": len(job.material.test_sample),
        "train_sample": len(job.material.train_sample),
        "too_long": job.material.too_long,
        "measured": trainer.meter.summary(tokens),
    }
