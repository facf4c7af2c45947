"""Settings of the checks, for tests."""

from feyntune.config.schema.check import CheckStage

SULIS = {"account": "$SBATCH_ACCOUNT", "partition": "gpu", "gpu_model": "ampere_a100"}


def check_stage(**changes):
    """Settings of a small configuration without GPUs, with ``changes``."""
    small = {
        "snapshots": {},
        "folders": [],
        "datasets": {},
        "wandb_online": False,
        "slurm": None,
        "gpu": 0,
        "mem_mb": 1000,
        "runtime": 60,
        "attention": "auto",
        "quantization": "nf4",
        "vllm": False,
    }
    return CheckStage.model_validate({**small, **changes})
