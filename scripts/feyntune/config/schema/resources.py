"""What each stage asks of a machine or of a cluster; nothing here changes a result."""

from pydantic import Field

from feyntune.config.schema.base import Section


class Request(Section):
    """What one job of a stage asks for; a retry asks for as many times the memory and time as its attempt counts."""

    threads: int = Field(1, ge=1)
    """Processor cores."""
    mem_mb: int = Field(4000, ge=100)
    """Memory in MB."""
    runtime: int = Field(60, ge=1)
    """Time limit in minutes."""
    gpu: int = Field(0, ge=0)
    """Graphics cards."""


class Resources(Section):
    """Requests by stage; the defaults fit Llama 3.1 8B on 40 GB cards and 105,000 abstracts."""

    read_snapshot: Request = Request(threads=4, mem_mb=8000)
    """One pass over an arXiv snapshot."""
    dataset: Request = Request(threads=2, mem_mb=16000)
    """Filtering, splitting and mixing."""
    train: Request = Request(threads=14, mem_mb=53900, runtime=2880, gpu=1)
    """Training one adapter; on several cards, cores and memory are for each of them."""
    complete: Request = Request(threads=4, mem_mb=15400, runtime=1440, gpu=1)
    """Completing an evaluation set."""
    perplexity: Request = Request(threads=4, mem_mb=15400, runtime=240, gpu=1)
    """Perplexity and embeddings of an evaluation set."""
    similarity: Request = Request(threads=8, mem_mb=16000)
    """The matrix of cosines."""
    metrics: Request = Request(threads=4, mem_mb=15400, runtime=240, gpu=1)
    """Sentence embeddings of completions."""
    summarise: Request = Request(threads=1, mem_mb=8000)
    """Tables, figures and the report."""
