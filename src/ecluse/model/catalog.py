"""The catalog as values: what the reader in `postgres/` found, and what `planning/` renders DDL from.

All definitions are texts that PostgreSQL itself printed under an empty `search_path`, so every name in
them is qualified. Nothing here holds a connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ecluse.model.names import Name


@dataclass(frozen=True, slots=True)
class Grant:
    """One privilege of one grantee; `grantee` is empty for PUBLIC, `column` is empty for the whole object.

    An object without grants has PostgreSQL's default ones. An object whose last right was revoked has one
    grant, of the empty privilege to its owner.
    """

    grantee: str
    privilege: str
    column: str = ""
    grantable: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column as `CREATE TABLE` needs it."""

    name: str
    type: str  # format_type(): "uuid", "numeric(10,2)", "public.mood"
    not_null: bool = False
    default: str | None = None  # for a generated column, the generation expression
    identity: str = ""  # "" | "a" (always) | "d" (by default)
    generated: str = ""  # "" | "s" (stored) | "v" (virtual, PostgreSQL 18)
    collation: str | None = None  # qualified and quoted, only where it is not the type's own
    deterministic: bool = True  # of the collation in force
    sequence: Name | None = None  # the sequence this column owns (serial or identity)
    storage: str = ""  # PLAIN | EXTERNAL | MAIN | EXTENDED, only where it is not the type's own
    compression: str = ""  # "" | pglz | lz4
    statistics: int | None = None
    comment: str | None = None
    options: tuple[str, ...] = ()  # "n_distinct=-0.5"
    identity_options: str = ""  # sequence options that are not the type's own: "INCREMENT BY 10 CACHE 5"

    @property
    def written(self) -> bool:
        """False for a generated column: it cannot be inserted, the server computes it."""
        return not self.generated


@dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint; `definition` is pg_get_constraintdef()."""

    name: str
    kind: str  # p primary key, u unique, f foreign key, c check, x exclusion, n not null (18), t constraint trigger
    definition: str
    columns: tuple[str, ...] = ()
    references: Name | None = None
    referenced_columns: tuple[str, ...] = ()
    on_delete: str = "a"  # pg_constraint.confdeltype
    deferrable: bool = False
    valid: bool = True
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Index:
    """An index that is not behind a constraint, or is (`constraint` names it then)."""

    name: str
    unique: bool
    tail: str  # what follows "ON table ": "USING btree (user_id) TABLESPACE fast WHERE ..."
    columns: tuple[str, ...] = ()  # plain key columns in order, "" for an expression
    uses: tuple[str, ...] = ()  # every column it reads, in expressions and predicate too
    constraint: str = ""
    valid: bool = True
    clustered: bool = False
    replica_identity: bool = False
    comment: str | None = None
    statistics: tuple[tuple[int, int], ...] = ()  # statistics targets of expressions: column number, target

    @property
    def whole(self) -> bool:
        """Whether it has every row, not only those of a predicate."""
        return " WHERE " not in self.tail.upper()


@dataclass(frozen=True, slots=True)
class Trigger:
    """A user trigger; `definition` is pg_get_triggerdef()."""

    name: str
    definition: str
    function: Name
    enabled: str = "O"  # pg_trigger.tgenabled: O origin, D disabled, R replica, A always
    row: bool = True
    before: bool = False
    events: tuple[str, ...] = ()  # insert, update, delete, truncate
    comment: str | None = None
    columns: tuple[str, ...] = ()  # of UPDATE OF


@dataclass(frozen=True, slots=True)
class Policy:
    """A row level security policy."""

    name: str
    command: str  # ALL | SELECT | INSERT | UPDATE | DELETE
    permissive: bool
    roles: tuple[str, ...]  # "public" for PUBLIC
    using: str | None
    check: str | None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """Membership of a table in a publication that lists its tables."""

    publication: str
    columns: tuple[str, ...] = ()  # a column list, empty for all
    where: str | None = None  # a row filter


@dataclass(frozen=True, slots=True)
class Table:
    """A table with everything that hangs on it."""

    name: Name
    columns: tuple[Column, ...]
    constraints: tuple[Constraint, ...] = ()
    indexes: tuple[Index, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    policies: tuple[Policy, ...] = ()
    grants: tuple[Grant, ...] = ()
    published: tuple[Published, ...] = ()
    rules: tuple[tuple[str, str], ...] = ()  # name, definition
    statistics: tuple[tuple[Name, str], ...] = ()  # extended statistics: name, definition
    kind: str = "r"  # r table, p partitioned, f foreign
    persistence: str = "p"  # p permanent, u unlogged, t temporary
    access_method: str = "heap"
    tablespace: str = ""
    owner: str = ""
    rls: bool = False
    force_rls: bool = False
    replica_identity: str = "d"  # d default, n nothing, f full, i index
    options: tuple[str, ...] = ()  # storage options, "fillfactor=70"
    inherits: tuple[Name, ...] = ()  # parents, of partitions too
    children: tuple[Name, ...] = ()
    of_type: str = ""  # a typed table's type
    extension: str = ""  # the extension that owns it
    comment: str | None = None
    oid: int = 0
    filenode: int = 0
    pages: int = 0  # pg_relation_size() / block size, measured
    rows: float = 0.0  # reltuples; -1 when never analysed
    size: int = 0  # pg_total_relation_size()
    partition_key: str = ""  # "RANGE (created_at)"
    partition_bound: str = ""  # "FOR VALUES FROM ... TO ...", of a partition
    rule_states: tuple[tuple[str, str], ...] = ()  # rules that are not simply enabled: name, D | R | A

    def column(self, name: str) -> Column | None:
        """The column of that name."""
        return next((c for c in self.columns if c.name == name), None)

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The primary key's columns, empty where there is none."""
        return next((c.columns for c in self.constraints if c.kind == "p"), ())

    @property
    def unique_keys(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Name and columns of each key and index that lets in no two rows with the same values of columns alone.

        An index on an expression, or of some rows only, says nothing of the columns.
        """
        keys = [(c.name, c.columns) for c in self.constraints if c.kind in "pu"]
        plain = (i for i in self.indexes if i.unique and i.valid and i.whole and not i.constraint)
        keys += [(i.name, i.columns) for i in plain if i.columns and all(i.columns)]
        return tuple(keys)

    @property
    def foreign_keys(self) -> tuple[Constraint, ...]:
        """The outbound foreign keys."""
        return tuple(c for c in self.constraints if c.kind == "f")

    @property
    def written(self) -> tuple[str, ...]:
        """The names of the columns that an INSERT can give."""
        return tuple(c.name for c in self.columns if c.written)


@dataclass(frozen=True, slots=True)
class View:
    """A view or materialised view."""

    name: Name
    definition: str  # pg_get_viewdef(), without a final semicolon
    columns: tuple[str, ...]
    materialised: bool = False
    populated: bool = True
    options: tuple[str, ...] = ()  # security_invoker=true, check_option=local
    indexes: tuple[Index, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    rules: tuple[tuple[str, str], ...] = ()
    grants: tuple[Grant, ...] = ()
    owner: str = ""
    comment: str | None = None
    column_comments: tuple[tuple[str, str], ...] = ()
    extension: str = ""
    oid: int = 0
    column_defaults: tuple[tuple[str, str], ...] = ()  # of an updatable view
    access_method: str = ""  # of a materialised view
    tablespace: str = ""
    statistics: tuple[tuple[Name, str], ...] = ()  # extended statistics of a materialised view
    rule_states: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Function:
    """A function or procedure; `definition` is pg_get_functiondef()."""

    name: Name
    arguments: str  # pg_get_function_identity_arguments()
    kind: str  # f function, p procedure, a aggregate, w window
    language: str
    definition: str
    atomic: bool = False  # has a parsed BEGIN ATOMIC body
    security_definer: bool = False
    settings: tuple[str, ...] = ()  # SET clauses, "search_path=public"
    grants: tuple[Grant, ...] | None = None  # None: never changed from the default
    owner: str = ""
    comment: str | None = None
    extension: str = ""
    oid: int = 0

    @property
    def signature(self) -> str:
        """`schema.name(arguments)` in quoted form, for ALTER and DROP."""
        return f"{self.name.sql}({self.arguments})"


@dataclass(frozen=True, slots=True)
class Dependent:
    """An edge from `pg_depend`: `object` stands on `table` (on `columns`, where they are known).

    `kind` is the class of the object: view, matview, function, policy, rule, trigger, default, generated, publication,
    constraint, index, statistics, type, sequence, table (inherits, or has a column of the row type), subscription,
    security label, or the class's own name where it is something else.
    `name` is that of a view, function, table, sequence, index or type, and None for everything else. `table` is the
    name of a table or view; in `Catalog.function_dependents`, of a function.
    """

    kind: str
    object: str  # pg_describe_object()
    name: Name | None
    table: Name
    columns: tuple[str, ...] = ()
    owner: Name | None = None  # the table or view that a policy, trigger, rule, default, constraint or index is of
    oid: int = 0  # of `object`, to tell overloaded functions apart
    referent: int = 0  # oid of `table`
    row_type: bool = False  # it stands on the row type of `table`, not on its columns


@dataclass(frozen=True, slots=True)
class Publication:
    """A publication."""

    name: str
    all_tables: bool
    schemas: tuple[str, ...] = ()  # FOR TABLES IN SCHEMA
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence; `owned_by` is the column whose table takes it along."""

    name: Name
    type: str
    start: int = 1
    increment: int = 1
    minimum: int = 1
    maximum: int = 2**63 - 1
    cache: int = 1
    cycle: bool = False
    owned_by: tuple[Name, str] | None = None
    identity: bool = False
    persistence: str = "p"
    grants: tuple[Grant, ...] = ()
    owner: str = ""
    comment: str | None = None
    extension: str = ""
    oid: int = 0


@dataclass(frozen=True, slots=True)
class Role:
    """What the connected role may do."""

    name: str
    superuser: bool
    bypass_rls: bool
    member_of: tuple[str, ...] = ()  # roles whose privileges it has, itself included
    create_in_database: bool = True
    replication: bool = False


@dataclass(frozen=True, slots=True)
class Activity:
    """What a plan must know of the server's present: hazards that pass with time."""

    prepared_transactions: tuple[str, ...] = ()  # gid, owner and age as text
    long_transactions: tuple[str, ...] = ()  # pid, user, age as text
    stale_slots: tuple[str, ...] = ()
    disk_free: int | None = None


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that a plan needs to know of one database at one moment."""

    database: str
    server_version: int  # 180004
    role: Role
    tables: Mapping[Name, Table] = field(default_factory=dict)
    views: Mapping[Name, View] = field(default_factory=dict)
    functions: tuple[Function, ...] = ()
    dependents: tuple[Dependent, ...] = ()
    publications: tuple[Publication, ...] = ()
    sequences: Mapping[Name, str] = field(default_factory=dict)  # name -> type
    extensions: Mapping[str, str] = field(default_factory=dict)  # name -> version
    types: Mapping[Name, tuple[str, ...]] = field(default_factory=dict)  # enums: labels
    schemas: tuple[str, ...] = ()
    activity: Activity = field(default_factory=Activity)
    function_dependents: tuple[Dependent, ...] = ()  # what stands on functions
    sequence_details: Mapping[Name, Sequence] = field(default_factory=dict)
    default_grantees: tuple[str, ...] = ()  # roles that ALTER DEFAULT PRIVILEGES gives rights on new objects
    wal_level: str = ""  # of the server: minimal | replica | logical

    def referencing(self, table: Name) -> tuple[tuple[Name, Constraint], ...]:
        """Foreign keys of any table, this one included, that point at `table`."""
        return tuple(
            (other.name, key) for other in self.tables.values() for key in other.foreign_keys if key.references == table
        )
