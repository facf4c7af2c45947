"""Settings of training, and of what is recorded while a model learns."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from feyntune.config.schema.base import Section
from feyntune.config.schema.models import Lora, Precision, Quantization


class Optimizer(Section):
    """The optimiser, by transformers' name for it; the defaults are the paper's AdamW."""

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
    arguments: dict[str, Any] = {}
    """Further arguments that the named optimiser takes."""


class Schedule(Section):
    """Learning rate over the steps; the defaults are the paper's."""

    name: str = "cosine_with_min_lr"
    """One of `transformers.SchedulerType`."""
    warmup_ratio: float = Field(0.1, ge=0, le=1)
    """Share of all steps over which the learning rate rises from zero."""
    arguments: dict[str, Any] = {"min_lr_rate": 0.01}
    """Further arguments that the named schedule takes; another name starts from none."""

    @model_validator(mode="before")
    @classmethod
    def _own_arguments(cls, given):
        named = isinstance(given, dict) and given.get("name", "cosine_with_min_lr") != "cosine_with_min_lr"
        return {"arguments": {}, **given} if named else given


class TrainingEvaluation(Section):
    """What is measured while a run trains: before the first step, and at each checkpoint of the paper's ninths."""

    times: int = Field(9, ge=1)
    """Evaluations (and checkpoints) over the whole run, besides the one before the first step."""
    test_rows: Annotated[int, Field(ge=1)] | Literal["auto"] | None = "auto"
    """Abstracts sampled from the run's own test split; `auto`: so many that all measuring of it takes no more than a
    twentieth of the training's time; null: all of them, as in the paper."""
    train_rows: Annotated[int, Field(ge=0)] | Literal["auto"] | None = "auto"
    """The same for the training split."""
    control_prompts: int = Field(5, ge=0)
    """How many of the control papers are completed at each evaluation."""
    max_new_tokens: int = Field(1024, ge=1)
    """Longest such completion."""
    temperature: float = Field(0.3, ge=0)
    """Temperature of those completions; 0 takes the likeliest token."""
    top_p: float = Field(0.1, gt=0, le=1)
    """Nucleus of those completions."""


class Training(Section):
    """How an adapter is trained; the defaults are the paper's for Llama 3.1 8B."""

    num_train_epochs: float = Field(4, gt=0)
    """Passes over the training split."""
    max_steps: int | None = Field(None, ge=1)
    """Stop after so many steps instead; null goes by epochs."""
    batch_size: int = Field(16, ge=1)
    """Abstracts a step: the *effective* batch, whatever the number of GPUs."""
    per_device_batch_size: int | None = Field(None, ge=1)
    """Most abstracts that a device holds at once; gradient accumulation is derived. Null: as few pieces as possible."""
    max_length: int | None = Field(None, ge=8)
    """Longest sequence in tokens, special tokens included; null takes the model's own limit."""
    too_long: Literal["refuse", "drop", "truncate"] = "refuse"
    """What to do with abstracts over the limit; how many there are is said and recorded either way."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Gradient clipping."""
    gradient_checkpointing: bool = True
    """Compute activations again in the backward pass: less memory for about a third more time."""
    optimizer: Optimizer = Optimizer()
    """What turns gradients into steps."""
    schedule: Schedule = Schedule()
    """How large the steps are, from first to last."""
    evaluation: TrainingEvaluation = TrainingEvaluation()
    """What is measured, and when, while a run trains."""
    checkpoint_minutes: float = Field(30, gt=0)
    """Longest time between two checkpoints."""


class Tracking(Section):
    """Weights & Biases; nothing here changes a result, so nothing here makes one stale."""

    wandb: Literal["disabled", "offline", "online"] = "disabled"
    """`offline` writes into `results/wandb/` for a later `snakemake sync`; `online` needs `WANDB_API_KEY` there."""
    project: str = "feyntune"
    """Project at W&B."""
    entity: str | None = None
    """User or team at W&B; null means the key's own."""


class TrainingStage(Section):
    """Everything that decides one run's adapter, besides the base model and the data: what `train.py` is given."""

    run: str
    """Name of the run."""
    seed: int
    """Seed of everything random."""
    lora: Lora
    """LoRA settings."""
    target_modules: list[str]
    """Names of the linear layers that are adapted."""
    quantization: Quantization
    """Storage of the base model's weights."""
    precision: Precision
    """Number formats."""
    training: Training
    """Training settings."""
