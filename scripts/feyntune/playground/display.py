"""Completions of several runs on a terminal, in columns that grow; in a file or a pipe one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feyntune.core.errors import printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, Group, RenderResult
    from rich.table import Table
    from rich.text import Text

    from feyntune.playground.session import Growth

NARROWEST = 24
"""Characters of a column; where there is less room for each run, completions are shown one below the other."""
ENDS = {"eos": "ended by itself", "length": "cut off at the longest length", None: "…"}
"""What is said of a completion, by why it stopped."""
PER_SECOND = 8
"""How often a terminal is redrawn."""


def show(prompt: str, runs: Sequence[str], growths: Iterable[Growth], console: Console) -> dict[str, Growth]:
    """Show completions while they grow, and in the end as a whole.

    Args:
        prompt: the beginning that is completed.
        runs: names of the runs, in the order of the columns.
        growths: from ``Session.complete``.
        console: where to print.

    Returns:
        The finished completions by run.
    """
    latest: dict[str, Growth] = {}
    side_by_side = console.width >= NARROWEST * len(runs)
    if console.is_terminal:
        from rich.live import Live

        room = console.height if side_by_side else console.height // len(runs)
        with Live(console=console, transient=True, refresh_per_second=PER_SECOND) as live:
            for growth in growths:
                latest[growth.run] = growth
                live.update(completions_table(runs, latest, side_by_side, max(2, room - 6)))
    else:
        latest = {growth.run: growth for growth in growths}
    console.print(printable(prompt), style="dim", markup=False, highlight=False, soft_wrap=True)
    if console.is_terminal and side_by_side:
        console.print(completions_table(runs, latest, side_by_side))
    else:
        _print_one_by_one(runs, latest, console)
    return latest


def heading(run: str, growth: Growth | None) -> str:
    """What stands above a completion."""
    if growth is None:
        return f"{run} (…)"
    return f"{run} ({growth.tokens} tokens, {ENDS[growth.stopped]})"


def _print_one_by_one(runs: Sequence[str], latest: Mapping[str, Growth], console: Console) -> None:
    for run in runs:
        console.print(f"\n# {heading(run, latest[run])}", style="bold", markup=False, highlight=False)
        console.print(printable(latest[run].text.strip()), markup=False, highlight=False, soft_wrap=True)


def completions_table(
    runs: Sequence[str], latest: Mapping[str, Growth], side_by_side: bool, lines: int | None = None
) -> Table:
    """A table with a column for each run, or with a row for each where columns would be too narrow.

    Args:
        runs: names of the runs.
        latest: the completions so far.
        side_by_side: whether runs are columns.
        lines: how many lines of a text fit on the screen, which then shows the last ones; None: all.
    """
    from rich.table import Table

    cells = [_cell(run, latest.get(run), lines) for run in runs]
    table = Table(expand=True, show_header=False, show_lines=True)
    for _ in runs if side_by_side else runs[:1]:
        table.add_column(ratio=1)
    for row in [cells] if side_by_side else [[cell] for cell in cells]:
        table.add_row(*row)
    return table


def _cell(run: str, growth: Growth | None, lines: int | None) -> Group:
    from rich.console import Group
    from rich.text import Text

    text = printable(growth.text.strip()) if growth else ""
    return Group(Text(heading(run, growth), style="bold"), _Tail(Text(text), lines))


@dataclass(frozen=True)
class _Tail:
    """The last lines of a text, in the width that it gets."""

    text: Text
    lines: int | None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wrapped = self.text.wrap(console, options.max_width)
        yield from wrapped if self.lines is None else wrapped[-self.lines :]
