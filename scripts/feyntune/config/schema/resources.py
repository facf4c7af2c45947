"""What each stage requests from a machine or cluster; no key affects a result."""

from pydantic import Field

from feyntune.core.schema import Section


class Request(Section):
    """What one job of a stage requests. Attempt n of a job requests n times the memory and time."""

    threads: int = Field(1, ge=1, le=4096)
    """CPU cores."""
    mem_mb: int = Field(4000, ge=100, le=100_000_000)
    """Memory in MB."""
    runtime: int = Field(60, ge=1, le=1_000_000)
    """Time limit in minutes."""
    gpu: int = Field(0, ge=0, le=1024)
    """GPUs; 0 runs on the CPU."""


class Resources(Section):
    """Requests by stage; the defaults are for Llama 3.1 8B on GPUs with 40 GB and 105,000 abstracts."""

    read_snapshot: Request = Request(threads=4, mem_mb=8000)
    """One pass over an arXiv snapshot."""
    dataset: Request = Request(threads=2, mem_mb=16000)
    """Filtering, splitting and mixing."""
    train: Request = Request(threads=14, mem_mb=53900, runtime=2880, gpu=1)
    """Training one adapter; with several GPUs, cores and memory are per GPU."""
    complete: Request = Request(threads=4, mem_mb=15400, runtime=1440, gpu=1)
    """Completing the abstracts of an evaluation set."""
    perplexity: Request = Request(threads=4, mem_mb=15400, runtime=240, gpu=1)
    """Perplexity and embeddings of an evaluation set."""
    similarity: Request = Request(threads=8, mem_mb=16000)
    """The matrix of cosines."""
    metrics: Request = Request(threads=4, mem_mb=15400, runtime=240, gpu=1)
    """Sentence embeddings of completions."""
    summarise: Request = Request(threads=1, mem_mb=8000)
    """Tables, figures and the report."""
