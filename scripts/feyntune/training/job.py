"""One training, from its files and settings to the adapter, or to the model if all weights are trained."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from feyntune.config.methods import FULL
from feyntune.config.schema.training import Tracking, TrainingStage
from feyntune.core.cli import Progress, quiet, say
from feyntune.core.errors import StoppedInTime
from feyntune.core.hashing import content_hash, digest, json_digest
from feyntune.core.kept import NUMBER, KeptResults, file_digest, fingerprint, folder_digest
from feyntune.core.locks import locked
from feyntune.core.system_errors import writing
from feyntune.models.adapter_archive import write_archive
from feyntune.models.load import pick_device
from feyntune.training import adapter, distributed, full
from feyntune.training.checkpoints import claim, newest_complete, step_of
from feyntune.training.checks import check_batch_size
from feyntune.training.memory import explain_out_of_memory
from feyntune.training.preparation import (
    TrainingSetup,
    build_trainer,
    describe,
    prepare,
    published_step,
    run_record,
)
from feyntune.training.record import HISTORY, RECORD, history_table, publish

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from feyntune.training.trainer import AdapterTrainer


@dataclass(frozen=True)
class TrainingJob:
    """The inputs, settings and outputs of one training."""

    base: Path
    """Folder of the base model."""
    base_names: Sequence[str]
    """Names of the base model; the first goes into the adapter. Empty: the folder's path."""
    train: Path
    """Training split: parquet with ``id``, ``abstract``."""
    test: Path
    """Test split, for evaluation during training."""
    control_prompts: Path
    """Control papers: parquet with ``id``, ``abstract``."""
    settings: TrainingStage
    tracking: Tracking
    checkpoints: Path
    """Folder for checkpoints, deleted at the end."""
    output: Path
    """Folder of the adapter, ``run.json`` and ``history.parquet``."""
    time_limit: float | None
    """Minutes after which the job is killed; None: no limit."""
    started: float
    """``time.monotonic()`` when the job started."""
    gpus: int
    """Data-parallel processes, one per GPU; 0: one process on the CPU."""
    code: str
    """Fingerprint of the code that runs."""
    kept: Path | None = None
    """Folder in which finished results of this run are kept; None: they are not kept."""
    validation: Path | None = None
    """Validation split, by which the best step is chosen if ``training.keep`` asks for it."""
    archive: Path | None = None
    """Zip file of the adapters at all evaluation steps; None: there is none."""


def train(job: TrainingJob) -> None:
    """Train one adapter and publish it.

    Raises:
        StoppedInTime: the job's time limit is near, and the progress is saved.
        FeynTuneError: a fault that the user can correct.
    """
    kept = kept_results(job) if distributed.rank() == 0 else None  # of the inputs before the training
    if not distributed.is_launched() and kept and kept.restore(outputs(job)):
        return
    if job.gpus > 1 and not distributed.is_launched():
        check_batch_size(job.settings.training, job.gpus)
        distributed.launch_processes(job.gpus, job.started)
    else:
        _train_in_this_process(job, kept)


def kept_results(job: TrainingJob) -> KeptResults | None:
    """The finished results of this run that are kept; None if they are not."""
    if job.kept is None:
        return None
    inputs = {name: file_digest(path) for name, path in data_files(job).items()}
    settings = {**job.settings.model_dump(mode="json"), "base_names": list(job.base_names)}
    found = fingerprint(job.code, settings, {"base": folder_digest(job.base), **inputs})
    return KeptResults(job.kept, found, 1 if job.settings.training.method == FULL else NUMBER)


def outputs(job: TrainingJob) -> list[Path]:
    """The files that a finished training has written."""
    archive = [job.archive] if job.archive else []
    return [*(job.output / name for name in (*model_files(job), RECORD, HISTORY)), *archive]


def data_files(job: TrainingJob) -> dict[str, Path]:
    """The files with the data of a training, by name."""
    files = {"train": job.train, "test": job.test, "control_prompts": job.control_prompts}
    return files | ({"validation": job.validation} if job.validation else {})


def model_files(job: TrainingJob) -> list[str]:
    """Names of the files of the adapter or the model, the weights last."""
    if job.settings.training.method == FULL:
        return full.published_files(job.base)
    return [adapter.CONFIG, adapter.WEIGHTS]


def _train_in_this_process(job: TrainingJob, kept: KeptResults | None) -> None:
    if distributed.rank() > 0:
        quiet()
    setup = prepare(job)
    with _checkpoint_folder(job) as (checkpoint, fingerprint):
        trainer = build_trainer(setup)
        say(describe(setup, trainer))
        with (
            _callbacks(setup, trainer, fingerprint, step_of(checkpoint)),
            explain_out_of_memory(setup.stage.training, setup.tokens.max()),
            writing(job.checkpoints),
        ):
            _train_to_the_end(trainer, checkpoint)
        trainer.gather()
        if distributed.rank() == 0:
            _publish(setup, trainer, kept)


@contextlib.contextmanager
def _checkpoint_folder(job: TrainingJob) -> Iterator[tuple[Path | None, str]]:
    """Lock the checkpoint folder; give its newest complete checkpoint (or None) and the digest of the job fingerprint.

    Of several processes, the first one locks and reads the folder, and broadcasts what it found.
    """
    if not distributed.is_launched():
        with locked(job.checkpoints):
            yield _newest_checkpoint(job)
        return
    from accelerate import PartialState

    first = PartialState(cpu=pick_device().type == "cpu").is_main_process
    with locked(job.checkpoints) if first else contextlib.nullcontext():
        (found,) = distributed.broadcast([_newest_checkpoint(job) if first else None])
        yield cast("tuple[Path | None, str]", found)


def _newest_checkpoint(job: TrainingJob) -> tuple[Path | None, str]:
    fingerprint = job_fingerprint(job)
    if claim(job.checkpoints, fingerprint):
        say("the checkpoints belong to other settings, data or code: starting from the beginning")
    checkpoint = newest_complete(job.checkpoints)
    if checkpoint:
        say(f"resuming from {checkpoint.name}")
    return checkpoint, json_digest(fingerprint)


def job_fingerprint(job: TrainingJob) -> dict[str, Any]:
    """Everything that the trained adapter depends on: a checkpoint with another fingerprint is not used."""
    return {
        "run": job.settings.run,
        "settings": job.settings.model_dump(mode="json"),
        "base": content_hash(job.base),
        "data": [digest(path) for path in data_files(job).values()],
        "code": job.code,
        **({"archive": True} if job.archive else {}),
    }


@contextlib.contextmanager
def _callbacks(setup: TrainingSetup, trainer: AdapterTrainer, fingerprint: str, done: int) -> Iterator[None]:
    """Add the callbacks to the trainer, ``done`` steps into the training; the block runs it."""
    from feyntune.training.callbacks import CheckpointCallback, LossMonitor

    job, steps = setup.job, len(setup.order)
    limit = job.time_limit and 60 * job.time_limit
    trainer.add_callback(CheckpointCallback(setup.stage.training, limit, distributed.job_start(job.started)))
    progress = Progress(f"training from step {done} of {steps}" if done else "training", steps - done, "steps")
    trainer.add_callback(LossMonitor(progress))
    with ExitStack() as stack:
        if distributed.rank() == 0:
            stack.enter_context(progress)
            _start_trackers(job, trainer, fingerprint, done, stack)
        yield


def _start_trackers(job: TrainingJob, trainer: AdapterTrainer, fingerprint: str, done: int, stack: ExitStack) -> None:
    """Start the trackers of the settings; ``stack`` finishes them."""
    from feyntune.training.tracking import start_trackers, tracking_id

    run, settings = job.settings.run, job.settings.model_dump(mode="json")
    for tracker in start_trackers(job.tracking, run, tracking_id(run, fingerprint), settings, done):
        stack.callback(tracker.finish)
        trainer.add_callback(tracker)


def _train_to_the_end(trainer: AdapterTrainer, checkpoint: Path | None) -> None:
    trainer.train(checkpoint)
    if trainer.state.global_step < trainer.state.max_steps:
        raise StoppedInTime(
            f"stopped before the time limit at step {trainer.state.global_step} of {trainer.state.max_steps};"
            " the progress is saved: run again to continue"
        )


def _publish(setup: TrainingSetup, trainer: AdapterTrainer, kept: KeptResults | None) -> None:
    job = setup.job
    history = history_table(trainer.state.log_history, len(setup.data.train), setup.stage.training.batch_size)
    if job.archive and trainer.step_adapters:
        copies = {step: trainer.step_adapters.found(step) for step in trainer.step_adapters.steps}
        write_archive(job.archive, copies)
    publish(_saver(setup, trainer), history, run_record(setup, trainer), job.output, model_files(job))
    if kept:
        kept.keep(outputs(job))
    shutil.rmtree(job.checkpoints)
    say(f"{'model' if setup.stage.training.method == FULL else 'adapter'} in {job.output}")


def _saver(setup: TrainingSetup, trainer: AdapterTrainer) -> Callable[[Path], object]:
    """What writes the files of the model, of the adapter, or of the adapter's copy of an earlier step into a folder."""
    if setup.stage.training.method == FULL:
        import torch

        model, dtype = cast("PreTrainedModel", trainer.model), getattr(torch, setup.stage.precision.dtype)
        return lambda folder: full.save_model(model, folder, setup.job.base, dtype, trainer.gathered)
    step = published_step(setup, trainer)
    if step == trainer.state.global_step or not trainer.step_adapters:
        return trainer.save_adapter
    copy = trainer.step_adapters.found(step)
    say(f"the adapter of step {step} of {trainer.state.global_step} has the best validation perplexity: it is kept")
    return lambda folder: shutil.copytree(copy, folder, dirs_exist_ok=True)
