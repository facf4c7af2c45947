"""Settings of training, of the evaluation during training, and of tracking."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from feyntune.config.schema.base import Section
from feyntune.config.schema.models import Lora, Precision, Quantization


class Optimizer(Section):
    """The optimizer, by its name in transformers; the defaults are the paper's AdamW."""

    name: str = "adamw_torch"
    """One of `transformers.training_args.OptimizerNames`."""
    learning_rate: float = Field(3e-4, gt=0)
    """Peak learning rate."""
    betas: tuple[float, float] = (0.9, 0.95)
    """Decay rates of the two moments of Adam."""
    eps: float = Field(1e-5, gt=0)
    """Adam's epsilon."""
    weight_decay: float = Field(0.1, ge=0)
    """Decoupled weight decay."""
    lora_plus_ratio: float | None = Field(None, ge=1)
    """LoRA+ (arXiv:2402.12354): the learning rate of the adapter's B matrices, as a multiple of that of the A matrices;
    null: no difference."""
    arguments: dict[str, Any] = {}
    """Further arguments of the named optimizer."""


class Schedule(Section):
    """Learning rate schedule; the defaults are the paper's."""

    name: str = "cosine_with_min_lr"
    """One of `transformers.SchedulerType`."""
    warmup_ratio: float = Field(0.1, ge=0, le=1)
    """Fraction of all steps over which the learning rate rises from zero."""
    arguments: dict[str, Any] = {"min_lr_rate": 0.01}
    """Further arguments of the named schedule; with another name the default is no arguments."""

    @model_validator(mode="before")
    @classmethod
    def _own_arguments(cls, given: Any) -> Any:
        named = isinstance(given, dict) and given.get("name", "cosine_with_min_lr") != "cosine_with_min_lr"
        return {"arguments": {}, **given} if named else given


class TrainingEvaluation(Section):
    """Evaluation during training: before the first step, and after each of `times` equal parts of the training."""

    times: int = Field(9, ge=1)
    """Evaluations (and checkpoints) over the whole run, not counting the one before the first step."""
    test_rows: Annotated[int, Field(ge=1)] | Literal["auto"] | None = "auto"
    """Abstracts sampled from the run's own test split; `auto`: as many as can be evaluated in a twentieth of the
    training's time; null: all of them, as in the paper."""
    train_rows: Annotated[int, Field(ge=0)] | Literal["auto"] | None = "auto"
    """The same for the training split."""
    control_prompts: int = Field(5, ge=0)
    """Number of control prompts that are completed at each evaluation."""
    max_new_tokens: int = Field(1024, ge=1)
    """Most tokens in such a completion."""
    temperature: float = Field(0.3, ge=0)
    """Temperature of those completions; 0 takes the most probable token."""
    top_p: float = Field(0.1, gt=0, le=1)
    """Nucleus sampling probability of those completions."""


class Training(Section):
    """How an adapter is trained; the defaults are the paper's for Llama 3.1 8B."""

    num_train_epochs: float = Field(4, gt=0)
    """Passes over the training split."""
    max_steps: int | None = Field(None, ge=1)
    """Number of steps; null: computed from the epochs."""
    batch_size: int = Field(16, ge=1)
    """Abstracts in a step: the *effective* batch size, for any number of GPUs."""
    per_device_batch_size: Annotated[int, Field(ge=1)] | Literal["auto"] | None = "auto"
    """Most abstracts in a micro-batch; gradients are accumulated over them. `auto`: as many as fit into the GPU's free
    memory, on a CPU all; null: all. The result is the same, up to rounding."""
    max_length: int | None = Field(None, ge=8)
    """Longest sequence in tokens, special tokens included; null: the model's context length."""
    too_long: Literal["refuse", "drop", "truncate"] = "refuse"
    """What to do with abstracts over the limit; their number is logged and recorded."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Largest norm of the gradient; larger gradients are scaled down."""
    gradient_checkpointing: bool | Literal["auto"] = "auto"
    """Recompute activations in the backward pass: less memory, about a third more time. `auto`: if nothing fits into
    the GPU's free memory without it, and on a CPU. The result is the same, up to rounding."""
    neftune_noise_alpha: float | None = Field(None, gt=0)
    """NEFTune (arXiv:2310.05914): uniform noise on the embeddings, of this size over the square root of the numbers in
    a text's embeddings; null: none."""
    optimizer: Optimizer = Optimizer()
    """Optimizer."""
    schedule: Schedule = Schedule()
    """Learning rate schedule."""
    evaluation: TrainingEvaluation = TrainingEvaluation()
    """Evaluation during training."""
    checkpoint_minutes: float = Field(30, gt=0)
    """Longest time between two checkpoints."""


class Tracking(Section):
    """Experiment trackers. These settings change no result, so changing them reruns nothing."""

    report_to: list[Literal["wandb", "tensorboard", "trackio"]] = []
    """Trackers that get the numbers of `history.parquet` during training: `tensorboard` in `results/tensorboard/`,
    `trackio` in `results/trackio/`, `wandb` as the key `wandb` says, or offline."""

    wandb: Literal["disabled", "offline", "online"] = "disabled"
    """`offline` writes to `results/wandb/` for a later `snakemake sync`; `online` needs `WANDB_API_KEY`."""
    project: str = "feyntune"
    """Project at W&B and Trackio."""
    entity: str | None = None
    """User or team at W&B; null: the owner of the key."""


class TrainingStage(Section):
    """Everything that determines the adapter of a run, except the base model and the data: input of `train.py`."""

    run: str
    """Name of the run."""
    seed: int
    """Seed of everything random."""
    lora: Lora
    """LoRA settings."""
    target_modules: list[str]
    """Names of the linear layers that get an adapter."""
    quantization: Quantization
    """Storage of the base model's weights."""
    precision: Precision
    """Number formats."""
    training: Training
    """Training settings."""
