"""publish_changes: the changes of a table are sent to those who listen to Supabase Realtime."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, model_validator

from ecluse.errors import NotInDatabase
from ecluse.model.catalog import Index, Publication, Published, Table
from ecluse.model.names import ident
from ecluse.model.plan import Define, SqlChange
from ecluse.operations import publishing
from ecluse.operations.base import Operation
from ecluse.operations.expressions import InvalidSql, check_mapping
from ecluse.operations.publishing import PUBLICATION, WORDS, Publishing
from ecluse.operations.secure_rows import SecureRows
from ecluse.operations.work import Becoming, Work, nearest


class PublishChanges(Operation):
    """Put a table into the publication `supabase_realtime`, so that people can listen to its changes.

    The publication is made where it is missing. What an UPDATE or a DELETE tells of the old row is the table's replica
    identity: the primary key, unless `full` or `by_index` says otherwise. A rollback puts both back. After the switch,
    and in `ecluse verify`, probes ask whether each change can be made and is sent. Nobody is asked who may hear a
    DELETE: the plan tells what that gives away.
    """

    kind: Literal["publish_changes"]
    table: str = Field(description="The table, `schema.name`.")
    full: bool = Field(
        default=False,
        description="Whether UPDATE and DELETE tell the whole old row. It is written to the WAL each time.",
    )
    by_index: str | None = Field(
        default=None,
        description="A unique index on NOT NULL columns, instead of the primary key: UPDATE and DELETE tell its "
        "columns, so that a DELETE can be filtered by them.",
    )

    @model_validator(mode="after")
    def _one_identity(self) -> PublishChanges:
        if self.full and self.by_index is not None:
            raise ValueError("'full' tells the whole old row, 'by_index' some of its columns: say one of them")
        return self

    def describe(self) -> str:
        return f"publish the changes of {self.table}"

    def compile(self, work: Work) -> None:
        becoming = self._table(work)
        table, before = becoming.table, becoming.before
        found = next((p for p in work.catalog.publications if p.name == PUBLICATION), None)
        identity = "f" if self.full else "i" if self.by_index is not None else "d"
        wanted = Publishing(
            table,
            identity,
            self._named_index(work, table),
            creates=found is None and self is _publishers(work)[0],
            joins=not _sent(table, found),
        )
        _refuse_kind(work, table)
        self._refuse_identity(work, wanted)
        _refuse_parts(work, wanted)
        _refuse_server(work, table, found)
        _tell(work, wanted, found)
        title = f"changes of {table.name}"
        work.changes.append(
            SqlChange(title, publishing.up(wanted), publishing.down(wanted), tables=(before,) if before else ())
        )
        work.changes.append(Define(f"{title}, sent", "", (), verify=publishing.probes(wanted)))

    def _table(self, work: Work) -> Becoming:
        name = work.name(self, self.table, "table")
        if name in work.catalog.views:
            raise work.wrong(self, f"'{name}' is a view; what is sent are the changes of tables", "table")
        becoming = work.becoming(self, self.table, "table")
        twice = [o for o in _publishers(work) if work.name(o, o.table, "table") == name]
        if twice[0] is not self:
            raise work.wrong(self, f"'{name}' is published twice", "table", hint="say it in one operation")
        return becoming

    def _named_index(self, work: Work, table: Table) -> str:
        if self.by_index is None:
            return ""
        found = next((index for index in table.indexes if index.name == self.by_index), None)
        if found is None:
            raise NotInDatabase(
                f"{work.place(self, 'by_index')}: table '{table.name}' has no index '{self.by_index}'",
                hint=nearest(self.by_index, (index.name for index in table.indexes)),
            )
        if not _identifies(table, found):
            needed = "it must be unique, valid, whole and not deferrable, on columns that are NOT NULL"
            raise work.wrong(self, f"index '{self.by_index}' does not identify a row: {needed}", "by_index")
        return self.by_index

    def _refuse_identity(self, work: Work, wanted: Publishing) -> None:
        table = wanted.table
        if wanted.identity == "d" and not any(c.kind == "p" and not c.deferrable for c in table.constraints):
            usable = next((index.name for index in table.indexes if _identifies(table, index)), None)
            word = "a primary key that is not deferrable" if table.primary_key else "a primary key"
            work.hazard(
                "no-replica-identity",
                "refuse",
                table.name,
                f"'{table.name}' has not {word}: once it is published, every UPDATE and DELETE on it fails",
                f'by_index = "{usable}"' if usable else f"ALTER TABLE {table.name.sql} ADD PRIMARY KEY (…)",
            )
        elif not table.primary_key:
            work.hazard(
                "no-primary-key",
                "warn",
                table.name,
                f"'{table.name}' has no primary key: Realtime sends 'Error 400: Bad Request, no primary key' in place "
                "of its rows",
                f"ALTER TABLE {table.name.sql} ADD PRIMARY KEY (…)",
            )


def _publishers(work: Work) -> list[PublishChanges]:
    return [operation for operation in work.migration.operations if isinstance(operation, PublishChanges)]


def _sent(table: Table, publication: Publication | None) -> bool:
    """Whether the publication has the table already, by its name or with all others."""
    listed = any(p.publication == PUBLICATION for p in table.published)
    return listed or (publication is not None and (publication.all_tables or table.name.schema in publication.schemas))


def _identifies(table: Table, index: Index) -> bool:
    """Whether PostgreSQL takes the index for a replica identity."""
    required = [table.column(name) for name in index.columns]
    deferrable = any(c.name == index.constraint and c.deferrable for c in table.constraints)
    whole = index.unique and index.valid and index.whole and not deferrable
    return whole and bool(required) and all(column is not None and column.not_null for column in required)


# --- what cannot be ---------------------------------------------------------------------------------


def _refuse_kind(work: Work, table: Table) -> None:
    words = {"f": "a foreign table", "p": "partitioned"}.get(table.kind, "")
    words = words or {"u": "unlogged", "t": "temporary"}.get(table.persistence, "")
    words = words or ("part of an inheritance tree" if table.children or table.inherits else "")
    hints = {
        "a foreign table": "publish it on the server where it is",
        "unlogged": f"ALTER TABLE {table.name.sql} SET LOGGED",
    }
    if words:
        work.hazard(
            "not-publishable",
            "refuse",
            table.name,
            f"'{table.name}' is {words}, so its changes cannot be sent",
            hints.get(words, ""),
        )


def _refuse_parts(work: Work, wanted: Publishing) -> None:
    """Column lists and row filters are somebody's decision: they are neither widened nor broken."""
    table = wanted.table
    for published in table.published:
        if published.publication == PUBLICATION and (published.columns or published.where):
            work.hazard(
                "published-in-part",
                "refuse",
                table.name,
                f"only some columns or rows of '{table.name}' are in publication '{PUBLICATION}'",
                f"ALTER PUBLICATION {PUBLICATION} DROP TABLE {table.name.sql}, where all may be sent; else leave it",
            )
        elif wanted.changes_identity and (broken := _broken(published, wanted)):
            work.hazard(
                "publication-breaks",
                "refuse",
                table.name,
                f"publication '{published.publication}' has {broken} '{table.name}' which does not go with replica "
                f"identity {WORDS[wanted.identity]}: every UPDATE and DELETE would fail",
                f"ALTER PUBLICATION {ident(published.publication)} DROP TABLE {table.name.sql}, and add it otherwise",
            )


def _broken(published: Published, wanted: Publishing) -> str:
    identity = set(wanted.columns)
    if published.columns and not identity <= set(published.columns):
        return "a column list for"
    if published.where:
        try:
            read = {found.column for found in check_mapping(published.where)}
        except InvalidSql:
            return "a row filter that cannot be read for"
        return "" if read <= identity else "a row filter on"
    return ""


def _refuse_server(work: Work, table: Table, found: Publication | None) -> None:
    catalog = work.catalog
    if catalog.wal_level in ("minimal", "replica"):
        work.hazard(
            "wal-level",
            "refuse",
            catalog.database,
            f"wal_level is '{catalog.wal_level}', so no change of '{table.name}' would be sent",
            "ALTER SYSTEM SET wal_level = 'logical', and start the server anew",
        )
    role = catalog.role
    if found is not None and not _sent(table, found) and not (role.superuser or found.owner in role.member_of):
        work.hazard(
            "publication-owner",
            "refuse",
            PUBLICATION,
            f"publication '{PUBLICATION}' belongs to {found.owner}, so '{role.name}' cannot add a table to it",
            f"ALTER PUBLICATION {PUBLICATION} OWNER TO {ident(role.name)}",
        )


# --- what it gives away -----------------------------------------------------------------------------


def _tell(work: Work, wanted: Publishing, found: Publication | None) -> None:
    name = wanted.table.name
    if wanted.creates:
        work.hazard("publication-made", "note", PUBLICATION, "it is made; a rollback drops it")
    if not wanted.joins:
        how = " with every table" if found is not None and found.all_tables else ""
        work.hazard("published-already", "note", name, f"'{name}' is in publication '{PUBLICATION}' already{how}")
    if wanted.changes_identity:
        before, after = WORDS[wanted.table.replica_identity], WORDS[wanted.identity]
        after += f" ({wanted.index})" if wanted.index else ""
        work.hazard("replica-identity", "note", name, f"replica identity of {name}: {before} before; {after} after")
    for id_, level, message, hint in _privacy(wanted, secured=_secured(work, wanted.table)):
        work.hazard(id_, level, name, message, hint)


def _secured(work: Work, table: Table) -> bool:
    """Whether row level security will be on when the table's changes are sent."""
    secured = (o for o in work.migration.operations if isinstance(o, SecureRows))
    return table.rls or any(work.name(o, o.table, "table") == table.name for o in secured)


def _privacy(wanted: Publishing, *, secured: bool) -> Iterator[tuple[str, str, str, str]]:
    name = wanted.table.name
    told = "the whole old row" if wanted.identity == "f" else ", ".join(wanted.columns)
    if not secured:
        yield (
            "no-row-security",
            "warn",
            f"row level security is off on {name}: whoever may select from it hears every change of every row",
            f'[[operation]] kind = "secure_rows", table = "{name}"',
        )
    yield (
        "delete-events",
        "note",
        f"a DELETE on {name} is told to everybody who listens, whoever's row it was: policies cannot be asked about a "
        f"row that is gone. What is sent of it: {told}",
        "",
    )
    if wanted.identity == "f":
        yield (
            "old-rows-sent",
            "warn",
            f"UPDATE and DELETE on {name} send the whole old row, which no policy filters. Realtime cuts that of a "
            "DELETE to the primary key only where row level security is on; other subscribers get all of it",
            'by_index = "…" on the primary key and the columns that are filtered by sends no more than these',
        )
    else:
        yield (
            "filtered-events",
            "note",
            f"who listens to {name} with a filter on another column than {told} hears no DELETE, and an UPDATE tells "
            "no other old value",
            "",
        )
