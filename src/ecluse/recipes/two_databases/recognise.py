"""What the two databases are: the application's (L3), and the one where people live, with or without profiles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ecluse.errors import UnknownGeneration
from ecluse.model.catalog import Catalog, Table, Trigger, View
from ecluse.model.names import Name
from ecluse.operations.row_policies import ROLES
from ecluse.recipes.column_types import TEXT
from ecluse.recipes.two_databases.profiles import ACCOUNTS, COLUMNS, PROFILES

CONVERSATIONS = Name("public", "conversations")
FEEDBACK = Name("public", "feedback")
INVITATIONS = Name("public", "invitations")
QUESTIONS = Name("public", "user_questions_complete")
HANDLER = Name("public", "handle_new_user")

QUESTION_COLUMNS = (
    *("id", "session_id", "user_email", "question_id", "question", "response_text", "response_source"),
    *("response_confidence", "completeness_score", "processing_time_ms", "language", "intent", "feedback"),
    *("feedback_comment", "entities", "error_type", "error_message", "error_traceback", "data_size_kb", "status"),
    *("created_at", "updated_at"),
)
_READ = frozenset(
    {
        *("id", "session_id", "user_id", "question", "response", "response_source", "response_confidence"),
        *("processing_time_ms", "language", "feedback", "feedback_comment", "status", "created_at", "updated_at"),
    }
)
_OURS = frozenset({"on_auth_user_created", "on_auth_user_changed"})


@dataclass(frozen=True, slots=True)
class Application:
    """The application's database."""

    catalog: Catalog
    conversations: Table
    invitations: Table | None
    view: View | None
    view_fits: bool


@dataclass(frozen=True, slots=True)
class People:
    """The database of people. `profiles` is the table as it stands, with ids of its own, or None."""

    catalog: Catalog
    profiles: Table | None
    invitations: bool  # a table of invitations is there already
    replaced: tuple[Trigger, ...]  # triggers on accounts that make profiles until now
    others: tuple[Trigger, ...]  # triggers on accounts that are left alone


def application(catalog: Catalog) -> Application:
    """Tell what there is. Raises UnknownGeneration, which says what differs."""
    table = catalog.tables.get(CONVERSATIONS)
    if table is None:
        raise UnknownGeneration(
            f"database 'app' has no table {CONVERSATIONS}",
            hint="name the application's database 'app' and that of people 'people' in ecluse.toml",
        )
    invitations = catalog.tables.get(INVITATIONS)
    found = [f"{CONVERSATIONS} has no column '{name}'" for name in sorted(_READ) if table.column(name) is None]
    found += [
        f"{CONVERSATIONS}.{n} is {c.type}" for n in ("id", "user_id") if (c := table.column(n)) and c.type != "uuid"
    ]
    if QUESTIONS in catalog.tables:
        found.append(f"{QUESTIONS} is a table, where a view has its place")
    found += _invitation_differences(invitations) if invitations else []
    if found:
        raise UnknownGeneration(
            "database 'app' is not of generation L3",
            details="; ".join(found),
            hint="ecluse recipes: production_columns and conversations_to_messages know older generations",
        )
    view = catalog.views.get(QUESTIONS)
    return Application(catalog, table, invitations, view, _view_fits(catalog, view))


def _invitation_differences(table: Table) -> Iterator[str]:
    for name, wanted in {"id": re.compile("uuid"), "inviter_email": TEXT, "invited_email": TEXT}.items():
        column = table.column(name)
        if column is None:
            yield f"{table.name} has no column '{name}'"
        elif not wanted.fullmatch(column.type):
            yield f"{table.name}.{name} is {column.type}"
    if table.primary_key != ("id",):
        yield f"the key of {table.name} is not 'id'"


def _view_fits(catalog: Catalog, view: View | None) -> bool:
    if view is None or view.columns != QUESTION_COLUMNS:
        return False
    read = {c for d in catalog.dependents if d.name == QUESTIONS and d.table == CONVERSATIONS for c in d.columns}
    return read == _READ


def people(catalog: Catalog) -> People:
    """Tell what there is. Raises UnknownGeneration, which says what differs or is missing."""
    accounts = catalog.tables.get(ACCOUNTS)
    missing = [f"role {role}" for role in ROLES if role not in catalog.role.member_of]
    if accounts is None or missing:
        raise UnknownGeneration(
            "database 'people' is not prepared for people",
            details="missing, or not ours to become: " + ", ".join([*missing, *([] if accounts else [str(ACCOUNTS)])]),
            hint="ecluse supabase prepare people",
        )
    table = catalog.tables.get(PROFILES)
    if table is not None:
        _require_own_ids(catalog, table)
    replaced = tuple(t for t in accounts.triggers if t.name in _OURS or t.function == HANDLER)
    others = tuple(t for t in accounts.triggers if t not in replaced and not t.name.startswith("zz_ecluse"))
    return People(catalog, table, INVITATIONS in catalog.tables, replaced, others)


def _require_own_ids(catalog: Catalog, table: Table) -> None:
    """Profiles that stand there are carried where each has an id of its own, and its account in auth_user_id."""
    if done(table):
        raise UnknownGeneration(
            f"{PROFILES} has the columns of profiles already, with the ids of accounts",
            hint="ecluse inspect --database people --expect two_databases",
            state="nothing was changed",
        )
    found = [f"there is no column '{n}'" for n in ("id", "auth_user_id", "email") if table.column(n) is None]
    found += [f"'{n}' is {c.type}" for n in ("id", "auth_user_id") if (c := table.column(n)) and c.type != "uuid"]
    if (email := table.column("email")) and not TEXT.fullmatch(email.type):
        found.append(f"'email' is {email.type}")
    if table.column("profile_id"):
        found.append("'profile_id', where the former id has its place, is there already")
    if not any(c.kind in "pu" and c.columns == ("email",) for c in table.constraints):
        found.append("'email' is not unique")
    found += [f"the key is ({', '.join(table.primary_key)})"] if table.primary_key != ("id",) else []
    found += [f"{name} refers to it by '{key.name}'" for name, key in catalog.referencing(PROFILES)]
    if found:
        raise UnknownGeneration(
            f"{PROFILES} is not a table of profiles with ids of their own that this recipe carries",
            details="; ".join(found),
            hint="a foreign key to it: point it at auth.users first; the rest: reshape it by hand, `ecluse operations`",
        )


def done(table: Table) -> bool:
    """Whether the table has every column that is promised, and its id is that of an account."""
    keys = {key.columns for key in table.foreign_keys if key.references == ACCOUNTS}
    return all(map(table.column, COLUMNS)) and ("id",) in keys
