"""The scripts of functions, triggers and views, and the probes that try them."""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.model.catalog import Catalog, Function, Table
from ecluse.model.names import Name, ident
from ecluse.recipes.multi_provider.recognise import ACTIVITIES, PROVIDERS, TOKENS, USERS, WORKOUTS, others
from ecluse.recipes.multi_provider.rights import Rights
from ecluse.recipes.multi_provider.tables import SECRETS, Types
from ecluse.recipes.texts import text_of

NAME = "multi_provider"
KEPT = f"ecluse_kept_{NAME}"
PACKAGE = "ecluse.recipes.multi_provider"
UPDATED_AT = Name("public", "update_updated_at_column")
VIEWS = ("public.user_connections_summary", "public.recent_activities")
_FULL_NAME = "nullif(btrim(concat_ws(' ', nullif(btrim(u.first_name), ''), nullif(btrim(u.last_name), ''))), '')"


# --- functions and triggers ---------------------------------------------------------------------------


def functions(catalog: Catalog, types: Types, rights: Rights) -> str:
    """The script of the functions."""
    return _text(
        "functions.sql",
        user=types.user,
        connection=types.connection,
        now=_token_now(types),
        full_name=_FULL_NAME,
        cleanup=_cleanup("cleanup.sql", catalog, types),
        updated_at="" if has_updated_at(catalog) else _text("updated_at.sql"),
        rights="\n".join(_function_rights(catalog, types, rights)) if rights.guarded else "",
    )


def function_objects(catalog: Catalog, types: Types) -> Iterator[str]:
    """What that script makes."""
    yield f"function public.get_user_full_name({types.user})"
    yield f"function public.is_token_expired({types.connection})"
    if TOKENS in catalog.tables:
        yield "function public.cleanup_expired_password_tokens()"
    if not has_updated_at(catalog):
        yield f"function {UPDATED_AT}()"


def has_updated_at(catalog: Catalog) -> bool:
    """Whether the function that triggers of updated_at call is there."""
    return updated_at(catalog) is not None


def updated_at(catalog: Catalog) -> Function | None:
    """That function."""
    return next((f for f in catalog.functions if f.name == UPDATED_AT and not f.arguments), None)


def _token_now(types: Types) -> str:
    return types.now_as(types.like("token_expires_at", types.when))


def _cleanup(file: str, catalog: Catalog, types: Types) -> str:
    table = catalog.tables.get(TOKENS)
    if table is None:
        return ""
    used = "t.is_used" if table.column("is_used") else "t.used_at is not null" if table.column("used_at") else "false"
    expires = table.column("expires_at")
    return _text(file, used=used, now=types.now_as(expires.type if expires else types.when))


def _function_rights(catalog: Catalog, types: Types, rights: Rights) -> Iterator[str]:
    services = ", ".join(["service_role", *map(ident, rights.own)])
    for signature in (f"get_user_full_name({types.user})", f"is_token_expired({types.connection})"):
        yield f"revoke execute on function public.{signature} from public, anon;"
        yield f"grant execute on function public.{signature} to authenticated, {services};"
    if TOKENS in catalog.tables:
        name = "public.cleanup_expired_password_tokens()"
        yield f"revoke execute on function {name} from public, anon, authenticated;"
        yield f"grant execute on function {name} to {services};"


def triggered(catalog: Catalog) -> dict[str, str]:
    """The triggers of updated_at that are missing, and their tables."""
    made = {}
    for name in (USERS, PROVIDERS, ACTIVITIES, TOKENS, WORKOUTS):
        table = catalog.tables.get(name)
        new = name == PROVIDERS or (name == WORKOUTS and table is None)
        if new or (table is not None and _lacks_trigger(table)):
            made[f"update_{name.name}_updated_at"] = str(name)
    return made


def _lacks_trigger(table: Table) -> bool:
    return table.column("updated_at") is not None and all(t.function != UPDATED_AT for t in table.triggers)


def triggers(missing: dict[str, str]) -> str:
    """The script of those triggers."""
    return "\n".join(_text("trigger.sql", trigger=name, table=table).rstrip() for name, table in missing.items()) + "\n"


# --- views -------------------------------------------------------------------------------------------


def views(catalog: Catalog, rights: Rights) -> str:
    """The script of the views. A reader sees what he may see; where the server cannot do that, only services read."""
    return _text(
        "views.sql",
        options=" with (security_invoker = true)" if invoker(catalog) else "",
        full_name=_FULL_NAME,
        rights="\n".join(_view_rights(catalog, rights)),
    )


def invoker(catalog: Catalog) -> bool:
    """Whether views can be those of their reader."""
    return catalog.server_version >= 150000


def _view_rights(catalog: Catalog, rights: Rights) -> Iterator[str]:
    readers = list(_readers(catalog, rights))
    for view in VIEWS:
        if rights.guarded:
            yield f"revoke all on {view} from public, anon, authenticated, service_role;"
        if readers:
            yield f"grant select on {view} to {', '.join(readers)};"


def _readers(catalog: Catalog, rights: Rights) -> Iterator[str]:
    if rights.guarded:
        yield "service_role"
    if rights.claims and invoker(catalog):
        yield "authenticated"
    own = others(catalog.tables[USERS])
    yield from (ident(role) for role, may in rights.own.items() if "select" in may and "select" in own.get(role, ()))


# --- probes ------------------------------------------------------------------------------------------


def functions_probe(catalog: Catalog, types: Types) -> str:
    """Calls each function with what it is about."""
    return _text(
        "functions_probe.sql",
        now=_token_now(types),
        no_user=_nobody(types.user, USERS),
        no_connection=_nobody(types.connection, PROVIDERS),
        cleanup=_cleanup("cleanup_probe.sql", catalog, types),
    )


def views_probe(types: Types) -> str:
    """Compares the views with the tables."""
    return _text("views_probe.sql", user=types.user, activity=types.activity)


def links_probe(types: Types) -> str:
    """Looks for activities that are linked to somebody else's connection, or to none without a reason."""
    return _text("links_probe.sql", kept=KEPT, no_connection=_nobody(types.connection, PROVIDERS))


def rights_probe(catalog: Catalog, rights: Rights) -> str:
    """Becomes each role and tries to read tokens."""
    secrets = [f"('{table}', '{name}')" for table, names in SECRETS.items() for name in names]
    people = _people_probe(catalog, rights) if rights.claims else ""
    return (
        _text("rights_probe.sql", secrets=",\n".join(secrets), member=_member(catalog), people=people).rstrip() + "\n"
    )


def _people_probe(catalog: Catalog, rights: Rights) -> str:
    """Where tables had policies before, only these know who sees what."""
    tables = [catalog.tables[name] for name in (USERS, ACTIVITIES)]
    more = "" if any(table.rls for table in tables) else _text("people_more_probe.sql")
    if more and invoker(catalog):
        more += _text("people_views_probe.sql")
    stranger = "00000000-0000-0000-0000-000000000000" if rights.uuid else "9" * 18
    return _text("people_probe.sql", more=more, stranger=stranger, member=_member(catalog))


def _member(catalog: Catalog) -> str:
    """The right to become a role, as the server calls it."""
    return "set" if catalog.server_version >= 160000 else "member"


def counts() -> str:
    """Compares the connections of before and now, within the switch."""
    return text_of(PACKAGE, "templates/sql/counts.sql", kept=KEPT, migration=NAME)


def _nobody(type: str, table: Name) -> str:
    """An id that no row of the table has."""
    return "gen_random_uuid()" if type == "uuid" else f"(select least(min(x.id), 0) - 1 from {table} x)::{type}"


def _text(file: str, **values: str) -> str:
    return text_of(PACKAGE, f"templates/define/{file}", **values)
