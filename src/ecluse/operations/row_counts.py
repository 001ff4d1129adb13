"""How many rows each role selects, as the database is and as it is to be: what a plan shows of `secure_rows`. Pure."""

from __future__ import annotations

from ecluse.model.names import ident, literal
from ecluse.operations.row_policies import Rights
from ecluse.operations.row_probes import Actor, actors, claims, may, people, person_type


def script(rights: Rights) -> str:
    """Statements for a transaction that is rolled back; the last gives rows of who, how many before, how many after."""
    everybody = list(enumerate(actors(rights)))
    parts = [people(rights), *(_before(rights, actor, number) for number, actor in everybody)]
    rows = ", ".join(
        f"({literal(actor.words)}, current_setting('ecluse.seen_{number}'), ({_after(rights, actor)})::text)"
        for number, actor in everybody
    )
    return ";\n".join([*parts, f"VALUES {rows}"])


def _before(rights: Rights, actor: Actor, number: int) -> str:
    # The text of an error can hold values of rows; its code cannot.
    return f"""DO $count$
DECLARE
  probe_a text := current_setting('ecluse.probe_a');
  probe_b text := current_setting('ecluse.probe_b');
  probe_c text := current_setting('ecluse.probe_c');
  seen text;
BEGIN
  BEGIN
    PERFORM set_config('request.jwt.claims', ({claims(rights, actor)})::text, true);
    SET LOCAL row_security = on;
    SET LOCAL ROLE {ident(actor.role)};
    SELECT count(*)::text INTO seen FROM {rights.table.name.sql};
    RAISE EXCEPTION SQLSTATE 'EC000';
  EXCEPTION
    WHEN SQLSTATE 'EC000' THEN NULL;
    WHEN insufficient_privilege THEN seen := '0';
    WHEN OTHERS THEN seen := 'error ' || SQLSTATE;
  END;
  PERFORM set_config('ecluse.seen_{number}', seen, true);
END $count$"""


def _after(rights: Rights, actor: Actor) -> str:
    own, everybody = may(rights, actor, "select")
    count = f"SELECT count(*) FROM {rights.table.name.sql}"
    if everybody:
        return count
    if not own:
        return "0"
    person = f"current_setting('ecluse.{actor.sub}')::{person_type(rights)}"
    return f"{count} WHERE {ident(rights.owner)} = {person}"
