"""Probes of row level security: each becomes one role with its claims, acts, and counts what it reached. Pure.

They are made for a transaction that is rolled back. Two people are looked for in the table: one who owns rows, and
another who does where there is one; a third owns none. What is reached is counted under the role, what is wanted by
whoever runs the probe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ecluse.model.names import ident, literal
from ecluse.operations.row_policies import COMMANDS, Rights

_UUID = "'^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'"


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who asks. `sub` is the PL/pgSQL variable with his id, empty for nobody."""

    words: str
    role: str
    sub: str = ""
    people: tuple[str, ...] = ()  # the classes of people that he belongs to
    admin: bool = False


def actors(rights: Rights) -> Iterator[Actor]:
    """Everybody whose view of the rows is told apart."""
    signed_in = ("authenticated", "owner")
    yield Actor("anon", "anon", people=("anon",))
    yield Actor("a user", "authenticated", "probe_a", signed_in)
    yield Actor("another user", "authenticated", "probe_b", signed_in)
    yield Actor("a user without rows", "authenticated", "probe_c", signed_in)
    if rights.claim:
        yield Actor("an admin", "authenticated", "probe_c", (*signed_in, "admin"), admin=True)
    yield Actor("service_role", "service_role")


def script(rights: Rights) -> str:
    """All probes, as one script that raises at the first that finds more or less than it should."""
    parts = [people(rights)]
    for actor in actors(rights):
        for command in COMMANDS:
            if command == "insert":
                parts += (
                    [_insert(rights, actor, whose) for whose in ("probe_a", "probe_b")]
                    if actor.role != "service_role"
                    else []
                )
            else:
                parts.append(_reach(rights, actor, command))
        if actor.role != "service_role":
            parts += [_guarded(rights, actor, column) for column in rights.guarded]
    return ";\n".join(parts)


def may(rights: Rights, actor: Actor, command: str) -> tuple[bool, bool]:
    """Whether he may do it with his own rows, and with everybody's."""
    if actor.role == "service_role":
        return True, True
    everybody = any(command in rights.may.get(p, ()) for p in actor.people if p != "owner")
    return everybody or (bool(actor.sub) and command in rights.may.get("owner", ())), everybody


def people(rights: Rights) -> str:
    """Look for the people once. Ids that are no canonical UUIDs belong to nobody who can sign in."""
    table, owner = rights.table.name.sql, f"{ident(rights.owner)}::text"
    some = f"SELECT min({owner}) FROM {table} WHERE {owner} ~ {_UUID}"
    first = f"set_config('ecluse.probe_a', coalesce(({some}), gen_random_uuid()::text), true)"
    others = f"{some} AND {owner} <> current_setting('ecluse.probe_a')"
    second = f"set_config('ecluse.probe_b', coalesce(({others}), gen_random_uuid()::text), true)"
    third = "set_config('ecluse.probe_c', gen_random_uuid()::text, true)"
    return f"SELECT {first};\nSELECT {second};\nSELECT {third}"


def _reach(rights: Rights, actor: Actor, command: str) -> str:
    """He selects all rows, or changes or deletes all that he can get hold of of the people's."""
    table, owner, kind = rights.table.name.sql, ident(rights.owner), person_type(rights)
    own, everybody = may(rights, actor, command)
    if command != "select":
        # What he cannot see, he cannot name in a condition.
        own_seen, all_seen = may(rights, actor, "select")
        own, everybody = own and own_seen, everybody and all_seen
    those = "true" if command == "select" else f"{owner} IN (probe_a::{kind}, probe_b::{kind})"
    mine = f"{owner} = {actor.sub}::{kind}" if own and actor.sub else "false"
    wanted = f"SELECT count(*) FROM {table} WHERE {those} AND {'true' if everybody else mine}"
    column = _settable(rights)
    changed = "GET DIAGNOSTICS reached = ROW_COUNT"
    acts = {
        "select": f"SELECT count(*) INTO reached FROM {table}",
        "update": f"UPDATE {table} SET {column} = {column} WHERE {those}; {changed}",
        "delete": f"DELETE FROM {table} WHERE {those}; {changed}",
    }
    # What other tables hold on to cannot be deleted; that it was reached is no news where some of it may be.
    return _probe(rights, actor, f"{command}s", wanted, acts[command], on_constraint="reached := greatest(wanted, 1)")


def _insert(rights: Rights, actor: Actor, whose: str) -> str:
    """He adds a row in somebody's name: what is wrong with the row else is only looked at after the policy."""
    own, everybody = may(rights, actor, "insert")
    allowed = rights.owner in rights.open_columns and (everybody or (own and actor.sub == whose))
    value = f"{whose}::{person_type(rights)}"
    act = f"INSERT INTO {rights.table.name.sql} ({ident(rights.owner)}) VALUES ({value}); reached := 1"
    does = f"inserts in the name of {'one' if whose == 'probe_a' else 'another'} user"
    return _probe(rights, actor, does, f"SELECT {int(allowed)}", act, on_constraint="reached := 1")


def _guarded(rights: Rights, actor: Actor, column: str) -> str:
    act = f"UPDATE {rights.table.name.sql} SET {ident(column)} = {ident(column)}; reached := 1"
    return _probe(rights, actor, f"sets the guarded column {column}", "SELECT 0", act, on_constraint="reached := 1")


def _settable(rights: Rights) -> str:
    """A column that may be written, so that a refusal comes from the policy."""
    return ident(next((n for n in rights.open_columns if n != rights.owner), rights.owner))


def person_type(rights: Rights) -> str:
    """The type of the owner's column."""
    return "text" if rights.owner_text else "uuid"


def _probe(rights: Rights, actor: Actor, does: str, wanted: str, act: str, *, on_constraint: str) -> str:
    what = f"{actor.words} {does} on {rights.table.name}".replace("%", "%%")
    return f"""DO $probe$
DECLARE
  probe_a text := current_setting('ecluse.probe_a');
  probe_b text := current_setting('ecluse.probe_b');
  probe_c text := current_setting('ecluse.probe_c');
  reached bigint;
  wanted bigint := ({wanted});
BEGIN
  BEGIN
    PERFORM set_config('request.jwt.claims', ({claims(rights, actor)})::text, true);
    SET LOCAL row_security = on;
    SET LOCAL ROLE {ident(actor.role)};
    {act};
    RAISE EXCEPTION SQLSTATE 'EC000';
  EXCEPTION
    WHEN SQLSTATE 'EC000' THEN NULL;
    WHEN insufficient_privilege THEN reached := 0;
    WHEN integrity_constraint_violation THEN {on_constraint};
  END;
  IF reached <> wanted THEN
    RAISE EXCEPTION {literal(what + ": % reached, not %")}, reached, wanted;
  END IF;
END $probe$"""


def claims(rights: Rights, actor: Actor) -> str:
    """His claims as a jsonb; it names PL/pgSQL variables of the people."""
    parts = f"'role', {literal(actor.role)}"
    parts += f", 'sub', {actor.sub}" if actor.sub else ""
    claims = f"jsonb_build_object({parts})"
    if not actor.admin:
        return claims
    value = f"to_jsonb({literal(rights.values[0])}::text)"
    for word in reversed(rights.claim):
        value = f"jsonb_build_object({literal(word)}, {value})"
    return f"{claims} || {value}"
