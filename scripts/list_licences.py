"""Write the licences of all installed packages, as the packages themselves tell them."""

from pathlib import Path

from feyntune.core.cli import launch

HEAD = "# Licences of what is installed\n\nWritten by scripts/list_licences.py; a test compares.\n\n"


def arguments(parser):
    """Declare the options."""
    parser.add_argument("--page", type=Path, default=Path(".ci/licences.md"))


def main(options):
    """Read, write."""
    from feyntune.core.files import write_text
    from feyntune.dependencies import installed, licence_table

    write_text(options.page, HEAD + "\n".join(licence_table(installed())) + "\n")


if __name__ == "__main__":
    launch(__doc__, arguments, main)
