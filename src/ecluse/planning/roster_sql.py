"""The SQL of rosters: filled before the copy, judged again in each drain, and compared with their rule. Pure text."""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.model.flow import ONLY, Flow, Follow, Member, Roster, fill
from ecluse.model.names import Name, ident, literal, short
from ecluse.model.plan import Plan
from ecluse.model.uuid_sql import canonical
from ecluse.operations.expressions import of_row
from ecluse.operations.rules import INTEGERS, integer_or_null
from ecluse.planning.flow_sql import TAKEN, UNITS, Places, column_list, log_name

ASKED = "pg_temp.ecluse_asked"
SHAKEN = "pg_temp.ecluse_shaken"

SESSION_TABLES = (
    # `own`: judged again; the others are only looked at beside them.
    "CREATE TEMP TABLE IF NOT EXISTS ecluse_asked (key text PRIMARY KEY, own boolean NOT NULL)",
    "CREATE TEMP TABLE IF NOT EXISTS ecluse_shaken (alias text, key text, PRIMARY KEY (alias, key))",
)


def source_of(plan: Plan, roster: Roster) -> Member:
    """The old table whose rows a roster is about."""
    return next(m for flow in plan.flows for m in flow.old.members if m.alias == roster.source)


def judged(roster: Roster, at: Places, only: str = "true") -> str:
    """What the rule says of the rows for which `only` holds."""
    return fill(roster.select, lambda alias: only if alias == ONLY else at.sql(alias))


def columns(roster: Roster) -> tuple[str, ...]:
    """Its columns without the key."""
    return tuple(name for name, _ in roster.columns)


def refill(roster: Roster, at: Places) -> str:
    """Fill the whole roster."""
    names = column_list((roster.key[0], *columns(roster)))
    return f"INSERT INTO {roster.name.sql} ({names}) SELECT {names} FROM ({judged(roster, at)}) j"


def anew(roster: Roster, at: Places) -> tuple[Name, tuple[str, ...]]:
    """A session's table of what a roster says now, and the statements that make it anew."""
    table = Name("pg_temp", short(f"ecluse_now_{roster.alias}"))
    listed = column_list((roster.key[0], *columns(roster)))
    return table, (
        f"DROP TABLE IF EXISTS {table.sql}",
        f"CREATE TEMP TABLE {ident(table.name)} AS SELECT {listed} FROM ({judged(roster, at)}) j",
        f"CREATE UNIQUE INDEX ON {table.sql} ({ident(roster.key[0])})",
        f"ANALYZE {table.sql}",
    )


def indexes(roster: Roster) -> tuple[str, ...]:
    """Its keys, and the indexes by which a value of earlier is found, and a key that is not carried."""
    table, key, first = roster.name.sql, ident(roster.key[0]), ident(columns(roster)[0])

    def on(name: str, what: str) -> str:
        return f"CREATE INDEX {ident(short(f'{roster.name.name}_{name}'))} ON {table} {what}"

    return (
        f"ALTER TABLE {table} ADD PRIMARY KEY ({key}), ADD UNIQUE ({first})",
        on("was", "USING gin (was)"),
        # Without it, each look for one of the few that are not carried may read all that are.
        on("held", f"({key}) WHERE {first} IS NULL"),
    )


def source_indexes(roster: Roster, source: Member) -> Iterator[tuple[Name, str]]:
    """The indexes that a source needs, by name, and what follows CREATE INDEX [CONCURRENTLY] name."""
    for suffix, what in _needed(roster, source):
        name = Name(source.table.name.schema, short(f"ecluse_unit_{roster.alias}_{suffix}"))
        yield name, f"ON {source.table.name.sql} {what}"


def try_indexes(roster: Roster, source: Member) -> tuple[str, ...]:
    """Statements that make the same indexes on an empty table of the session: not every expression can be indexed."""
    table = Name("pg_temp", short(f"ecluse_try_{roster.alias}"))
    made = (f"CREATE INDEX ON {table.sql} {what}" for _, what in _needed(roster, source))
    return (f"CREATE TEMP TABLE {ident(table.name)} (LIKE {source.table.name.sql})", *made)


def _needed(roster: Roster, source: Member) -> Iterator[tuple[str, str]]:
    """One index for each of `kin`, and one for the key where the table has none."""
    if not any(index.valid and index.whole and index.columns[:1] == (roster.column,) for index in source.table.indexes):
        yield "key", f"({ident(roster.column)})"
    plain = {
        f"m.{ident(i.columns[0])}" for i in source.table.indexes if i.valid and i.whole and i.columns and i.columns[0]
    }
    for number, expression in enumerate(roster.kin):
        if expression in plain:
            continue
        yield f"kin{number}", f"USING hash ((({of_row(expression, '')})))"


def index_names(plan: Plan) -> tuple[Name, ...]:
    """The indexes of all kin."""
    return tuple(name for roster in plan.rosters for name, _ in source_indexes(roster, source_of(plan, roster)))


# --- judged again -----------------------------------------------------------------------------------


def ask(run: int, roster: Roster, source: Member, at: Places, *, taken: bool = True) -> tuple[str, ...]:
    """Take the keys in hand that a log names, with those whose fate depends on theirs, and what these depend on."""
    only = f" JOIN {TAKEN} t ON t.alias = {literal(source.alias)} AND t.seq = m.seq" if taken else ""
    log = f"(SELECT m.* FROM {log_name(run, source)} m{only} WHERE m.op <> 'T')"
    key, table = ident(roster.column), at.sql(source.alias)
    own = [f"SELECT m.{key}::text AS key FROM {log} m"]
    own += [f"SELECT o.{key}::text FROM {log} m JOIN {table} o ON {of_row(k, 'o')} = {k}" for k in roster.kin]
    asked = f"(SELECT m.* FROM {ASKED} a JOIN {table} m ON m.{key} = a.key::{roster.key[1]})"
    beside = [
        f"SELECT o.{key}::text AS key FROM {asked} m JOIN {table} o ON {of_row(k, 'o')} = {k}" for k in roster.kin
    ]
    statements = [
        f"DELETE FROM {ASKED}",
        f"INSERT INTO {ASKED} SELECT DISTINCT s.key, true FROM ({' UNION '.join(own)}) s WHERE s.key IS NOT NULL",
    ]
    if beside:
        more = f"SELECT s.key, false FROM ({' UNION '.join(beside)}) s WHERE s.key IS NOT NULL ON CONFLICT DO NOTHING"
        statements.append(f"INSERT INTO {ASKED} {more}")
    return (*statements, f"ANALYZE {ASKED}")


def judge(roster: Roster) -> str:
    """The template of `now`: what the rule says of the keys in hand that are judged again."""
    keys = f"SELECT key::{roster.key[1]} FROM {ASKED}"
    return f"m.{ident(roster.column)} = ANY (ARRAY({keys}))"


def shake(roster: Roster, at: Places) -> tuple[str, ...]:
    """Judge the keys in hand again, note those of which something else is said than before, and write it down."""
    key, type_ = roster.key
    names = columns(roster)
    first = ident(names[0])
    now = f"SELECT j.* FROM ({judged(roster, at, judge(roster))}) j"
    said, was = (f"ROW({column_list(names, f'{alias}.')})::text" for alias in ("n", "r"))
    both = (
        f"FROM {ASKED} a LEFT JOIN n ON n.{ident(key)} = a.key::{type_} "
        f"LEFT JOIN {roster.name.sql} r ON r.{ident(key)} = a.key::{type_} "
        f'WHERE a.own AND {said} COLLATE "C" IS DISTINCT FROM {was} COLLATE "C"'
    )
    mine = f"SELECT s.key::{type_} FROM {SHAKEN} s WHERE s.alias = {literal(roster.alias)}"
    nothing = ", ".join(f"{ident(name)} = NULL" for name in names)
    sets = ", ".join(f"{ident(name)} = EXCLUDED.{ident(name)}" for name in names)
    asked = f"o.{ident(key)} = ANY (ARRAY({mine})) AND o.{first} IS NOT NULL"
    taken = f"ARRAY(SELECT o.{first} FROM {roster.name.sql} o WHERE {asked})"
    listed = column_list((key, *names))
    return (
        f"WITH n AS MATERIALIZED ({now}) INSERT INTO {SHAKEN} SELECT {literal(roster.alias)}, a.key {both} "
        "ON CONFLICT DO NOTHING",
        # Before the new values: one that moves from one key to another would stand there twice.
        f"UPDATE {roster.name.sql} r SET was = r.was || r.{first} "
        f"WHERE r.{ident(key)} = ANY (ARRAY({mine})) AND r.{first} IS NOT NULL",
        f"UPDATE {roster.name.sql} r SET {nothing} WHERE r.{ident(key)} = ANY (ARRAY({mine}))",
        f"INSERT INTO {roster.name.sql} AS r ({listed}) SELECT {column_list((key, *names), 'n.')} FROM ({now}) n "
        f"WHERE n.{ident(key)} = ANY (ARRAY({mine})) ON CONFLICT ({ident(key)}) DO UPDATE "
        f"SET {sets}",
        # A value is that of one key, or was that of one: by it the rows are found that are to be cleared.
        f"UPDATE {roster.name.sql} r SET was = ARRAY(SELECT w FROM unnest(r.was) w WHERE w <> ALL ({taken})) "
        f"WHERE r.was && {taken}",
    )


def following(flow: Flow, follow: Follow, at: Places) -> str:
    """Take the units in hand whose rows follow a key of which something else is said now."""
    keys = f"SELECT s.key FROM {SHAKEN} s WHERE s.alias = {literal(follow.roster)}"
    return f"INSERT INTO {UNITS} {_units_following(flow, follow, at, keys)} ON CONFLICT DO NOTHING"


def _units_following(flow: Flow, follow: Follow, at: Places, found: str) -> str:
    """The units whose rows follow one of the keys, texts named `key`, that a query finds."""
    member = flow.member(follow.member)
    column = member.table.column(follow.column)
    kind = column.type if column else "text"
    keys = f"SELECT {_as_value('s.key', kind)} FROM ({found}) s"
    rows = f"(SELECT m.* FROM {at.sql(member.alias)} m WHERE m.{ident(follow.column)} = ANY (ARRAY({keys})))"
    unit = fill(flow.old.unit, at.sql)
    if member is flow.old.anchor:
        units = f"SELECT ({unit}) AS unit FROM {rows} m"
    else:
        anchors = at.sql(flow.old.anchor.alias)
        units = f"SELECT (SELECT {unit} FROM (SELECT a.*) m) AS unit FROM {rows} m JOIN {anchors} a ON {member.join}"
    return f"SELECT DISTINCT unit FROM ({units}) s WHERE unit IS NOT NULL"


def _as_value(key: str, kind: str) -> str:
    """A key's text as a value of a column that follows; NULL where it can be none of that type."""
    if kind in INTEGERS:
        return integer_or_null(key, kind)
    if kind == "uuid":
        return f"CASE WHEN {canonical(key)} THEN {key}::uuid END"
    return key if kind.startswith("character varying") else f"{key}::{kind}"


# --- compared ---------------------------------------------------------------------------------------


def deviating(roster: Roster, at: Places) -> str:
    """How many keys, without those in hand, the roster and its rule say different things of."""
    in_hand = f"EXISTS (SELECT FROM {ASKED} a WHERE a.key = d.key)"
    return f"SELECT count(*) FROM ({_deviating(roster, at)}) d WHERE NOT {in_hand}"


def units_judged_otherwise(flow: Flow, follow: Follow, roster: Roster, at: Places) -> str:
    """The units that follow keys of which the rule says something else by now than the roster."""
    return _units_following(flow, follow, at, _deviating(roster, at))


def _deviating(roster: Roster, at: Places) -> str:
    key, names = ident(roster.key[0]), columns(roster)
    said, rule = (f"ROW({column_list(names, f'{alias}.')})::text" for alias in ("r", "j"))
    nothing = f"ROW({', '.join('NULL' for _ in names)})"
    there = f"(SELECT r.* FROM {roster.name.sql} r WHERE ROW({column_list(names, 'r.')}) IS DISTINCT FROM {nothing})"
    # The rule is asked once, of all rows: it is what takes the time.
    return (
        f"SELECT coalesce(r.{key}, j.{key})::text AS key "
        f"FROM {there} r FULL JOIN ({judged(roster, at)}) j ON j.{key} = r.{key} "
        f'WHERE r.{key} IS NULL OR j.{key} IS NULL OR {said} COLLATE "C" IS DISTINCT FROM {rule} COLLATE "C"'
    )


def log_deviating(run: int, roster: Roster, source: Member, at: Places) -> str:
    """Log the source's rows of which the rule says something else than the roster, as if they had been written."""
    listed = column_list((roster.key[0], *columns(roster)))
    rule = f"SELECT {listed} FROM ({judged(roster, at)}) j EXCEPT SELECT {listed} FROM {roster.name.sql}"
    return (
        f"INSERT INTO {log_name(run, source)} (op, {column_list(source.logged)}) "
        f"SELECT 'n', {column_list(source.logged, 'm.')} FROM {at.sql(source.alias)} m "
        f"WHERE m.{ident(roster.column)} IN (SELECT d.{ident(roster.key[0])} FROM ({rule}) d)"
    )
