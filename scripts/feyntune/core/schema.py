"""Building blocks of every settings schema: strict sections, names that are safe in paths, sources of models."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator


class Section(BaseModel):
    """A part of the configuration: unknown keys are refused, values never change, descriptions are docstrings.

    A string under a field is its description; being a docstring, it does not count as code, so that a better
    wording makes no result stale.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=())


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""A slug that is safe in a path: letters, digits, dot, underscore and hyphen; never a slash."""


class Source(Section):
    """A folder on this machine, or a pinned revision on the Hugging Face hub: one of the two."""

    path: str | None = None
    """Folder with the files, relative to the project."""
    hub: str | None = None
    """Repository on the hub, as `organisation/name`."""
    revision: str | None = None
    """Commit (or tag) of that repository; required with `hub`, so that a run means the same tomorrow."""

    @model_validator(mode="after")
    def _one_place(self):
        if (self.path is None) == (self.hub is None):
            raise ValueError("give either 'path' or 'hub', not both and not neither")
        if self.hub and not self.revision:
            raise ValueError(f"'hub: {self.hub}' needs a 'revision' (a commit of that repository)")
        return self
