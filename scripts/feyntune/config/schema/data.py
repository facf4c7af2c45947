"""Settings of mixtures."""

import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from feyntune.config.schema.base import Name, Section


class NearDuplicates(Section):
    """When two abstracts are near-duplicates of each other."""

    threshold: float | None = Field(0.8, ge=0.1, le=0.99)
    """Near-duplicates are as similar as this (Jaccard, sets of three-word sequences); null does not look for them."""
    permutations: int = Field(128, ge=128)
    """Length of the MinHash signatures that find the candidates, which are then compared exactly."""


class Leaks(NearDuplicates):
    """Abstracts on which models are both trained and evaluated: same id, same text or near-duplicate.

    A training split never contains abstracts of the test and validation splits of its own dataset, or of what a mixture
    is made of. `policy` applies to evaluation sets of other datasets.
    """

    policy: Literal["exclude", "hold_out", "refuse"] = "exclude"
    """Abstracts of an evaluation set that are in the training split of any run: exclude them from the evaluation set,
    for all runs; hold them out of training (these runs are trained again); or refuse to evaluate."""


Category = Annotated[str, StringConstraints(pattern=r"^(\*|[A-Za-z-]+(\.(\*|[A-Za-z-]+))?)$")]
"""An arXiv category (`hep-th`, `math.AG`), a whole archive (`cs.*`), or `*`."""


def _as_list(value):
    return [value] if isinstance(value, str) else value


Names = Annotated[list[Name], BeforeValidator(_as_list), Field(min_length=1)]
"""One name, or a list of names."""


class Part(Section):
    """What a mixture takes from one dataset, split by split: all of it unless a key says otherwise.

    The number of rows is `fraction` × the rows of `of`, rounded down; or `rows`; or what `total` leaves to be filled.
    """

    dataset: Name
    """A dataset of the registry."""
    fraction: float = Field(1, gt=0)
    """How many rows, as a fraction of the rows of `of`."""
    of: Names | None = None
    """Datasets whose rows together are the whole of `fraction`; null means this part's own."""
    among: Names | None = None
    """Take of that number only this dataset's due among these datasets, by their rows."""
    rows: int | None = Field(None, ge=1)
    """How many rows of the three splits together; each split gives in proportion to its size."""
    total: Names | None = None
    """As many rows as bring the mixture to the rows of these datasets together."""
    take: Literal["sample", "front"] = "sample"
    """Which rows: drawn with the mixture's seed, or the first ones."""

    @model_validator(mode="before")
    @classmethod
    def _plain_name(cls, given):
        return {"dataset": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _one_share(self):
        by_fraction = self.fraction != 1 or self.of or self.among
        if len([share for share in (by_fraction, self.rows, self.total) if share]) > 1:
            raise ValueError("give 'fraction' (with 'of' and 'among'), or 'rows', or 'total': one of them")
        return self


class Files(Section):
    """Local files, parquet or JSON lines, with the fields of the arXiv snapshot."""

    train: str
    """File of the training split."""
    test: str
    """File of the test split."""
    validation: str
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
    """Categories (`hep-th`) and archives (`cs.*`, which has `cs` itself in it)."""
    match: Literal["primary", "any"] = "primary"
    """Whether a paper's first category must be wanted, or any that it is listed under."""
    since: datetime.date | None = None
    """First day, by the paper's first version; where the snapshot does not tell it, by the month in its id."""
    until: datetime.date | None = None
    """Last day, told the same way."""
    sample: int | None = Field(None, ge=1)
    """So many papers, drawn before withdrawn ones are dropped, as the paper's 200,000 of cs are; null means all."""
    split: Literal["shuffle", "hash"] = "shuffle"
    """70% train, 15% test, 15% validation: by shuffling, or by a hash of the id, which never moves a paper."""
    seed: int = 42
    """Seed of the sample, the split and the mixing; it is not the configuration's, so that reseeded runs compare."""
    mix: list[Part] | None = Field(None, min_length=1)
    """Parts of a mixture: names of datasets, or what is taken of each."""
    hub: str | None = None
    """A dataset on the Hugging Face hub, as `organisation/name`."""
    revision: str | None = None
    """Commit (or tag) of it; required with `hub`."""
    files: Files | None = None
    """Local files."""

    @property
    def kind(self):
        """``snapshot``, ``mix``, ``hub`` or ``files``."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @model_validator(mode="after")
    def _one_kind(self):
        if len([kind for kind in KINDS if getattr(self, kind) is not None]) != 1:
            raise ValueError("give one of 'snapshot' (with 'categories'), 'mix', 'hub' (with 'revision') and 'files'")
        foreign = sorted(self.model_dump(exclude_defaults=True).keys() - KINDS[self.kind] - {self.kind})
        if foreign:
            raise ValueError(f"{foreign[0]!r} does not go with {self.kind!r}")
        if len([part for part in self.mix or [] if part.total]) > 1:
            raise ValueError("only one part can fill up to a 'total'")
        return self

    @model_validator(mode="after")
    def _complete(self):
        if self.snapshot and not self.categories:
            raise ValueError("'snapshot' needs 'categories', such as [hep-th] or [cs.*]")
        if self.hub and not self.revision:
            raise ValueError(f"'hub: {self.hub}' needs a 'revision' (a commit of that repository)")
        if self.since and self.until and self.since > self.until:
            raise ValueError(f"'since' ({self.since}) is after 'until' ({self.until})")
        return self


class DatasetStage(Section):
    """What `build_dataset.py` and `import_dataset.py` are given."""

    dataset: Dataset
    """The dataset."""
    control_papers: list[str]
    """Ids that are in no split."""
    leaks: NearDuplicates = NearDuplicates()
    """What is dropped from the training split because it is in one of the others."""


class MixtureStage(Section):
    """What `mix_dataset.py` is given."""

    dataset: Dataset
    """The mixture."""
    leaks: NearDuplicates
    """What is dropped from its training split."""
