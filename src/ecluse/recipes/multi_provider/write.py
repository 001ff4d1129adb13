"""Writes the migration from one provider to many, for the tables that were found: a TOML file, and SQL beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ecluse.model.catalog import Catalog, Column, Table
from ecluse.model.toml_text import key, string, strings, table
from ecluse.recipes.column_types import WHOLE
from ecluse.recipes.multi_provider import definitions, existing, rights, tables
from ecluse.recipes.multi_provider.activity_types import OTHER, WORDS
from ecluse.recipes.multi_provider.definitions import NAME, PACKAGE
from ecluse.recipes.multi_provider.recognise import (
    ACTIVITIES,
    ACTIVITY,
    CONNECTIONS,
    ENUMS,
    PROVIDERS,
    ROLE,
    USERS,
    Found,
    is_text,
    recognise,
)
from ecluse.recipes.multi_provider.rights import Rights
from ecluse.recipes.multi_provider.tables import NewTable, Pairs, Types
from ecluse.recipes.multi_provider.types import types
from ecluse.recipes.texts import text_of

# New column of a connection = expression over the old row; a column of the same name needs no word.
_VALUES = {"provider_user_id": "strava_athlete_id::text", "provider_username": "strava_username", "is_active": "true"}
# What has no column of its own goes into the profile.
_KEYS = {
    "strava_firstname": "firstname",
    "strava_lastname": "lastname",
    "strava_profile_url": "profile_url",
    "strava_profile_picture": "profile_picture",
}


def detect(catalog: Catalog) -> str:
    """The generation. Raises UnknownGeneration."""
    return recognise(catalog).generation


def write(catalog: Catalog, database: str, zone: str = "UTC") -> dict[str, str]:
    """The files of the migration by their paths. Raises UnknownGeneration."""
    found = recognise(catalog)
    made, may = types(catalog, zone), rights.rights(catalog)
    missing = definitions.triggered(catalog)
    files = {
        "migration.toml": "\n".join(_migration(found, made, may, database)) + "\n",
        "define/functions.sql": definitions.functions(catalog, made, may).rstrip() + "\n",
        "define/functions_probe.sql": definitions.functions_probe(catalog, made).rstrip() + "\n",
        "define/triggers.sql": definitions.triggers(missing),
        "define/views.sql": definitions.views(catalog, may).rstrip() + "\n",
        "define/views_probe.sql": definitions.views_probe(made),
        "define/links_probe.sql": definitions.links_probe(made),
        "sql/counts.sql": definitions.counts(),
    }
    if may.guarded:
        files["define/rights_probe.sql"] = definitions.rights_probe(catalog, may)
        files["sql/rights.sql"] = existing.closing(catalog, may)
        files["sql/rights_back.sql"] = existing.reopening(catalog)
    return files


# --- the file ----------------------------------------------------------------------------------------


def _migration(found: Found, made: Types, may: Rights, database: str) -> Iterator[str]:
    said = "\n".join(f"# {line}" for line in _said(found, made, may))
    yield text_of(PACKAGE, "templates/head.toml", name=string(NAME), database=string(database), said=said).rstrip()
    yield from _enums(found)
    yield from _users(found, made, may)
    yield from _connections(found, made, may)
    yield from _activities(found)
    yield from _workouts(found)
    yield from _definitions(found, made)
    yield from _guards(found, may)


def _said(found: Found, made: Types, may: Rights) -> Iterator[str]:
    """What was found, a line each, as far as a decision hangs on it."""
    yield f"Ids of users are {made.user}, those of connections {made.connection}, those of activities {made.activity}."
    if not may.guarded:
        yield "No roles of a Supabase are here, so rights stay what they are: new tables have those of the connections."
    elif not may.claims:
        yield "auth.uid() is not here, so people read nothing by themselves; services and the application's roles do."
    else:
        yield "People read their own rows, without tokens; services do the rest (sql/rights.sql). It is your decision:"
        yield "an application that comes with the key of anon is refused from the switch on."
    if found.tokens is None:
        yield "There is no table password_reset_tokens, so there is nothing to clean up."


def _operation(kind: str, said: str = "", /, **words: str) -> Iterator[str]:
    yield f"\n# {said}" if said else ""
    yield f'[[operation]]\nkind = "{kind}"'
    yield from (f"{word} = {string(text)}" for word, text in words.items())


def _enums(found: Found) -> Iterator[str]:
    """Those that are missing, and the labels that one lacks which is there."""
    for name, labels in ENUMS.items():
        if name == ROLE and not is_text(found.users.column("role")):
            continue  # an enum of the application's own
        there = found.catalog.types.get(name)
        if there is None:
            yield from _operation("create_enum", name=str(name))
            yield f"labels = {strings(labels)}"
        elif lacking := [label for label in labels if label not in there]:
            yield from _operation("extend_enum", name=str(name))
            yield f"labels = {strings(lacking)}"


def _users(found: Found, made: Types, may: Rights) -> Iterator[str]:
    if is_text(found.users.column("role")):
        yield from _operation("convert_column", table=str(USERS), column="role", to=str(ROLE))
        yield text_of(PACKAGE, "templates/roles.toml").rstrip()
        yield from _without_checks(found.users, "role")
    lacking = {n: d for n, d in existing.user_columns(made).items() if found.users.column(n) is None}
    if lacking:
        yield from _operation("add_columns", table=str(USERS))
        yield _section("operation.columns", lacking)
    beside = [tables.states(made), *([] if found.workouts else [tables.workouts(made)])]
    yield from _reshape(found.users, tables.USER_INDEXES, said="New tables hang on users; a rollback parks their rows.")
    for new in beside:
        yield from _beside(new, "user_id", may)


def _without_checks(old: Table, column: str) -> Iterator[str]:
    """The enum says what a check of the column said, and in words that the check does not know."""
    checks = [c.name for c in old.constraints if c.kind == "c" and c.columns == (column,)]
    if checks:
        left_out = ", ".join(f'{key(name)} = ""' for name in checks)
        yield f"[[operation.redeclare]]\nconstraints = {{ {left_out} }}"


def _reshape(old: Table, indexes: Pairs, *gone: str, said: str = "") -> Iterator[str]:
    yield from _operation("reshape_table", said, table=str(old.name))
    if gone:
        yield f"drop_columns = {strings(gone)}"
    there = {index.name for index in old.indexes}
    yield _section("operation.indexes", {n: tail for n, tail in indexes.items() if n not in there})


def _beside(new: NewTable, column: str, may: Rights) -> Iterator[str]:
    yield "\n[[operation.beside]]"
    yield f'table = {string(new.name)}\non = {{ {column} = "id" }}'
    yield from _described("operation.beside", new, may)


def _described(header: str, new: NewTable, may: Rights) -> Iterator[str]:
    yield f"comment = {string(new.comment)}"
    if may.guarded:
        yield "rls = true"
    yield _section(f"{header}.columns", new.columns)
    yield _section(f"{header}.constraints", new.constraints)
    yield _section(f"{header}.indexes", new.indexes)
    yield _section(f"{header}.column_comments", new.column_comments)
    if may.guarded:
        yield _section(f"{header}.policies", may.policies(new))
        grants = {role: strings(privileges) for role, privileges in may.grants(new).items()}
        yield "\n".join([f"\n[{header}.grants]", *(f"{key(role)} = {text}" for role, text in grants.items())])


def _section(header: str, pairs: Mapping[str, str]) -> str:
    return "\n" + table(header, pairs) if pairs else ""


# --- connections and activities -----------------------------------------------------------------------


def _connections(found: Found, made: Types, may: Rights) -> Iterator[str]:
    yield from ("", text_of(PACKAGE, "templates/unique_athlete.toml").rstrip(), "[[operation]]")
    yield f'kind = "generalize_table"\ntable = "{CONNECTIONS}"\ninto = "{PROVIDERS}"'
    yield 'discriminator = { provider = "strava" }\nprofile = "provider_profile"'
    yield 'duplicates = "quarantine"\nfirst = "created_at"'
    yield "# The old application may go on reading and writing its table. Take this out when it is gone."
    yield "view = true"
    yield from _described("operation", tables.connections(made), may)
    yield _section("operation.values", {n: t for n, t in _VALUES.items() if _has_source(found, n)})
    yield _section("operation.back", _back(found))
    yield _section("operation.keys", {n: k for n, k in _KEYS.items() if found.connections.column(n)})
    yield from _beside(tables.history(made), "connection_id", may)


def _has_source(found: Found, column: str) -> bool:
    return column != "provider_username" or found.connections.column("strava_username") is not None


def _back(found: Found) -> dict[str, str]:
    athlete = found.connections.column("strava_athlete_id")
    return {"strava_athlete_id": number("provider_user_id", athlete)} if athlete else {}


_DIGITS = {"smallint": 5, "integer": 10, "bigint": 19}  # of the greatest number
_BITS = {"smallint": 15, "integer": 31, "bigint": 63}


def number(expression: str, column: Column) -> str:
    """The expression as the number that the column held; NULL for what is not the text of such a number."""
    if not WHOLE.fullmatch(column.type):
        return expression
    digits, most = _DIGITS[column.type], 2 ** _BITS[column.type]
    value = f"({expression})::{column.type}"
    return (
        f"case when {expression} ~ '^(0|-?[1-9][0-9]*)$' then case when length({expression}) < {digits} then {value} "
        f"when length({expression}) < {digits + 2} and ({expression})::numeric between -{most} and {most - 1} "
        f"then {value} end end"
    )


def _activities(found: Found) -> Iterator[str]:
    yield from _converted(found.activities, "activity_type")
    told, upload = found.activities.column("strava_activity_id"), found.activities.column("strava_upload_id")
    assert told is not None
    gone = [column.name for column in (told, upload) if column]
    linked = {name: tail for name, tail in tables.ACTIVITY_INDEXES.items() if "connection_id" in tail}
    others = {name: tail for name, tail in tables.ACTIVITY_INDEXES.items() if name not in linked}
    yield from _reshape(found.activities, others, *gone)
    yield "\n[operation.columns.external_id]"
    yield 'type = "varchar(255)"\nfrom = "strava_activity_id::text"'
    yield f"back = {{ strava_activity_id = {string(number('external_id', told))} }}"
    yield "\n[operation.columns.activity_data]"
    yield "type = \"jsonb not null default '{}'\""
    if upload:
        yield f"from = {string(existing.UPLOAD)}"
        yield f"back = {{ strava_upload_id = {string(number(existing.UPLOAD_BACK, upload))} }}"
    else:
        yield "from = \"'{}'::jsonb\""
    yield from _operation(
        "link_rows",
        "Activities that were written down by hand stay unlinked, and so do those of users without a connection.",
        table=str(ACTIVITIES),
        column="connection_id",
        references=str(PROVIDERS),
    )
    yield 'match = { user_id = "user_id" }\nwhen = "strava_activity_id is not null"'
    yield 'ambiguous = "unlinked"\nmissing = "unlinked"\non_delete = "set null"'
    yield 'unique = ["external_id"]\nduplicates = "quarantine"\nfirst = "created_at"'
    yield _section("operation.indexes", linked)


def _converted(old: Table, column: str) -> Iterator[str]:
    """A kind of activity becomes a label, and what was written stays beside it."""
    if not is_text(old.column(column)):
        return
    said = "Labels are compared without case; what no word tells is 'other', and sport_type keeps what was written."
    yield from _operation("convert_column", said, table=str(old.name), column=column, to=str(ACTIVITY))
    yield f'other = "{OTHER}"'
    if old.column("sport_type") is None:
        yield 'raw = "sport_type"'
    yield _section("operation.values", WORDS)
    yield from _without_checks(old, column)


def _workouts(found: Found) -> Iterator[str]:
    if found.workouts is None:
        return
    yield from _converted(found.workouts, "workout_type")
    if tables.WORKOUT_INDEXES.keys() - {index.name for index in found.workouts.indexes}:
        yield from _reshape(found.workouts, tables.WORKOUT_INDEXES)


# --- definitions -------------------------------------------------------------------------------------


def _definitions(found: Found, made: Types) -> Iterator[str]:
    catalog = found.catalog
    missing = definitions.triggered(catalog)
    yield from _define("functions", list(definitions.function_objects(catalog, made)), "functions_probe")
    yield from _define("triggers", [f"trigger {name} on {on}" for name, on in missing.items()], "")
    yield from _define("views", [f"view {name}" for name in definitions.VIEWS], "views_probe")
    said = "Asked after the switch, and by each `ecluse verify` from then on."
    yield from _operation("define", said, title="links of activities", up="", verify="define/links_probe.sql")
    said = "Asked within the switch, when nobody writes: if a connection were missing, nothing would be switched."
    yield from _operation("sql", said, title="every connection is accounted for", up="sql/counts.sql", down="")
    if indexes := existing.token_indexes(found.tokens):
        yield from _operation("sql", title="indexes of password_reset_tokens", up=indexes[0], down=indexes[1])
        yield 'phase = "before"'


def _define(title: str, objects: list[str], probe: str) -> Iterator[str]:
    yield from _operation("define", title=f"{title} of many providers", up=f"define/{title}.sql")
    yield f"objects = {strings(objects)}"
    if probe:
        yield f'verify = "define/{probe}.sql"'


def _guards(found: Found, may: Rights) -> Iterator[str]:
    if not may.guarded:
        return
    said = "Tables that are there: people read their own rows, and no secrets."
    back = "sql/rights_back.sql"
    yield from _operation("sql", said, title="who may read what", up="sql/rights.sql", down=back)
    yield from _operation("define", title="nobody reads tokens", up="", verify="define/rights_probe.sql")
