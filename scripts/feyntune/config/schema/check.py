"""What the `check` command needs to know about the configuration and the profile."""

from feyntune.core.schema import Section


class CheckedFolder(Section):
    """A model, a metric model or an adapter that the configuration names."""

    place: str
    """Where the configuration names it, such as `models.llama`."""
    folder: str
    """Folder with its files."""
    hub: str | None = None
    """Its repository on the hub; null for a local folder."""
    revision: str | None = None
    """Revision of that repository."""


class SlurmRequest(Section):
    """What the profile and the largest job of the configuration ask from SLURM."""

    account: str | None = None
    """Account that jobs are charged to; may name an environment variable (`$SBATCH_ACCOUNT`)."""
    partition: str | None = None
    """Partition of the GPU jobs; null means the default partition."""
    gpu_model: str | None = None
    """Model of GPU by the site's name; null means any."""


class CheckStage(Section):
    """What `check_login.py` and `check_compute.py` are given."""

    snapshots: dict[str, str]
    """Files of the snapshots, by name."""
    folders: list[CheckedFolder]
    """Models, metric models and adapters."""
    datasets: dict[str, str]
    """Repositories of datasets of the hub, by name."""
    wandb_online: bool
    """Whether trainings report to Weights & Biases while they run."""
    slurm: SlurmRequest | None
    """Null where jobs run on this machine."""
    gpu: int
    """Most GPUs that one job of a stage asks for."""
    mem_mb: int
    """Most memory that one job asks for, in MB."""
    runtime: int
    """Longest time limit of a job, in minutes."""
    attention: str
    """`precision.attention` of the configuration."""
    quantization: str
    """`quantization.method` of the configuration."""
    vllm: bool
    """Whether any run is completed with `generation.engine: vllm`."""
