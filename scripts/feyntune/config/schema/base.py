"""What all sections of the configuration share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints


class Section(BaseModel):
    """A part of the configuration: unknown keys are refused, values never change, descriptions are docstrings.

    A string under a field is its description; being a docstring, it does not count as code, so that a better
    wording makes no result stale.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=())


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""A slug that is safe in a path: letters, digits, dot, underscore and hyphen; never a slash."""
