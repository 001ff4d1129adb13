"""The migration of the database of people: profiles, who may do what with them, and the invitations that arrive."""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.model.names import ident
from ecluse.model.toml_text import string
from ecluse.operations import row_policies, row_probes
from ecluse.planning.bring_sql import function_grants
from ecluse.planning.ddl_objects import trigger_sql
from ecluse.recipes.two_databases import invitations, live
from ecluse.recipes.two_databases.profiles import ACCOUNTS, COLUMNS, CONSTRAINTS, INDEXES, PROFILES, Profiles, listed
from ecluse.recipes.two_databases.recognise import HANDLER, INVITATIONS, Application, People
from ecluse.recipes.two_databases.texts import text

NAME = "two_databases_people"
KEPT = f"ecluse_kept_{NAME}"


def write(found: People, app: Application, evidence: live.Evidence, database: str, app_database: str) -> dict[str, str]:
    """The files by their paths."""
    profiles = live.profiles(found.profiles) if found.profiles else Profiles(COLUMNS)
    files = {
        "define/functions.sql": functions(),
        "define/profiles_probe.sql": text("people/profiles_probe.sql"),
        "define/profiles_rows.sql": row_probes.script(profiles.rights) + ";\n",
        "sql/profiles.sql": _profiles(found, profiles),
        "sql/without_profiles.sql": _without_profiles(found),
        "sql/backfill.sql": _backfill(found, profiles),
        "sql/backfilled.sql": _backfilled(found),
    }
    if found.profiles:
        files |= live.files(found.profiles, evidence)
    if app.invitations and not found.invitations:
        files |= invitations.files()
    said = "\n".join(f"# {line}" for line in _found(found, app))
    lines = [text("people/head.toml", name=string(NAME), database=string(database), found=said).rstrip()]
    lines += live.operation(found.profiles) if found.profiles else []
    lines += ["", text("people/operations.toml", title="rights" if found.profiles else "profiles").rstrip()]
    if app.invitations and not found.invitations:
        lines += ["", *invitations.operations(app.invitations, app_database)]
    return {"migration.toml": "\n".join(lines) + "\n"} | files


def functions() -> str:
    """The functions that the application calls."""
    return text("people/functions.sql")


def table(profiles: Profiles) -> str:
    """The table, where there is none yet."""
    lines = [f"{ident(name)} {definition}" for name, definition in profiles.columns.items()]
    lines += [f"constraint {name} {definition}" for name, definition in CONSTRAINTS.items()]
    indexes = [f"create index if not exists {name} on {PROFILES} {tail};" for name, tail in INDEXES.items()]
    return text("people/new_profiles.sql", columns=",\n".join(lines), indexes="\n".join(indexes))


def around(profiles: Profiles) -> str:
    """Rights, triggers, and the view of accounts without a profile."""
    values = profiles.from_account("new")
    return text(
        "people/around_profiles.sql",
        rights=row_policies.up(profiles.rights),
        columns=listed(values),
        values=",\n".join(values.values()),
    )


def _profiles(found: People, profiles: Profiles) -> str:
    return around(profiles).lstrip() if found.profiles else table(profiles) + around(profiles)


def _without_profiles(found: People) -> str:
    table = "" if found.profiles else text("people/keep_profiles.sql")
    return text("people/without_profiles.sql", accounts="\n".join(_as_it_was(found)), table=table).rstrip() + "\n"


def _as_it_was(found: People) -> Iterator[str]:
    """What made profiles before: its function, and its triggers."""
    handler = next((f for f in found.catalog.functions if f.name == HANDLER and not f.arguments), None)
    if handler is None:
        yield f"drop function {HANDLER}();"
    else:
        yield f"{handler.definition.rstrip()};"
        yield f"grant execute on function {HANDLER}() to public;" if handler.grants is None else ""
        yield from (f"{statement};" for statement in function_grants(handler) if handler.grants is not None)
    for trigger in found.replaced:
        yield from (f"{statement};" for statement in trigger_sql(trigger, ACCOUNTS, ACCOUNTS))


def _backfill(found: People, profiles: Profiles) -> str:
    values = profiles.from_account("a")
    return text(
        "people/backfill.sql",
        columns=listed(values),
        values=",\n".join(values.values()),
        undecided=text("people/undecided.sql", kept=KEPT, account="a") if found.profiles else "",
    )


def _backfilled(found: People) -> str:
    undecided = text("people/undecided.sql", kept=KEPT, account="v") if found.profiles else ""
    return text("people/backfilled.sql", undecided=undecided)


def _found(found: People, app: Application) -> Iterator[str]:
    """What was found, and what is done with it, a line each."""
    if found.profiles:
        yield f"Found: {PROFILES} with ids of its own. Each gets the id of its account; the former is in profile_id."
    else:
        yield f"Found: no {PROFILES}. It is made, with a profile for each account that has an e-mail."
    for trigger in found.replaced:
        yield f"Replaced, until a rollback: trigger '{trigger.name}' on {ACCOUNTS}, which calls {trigger.function}()."
    for trigger in found.others:
        yield f"Left alone: trigger '{trigger.name}' on {ACCOUNTS}, which calls {trigger.function}()."
        yield "  Look whether it writes profiles: what fails in it makes sign-ups fail."
    if found.invitations:
        yield f"{INVITATIONS} is here already, so the application's are not moved: people must merge the two tables."
    elif app.invitations:
        yield f"{INVITATIONS} arrives from the application's database; what has no column here goes to metadata."
