"""Building blocks of every settings schema: strict sections, partial overrides, short forms, types with bounds."""

import typing
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
PATH = r"^[^\x00-\x1f\x7f]+$"
REPOSITORY = r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?$"
REVISION = r"^[A-Za-z0-9._/-]+$"
CATEGORY = r"^(\*|[A-Za-z-]+(\.(\*|[A-Za-z-]+))?)$"
MEANINGS = {
    NAME: "is not a name: use letters, digits, '.', '_' and '-' (no slash, no space)",
    PATH: "is not a path: it is empty, or has control characters; rename it, or name a link to it",
    REPOSITORY: "is not a repository of the hub: use 'organisation/name'",
    REVISION: "is not a commit, tag or branch",
    CATEGORY: "is not an arXiv category: use one such as 'hep-th', 'math.AG' or 'cs.*'",
}
"""What error messages say about texts that do not match one of these patterns."""

Name = Annotated[str, StringConstraints(pattern=NAME, max_length=80)]
"""A name that is safe in a path: letters, digits, dot, underscore and hyphen; no slash; at most 80 characters."""
PathText = Annotated[str, StringConstraints(pattern=PATH, max_length=4096)]
"""A path, relative to the working directory, without control characters (rules/paths.smk uses two of them)."""
Repository = Annotated[str, StringConstraints(pattern=REPOSITORY, max_length=200)]
"""A repository on the Hugging Face hub, as `organisation/name`."""
Revision = Annotated[str, StringConstraints(pattern=REVISION, max_length=200)]
"""A commit, tag or branch of a repository."""
Category = Annotated[str, StringConstraints(pattern=CATEGORY, max_length=80)]
"""An arXiv category (`hep-th`, `math.AG`), a whole archive (`cs.*`), or `*`."""
Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""A seed; numpy takes none above 32 bits."""
Count = Annotated[int, Field(ge=1, le=10**9)]
"""A number of things, at least one."""
CountOrZero = Annotated[int, Field(ge=0, le=10**9)]
"""A number of things, perhaps none."""
Positive = Annotated[float, Field(gt=0, le=1e9)]
"""A positive number."""


class Section(BaseModel):
    """A part of the configuration: unknown keys are refused, values never change, descriptions are docstrings.

    A string under a field is its description; being a docstring, it does not count as code, so that a better
    wording makes no result stale.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
        allow_inf_nan=False,
    )
    shorthand: ClassVar[str | None] = None
    """A key whose value may be given in place of the whole section: ``c.csv`` for ``{path: c.csv}``."""

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, given: Any) -> Any:
        """Complete what is given in part: the short form, and nested sections that have defaults of their own.

        pydantic fills a nested section that is given in part from its class, not from the default that this section
        declares for it (``train: Request = Request(gpu=1)``).
        """
        if cls.shorthand and isinstance(given, str):
            return {cls.shorthand: given}
        if not isinstance(given, dict):
            return given
        return {key: _over_default(cls.model_fields.get(key), value) for key, value in given.items()}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The JSON schema; it allows the short form, which pydantic does not see in a validator."""
        reference = handler(core_schema)
        if cls.shorthand:
            definition = handler.resolve_ref_schema(reference)
            whole = dict(definition)
            definition.clear()
            definition["anyOf"] = [{"type": "string"}, whole]
        return reference


def _over_default(field: FieldInfo | None, value: Any) -> Any:
    """A value as it is given for ``field``, laid over the field's default if that is a section or a registry."""
    if field is None or field.is_required() or not isinstance(value, dict):
        return value
    default = field.get_default(call_default_factory=True)
    if isinstance(default, Section) or (default and is_registry(field.annotation)):
        return lay_over(_given_keys(default), value)
    return value


def is_registry(annotation: Any) -> bool:
    """Whether a field maps names that the user chooses to values, as ``dict[Name, Dataset]`` does."""
    return typing.get_origin(annotation) is dict and typing.get_args(annotation)[0] == Name


def _given_keys(value: Any) -> Any:
    if isinstance(value, Section):
        return value.model_dump(exclude_unset=True)
    return {key: _given_keys(item) for key, item in value.items()} if isinstance(value, dict) else value


def lay_over(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Nested dicts with ``changes`` over ``values``: only the keys that ``changes`` names differ.

    The ``arguments`` of an optimizer or schedule belong to its ``name``: another name starts without them.
    """
    if "arguments" in values and changes.get("name", values.get("name")) != values.get("name"):
        values = {key: value for key, value in values.items() if key != "arguments"}
    nested = {
        key: lay_over(values[key], change)
        for key, change in changes.items()
        if isinstance(change, dict) and isinstance(values.get(key), dict)
    }
    return {**values, **changes, **nested}


class Source(Section):
    """A folder on this machine, or a pinned revision on the Hugging Face hub: one of the two."""

    path: PathText | None = None
    """Folder of the files, relative to the working directory."""
    hub: Repository | None = None
    """Repository on the hub, as `organisation/name`."""
    revision: Revision | None = None
    """Commit (or tag) of that repository; required with `hub`, so that results can be reproduced."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.hub is None):
            raise ValueError("give either 'path' or 'hub' (one of them)")
        if self.hub and not self.revision:
            raise ValueError(f"'hub: {self.hub}' needs a 'revision' (a commit of that repository)")
        return self


def first_fault(error: ValidationError) -> tuple[str, str]:
    """The first fault that pydantic found: its place, such as ``generation.top_p``, and what is wrong."""
    fault = error.errors()[0]
    return ".".join(map(str, fault["loc"])), fault["msg"].lower()[:100]
