"""publish_changes without a server: what is wrong in the file, what is refused, and what is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ecluse.errors import EcluseError, MigrationFileError, NotInDatabase
from ecluse.model.catalog import Catalog, Column, Constraint, Index, Publication, Published, Role, Table, View
from ecluse.model.names import Name
from ecluse.model.plan import Define, Hazard, SqlChange
from ecluse.operations.compile import Compiled, compile_migration
from ecluse.operations.file import parse_migration
from tests.unit.flow_bench import no_files

T, V = Name("public", "t"), Name("public", "v")
TABLE = Table(
    T,
    (Column("id", "integer", not_null=True), Column("owner", "uuid", not_null=True), Column("note", "text")),
    constraints=(Constraint("t_pkey", "p", "PRIMARY KEY (id)", ("id",)),),
    indexes=(
        Index("t_pkey", unique=True, tail="USING btree (id)", columns=("id",), constraint="t_pkey"),
        Index("owned", unique=True, tail="USING btree (owner, id)", columns=("owner", "id")),
        Index("plain", unique=False, tail="USING btree (owner)", columns=("owner",)),
        Index("partial", unique=True, tail="USING btree (owner) WHERE (id > 1)", columns=("owner",)),
        Index("nullable", unique=True, tail="USING btree (note)", columns=("note",)),
        Index("computed", unique=True, tail="USING btree (lower(note))", columns=("",)),
        Index("broken", unique=True, tail="USING btree (owner)", columns=("owner",), valid=False),
    ),
)
PUBLICATION = Publication("supabase_realtime", all_tables=False, owner="postgres")


def catalog(table: Table = TABLE, *publications: Publication, superuser: bool = True, wal: str = "logical") -> Catalog:
    role = Role("me", superuser=superuser, bypass_rls=True, member_of=("me",))
    views = {V: View(V, "SELECT 1", ("x",))}
    return Catalog("db", 180000, role, tables={T: table}, views=views, publications=publications, wal_level=wal)


def publish(*lines: str, table: str = "t") -> str:
    return "\n".join(["[[operation]]", 'kind = "publish_changes"', f"table = '{table}'", *lines, ""])


def compile_(text: str, found: Catalog | None = None) -> Compiled:
    return compile_migration(parse_migration(f'name = "t"\n{text}', "t.toml", no_files), found or catalog())


def told(text: str, found: Catalog | None = None) -> dict[str, Hazard]:
    return {hazard.id: hazard for hazard in compile_(text, found).hazards}


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (publish("full = true", 'by_index = "owned"'), MigrationFileError, "say one of them"),
        (publish('by_index = "owed"'), NotInDatabase, "line 5: table 'public.t' has no index 'owed'"),
        (publish(table="tt"), NotInDatabase, "line 4: there is no table 'public.tt'"),
        (publish(table="v"), MigrationFileError, "line 4: 'public.v' is a view"),
        (publish(table="pg_temp.x"), NotInDatabase, "'pg_temp.x' is a temporary table"),
        (publish() + publish("full = true"), MigrationFileError, "line 7: 'public.t' is published twice"),
        *(
            (publish(f'by_index = "{index}"'), MigrationFileError, f"line 5: index '{index}' does not identify a row")
            for index in ("plain", "partial", "nullable", "computed", "broken")
        ),
    ],
)
def test_errors_have_their_line(text: str, kind: type[EcluseError], words: str) -> None:
    with pytest.raises(kind) as caught:
        compile_(text)
    assert words in caught.value.message


def test_an_index_that_is_nearly_named_is_offered() -> None:
    with pytest.raises(NotInDatabase) as caught:
        compile_(publish('by_index = "owed"'))
    assert caught.value.hint == "did you mean 'owned'?"


def test_scripts_say_what_changes_and_no_more() -> None:
    script, probes = compile_(publish('by_index = "owned"')).changes
    assert isinstance(script, SqlChange) and isinstance(probes, Define)
    assert script.tables == (TABLE,)
    assert script.up.split(";\n") == [
        'CREATE PUBLICATION "supabase_realtime"',
        'ALTER TABLE "public"."t" REPLICA IDENTITY USING INDEX "owned"',
        'ALTER PUBLICATION "supabase_realtime" ADD TABLE ONLY "public"."t"',
    ]
    member = replace(TABLE, published=(Published("supabase_realtime"),), replica_identity="f")
    script, _ = compile_(publish(), catalog(member, PUBLICATION)).changes
    assert isinstance(script, SqlChange)
    assert script.up == 'ALTER TABLE "public"."t" REPLICA IDENTITY DEFAULT'
    assert script.down == 'ALTER TABLE "public"."t" REPLICA IDENTITY FULL'


def test_the_publication_is_made_once_and_dropped_last() -> None:
    other = replace(TABLE, name=Name("public", "other"))
    found = replace(catalog(), tables={T: TABLE, other.name: other})
    scripts = [c for c in compile_(publish() + publish(table="other"), found).changes if isinstance(c, SqlChange)]
    assert ["CREATE PUBLICATION" in script.up for script in scripts] == [True, False]
    assert ["DROP PUBLICATION" in (script.down or "") for script in scripts] == [True, False]


@pytest.mark.parametrize(
    ("found", "refused", "words"),
    [
        (catalog(replace(TABLE, persistence="u")), "not-publishable", "'public.t' is unlogged"),
        (catalog(replace(TABLE, persistence="t")), "not-publishable", "'public.t' is temporary"),
        (catalog(replace(TABLE, kind="f")), "not-publishable", "'public.t' is a foreign table"),
        (catalog(replace(TABLE, children=(V,))), "not-publishable", "'public.t' is part of an inheritance tree"),
        (catalog(replace(TABLE, constraints=())), "no-replica-identity", "'public.t' has not a primary key"),
        (catalog(wal="replica"), "wal-level", "wal_level is 'replica'"),
        (catalog(TABLE, PUBLICATION, superuser=False), "publication-owner", "belongs to postgres, so 'me' cannot"),
        (
            catalog(replace(TABLE, published=(Published("supabase_realtime", where="(id > 1)"),)), PUBLICATION),
            "published-in-part",
            "only some columns or rows of 'public.t'",
        ),
        (
            catalog(replace(TABLE, published=(Published("p", columns=("note",)),), replica_identity="n")),
            "publication-breaks",
            "publication 'p' has a column list for 'public.t'",
        ),
        (
            catalog(replace(TABLE, published=(Published("p", where="(note = 'x'::text)"),), replica_identity="f")),
            "publication-breaks",
            "publication 'p' has a row filter on 'public.t'",
        ),
    ],
)
def test_refused_by_name(found: Catalog, refused: str, words: str) -> None:
    hazard = told(publish(), found)[refused]
    assert (hazard.level, words in hazard.message) == ("refuse", True), hazard.message
    assert refused not in told(publish())


def test_an_index_is_offered_where_there_is_no_primary_key() -> None:
    bare = replace(TABLE, constraints=())
    assert told(publish(), catalog(bare))["no-replica-identity"].hint == 'by_index = "t_pkey"'
    whole = told(publish("full = true"), catalog(bare))
    assert "no-replica-identity" not in whole
    assert "Error 400" in whole["no-primary-key"].message


def test_the_plan_tells_what_a_delete_gives_away() -> None:
    by_key, by_index = told(publish()), told(publish('by_index = "owned"'))
    assert by_key["delete-events"].message.endswith("What is sent of it: id")
    assert by_index["delete-events"].message.endswith("What is sent of it: owner, id")
    assert "hears no DELETE" in by_key["filtered-events"].message
    whole = told(publish("full = true"))
    assert whole["delete-events"].message.endswith("What is sent of it: the whole old row")
    assert whole["old-rows-sent"].level == "warn"
    assert "old-rows-sent" not in by_key


def test_the_plan_warns_where_no_policy_stands_before_the_listeners() -> None:
    assert told(publish())["no-row-security"].level == "warn"
    assert "no-row-security" not in told(publish(), catalog(replace(TABLE, rls=True)))
