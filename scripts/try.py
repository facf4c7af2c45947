"""Complete your own text with several runs, side by side, while the completions grow.

python scripts/try.py                                                              the runs that can be tried
python scripts/try.py tiny_base tiny_hep-th_all --text "We study black holes."     one prompt
python scripts/try.py tiny_base tiny_hep-th_all                                    prompts that you type
python scripts/try.py tiny_base tiny_hep-th_all --set hep-th --id 2401.00001       an abstract, as the workflow does it
python scripts/try.py tiny_base tiny_hep-th_all --serve                            a web page on this machine

Sampling is that of each run's own settings, unless an option changes it. The random numbers of a completion depend on
the seed, the run, and the id of the abstract (for a text of your own always the same id): the same command gives the
same texts on a CPU, another --seed gives others. With --set and --id the text is that of results/completions/, up to
rounding.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from feyntune.core.cli import launch, say
from feyntune.core.errors import FeynTuneError, shorten
from feyntune.core.gpus import REQUESTED
from show import DEFAULT, ENDINGS, as_snakemake_reads

if TYPE_CHECKING:
    from feyntune.playground.models import TriedRun

SAMPLING = ("temperature", "top_k", "top_p", "min_p", "max_new_tokens", "min_new_tokens")
"""Options that change keys of ``generation``."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("runs", nargs="*", metavar="RUN", help="name of a run; without any, those that can be tried")
    parser.add_argument(
        "--configfile", nargs="+", type=Path, default=[DEFAULT], metavar="FILE", help="as for snakemake"
    )
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as for snakemake")
    prompt = parser.add_argument_group("prompt").add_mutually_exclusive_group()
    prompt.add_argument("--text", help="the beginning of an abstract")
    prompt.add_argument("--file", help="a file with the beginning of an abstract; '-' is the standard input")
    prompt.add_argument("--id", help="an abstract of --set, whose first half is the prompt")
    parser.add_argument("--set", help="evaluation set of --id")
    sampling = parser.add_argument_group("sampling", "default: the runs' own settings")
    sampling.add_argument("--seed", type=int, help="another seed gives other texts")
    sampling.add_argument("--temperature", type=float, help="0: always the most likely token")
    sampling.add_argument("--top-k", type=int, help="sample from the k most likely tokens")
    sampling.add_argument("--top-p", type=float, help="sample from the most likely tokens of this total probability")
    sampling.add_argument("--min-p", type=float, help="least probability, relative to that of the most likely token")
    sampling.add_argument("--max-new-tokens", type=int, help="longest completion in tokens")
    sampling.add_argument("--min-new-tokens", type=int, help="shortest completion in tokens")
    page = parser.add_argument_group("page")
    page.add_argument("--serve", action="store_true", help="serve a web page where people complete, compare and vote")
    page.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine)")
    page.add_argument("--port", type=int, default=7860, help="port, 0 for any free one (default: %(default)s)")
    page.add_argument("--votes", type=Path, default=Path("ratings/votes.csv"), help="CSV file (default: %(default)s)")
    parser.add_argument(
        "--engine",
        default="transformers",
        help="transformers (default), or vllm: see make vllm",
    )
    parser.add_argument("--cpu", action="store_true", help="use no GPU")


def main(options: argparse.Namespace) -> None:
    """List runs, complete prompts, or serve the page."""
    if options.cpu:
        os.environ[REQUESTED] = "0"
    from feyntune.config.load import parse_configuration
    from feyntune.playground.models import chosen_runs, runs_with_models
    from feyntune.playground.session import ENGINES

    if options.engine not in ENGINES:
        raise FeynTuneError(f"--engine: there is no {shorten(options.engine)}; there is {', '.join(ENGINES)}")
    if (options.id is None) != (options.set is None):
        raise FeynTuneError("--set and --id belong together: an evaluation set, and the id of one of its abstracts")
    names, files, pairs = sort_names(options.runs, options.configfile, options.config)
    configuration = parse_configuration(as_snakemake_reads(files, pairs))
    available = runs_with_models(configuration, options.engine)
    runs = chosen_runs(available, names)
    if not runs:
        print("\n".join(available))
    else:
        with quiet_libraries():
            (serve_page if options.serve else complete)(runs, options)


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Show no warnings of libraries between the completions: the logs of the workflow's programs have them."""
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    with warnings.catch_warnings(action="ignore"):
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


def sort_names(
    runs: Sequence[str], files: Sequence[Path], pairs: Sequence[str]
) -> tuple[list[str], list[Path], list[str]]:
    """Take names of runs from the end of other lists of values, where argparse counts them.

    Args:
        runs: names that argparse has found.
        files: values of ``--configfile``.
        pairs: values of ``--config``.

    Returns:
        Names, files and pairs.
    """
    known = [file for file in files if file.suffix in ENDINGS or file.exists()]
    names = [*runs, *(str(file) for file in files if file not in known), *(pair for pair in pairs if "=" not in pair)]
    return names, known or [DEFAULT], [pair for pair in pairs if "=" in pair]


def complete(runs: Sequence[TriedRun], options: argparse.Namespace) -> None:
    """Complete prompts on the terminal."""
    from dataclasses import replace

    from rich.console import Console

    from feyntune.playground.display import show
    from feyntune.playground.prompts import prompt_of_set
    from feyntune.playground.session import Prompt, Session, with_changes

    changes = {name: getattr(options, name) for name in SAMPLING if getattr(options, name) is not None}
    settings = Prompt("", seed=options.seed, changes=changes)
    for run in runs:
        with_changes(run.stage, settings)  # what is wrong with them is said before models are loaded
    first = prompt_of_set(options.set, options.id, settings) if options.id else None
    prompts = [first] if first else (replace(settings, text=text) for text in texts(options))
    session = Session(runs, options.engine)
    say(f"on {', '.join(session.devices)}")
    console = Console()
    for prompt in prompts:
        show(prompt.line, [run.name for run in runs], session.complete(prompt), console)


def serve_page(runs: Sequence[TriedRun], options: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C."""
    from feyntune.playground.server import LOOPBACK, PageServer
    from feyntune.playground.session import Session

    with PageServer(options.host, options.port) as server:
        server.show(Session(runs, options.engine), options.votes)
        say(f"open {server.address} (Ctrl-C ends)")
        if options.host not in LOOPBACK:
            say("whoever knows this address can use the page from the network; the connection is not encrypted")
        server.serve_forever()


def texts(options: argparse.Namespace) -> Iterable[str]:
    """The prompts: that of an option, the standard input, or typed lines."""
    if options.text is not None:
        return [options.text]
    if options.file not in (None, "-"):
        return [read_text(Path(options.file))]
    if options.file == "-" or not sys.stdin.isatty():
        return [sys.stdin.read()]
    return typed_lines()


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        FeynTuneError: there is no such file, or it is not UTF-8.
    """
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise FeynTuneError(f"--file {path}: {reason}; give a text file with the beginning of an abstract") from None


def typed_lines() -> Iterator[str]:
    """Typed lines, until an empty one or the end (Ctrl-D)."""
    import readline  # noqa: F401  # gives `input` a history and arrow keys

    say("type the beginning of an abstract in one line; an empty line ends")
    while True:
        try:
            line = input("> ").strip()
        except EOFError:
            print()
            return
        if not line:
            return
        yield line


if __name__ == "__main__":
    launch(__doc__, arguments, main)
