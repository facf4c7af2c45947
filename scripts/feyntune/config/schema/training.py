"""Settings of training, and of the measurements during training."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, SerializationInfo, SerializerFunctionWrapHandler, model_serializer, model_validator

from feyntune.config.schema.models import Lora, Precision, Quantization
from feyntune.core.schema import Count, CountOrZero, Name, Positive, Section, Seed

OptimizerName = Literal[
    "adafactor", "adagrad", "adalomo", "adamw_8bit", "adamw_anyprecision", "adamw_bnb_8bit", "adamw_torch",
    "adamw_torch_4bit", "adamw_torch_8bit", "adamw_torch_fused", "adamw_torch_npu_fused", "adamw_torch_xla",
    "ademamix", "ademamix_8bit", "apollo_adamw", "apollo_adamw_layerwise", "galore_adafactor",
    "galore_adafactor_layerwise", "galore_adamw", "galore_adamw_8bit", "galore_adamw_8bit_layerwise",
    "galore_adamw_layerwise", "grokadamw", "lion_32bit", "lion_8bit", "lomo", "paged_adamw_32bit",
    "paged_adamw_8bit", "paged_ademamix_32bit", "paged_ademamix_8bit", "paged_lion_32bit", "paged_lion_8bit",
    "rmsprop", "rmsprop_bnb", "rmsprop_bnb_32bit", "rmsprop_bnb_8bit", "schedule_free_adamw", "schedule_free_radam",
    "schedule_free_sgd", "sgd", "stable_adamw",
]  # fmt: skip
"""`transformers.training_args.OptimizerNames`, whose import would load torch; a test compares the two."""
ScheduleName = Literal[
    "constant", "constant_with_warmup", "cosine", "cosine_warmup_with_min_lr", "cosine_with_min_lr",
    "cosine_with_restarts", "inverse_sqrt", "linear", "polynomial", "warmup_stable_decay",
]  # fmt: skip
"""`transformers.SchedulerType`, except those that need a metric while training, which this project does not give."""


Beta = Annotated[float, Field(ge=0, lt=1)]
"""A decay rate of Adam."""


class Optimizer(Section):
    """The optimizer; the defaults are the paper's AdamW."""

    name: OptimizerName = "adamw_torch"
    """One of `transformers.training_args.OptimizerNames`."""
    learning_rate: float = Field(3e-4, gt=0, le=10)
    """Peak learning rate."""
    betas: tuple[Beta, Beta] = (0.9, 0.95)
    """Decay rates of Adam's two moments."""
    eps: float = Field(1e-5, gt=0, le=1)
    """Adam's epsilon."""
    weight_decay: float = Field(0.1, ge=0, le=100)
    """Decoupled weight decay."""
    lora_plus_ratio: float | None = Field(None, ge=1, le=10_000)
    """LoRA+ (arXiv:2402.12354): the learning rate of the adapter's B matrices, as a multiple of that of the A matrices;
    null: no difference."""
    arguments: dict[str, Any] = {}
    """Further arguments of the optimizer."""


class Schedule(Section):
    """Learning rate schedule; the defaults are the paper's."""

    name: ScheduleName = "cosine_with_min_lr"
    """One of `transformers.SchedulerType`."""
    warmup_ratio: float = Field(0.1, ge=0, le=1)
    """Fraction of all steps during which the learning rate rises from zero."""
    arguments: dict[str, Any] = {"min_lr_rate": 0.01}
    """Further arguments of the schedule; with another `name` the default is none."""

    @model_validator(mode="before")
    @classmethod
    def _own_arguments(cls, given: Any) -> Any:
        named = isinstance(given, dict) and given.get("name", "cosine_with_min_lr") != "cosine_with_min_lr"
        return {"arguments": {}, **given} if named else given


class TrainingEvaluation(Section):
    """Measurements during training: before the first step, then at regular intervals."""

    times: int = Field(9, ge=1, le=10_000)
    """Number of evaluations (each with a checkpoint), besides the one before the first step."""
    test_rows: Count | Literal["auto"] | None = "auto"
    """Abstracts sampled from the run's own test split; `auto`: so many that their evaluations take at most a twentieth
    of the training time; null: all, as in the paper."""
    train_rows: CountOrZero | Literal["auto"] | None = "auto"
    """The same for the training split."""
    control_prompts: CountOrZero = 5
    """Number of control papers that are completed at each evaluation."""
    max_new_tokens: Count = 1024
    """Longest such completion in tokens."""
    temperature: float = Field(0.3, ge=0, le=100)
    """Sampling temperature of those completions; 0 takes the most likely token (greedy decoding)."""
    top_p: float = Field(0.1, gt=0, le=1)
    """Nucleus sampling of those completions."""

    def steps(self, total: int) -> set[int]:
        """The steps, of ``total``, after which a run is evaluated and saved: equal parts, the last step included."""
        return {round(total * part / self.times) for part in range(1, self.times + 1)} - {0}


Method = Literal["lora", "full"]
"""What is trained."""


class Training(Section):
    """How a model is trained; the defaults are the paper's for Llama 3.1 8B."""

    later: ClassVar[dict[str, Any]] = {"method": "lora", "parallel": "ddp"}
    """Keys that are newer than results, and the values that those results were made with: JSON leaves these out, so
    that a new key makes no result stale."""

    method: Method = "lora"
    """`lora`: an adapter. `full`: all weights of the base model, saved as an ordinary model folder; needs
    `quantization.method: none`, no layers, and a `learning_rate` of about 1e-5."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """How several GPUs train together. `ddp`: each holds the whole model. `fsdp`: each holds a part of every weight,
    for models that do not fit into one GPU. The result is the same, up to rounding."""
    num_train_epochs: float = Field(4, gt=0, le=100_000)
    """Passes over the training split."""
    max_steps: Count | None = None
    """Number of steps, in place of `num_train_epochs`; null: as many as the epochs have."""
    batch_size: Count = 16
    """Abstracts per step: the *effective* batch size, for any number of GPUs."""
    per_device_batch_size: Count | Literal["auto"] | None = "auto"
    """Largest number of abstracts in a micro-batch; gradients are accumulated. `auto`: as many as fit into the GPU's
    free memory, on a CPU all; null: all. The result is the same, up to rounding."""
    max_length: int | None = Field(None, ge=8, le=10**9)
    """Longest sequence in tokens, including special tokens; null: the model's limit."""
    too_long: Literal["refuse", "drop", "truncate"] = "refuse"
    """What to do with abstracts over the limit. Their number is printed and recorded either way."""
    max_grad_norm: Positive = 1.0
    """Gradient clipping: the largest norm of the gradient."""
    gradient_checkpointing: bool | Literal["auto"] = "auto"
    """Recompute activations in the backward pass: less memory, about a third more time. `auto`: if nothing fits into
    the GPU's free memory without it, and on a CPU. The result is the same, up to rounding."""
    neftune_noise_alpha: Positive | None = None
    """NEFTune (arXiv:2310.05914): uniform noise on the embeddings, of this size over the square root of the numbers in
    a text's embeddings; null: none."""
    optimizer: Optimizer = Optimizer()
    """The optimizer."""
    schedule: Schedule = Schedule()
    """The learning rate schedule."""
    evaluation: TrainingEvaluation = TrainingEvaluation()
    """Measurements during training."""
    checkpoint_minutes: Positive = 30
    """Longest time between two checkpoints, in minutes."""
    keep: Literal["last", "best"] = Field("last", exclude_if=lambda keep: keep == "last")
    """Which adapter is the result: that of the `last` step, or that of the evaluation step with the `best` (lowest)
    perplexity on the run's own validation split, of which as many abstracts are sampled as `evaluation.test_rows` says.
    The test split never decides."""

    @model_serializer(mode="wrap")
    def _without_later_keys(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        if info.mode != "json":
            return values
        absent = object()
        return {key: value for key, value in values.items() if self.later.get(key, absent) != value}


class Tracking(Section):
    """Experiment trackers. No key of this section affects a result."""

    report_to: list[Literal["wandb", "tensorboard", "trackio"]] = []
    """Trackers that get the numbers of `history.parquet` during training: `tensorboard` in `results/tensorboard/`,
    `trackio` in `results/trackio/`, `wandb` as the key `wandb` says, or offline."""

    wandb: Literal["disabled", "offline", "online"] = "disabled"
    """`offline` writes to `results/wandb/` for a later `snakemake sync`; `online` needs `WANDB_API_KEY`."""
    project: str = "feyntune"
    """Project in W&B and Trackio."""
    entity: str | None = None
    """User or team in W&B; null: that of the key."""


class TrainingStage(Section):
    """Settings of `train.py`: all that determines the trained weights, besides the base model and the data."""

    run: str
    """Name of the run."""
    seed: Seed
    """Seed of everything random, but for what ``evaluation_seed`` decides."""
    evaluation_seed: Seed | None = Field(None, exclude_if=lambda value: value is None)
    """Seed of the samples and completions of evaluations while it trains, the same for all seeds of a run; null (and
    then left out of the settings, so that no finished training becomes stale): `seed`."""
    lora: Lora
    """LoRA settings."""
    target_modules: list[Name]
    """Names of the linear layers that are adapted; none if all weights are trained."""
    quantization: Quantization
    """Storage of the base model's weights."""
    precision: Precision
    """Number formats."""
    training: Training
    """Training settings."""

    @property
    def seed_of_evaluations(self) -> int:
        """The seed of what is evaluated while it trains."""
        return self.seed if self.evaluation_seed is None else self.evaluation_seed
