"""Which key of B a key of A has become: a table on A's server, or a CSV file that is taken there for the comparison."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from ecluse.errors import CannotCompare, NotInDatabase, WrongUsage
from ecluse.model.names import Name, ident
from ecluse.model.settings import did_you_mean
from ecluse.postgres.connect import Session
from ecluse.postgres.failures import translate
from ecluse.postgres.relation import read_relation

_LOADED = "pg_temp.ecluse_key_map"
_STATE = "nothing was changed: a comparison only reads"


@dataclass(frozen=True, slots=True)
class KeyMap:
    """Two columns, of a table or of a CSV file with a header: the old key and the new one."""

    source: Name | Path
    old: str
    new: str

    @property
    def rows(self) -> str:
        """A query of `old`, as text, and `new`."""
        if isinstance(self.source, Path):
            return f"SELECT old, new FROM {_LOADED}"
        return f"SELECT {ident(self.old)}::pg_catalog.text AS old, {ident(self.new)} AS new FROM {self.source.sql}"

    def load(self, session: Session) -> None:
        """Take the rows of a file to the server, into a table that only this session has. Nothing to do for a table."""
        if not isinstance(self.source, Path):
            return
        pairs = self._pairs(self.source)
        try:
            session.execute("CREATE TEMP TABLE ecluse_key_map (old text, new text)")
            with session.cursor().copy(f"COPY {_LOADED} FROM STDIN".encode()) as copy:
                for pair in pairs:
                    copy.write_row(pair)
            session.execute(f"ANALYZE {_LOADED}".encode())
        except psycopg.Error as error:
            raise translate(error, _STATE) from None

    def check(self, session: Session, database: str) -> None:
        """Raise where the table is not there, or gives one old key several times: a row of A would be counted twice."""
        if isinstance(self.source, Name):
            found = read_relation(session, self.source, database)
            for column in (self.old, self.new):
                if column not in found.columns:
                    near = did_you_mean(column, found.columns)
                    raise NotInDatabase(f"{self.source} has no column '{column}'{near}", state=_STATE)
        twice = f'SELECT 1 FROM ({self.rows}) k GROUP BY old COLLATE pg_catalog."C" HAVING pg_catalog.count(*) > 1'
        try:
            row = session.execute(f"SELECT pg_catalog.count(*) FROM ({twice}) t".encode()).fetchone()
        except psycopg.Error as error:
            raise translate(error, _STATE) from None
        if row and row[0]:
            raise CannotCompare(
                f"the key map gives several new keys for {row[0]:,} old {'key' if row[0] == 1 else 'keys'}",
                details="A row of A would be compared with several rows of B.",
                hint=f"SELECT {ident(self.old)} FROM {self.source} GROUP BY 1 HAVING count(*) > 1;",
                state=_STATE,
            )

    def _pairs(self, path: Path) -> Iterator[tuple[str, str]]:
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file, strict=True)
                header = reader.fieldnames or []
                for column in (self.old, self.new):
                    if column not in header:
                        raise WrongUsage(
                            f"'{path}' has no column '{column}'{did_you_mean(column, header)}", state=_STATE
                        )
                for row in reader:
                    if row[self.old] is None or row[self.new] is None:
                        raise WrongUsage(f"'{path}', line {reader.line_num}: there are fewer values than columns")
                    yield row[self.old], row[self.new]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            reason = getattr(error, "strerror", None) or "it is not a CSV file in UTF-8"
            raise WrongUsage(f"'{path}' cannot be read: {reason}", state=_STATE) from None
