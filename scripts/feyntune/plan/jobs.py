"""The jobs of a plan, with what Snakemake says of them; nothing here knows Snakemake."""

from dataclasses import dataclass, field


@dataclass
class Job:
    """One job of the workflow, stale or not."""

    stage: str
    """Name of its rule."""
    wildcards: dict
    """Values of its wildcards by name."""
    why: list = field(default_factory=list)
    """Why it is stale, in words; empty if it is not."""
    needs: list = field(default_factory=list)
    """Keys of the jobs whose results it reads."""
    threads: int = 1
    mem_mb: int | None = None
    runtime: int | None = None
    """Time limit in minutes; None if it has none."""
    gpu: int = 0
    card: str | None = None
    """The graphics card that the profile asks for, in the site's words."""
    benchmark: str | None = None
    """Where Snakemake writes what it took."""
    outputs: list = field(default_factory=list)
    """Its files."""

    @property
    def key(self):
        """Stage and wildcards as one text, as in ``score/hep-th/tiny_base``."""
        return "/".join([self.stage, *self.wildcards.values()])

    @property
    def run(self):
        """Name of its run, or None."""
        return self.wildcards.get("run")

    @property
    def stale(self):
        """Whether it would run."""
        return bool(self.why)
