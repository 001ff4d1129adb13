"""The bench on which operations are compiled: the catalog, the drafts so far, and how to complain with a line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from ecluse.errors import MappingError, MigrationFileError, NotInDatabase
from ecluse.model.catalog import Catalog, Column, Table
from ecluse.model.flow import ONLY, Flow, Roster
from ecluse.model.migration import Migration, OperationSettings
from ecluse.model.names import Name
from ecluse.model.plan import Change, Hazard
from ecluse.operations.draft import Draft
from ecluse.operations.expressions import InvalidSql, Reference, check_mapping, rewrite
from ecluse.operations.inputs import input_name
from ecluse.operations.people_sql import People

ONE_AFTER_THE_OTHER = "make two migrations, and finish the first before the second; or say both in one reshape_table"


@dataclass(frozen=True, slots=True)
class CensusQuery:
    """A question to ask of a column before anything runs.

    The SQL returns one row: rows, invalid, unusual, collisions (bigint), samples (text[]), and, where a map gives the
    new values, how many it changes.
    """

    table: Name
    column: str
    policy: str
    sql: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RowCounts:
    """What a plan counts as each role, in a transaction that is rolled back.

    The script's last statement returns who, how many rows now, and how many after the switch.
    """

    table: Name
    script: str


@dataclass(frozen=True, slots=True)
class Findings:
    """A question whose answers are findings of the plan: rows of id, level and message."""

    table: Name
    sql: str


@dataclass(frozen=True, slots=True)
class Imported:
    """A table of users that the migration imports: who they are, and the alias of the roster of them.

    `now` is a temporary table of the plan's session: the roster as it would be filled at this moment.
    """

    people: People
    roster: str
    now: str


@dataclass(frozen=True, slots=True)
class Becoming:
    """A table as it will be, and as it is: None where the migration makes it.

    `replaced`: another table takes its place at the switch, so that a rollback has nothing to undo on it.
    """

    table: Table
    before: Table | None
    replaced: bool = False

    @property
    def stays(self) -> bool:
        """Whether it is the very table that is there now."""
        return self.before is not None and not self.replaced


@dataclass(frozen=True, slots=True)
class Referred:
    """A table whose rows others may be linked to: as it is, and as the migration leaves it.

    `key` are pairs of columns, old and new, that identify a row, `same` those of which one is the other. `kind` is the
    discriminator and its value as SQL, where the table has rows of other kinds as well. `held` is a condition over an
    old row `m` that stays behind, `held_now` the same before the run, as the plan asks it; `kin` are the expressions by
    which that depends on other rows. `single` are old columns of which no two rows have the same value, `accounts`
    expressions over an old row in all of which rows agree that mean the same thing.
    """

    table: Table
    old: str  # the aliases
    new: str
    key: tuple[tuple[str, str], ...]
    same: tuple[tuple[str, str], ...]
    kind: tuple[str, str] | None = None
    single: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    held: str = ""
    held_now: str = ""
    kin: tuple[str, ...] = ()

    def home(self, alias: str = "m") -> str:
        """Whether a new row has an old one; empty where each has."""
        return f"{column_of(alias, self.kind[0])} = {self.kind[1]}" if self.kind else ""


@dataclass
class Work:
    """What operations add to while a migration is compiled. Lives for one call of `compile_migration`."""

    migration: Migration
    catalog: Catalog
    origins: Mapping[str, Catalog] = field(default_factory=dict)  # of other databases, by name
    changes: list[Change] = field(default_factory=list)
    hazards: list[Hazard] = field(default_factory=list)
    census: list[CensusQuery] = field(default_factory=list)
    row_counts: list[RowCounts] = field(default_factory=list)
    findings: list[Findings] = field(default_factory=list)
    setup: list[str] = field(default_factory=list)  # temporary tables that census and findings read
    afterwards: list[Callable[[], None]] = field(default_factory=list)  # what is asked when all are compiled
    first: list[Change] = field(default_factory=list)  # flows that others look up in, and so come before them
    imported: dict[Name, Imported] = field(default_factory=dict)
    made: dict[Name, Table] = field(default_factory=dict)  # new tables that later operations may speak of
    referred: dict[Name, Referred] = field(default_factory=dict)  # new tables, by their names
    enums: dict[Name, tuple[str, ...]] = field(default_factory=dict)  # labels of what operations make or extend
    drafts: dict[Name, Draft] = field(default_factory=dict)
    aliases: set[str] = field(default_factory=set)
    # Selects to check when all aliases are known: one may name an aside of another operation.
    templates: list[tuple[OperationSettings, tuple[str | int, ...], str]] = field(default_factory=list)

    # --- words of the file -----------------------------------------------------------------------

    def place(self, operation: OperationSettings, *path: str | int) -> str:
        """`file, line 12`, for the head of a message."""
        source = self.migration.source
        return f"{source.file}, line {source.line(('operation', operation.index, *path))}"

    @contextmanager
    def sql_of(self, operation: OperationSettings, *path: str | int) -> Iterator[None]:
        """Give what is wrong with the SQL at `path` its file and line. Raises MappingError."""
        try:
            yield
        except InvalidSql as error:
            name = ".".join(str(part) for part in path)
            raise MappingError(f"{self.place(operation, *path)}: '{name}' is not valid: {error}") from error

    def wrong(self, operation: OperationSettings, text: str, *path: str | int, hint: str = "") -> MigrationFileError:
        """The error for something that only the catalog shows to be wrong in the file."""
        return MigrationFileError(f"{self.place(operation, *path)}: {text}", hint=hint)

    def name(self, operation: OperationSettings, text: str, *path: str | int) -> Name:
        """A table's name as the user wrote it."""
        try:
            return Name.parse(text)
        except ValueError as error:
            hint = """a name with blanks or capitals needs double quotes: 'public."Audit Log"'"""
            raise self.wrong(operation, str(error), *path, hint=hint) from error

    def table(self, operation: OperationSettings, text: str, *path: str | int) -> Table:
        """The table of that name. Raises NotInDatabase."""
        name = self.name(operation, text, *path)
        found = self.catalog.tables.get(name)
        if found is None and name.schema.startswith("pg_temp"):
            raise NotInDatabase(
                f"{self.place(operation, *path)}: '{name}' is a temporary table, of one session only",
                hint="make it an ordinary table, or leave it to its session",
            )
        if found is None:
            like = nearest(str(name), (str(known) for known in self.catalog.tables))
            raise NotInDatabase(f"{self.place(operation, *path)}: there is no table '{name}'", hint=like)
        return found

    def becoming(self, operation: OperationSettings, text: str, *path: str | int) -> Becoming:
        """The table of that name as the operations above leave it. Raises NotInDatabase."""
        name = self.name(operation, text, *path)
        if name in self.made:
            return Becoming(self.made[name], None)
        table = self.table(operation, text, *path)
        draft = self.drafts.get(table.name)
        if draft is None or draft.in_place:
            return Becoming(table, table)
        columns = tuple(target.column for target in draft.targets.values())
        return Becoming(replace(table, columns=columns), table, replaced=True)

    def labels(self, name: Name) -> tuple[str, ...] | None:
        """The labels of an enum as the operations above leave it; None where there is no such type."""
        return self.enums.get(name) or self.catalog.types.get(name)

    def column(self, operation: OperationSettings, table: Table, name: str, *path: str | int) -> Column:
        """The column of that name. Raises NotInDatabase."""
        found = table.column(name)
        if found is None:
            like = nearest(name, (column.name for column in table.columns))
            raise NotInDatabase(
                f"{self.place(operation, *path)}: table '{table.name}' has no column '{name}'", hint=like
            )
        return found

    def mapping(self, operation: OperationSettings, text: str, columns: Iterable[str], *path: str | int) -> str:
        """A mapping expression whose columns are checked against `columns` and written as `m."column"`."""
        known = tuple(columns)
        with self.sql_of(operation, *path):
            self.known(operation, check_mapping(text), known, *path)
            return rewrite(text, lambda found: column_of("m", found.column))

    def known(
        self, operation: OperationSettings, named: Iterable[Reference], columns: Iterable[str], *path: str | int
    ) -> None:
        """Check the columns that an expression names. Raises NotInDatabase."""
        known = tuple(columns)
        for found in named:
            if found.qualifier not in ("", "m") or found.column not in known:
                full = f"{found.qualifier}.{found.column}" if found.qualifier else found.column
                raise NotInDatabase(
                    f"{self.place(operation, *path)}: the mapping names '{full}', which is not a column of its row",
                    hint=nearest(found.column, known),
                )

    # --- what is added ---------------------------------------------------------------------------

    def roster(
        self,
        wish: str,
        source: str,
        key: Column,
        columns: tuple[tuple[str, str], ...],
        select: Callable[[str, str], str],
        *,
        kin: tuple[str, ...] = (),
        live: bool = False,
    ) -> str:
        """Add a roster over the old table of the alias `source`, whose key column is `key` there; gives its alias.

        `select` makes its rule, of the relation to read and the condition for the rows that are asked for.
        """
        alias = self.alias(wish)
        name = input_name(self.migration.name, alias)
        rule = select(f"{{{{{source}}}}}", f"{{{{{ONLY}}}}}")
        self.first.append(Roster(alias, name, source, key.name, ("key", key.type), columns, rule, kin, live=live))
        return alias

    def log(self, alias: str, column: str) -> None:
        """Let the capture of an old table log this column as well."""
        for draft in self.drafts.values():
            if draft.old == alias and column not in draft.watched:
                draft.watched.append(column)
        for number, flow in enumerate(self.first):
            if isinstance(flow, Flow) and flow.old.anchor.alias == alias:
                anchor = replace(flow.old.anchor, logged=tuple(dict.fromkeys([*flow.old.anchor.logged, column])))
                self.first[number] = replace(flow, old=replace(flow.old, members=(anchor, *flow.old.satellites)))

    def hazard(self, id: str, level: str, object: object, message: str, hint: str = "") -> None:
        """Note a finding for the plan, once."""
        found = Hazard(id, level, str(object), message, hint)
        if found not in self.hazards:
            self.hazards.append(found)

    def alias(self, wish: str) -> str:
        """A placeholder that no other member of the plan has."""
        base = re.sub(r"\W", "_", wish)
        number = 2
        alias = base
        while alias in self.aliases:
            alias = f"{base}_{number}"
            number += 1
        self.aliases.add(alias)
        return alias

    def key(self, table: Table) -> tuple[str, ...]:
        """The columns that identify a row of an old table; its first column where there are none, which is refused."""
        key = row_key(table)
        if not key:
            self.hazard(
                "no-primary-key",
                "refuse",
                table.name,
                f"table '{table.name}' has no primary key, so its rows cannot be told apart",
                f"ALTER TABLE {table.name} ADD PRIMARY KEY (…), or a unique index on NOT NULL columns",
            )
        # Taken for a key all the same, so that everything else about the table is told at once.
        return key or tuple(column.name for column in table.columns[:1])

    def draft(self, table: Table) -> Draft:
        """The draft of a table's flow; all operations on one table share it."""
        found = self.drafts.get(table.name)
        if found is None:
            key = self.key(table)
            base = table.name.name
            found = Draft.of(table, key, self.alias(f"{base}_old"), self.alias(base), self.alias(f"{base}__residue"))
            self.drafts[table.name] = found
        return found


def row_key(table: Table) -> tuple[str, ...]:
    """The columns that identify a row: the primary key, else a whole unique index on NOT NULL columns."""
    if table.primary_key:
        return table.primary_key
    for index in table.indexes:
        columns = [table.column(name) for name in index.columns]
        whole = index.unique and index.valid and index.whole
        if whole and columns and all(column is not None and column.not_null for column in columns):
            return index.columns
    for constraint in table.constraints:
        columns = [table.column(name) for name in constraint.columns]
        if constraint.kind == "u" and all(column is not None and column.not_null for column in columns):
            return constraint.columns
    return ()


def anonymous(table: Table) -> Table:
    """The table as it is built anew: what belongs to the old relation itself is left out."""
    return replace(table, oid=0, filenode=0)


def nearest(word: str, words: Iterable[str]) -> str:
    """A hint with the valid word that is most like `word`, empty where none is."""
    like = next(iter(difflib.get_close_matches(word, list(words), n=1, cutoff=0.5)), "")
    return f"did you mean '{like}'?" if like else ""


def column_of(alias: str, column: str) -> str:
    """`m."column"`."""
    quoted = column.replace('"', '""')
    return f'{alias}."{quoted}"'
