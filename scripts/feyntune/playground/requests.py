"""What the page asks of the server: checked before anything is done with it."""

from typing import Annotated, TypeVar

from pydantic import StringConstraints, ValidationError

from feyntune.core.errors import FeynTuneError
from feyntune.core.schema import Section, Seed, first_fault

LONGEST_PROMPT = 20_000
"""Characters."""
Rater = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]*$")
]
"""The name of a person who votes."""
AnyRequest = TypeVar("AnyRequest", bound=Section)


class CompletionRequest(Section):
    """Complete a prompt."""

    prompt: Annotated[str, StringConstraints(max_length=LONGEST_PROMPT)]
    """The beginning of an abstract."""
    runs: list[str]
    """Names of runs."""
    seed: Seed | None = None
    """Seed of the sampling; null: that of the configuration."""
    temperature: float | None = None
    """As in `generation`; null: as the runs' settings say."""
    top_p: float | None = None
    """Likewise."""
    max_new_tokens: int | None = None
    """Likewise."""

    @property
    def changes(self) -> dict[str, float]:
        """The keys of `generation` that are given."""
        given = self.model_dump(include={"temperature", "top_p", "max_new_tokens"})
        return {name: value for name, value in given.items() if value is not None}


class RevealRequest(Section):
    """Show which column is which run."""

    comparison: str
    """Key of the comparison."""


class VoteRequest(RevealRequest):
    """Vote for the better completion."""

    better: int | None
    """Its column; null: equally good."""
    rater: Rater
    """Who votes."""


def parse(request: type[AnyRequest], body: bytes) -> AnyRequest:
    """Check the body of a request.

    Raises:
        FeynTuneError: it is not what the page sends.
    """
    try:
        return request.model_validate_json(body)
    except ValidationError as error:
        place, fault = first_fault(error)
        raise FeynTuneError(f"{place or 'request'}: {fault}") from None
