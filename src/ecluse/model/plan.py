"""The plan as data: what operations compile to, what a run will do, and what was found on the way.

`plan`, `explain`, `apply`, `verify` and `rollback` are readers of one `Plan`. It is stored with the run, so that
a run that died goes on with the very plan it began with.
"""

from __future__ import annotations

from dataclasses import dataclass

from ecluse.model.catalog import Column, Constraint, Dependent, Function, Published, Sequence, Table, View
from ecluse.model.flow import Flow, InputTable, Member, Roster
from ecluse.model.names import Name

# --- changes: what operations compile to ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """An object that a script makes: kind is function, procedure, view, materialized view, trigger, type, sequence.

    `signature` is what follows the kind in DROP: `"public"."f"(uuid, text)`, `"t" ON "public"."messages"`.
    `name` is the schema-qualified name (of the table, for a trigger).
    """

    kind: str
    name: Name
    signature: str


@dataclass(frozen=True, slots=True)
class Define:
    """Functions, triggers, views made by a script in the switch, after the tables have their final names.

    Objects that exist already go to the kept schema and come back with a rollback. `verify` is a script run in
    a transaction that is rolled back; it must raise when the object does not do its work. `down` undoes what
    `objects` does not name.
    """

    title: str
    up: str
    objects: tuple[ObjectRef, ...]
    verify: str = ""
    down: str = ""


@dataclass(frozen=True, slots=True)
class SqlChange:
    """A script, mostly of the user's. `down` is None where there is no way back; `verify` gives one row, one boolean.

    `tables` are those whose definitions it was written from: `down` puts back what stands there.
    """

    title: str
    up: str
    down: str | None
    verify: str = ""
    phase: str = "switch"  # before (own transaction, before the copy) | switch (inside it) | after (own transaction)
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, slots=True)
class Archive:
    """A table that leaves the application at the switch, is archived and dropped at finish."""

    table: Name


@dataclass(frozen=True, slots=True)
class AddColumns:
    """Columns added in place, at the switch; a rollback parks what the new application wrote in them."""

    table: Name
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Drop:
    """A dependent that the user gives up: it goes to the kept schema and comes back with a rollback."""

    object: Name


@dataclass(frozen=True, slots=True)
class Move:
    """A table that comes from another database: a flow whose old side stands there, one table on either side.

    `origin` is a database of ecluse.toml; `same` are pairs of columns, old and new, of which one is the other.
    `dependents` is what hangs on the old table there, as the plan found it.
    """

    origin: str
    flow: Flow
    same: tuple[tuple[str, str], ...] = ()
    dependents: tuple[Dependent, ...] = ()

    @property
    def old(self) -> Member:
        """The table that leaves its database."""
        return self.flow.old.anchor

    @property
    def new(self) -> Member:
        """The table that it becomes here."""
        return self.flow.new.anchor

    @property
    def pairs(self) -> tuple[tuple[Column, Column], ...]:
        """The columns of `same`."""
        found = ((self.old.table.column(old), self.new.table.column(new)) for old, new in self.same)
        return tuple((old, new) for old, new in found if old and new)

    @property
    def sequences(self) -> tuple[tuple[str, str], ...]:
        """Pairs of columns, old and new, whose sequence goes along."""
        return tuple((old.name, new.name) for old, new in self.pairs if old.sequence is not None and new.identity)

    @property
    def exact(self) -> bool:
        """Whether every old column is a new one of its type, so that no row can come back as another."""
        kept = {old.name for old, new in self.pairs if old.type == new.type}
        return kept == set(self.old.columns)


@dataclass(frozen=True, slots=True)
class EnumColumn:
    """A column of a table that stays and whose values are labels of an enum, or arrays of them."""

    table: Name
    name: str
    array: bool = False
    default: str | None = None
    size: int = 0  # of the table, in bytes


@dataclass(frozen=True, slots=True)
class Enum:
    """An enum that the migration makes, extends, or uses as it is: it is there from the beginning of the run on.

    `labels` are those that it has then, in order; `found` are those that the plan found, none where it makes the type.
    """

    name: Name
    labels: tuple[str, ...]
    found: tuple[str, ...] = ()
    comment: str | None = None  # of a type that is made
    columns: tuple[EnumColumn, ...] = ()  # that have it already: what a rollback of new labels rewrites

    @property
    def made(self) -> bool:
        """Whether the migration makes the type."""
        return not self.found

    @property
    def added(self) -> tuple[str, ...]:
        """The labels that a type which is there gets."""
        return tuple(label for label in self.labels if label not in self.found) if self.found else ()


Change = Flow | InputTable | Roster | Define | SqlChange | Archive | AddColumns | Drop | Move | Enum


# --- findings -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hazard:
    """Something the plan found. `level`: refuse (the plan is not run), warn, note (handled, told)."""

    id: str  # "no-primary-key"
    level: str
    object: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Census:
    """How the values of a column fit its conversion, counted before anything runs."""

    table: Name
    column: str
    rows: int
    invalid: int
    policy: str  # refuse | quarantine | regenerate | keep (inside a document)
    unusual: int = 0  # valid, but not in canonical form (upper case, braces, no dashes)
    collisions: int = 0  # values that become equal to another row's
    samples: tuple[str, ...] = ()  # masked unless asked
    reason: str = ""
    mapped: int = 0  # values that a map of ids changes


@dataclass(frozen=True, slots=True)
class Moved:
    """An object that leaves for the kept schema at the switch and comes back with a rollback."""

    kind: str  # table | view | materialized view | function | procedure | sequence
    signature: str  # quoted, in its present schema
    name: Name


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key to make at the switch (`now`), and the one that stood there before; either may be missing."""

    table: Name
    now: Constraint | None
    before: Constraint | None = None


@dataclass(frozen=True, slots=True)
class Structure:
    """What the catalogue must be of all that a plan concerns, as the server printed it when the plan was tried.

    Names are the final ones; those of aside tables are in the next schema. An owner "" is whoever carries the plan out.
    """

    tables: tuple[Table, ...] = ()  # the new tables after the switch
    built: tuple[Table, ...] = ()  # the same before it, without what only the switch makes
    parts: tuple[Table, ...] = ()  # of tables outside the plan: only the columns, constraints and triggers named here
    views: tuple[View, ...] = ()
    functions: tuple[Function, ...] = ()
    sequences: tuple[Sequence, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a run does, for one migration on one database as it stood."""

    migration: str
    database: str
    fingerprint: str
    server_version: int
    flows: tuple[Flow, ...] = ()  # both sides in this database
    moves: tuple[Move, ...] = ()  # the old side in another one
    inputs: tuple[InputTable, ...] = ()
    rosters: tuple[Roster, ...] = ()
    enums: tuple[Enum, ...] = ()
    defines: tuple[Define, ...] = ()
    scripts: tuple[SqlChange, ...] = ()
    archives: tuple[Table, ...] = ()
    added: tuple[AddColumns, ...] = ()
    views: tuple[View, ...] = ()  # dependents made anew on the new tables, in order
    functions: tuple[Function, ...] = ()
    moved: tuple[Moved, ...] = ()  # all that goes to the kept schema, in the order of going
    foreign_keys: tuple[ForeignKey, ...] = ()  # made NOT VALID in the switch, validated after it
    outside_keys: tuple[ForeignKey, ...] = ()  # of tables outside the plan, pointing at a table in it
    unpublished: tuple[tuple[Name, Published], ...] = ()  # memberships to take from old tables at the switch
    hazards: tuple[Hazard, ...] = ()
    census: tuple[Census, ...] = ()
    dependents: tuple[Dependent, ...] = ()
    default_grantees: tuple[str, ...] = ()
    everything_published: bool = False  # a publication FOR ALL TABLES takes the next tables in as well
    prebuilt: tuple[Name, ...] = ()  # materialised views that are built in the next schema and moved
    late_functions: tuple[int, ...] = ()  # oids of carried functions that read a carried view
    sequences: tuple[Sequence, ...] = ()  # of identity columns that are carried: rights and comments go along
    source: str = ""  # the digest of the migration that it was made from
    structure: Structure | None = None  # None where the plan is refused, so that it was not tried
    old_shape_for: tuple[str, ...] = ()  # roles that go on using the old shape after the switch
    asked: tuple[str, ...] = ()  # the migration's operations, a line each, for whoever reads of the run later
    text_sha256: str = ""  # of the migration file's text
    format: int = 1

    @property
    def next_schema(self) -> str:
        """Where the new shape is built."""
        return f"ecluse_next_{self.migration}"

    @property
    def kept_schema(self) -> str:
        """Where the old shape waits after the switch."""
        return f"ecluse_kept_{self.migration}"

    @property
    def before_schema(self) -> str:
        """Where the views are that show the old shape after the switch."""
        return f"ecluse_before_{self.migration}"

    @property
    def builds(self) -> tuple[Flow, ...]:
        """All flows whose new side is built in this database."""
        return self.flows + tuple(move.flow for move in self.moves)

    @property
    def loaded(self) -> tuple[Name, ...]:
        """The tables in the journal's schema that flows look things up in."""
        return tuple(table.name for table in self.inputs) + tuple(roster.name for roster in self.rosters)

    @property
    def joining(self) -> tuple[Member, ...]:
        """All members whose rows join tables that stay, those that others refer to first."""
        return tuple(member for flow in self.flows for member in flow.joining)

    @property
    def graded(self) -> tuple[Hazard, ...]:
        """The findings, the gravest first."""
        return tuple(sorted(self.hazards, key=lambda h: ("refuse", "warn", "note").index(h.level)))

    @property
    def refused(self) -> tuple[Hazard, ...]:
        """The findings for which this plan is not run."""
        return tuple(h for h in self.hazards if h.level == "refuse")


@dataclass(frozen=True, slots=True)
class Step:
    """One line of `plan` and one paragraph of `explain`: exact SQL, its lock and its undo.

    `undo`: SQL text, "" where there is nothing to undo, None where there is no way back.
    """

    phase: str  # expand | copy | index | drain | verify | switch | after | finish
    title: str
    sql: tuple[str, ...]
    lock: str = ""
    undo: str | None = ""
    rows: int | None = None
    seconds: float | None = None
