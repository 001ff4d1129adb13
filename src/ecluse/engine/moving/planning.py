"""Planning with a look at the origins: their catalogues, their rights, and whether every row finds its way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from types import TracebackType

import psycopg

from ecluse.engine.context import Connection
from ecluse.errors import MissingRights, UnknownDatabase
from ecluse.model.catalog import Catalog, Table
from ecluse.model.flow import fill
from ecluse.model.names import ident
from ecluse.model.plan import Hazard, Move, Plan
from ecluse.planning.flow_sql import column_list
from ecluse.planning.hazards import missing_rights
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.failures import translate

_NOTHING = "nothing was changed"


def unknown_origin(name: str) -> Database:
    """The default way to databases that tables come from: there is none."""
    raise UnknownDatabase(f"there is no way to database '{name}'", hint="name it in ecluse.toml", state=_NOTHING)


def require_rights(catalog: Catalog, tables: Iterable[Table], where: str = "") -> None:
    """Raise MissingRights, naming all that the role may not do and a plan over these tables needs."""
    missing = missing_rights(catalog, tables)
    if missing:
        role = catalog.role.name
        raise MissingRights(
            f"role '{role}' lacks {len(missing)} rights that this plan needs{where}",
            details="\n".join(missing),
            hint=f'GRANT the owners\' roles to "{role}", or run as the owner',
            state=_NOTHING,
        )


class Origins:
    """Sessions in the origins of a migration, and their catalogues, for as long as it is planned."""

    def __init__(self, names: Iterable[str], databases: Callable[[str], Database]) -> None:
        self._databases = {name: databases(name) for name in names}
        self._sessions: dict[str, Connection] = {}
        self._stack = ExitStack()
        self.catalogs: dict[str, Catalog] = {}

    def __enter__(self) -> Origins:
        with ExitStack() as stack:
            for name, database in self._databases.items():
                session = stack.enter_context(open_session(database, role="plan"))
                self._sessions[name] = session
                try:
                    self.catalogs[name] = read_catalog(session)
                except psycopg.Error as error:
                    raise translate(error, _NOTHING) from None
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def require_rights(self, plan: Plan) -> None:
        """Raise MissingRights where a role may not do in an origin what the plan does there."""
        for name, catalog in self.catalogs.items():
            require_rights(catalog, [m.old.table for m in plan.moves if m.origin == name], f" in '{name}'")

    def hazards(self, plan: Plan) -> Iterator[Hazard]:
        """What only the rows can tell: those that would not arrive, or would not come back as they were."""
        closed = {h.object for h in plan.refused if h.id in ("foreign-table", "force-rls")}
        for move in plan.moves:
            if str(move.old.table.name) not in closed:
                yield from _rows(self._sessions[move.origin], move)


def _rows(there: Connection, move: Move) -> Iterator[Hazard]:
    name = move.old.table.name
    try:
        with there.transaction(force_rollback=True):
            there.execute("SET TRANSACTION READ ONLY")
            yield from _counted(there, move)
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        why = translate(error).message
        yield Hazard(
            "trial-mapping",
            "refuse",
            str(name),
            f"the mapping of {name} in '{move.origin}' does not work: {why}",
            "correct `values` and `back` of this move_table, or the rows",
        )


def _counted(there: Connection, move: Move) -> Iterator[Hazard]:
    old, new = move.old, move.new
    name = old.table.name
    forward = fill(new.select, lambda _: name.sql)
    never = {now.name for was, now in move.pairs if was.not_null}
    asked = [c.name for c in new.table.columns if c.not_null and c.written and c.name not in never]
    for column, nulls in _nulls(there, forward, asked):
        why = f"{column} of {new.table.name} is NOT NULL, and would be NULL in {nulls:,} rows"
        yield _refused(move, "null-in-not-null", why)
    unique = _unique(old.table, dict(move.same))
    for constraint in new.table.constraints:
        # What is generated there is not known here: the index on it judges.
        known = constraint.kind in "pu" and set(constraint.columns) <= set(new.columns)
        wanted = known and frozenset(constraint.columns) not in unique
        if wanted and (twice := _twice(there, forward, constraint.columns)):
            columns = ", ".join(constraint.columns)
            why = f"{columns} of {new.table.name} is unique, and {twice:,} values would be there more than once"
            yield _refused(move, "collision", why)
    # A type of the other database cannot be tried here; the proof judges.
    known = all("." not in column.type for column in (*old.table.columns, *new.table.columns))
    if known and not move.exact and (lost := _lost(there, move)):
        yield _refused(move, "lossy-move", f"{lost:,} rows of {name} would not come back as they are")


def _unique(old: Table, same: Mapping[str, str]) -> set[frozenset[str]]:
    """The sets of new columns that are unique because the old ones are."""
    keys = [c.columns for c in old.constraints if c.kind in "pu" and c.valid]
    return {frozenset(same[column] for column in key) for key in keys if all(column in same for column in key)}


def _lost(there: Connection, move: Move) -> int:
    """How many rows are not themselves any more, once there and back."""
    old, new = move.old, move.new
    before, after = (column_list(old.columns, alias) for alias in ("o.", "b."))
    back = fill(old.select, lambda _: "(SELECT n.*)")
    once = fill(new.select, lambda _: "(SELECT o.*)")
    return _one(
        there,
        f"SELECT count(*) FROM {old.table.name.sql} o, LATERAL ({once}) n, LATERAL ({back}) b "
        f'WHERE ROW({before})::text COLLATE "C" IS DISTINCT FROM ROW({after})::text COLLATE "C"',
    )


def _refused(move: Move, id_: str, why: str) -> Hazard:
    hint = "say it in `values` and `back` of this move_table, or correct the rows"
    return Hazard(id_, "refuse", str(move.old.table.name), why, hint)


def _nulls(there: Connection, query: str, columns: list[str]) -> list[tuple[str, int]]:
    """Which of these columns are NULL in some rows, and in how many."""
    if not columns:
        return []
    counts = ", ".join(f"count(*) FILTER (WHERE n.{ident(column)} IS NULL)" for column in columns)
    row = there.execute(f"SELECT {counts} FROM ({query}) n".encode()).fetchone()
    return [(column, int(count)) for column, count in zip(columns, row or (), strict=True) if count]


def _twice(there: Connection, query: str, columns: tuple[str, ...]) -> int:
    names = column_list(columns, "n.")
    whole = " AND ".join(f"n.{ident(column)} IS NOT NULL" for column in columns)
    grouped = f"SELECT FROM ({query}) n WHERE {whole} GROUP BY {names} HAVING count(*) > 1"
    return _one(there, f"SELECT count(*) FROM ({grouped}) g")


def _one(there: Connection, query: str) -> int:
    row = there.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0
