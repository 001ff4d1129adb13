"""The project that a command works in: its settings, its folder, its databases and its migrations."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ecluse.cli.invocation import Invocation
from ecluse.errors import UnknownDatabase, UnknownMigration

if TYPE_CHECKING:
    from ecluse.model.migration import Migration
    from ecluse.model.settings import Settings
    from ecluse.postgres.connect import Database

SETTINGS_FILE = "ecluse.toml"


def find_settings(start: Path) -> Path:
    """The nearest ecluse.toml in this folder or one above; the one here, where there is none."""
    return next(
        (f / SETTINGS_FILE for f in (start, *start.parents) if (f / SETTINGS_FILE).is_file()), Path(SETTINGS_FILE)
    )


@dataclass(frozen=True)
class Project:
    """The settings file, and what it leads to. It is read when something is asked for."""

    file: Path
    wanted: str | None  # --database
    _origins: dict[str, Database] = field(default_factory=dict)

    @classmethod
    def of(cls, invocation: Invocation) -> Project:
        """The project that the command line means."""
        return cls(invocation.config or find_settings(Path.cwd()), invocation.database)

    @cached_property
    def settings(self) -> Settings:
        """The content of the settings file."""
        from ecluse.postgres.settings_file import read_settings

        return read_settings(self.file)

    @property
    def folder(self) -> Path:
        """The folder of the settings file."""
        return (self.file if self.file.is_dir() else self.file.parent).resolve()

    @property
    def migrations(self) -> Path:
        """The folder of the migrations."""
        return self.folder / self.settings.migrations

    @property
    def archives(self) -> Path:
        """Where `finish` writes what it drops."""
        return self.folder / ".ecluse" / "archive"

    @property
    def backups(self) -> Path:
        """Where backups are kept, a folder for each database."""
        return self.folder / ".ecluse" / "backups"

    @property
    def reports(self) -> Path:
        """Where the report of each run goes, unless another folder is asked for."""
        return self.folder / ".ecluse" / "reports"

    def database(self, name: str | None = None) -> Database:
        """The database that was asked for by option, else by name, else the only one there is."""
        from ecluse.postgres.connect import resolve

        return resolve(self.settings, self.wanted or name or self._only(), self.folder)

    def origin(self, name: str) -> Database:
        """The database of that name, whichever was asked for by option: where a table comes from."""
        if name not in self._origins:
            from ecluse.postgres.connect import resolve

            self._origins[name] = resolve(self.settings, name, self.folder)
        return self._origins[name]

    def origins(self, migration: Migration) -> tuple[Database, ...]:
        """The databases that tables of a migration come from."""
        from ecluse.operations.compile import origins_of

        return tuple(map(self.origin, origins_of(migration)))

    def names(self) -> list[str]:
        """The databases to look at: the one asked for, else all."""
        from ecluse.model.settings import did_you_mean

        known = list(self.settings.databases)
        if self.wanted and self.wanted not in known:
            raise UnknownDatabase(
                f"'{self.wanted}' is not a database of ecluse.toml{did_you_mean(self.wanted, known)}",
                hint=f"the databases are: {', '.join(known) or 'none'}",
            )
        return [self.wanted] if self.wanted else known

    def _only(self) -> str:
        known = list(self.settings.databases)
        if len(known) == 1 or "app" in known:
            return "app" if "app" in known else known[0]
        raise UnknownDatabase(
            "which database is meant?" if known else f"'{self.file}' has no database",
            hint=f"--database {known[0]}, of: {', '.join(known)}" if known else '[databases]\napp = "embedded:app"',
        )

    def migration_file(self, text: str) -> Path:
        """The file of a migration that was given by name or by path."""
        path = Path(text)
        if path.is_file() and (path.suffix == ".toml" or "/" in text):
            return path
        for candidate in _candidates(path if path.is_dir() else self.migrations / text, path.name):
            if candidate.is_file():
                return candidate
        known = self.migration_names()
        raise self._unknown(text, known)

    def migration_names(self) -> list[str]:
        """The names of all migrations in the folder."""
        if not self.migrations.is_dir():
            return []
        found = {f.stem for f in self.migrations.glob("*.toml")}
        found |= {
            d.name for d in self.migrations.iterdir() if d.is_dir() and any(c.is_file() for c in _candidates(d, d.name))
        }
        return sorted(found)

    def migration(self, text: str) -> Migration:
        """The migration itself."""
        from ecluse.postgres.project import read_migration

        return read_migration(self.migration_file(text))

    def _unknown(self, text: str, known: list[str]) -> UnknownMigration:
        from ecluse.model.settings import did_you_mean

        listed = ", ".join(known) or "none"
        return UnknownMigration(
            f"there is no migration '{text}'{did_you_mean(text, known)}",
            details=f"migrations in {self.settings.migrations}/: {listed}",
            hint="ecluse recipes" if not known else f"ecluse plan {known[0]}",
        )


def _candidates(folder: Path, name: str) -> list[Path]:
    return [folder.with_name(folder.name + ".toml"), folder / f"{name}.toml", folder / "migration.toml"]
