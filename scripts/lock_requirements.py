"""Write requirements.txt: every installed package, exactly, with the hashes of all its files on a package index.

After a change of requirements.in, install it into an empty environment and run this there. `--cuda` takes pip's report
of what torch needs besides on Linux with a graphics card, and writes requirements-cuda.txt:
    pip install --dry-run --ignore-installed --report cuda.json torch==VERSION
"""

from pathlib import Path

from feyntune.core.cli import launch, say

HEAD = """\
# Written by scripts/lock_requirements.py: {what},
# exactly, and the files that they may be.
"""
LINUX = ' ; platform_system == "Linux"'


def arguments(parser):
    """Declare the options."""
    parser.add_argument("--index", required=True, help="address of a package index that speaks JSON (PEP 691)")
    parser.add_argument("--wheels", nargs="*", type=Path, default=[], help="files of local versions, such as +cpu")
    parser.add_argument("--cuda", type=Path, help="pip's report of an installation of torch")
    parser.add_argument("--folder", type=Path, default=Path(), help="where the files go")


def main(options):
    """Ask the index, write."""
    from feyntune.dependencies import installed, normalised

    pins = {name: each.version.split("+")[0] for name, each in installed().items()}
    write(options, "requirements.txt", "requirements.in and all that it needs", pins)
    if options.cuda:
        from feyntune.core.files import read_json

        report = [entry["metadata"] for entry in read_json(options.cuda)["install"]]
        needed = {normalised(entry["name"]): entry["version"] for entry in report}
        more = {name: needed[name] for name in sorted(needed.keys() - pins.keys())}
        write(options, "requirements-cuda.txt", "what torch needs besides on Linux with a graphics card", more, LINUX)


def write(options, file, what, pins, marker=""):
    """Write one of the files."""
    from feyntune.core.errors import FeynTuneError
    from feyntune.core.files import write_text
    from feyntune.core.hashing import digest
    from feyntune.dependencies import lock_lines, normalised, release_hashes

    hashes = {name: release_hashes(options.index, name, version) for name, version in pins.items()}
    for wheel in options.wheels:
        name = normalised(wheel.name.split("-")[0])
        if name in hashes:
            hashes[name].append(digest(wheel))
    lacking = [name for name, found in hashes.items() if not found]
    if lacking:
        raise FeynTuneError(f"{options.index}: no usable file of {', '.join(lacking)}; install versions that it has")
    write_text(options.folder / file, HEAD.format(what=what) + "\n".join(lock_lines(pins, hashes, marker)) + "\n")
    say(f"{len(pins)} packages, {sum(map(len, hashes.values())):,} files in {file}")


if __name__ == "__main__":
    launch(__doc__, arguments, main)
