"""Settings of datasets: where abstracts come from, and how they are selected, split and mixed."""

import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from feyntune.core.schema import Category, Count, Name, PathText, Positive, Repository, Revision, Section, Seed


class NearDuplicates(Section):
    """When two abstracts are near-duplicates of each other."""

    threshold: float | None = Field(0.8, ge=0.1, le=0.99)
    """Least similarity of near-duplicates (Jaccard index of the sets of three-word sequences); null: keep them."""
    permutations: int = Field(128, ge=128, le=4096)
    """Length of the MinHash signatures that find candidates, which are then compared exactly."""


class Leaks(NearDuplicates):
    """Abstracts on which models are both trained and evaluated: same id, same words or near-duplicate.

    A training split never contains abstracts of the test and validation splits of its own dataset, or of what a mixture
    is made of. `policy` applies to evaluation sets of other datasets.
    """

    policy: Literal["exclude", "hold_out", "refuse"] = "exclude"
    """Abstracts of an evaluation set that are in the training split of any run: exclude them from the evaluation set,
    for all runs; hold them out of training (these runs are trained again); or refuse to evaluate."""


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Names = Annotated[list[Name], BeforeValidator(_as_list, json_schema_input_type=Name | list[Name]), Field(min_length=1)]
"""One name, or a list of names."""


class Part(Section):
    """What a mixture takes from one dataset, split by split: all of it unless a key says otherwise.

    The number of rows is `fraction` × the rows of `of`, rounded down; or `rows`; or what is missing to `total`.
    """

    shorthand: ClassVar[str | None] = "dataset"

    dataset: Name
    """A name in `datasets`."""
    fraction: Positive = 1
    """How many rows, as a fraction of the rows of `of`."""
    of: Names | None = None
    """Datasets whose rows together are the whole of `fraction`; null: of this part's own."""
    among: Names | None = None
    """Take only this dataset's proportion of that number, by its rows among the rows of these datasets."""
    rows: Count | None = None
    """How many rows of all three splits together; each split contributes in proportion to its size."""
    total: Names | None = None
    """As many rows as the mixture lacks to have as many as these datasets together."""
    take: Literal["sample", "front"] = "sample"
    """Which rows: drawn with the mixture's seed, or the first ones."""

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        by_fraction = self.fraction != 1 or self.of or self.among
        if len([amount for amount in (by_fraction, self.rows, self.total) if amount]) > 1:
            raise ValueError("give 'fraction' (with 'of' and 'among'), or 'rows', or 'total': one of them")
        return self


class Files(Section):
    """Local files, parquet or JSON lines, with the fields of the arXiv snapshot."""

    train: PathText
    """File of the training split."""
    test: PathText
    """File of the test split."""
    validation: PathText
    """File of the validation split."""


KINDS = {
    "snapshot": {"categories", "match", "since", "until", "sample", "split", "seed"},
    "mix": {"seed"},
    "hub": {"revision"},
    "files": set(),
}
"""The keys that go with each kind of dataset."""


class Dataset(Section):
    """Abstracts in three splits: exactly one of `snapshot`, `mix`, `hub` and `files` says where they come from."""

    snapshot: Name | None = None
    """A snapshot of the registry, of which `categories` are taken."""
    categories: list[Category] = []
    """Categories (`hep-th`) and archives (`cs.*`, which includes `cs` itself)."""
    match: Literal["primary", "any"] = "primary"
    """Whether the first category of a paper must be one of `categories`, or any of its categories."""
    since: datetime.date | None = None
    """First day, by the date of the paper's first version; if the snapshot lacks it, by the month in the paper's id."""
    until: datetime.date | None = None
    """Last day, determined in the same way."""
    sample: Count | None = None
    """Number of papers to draw; withdrawn papers are removed afterwards, as in the paper (200,000 of cs). Null: all."""
    split: Literal["shuffle", "hash"] = "shuffle"
    """70% train, 15% test, 15% validation: by shuffling, or by a hash of the id, which never moves a paper."""
    seed: Seed = 42
    """Seed of the sample, the split and the mixing; separate from `seed` of the configuration, so that runs with
    different seeds have the same data."""
    mix: list[Part] | None = Field(None, min_length=1)
    """Parts of a mixture: names of datasets, or what to take of each."""
    hub: Repository | None = None
    """A dataset on the Hugging Face hub, as `organisation/name`."""
    revision: Revision | None = None
    """Commit (or tag) of it; required with `hub`."""
    files: Files | None = None
    """Local files."""

    @property
    def kind(self) -> str:
        """``snapshot``, ``mix``, ``hub`` or ``files``."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if len([kind for kind in KINDS if getattr(self, kind) is not None]) != 1:
            raise ValueError("give one of 'snapshot' (with 'categories'), 'mix', 'hub' (with 'revision') and 'files'")
        unfit = sorted(self.model_dump(exclude_defaults=True).keys() - KINDS[self.kind] - {self.kind})
        if unfit:
            raise ValueError(f"{unfit[0]!r} does not go with {self.kind!r}")
        if len([part for part in self.mix or [] if part.total]) > 1:
            raise ValueError("only one part can have a 'total'")
        parts = [part.dataset for part in self.mix or []]
        if duplicates := [name for name in parts if parts.count(name) > 1]:
            raise ValueError(f"'mix' has two parts of {duplicates[0]!r}; join them, with a 'fraction' or 'rows'")
        return self

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.snapshot and not self.categories:
            raise ValueError("'snapshot' needs 'categories', such as [hep-th] or [cs.*]")
        if self.hub and not self.revision:
            raise ValueError(f"'hub: {self.hub}' needs a 'revision' (a commit of that repository)")
        if self.since and self.until and self.since > self.until:
            raise ValueError(f"'since' ({self.since}) is after 'until' ({self.until})")
        return self


class DatasetStage(Section):
    """Settings of `build_dataset.py` and `import_dataset.py`."""

    dataset: Dataset
    """The dataset."""
    control_papers: list[str]
    """Ids that must be in no split."""
    leaks: NearDuplicates = NearDuplicates()
    """Near-duplicates of abstracts of the other splits are removed from the training split."""


class MixtureStage(Section):
    """Settings of `mix_dataset.py`."""

    dataset: Dataset
    """The mixture."""
    leaks: NearDuplicates
    """Near-duplicates of held-out abstracts are removed from its training split."""
