"""Writes the migration for the database that was found: a TOML file, and the SQL beside it, to be edited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ecluse.model.catalog import Catalog, Table
from ecluse.model.names import Name
from ecluse.model.toml_text import string, strings, table
from ecluse.model.uuid_sql import valid_uuid
from ecluse.recipes.conversations_to_messages import forward, inverse, tables
from ecluse.recipes.conversations_to_messages.recognise import Legacy, recognise
from ecluse.recipes.conversations_to_messages.texts import text
from ecluse.recipes.conversations_to_messages.values import Options, Values, quoted

NAME = "conversations_to_messages"
FILE = "migration.toml"
_STATS, _QUESTIONS = Name("public", "conversation_stats"), Name("public", "user_questions_complete")
_ARCHIVED = (Name("public", "invitations_cache"), Name("public", "questions_cache"))
_INVITATIONS = Name("public", "invitations")
_FUNCTIONS = (
    "function public.update_conversation_metadata()",
    "trigger update_conversation_on_message_insert on public.messages",
    "function public.create_conversation_with_messages(uuid, uuid, text, text, text, text, double precision, integer)",
    "function public.add_message_to_conversation(uuid, text, text, text, double precision, integer)",
    "function public.get_conversation_messages(uuid)",
)
_UPDATED_AT = "update_conversations_updated_at"


def write(catalog: Catalog, database: str = "app", options: Options | None = None) -> dict[str, str]:
    """The files of the migration by their paths. Raises UnknownGeneration."""
    values = Values(recognise(catalog), options or Options())
    legacy = values.legacy
    files = {
        FILE: "\n".join(_migration(catalog, values, database)),
        "forward/conversations.sql": forward.conversations(values),
        "forward/messages.sql": forward.messages(values),
        "inverse/conversations.sql": inverse.conversations(values),
        "define/functions.sql": _functions(catalog, legacy),
        "define/functions_probe.sql": text("templates/define/functions_probe.sql"),
        "define/views.sql": _views(catalog, legacy),
        "define/views_probe.sql": text("templates/define/views_probe.sql"),
    }
    if legacy.ratings is not None:
        files[f"inverse/{forward.word(legacy.ratings)}.sql"] = inverse.ratings(values, legacy.ratings)
    for child, reference in legacy.children:
        files[f"forward/{forward.word(child)}.sql"] = forward.child(values, child, reference)
        files[f"inverse/{forward.word(child)}.sql"] = inverse.child(values, child, reference)
    return files


# --- the file ---------------------------------------------------------------------------------------


def _migration(catalog: Catalog, values: Values, database: str) -> Iterator[str]:
    legacy = values.legacy
    yield text(
        "templates/head.toml", generation=legacy.generation, table=str(legacy.table.name), zone=values.options.zone
    )
    yield f"name = {string(NAME)}"
    yield f"database = {string(database)}"
    lost = tables.given_up(catalog, legacy, frozenset({_STATS, _QUESTIONS}))
    if lost:
        yield ""
        yield "# They read columns that go. They are kept until `finish`; define/views.sql is the place for new ones."
        yield f"drop = {strings([str(name) for name in lost])}"
    yield ""
    yield "[[operation]]"
    yield 'kind = "reshape_table"'
    yield 'name = "conversations"'
    if values.options.user_map:
        yield _input(values.options.user_map)
    yield from _old_side(values)
    yield from _new_side(catalog, values)
    yield from _defines(catalog, legacy)
    yield from _rest(catalog)


def _input(file: str) -> str:
    return "\n".join(
        (
            "",
            "# E-mail addresses (or other names) of users, and their UUIDs.",
            "[[operation.input]]",
            'alias = "user_map"',
            f"file = {string(file)}",
            'columns = { old_value = "text", uuid = "uuid" }',
            'key = ["old_value"]',
        )
    )


def _old_side(values: Values) -> Iterator[str]:
    legacy = values.legacy
    key, session = legacy.name("id"), legacy.name("session")
    unit = f"({values.session('m')})::text"
    yield from (
        "",
        "# --- the old shape ---",
        "",
        "# A unit is a session: all rows that share one, and the conversations that they become.",
        "[[operation.old]]",
        f"table = {string(str(legacy.table.name))}",
        'alias = "legacy"',
        'select = "inverse/conversations.sql"',
        f"unit = {string(unit)}",
        "several = true",
        f"logged = {strings([key, session])}",
    )
    yield from _rejects(values)
    if legacy.ratings is not None:
        yield from _old_satellite(legacy.ratings, "conversation_id", key)
    for child, reference in legacy.children:
        yield from _old_satellite(child, reference, key)


def _rejects(values: Values) -> Iterator[str]:
    if values.type("id") != "uuid" and not values.numbered:
        yield from ("", "# Within one session such ids are told apart; here one row would take the place of another.")
        yield from _reject(values.same_id(), "its id is the same UUID as that of another session", values, "id")
    user = f"m.{quoted(values.legacy.name('person'))}"
    yield from _reject(f"{user} is null", "it has no user", values, "person")
    if values.type("person") == "uuid":
        return
    invalid = f"not {valid_uuid(values.text('person', 'm'))}"
    reason = "the user is not a UUID"
    if values.options.user_map:
        invalid += f" and not exists (select from {{{{user_map}}}} u where u.old_value = {values.text('person', 'm')})"
        reason += f", and is not in {values.options.user_map}"
    yield from _reject(invalid, reason, values, "person")


def _reject(when: str, reason: str, values: Values, part: str) -> Iterator[str]:
    yield from ("", "[[operation.old.reject]]", f"when = {string(when)}", f"reason = {string(reason)}")
    yield f"column = {string(values.legacy.name(part))}"


def _old_satellite(member: Table, reference: str, key: str) -> Iterator[str]:
    yield from (
        "",
        "[[operation.old]]",
        f"table = {string(str(member.name))}",
        f"alias = {string(forward.old_alias(member))}",
        f"join = {string(f'm.{quoted(reference)} = a.{quoted(key)}')}",
        f"select = {string(f'inverse/{forward.word(member)}.sql')}",
        f"logged = {strings(list(dict.fromkeys([*member.primary_key, reference])))}",
    )
    if not any(index.columns[:1] == (reference,) for index in member.indexes):
        yield f"# No index begins with {reference}: make one first, or each chunk of the copy reads the whole table."


def _new_side(catalog: Catalog, values: Values) -> Iterator[str]:
    legacy = values.legacy
    yield from (
        "",
        "# --- the new shape ---",
        "",
        "[[operation.new]]",
        'table = "public.conversations"',
        'alias = "conversations"',
        """unit = "coalesce(m.metadata #>> '{legacy,unit}', m.session_id::text)\"""",
        "several = true",
        'logged = ["id", "session_id", "metadata"]',
        'select = "forward/conversations.sql"',
    )
    if legacy.table.rls:
        kept, lost = tables.conversation_policies(legacy)
        yield "rls = true"
        yield from (f"# Policy {name} reads a column that goes: say here what is meant now." for name in lost)
        yield _section("policies", kept)
    yield _section("columns", tables.CONVERSATION_COLUMNS)
    yield _section("constraints", tables.CONVERSATION_CONSTRAINTS)
    yield _section("indexes", tables.CONVERSATION_INDEXES)
    yield from _new_satellite("public.messages", "messages", "conversation_id", "forward/messages.sql")
    yield 'comment = "What was said in a conversation, in order"'
    if legacy.table.rls:
        yield "rls = true"
        yield _section("policies", tables.message_policies(legacy))
    yield _section("columns", tables.MESSAGE_COLUMNS)
    yield _section("constraints", tables.MESSAGE_CONSTRAINTS)
    yield _section("indexes", tables.MESSAGE_INDEXES)
    for child, reference in legacy.children:
        yield from _new_satellite(str(child.name), forward.word(child), reference, f"forward/{forward.word(child)}.sql")
        triggers = [trigger.name for trigger in child.triggers]
        if triggers:
            yield f"carry_triggers = {strings(triggers)}"
        yield _section("columns", tables.child_columns(child, reference))
        yield _section("constraints", tables.child_constraints(child))
        yield _section("indexes", tables.child_indexes(child))


def _new_satellite(name: str, alias: str, reference: str, select: str) -> Iterator[str]:
    yield from (
        "",
        "[[operation.new]]",
        f"table = {string(name)}",
        f"alias = {string(alias)}",
        f"join = {string(f'm.{quoted(reference)} = a.id')}",
        f"select = {string(select)}",
    )


def _section(name: str, pairs: Mapping[str, str]) -> str:
    return "\n" + table(f"operation.new.{name}", pairs) if pairs else ""


# --- definitions and the rest -----------------------------------------------------------------------


def _defines(catalog: Catalog, legacy: Legacy) -> Iterator[str]:
    functions = [*_FUNCTIONS]
    if _updated_at(legacy):
        functions.append(f"trigger {_UPDATED_AT} on public.conversations")
    for title, name, objects in (
        ("functions of the new shape", "functions", functions),
        ("views of the new shape", "views", [f"view {_STATS}", f"view {_QUESTIONS}"]),
    ):
        yield from (
            "",
            "[[operation]]",
            'kind = "define"',
            f"title = {string(title)}",
            f"up = {string(f'define/{name}.sql')}",
            f"objects = {strings(objects)}",
            f"verify = {string(f'define/{name}_probe.sql')}",
        )


def _rest(catalog: Catalog) -> Iterator[str]:
    for name in _ARCHIVED:
        if name in catalog.tables:
            yield from ("", "# A cache that nothing reads.", "[[operation]]", 'kind = "archive_table"')
            yield f"table = {string(str(name))}"
    if _INVITATIONS in catalog.tables:
        yield ""
        yield text("templates/invitations.toml")


def _updated_at(legacy: Legacy) -> str:
    """The function of the trigger that sets updated_at, empty where there is none."""
    found = next((t for t in legacy.table.triggers if t.name == _UPDATED_AT and t.row and t.before), None)
    return found.function.sql if found else ""


def _functions(catalog: Catalog, legacy: Legacy) -> str:
    function = _updated_at(legacy)
    more = text("templates/define/updated_at.sql", trigger=_UPDATED_AT, function=function) if function else ""
    return text(
        "templates/define/functions.sql",
        first_message=forward.message_id("v_id", "user"),
        first_answer=forward.message_id("v_id", "assistant"),
        answer=forward.message_id("v_last", "assistant"),
        more=more,
    )


def _views(catalog: Catalog, legacy: Legacy) -> str:
    """With row level security, and where the server knows how, views show what their reader may see."""
    guarded = legacy.table.rls and catalog.server_version >= 150000
    view = catalog.views.get(_QUESTIONS)
    grants = [
        f"grant {grant.privilege.lower()} on {name} to {quoted(grant.grantee) if grant.grantee else 'public'};"
        for name in (_STATS, _QUESTIONS)
        for grant in (view.grants if view else ())
        if grant.privilege == "SELECT" and grant.grantee != (view.owner if view else "")
    ]
    return text(
        "templates/define/views.sql",
        options=" with (security_invoker = true)" if guarded else "",
        grants="\n".join(grants),
    )
