"""`ecluse supabase prepare`: a plain PostgreSQL gets what a Supabase database offers to an application.

What a Supabase, or an auth service, manages by itself is left alone. All is looked at before anything is made, all is
made in one transaction, and before its commit all is looked at again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import psycopg
from pglast.ast import ColumnDef, CreateStmt

from ecluse.errors import MissingRights, PlanRefused, ProofFailed
from ecluse.model.names import ident
from ecluse.operations.definitions import deparse, type_name
from ecluse.operations.expressions import parse
from ecluse.postgres.connect import Database, Session, open_session
from ecluse.postgres.failures import translate
from ecluse.supabase.claims import faults
from ecluse.supabase.script import Step, rights, steps

_NOTHING = "nothing was changed"
NEWEST = "20260625000000"  # of the auth service's migrations, in auth_versions.sql
_SIGNS = {
    "the server has a role supabase_admin": "EXISTS (SELECT FROM pg_roles WHERE rolname = 'supabase_admin')",
    "schema auth belongs to supabase_auth_admin": "EXISTS (SELECT FROM pg_namespace "
    "WHERE nspname = 'auth' AND pg_get_userbyid(nspowner) = 'supabase_auth_admin')",
}
_OF_SUPABASE = ("roles", "schemas", "auth", "grants")


@dataclass(frozen=True, slots=True)
class Standing:
    """A step on a database. `state`: there | to do | made | left alone | not offered (by the server)."""

    step: Step
    state: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was found and done. `signs` say why something was left alone."""

    standings: tuple[Standing, ...]
    signs: tuple[str, ...] = ()

    def of(self, state: str) -> tuple[Step, ...]:
        """The steps in that state."""
        return tuple(each.step for each in self.standings if each.state == state)


def prepare(database: Database, *, dry_run: bool = False) -> Prepared:
    """Make what is missing, or with `dry_run` only look.

    Raises PlanRefused where something else has the place of a part, MissingRights with all rights that are missing.
    """
    with open_session(database, role="supabase prepare") as session:
        try:
            found = _survey(session)
            if dry_run:
                return found
            with session.transaction():
                for step in found.of("to do"):
                    session.execute(step.sql.encode())
                _prove(session, found)
        except psycopg.Error as error:
            raise translate(error, _NOTHING) from None
    made = (replace(s, state="made") if s.state == "to do" else s for s in found.standings)
    return replace(found, standings=tuple(made))


# --- what there is ------------------------------------------------------------------------------------


def _survey(session: Session) -> Prepared:
    wanted = steps(_major(session))
    signs, alone = _managed(session)
    there = _answers(session, [step.there for step in wanted])
    offered = _answers(session, [step.offered for step in wanted])
    states = [_state(*each, alone) for each in zip(wanted, there, offered, strict=True)]
    found = Prepared(tuple(map(Standing, wanted, states)), signs)
    _refuse_others(session, [s.step for s in found.standings if s.state == "there"], alone)
    _require_rights(session, found.of("to do"))
    return found


def _major(session: Session) -> int:
    return session.info.server_version // 10000


def _answers(session: Session, conditions: list[str]) -> list[bool]:
    # A condition may end in a comment.
    listed = ", ".join(f"({condition}\n)" for condition in conditions)
    row = session.execute(f"SELECT ARRAY[{listed}]::boolean[]".encode()).fetchone()
    return list(row[0]) if row else []


def _state(step: Step, there: bool, offered: bool, alone: tuple[str, ...]) -> str:
    if there:
        return "there"
    if step.area in alone:
        return "left alone"
    return "to do" if offered else "not offered"


def _managed(session: Session) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The signs of somebody who manages parts of this database, and the areas that are his."""
    held = _answers(session, list(_SIGNS.values()))
    signs = tuple(sign for sign, holds in zip(_SIGNS, held, strict=True) if holds)
    if signs:
        return signs, _OF_SUPABASE
    newest = _newest_migration(session)
    if newest in (None, NEWEST):
        return (), ()
    return (f"an auth service keeps schema auth: its migrations are at {newest or 'none'}",), ("auth",)


def _newest_migration(session: Session) -> str | None:
    """The newest migration that an auth service notes here; None where it notes none at all, "" where none yet."""
    if session.execute("SELECT to_regclass('auth.schema_migrations')").fetchone() == (None,):
        return None
    row = session.execute("SELECT coalesce(max(version COLLATE \"C\"), '') FROM auth.schema_migrations").fetchone()
    return str(row[0]) if row else ""


# --- what stands in the way ---------------------------------------------------------------------------


def _refuse_others(session: Session, there: list[Step], alone: tuple[str, ...]) -> None:
    """Raise PlanRefused where a thing of ours has the name of something else."""
    wrong = [] if "roles" in alone else list(_other_roles(session))
    if "auth" not in alone:
        for step in there:
            if step.kind == "table":
                wrong += _other_columns(session, step)
        wrong += [f"{name} {why}" for name, why in faults(session)]
    if wrong:
        raise PlanRefused(
            f"{len(wrong)} things here have the names of what Supabase has, and are something else",
            details="\n".join(wrong),
            hint="rename or drop them, where nothing uses them; each is named above",
            state=_NOTHING,
        )


def _other_roles(session: Session) -> Iterator[str]:
    rows = session.execute(
        "SELECT rolname, rolsuper, rolbypassrls, rolcanlogin FROM pg_roles "
        "WHERE rolname IN ('anon', 'authenticated', 'service_role', 'authenticator') ORDER BY 1"
    ).fetchall()
    for name, superuser, bypass, login in rows:
        if superuser:
            yield f"role {name} is a superuser"
        if bypass and name != "service_role":
            yield f"role {name} is exempt from row level security"
        if name == "authenticator" and not login:
            yield "role authenticator cannot log in"


def _other_columns(session: Session, step: Step) -> Iterator[str]:
    rows = session.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
        "WHERE c.relnamespace = to_regnamespace('auth') AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped",
        (step.name.removeprefix("auth."),),
    ).fetchall()
    have = {str(name): str(kind) for name, kind in rows}
    for name, kind in _columns(step):
        if name not in have:
            yield f"table {step.name} has no column {name}"
        elif have[name] != kind:
            yield f"column {step.name}.{name} is {have[name]}, not {kind}"


def _columns(step: Step) -> Iterator[tuple[str, str]]:
    for statement in parse(step.sql):
        if isinstance(statement.stmt, CreateStmt):
            for part in statement.stmt.tableElts or ():
                if isinstance(part, ColumnDef):
                    yield str(part.colname), type_name(deparse(part.typeName)).replace("bigserial", "bigint")


def _require_rights(session: Session, todo: tuple[Step, ...]) -> None:
    needed = {step.needs for step in todo}
    known = [right for right in rights(_major(session)) if right.title in needed]
    held = _answers(session, [right.there for right in known])
    missing = [right for right, holds in zip(known, held, strict=True) if not holds]
    if not missing:
        return
    row = session.execute("SELECT current_user, current_database()").fetchone()
    role, name = (str(row[0]), str(row[1])) if row else ("", "")
    hints = [right.sql.replace("{role}", ident(role)).replace("{database}", ident(name)) for right in missing]
    details = [f"{r.title}: for {', '.join(s.title for s in todo if s.needs == r.title)}" for r in missing]
    raise MissingRights(
        f"role '{role}' lacks {len(missing)} rights that this needs",
        details="\n".join(details),
        hint="\n".join(hint if hint.endswith("superuser") else f"{hint};" for hint in hints),
        state=_NOTHING,
    )


# --- whether it came about ----------------------------------------------------------------------------


def _prove(session: Session, found: Prepared) -> None:
    todo = found.of("to do")
    there = _answers(session, [step.there for step in todo]) if todo else []
    wrong = [f"{step.title} is not there" for step, holds in zip(todo, there, strict=True) if not holds]
    if not any(step.area == "auth" for step in found.of("left alone")):
        wrong += [f"{name} {why}" for name, why in faults(session)]
    if wrong:
        raise ProofFailed("what was made is not what an application expects", details="\n".join(wrong), state=_NOTHING)
