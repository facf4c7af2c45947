"""Write the embedded default's made-up arXiv metadata snapshot."""

from pathlib import Path

from feyntune.core.cli import launch, read_settings, say


def arguments(parser):
    parser.add_argument("--settings", required=True, help="JSON of settings.demo.DemoSnapshot, or a file with it")
    parser.add_argument("--control-papers", nargs="*", default=[], help="ids of papers that it must have, in hep-th")
    parser.add_argument("--output", type=Path, required=True, help="JSON lines")


def main(options):
    from feyntune.config.schema.demo import DemoSnapshot
    from feyntune.core.files import write_text
    from feyntune.demo.snapshot import snapshot_lines

    settings = read_settings(DemoSnapshot, options.settings)
    lines = list(snapshot_lines(settings.papers, options.control_papers, settings.seed))
    write_text(options.output, "".join(f"{line}\n" for line in lines))
    say(f"{len(lines):,} lines in {options.output}")


if __name__ == "__main__":
    launch(__doc__, arguments, main)
