"""The catalog reader on every server version, against a database that has everything once."""

from __future__ import annotations

import pytest

from ecluse.model.catalog import Catalog, Column, Dependent, Grant, Published, Table
from ecluse.model.names import Name
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database, open_session
from tests.postgres.nasty import LONG, PERCENT, SCHEMA, USER, WEIRD, nasty


@pytest.fixture
def catalog(any_server_database: Database) -> Catalog:
    with nasty(any_server_database) as conn:
        return read_catalog(conn)


def column(table: Table, name: str) -> Column:
    found = table.column(name)
    assert found is not None
    return found


def edges(catalog: Catalog, table: Name, kind: str) -> set[str]:
    return {each.object for each in catalog.dependents if each.table == table and each.kind == kind}


def test_columns(catalog: Catalog) -> None:
    user, weird = catalog.tables[USER], catalog.tables[WEIRD]
    assert [c.name for c in user.columns][:3] == ["id", "Na me", "mail"] and user.column("gone") is None
    assert column(user, "id").default == "nextval('public.user_id_seq'::regclass)"
    assert column(user, "id").sequence == Name("public", "user_id_seq")
    assert column(user, "Na me").collation == 'pg_catalog."C"' and column(user, "born").collation is None
    assert column(user, "größe").type == "numeric(10,2)"
    assert column(user, "mail").type == "public.email" and column(user, "mail").options == ("n_distinct=-0.5",)
    assert column(user, "100%").generated == "s" and "100%" not in user.written
    assert column(user, "tags").statistics == 300 and column(user, "raw").compression == "pglz"
    assert column(user, "Na me").comment == "Name"
    assert column(weird, "id").identity == "a" and column(weird, "id").sequence == Name(SCHEMA, "Se q")
    assert column(weird, "id").identity_options == "INCREMENT BY 10 CACHE 5"
    assert column(weird, "other").identity_options == ""
    if catalog.server_version >= 180000:
        assert column(user, "v").generated == "v"
    if catalog.server_version >= 160000:
        assert column(user, "raw").storage == "EXTERNAL"
    else:
        assert not column(user, "ci").deterministic and column(user, "ci").collation == "public.ci"


def test_constraints_and_indexes(catalog: Catalog) -> None:
    user, weird = catalog.tables[USER], catalog.tables[WEIRD]
    constraints = {c.name: c for c in (*user.constraints, *weird.constraints)}
    key = constraints["F k"]
    assert key.references == USER and key.columns == ("user_id",) and key.referenced_columns == ("id",)
    assert key.on_delete == "c" and constraints['We"ird_self_fkey'].deferrable
    assert constraints["Uni que"].definition.endswith(
        "INCLUDE (born) WITH (fillfactor='70') DEFERRABLE INITIALLY DEFERRED"
    )
    assert constraints["late"].kind == "t" and not constraints["later"].valid
    assert ("N n" in constraints) == (catalog.server_version >= 180000)
    assert catalog.referencing(USER) == ((WEIRD, key),)
    indexes = {index.name: index for index in (*user.indexes, *weird.indexes)}
    index = indexes["In dex"]
    assert index.unique and index.columns == ("",) and set(index.uses) == {"id", "Na me", "born"}
    assert index.tail.startswith('USING btree (lower("Na me") ') and index.statistics == ((1, 500),)
    assert indexes["user_pkey"].clustered and indexes["user_pkey"].constraint == "user_pkey"
    assert indexes["ident_ix"].replica_identity and indexes["E x"].constraint == "E x"


def test_what_hangs_on_tables(catalog: Catalog) -> None:
    user, weird = catalog.tables[USER], catalog.tables[WEIRD]
    triggers = {trigger.name: trigger for trigger in weird.triggers}
    assert triggers["Tr ig"].events == ("insert", "update") and triggers["Tr ig"].columns == ("user_id", "period")
    assert triggers["Tr ig"].before and triggers["Tr ig"].row and not triggers["wipe"].row
    assert (triggers["moved"].enabled, triggers["wipe"].enabled) == ("D", "A")
    policies = {policy.name: policy for policy in weird.policies}
    assert not policies["Pol icy"].permissive and policies["Pol icy"].command == "UPDATE"
    assert set(policies["Pol icy"].roles) == {"anon", "Own er"} and policies["all_in"].roles == ("public",)
    assert policies["all_in"].using is None and weird.rls and weird.force_rls and weird.replica_identity == "i"
    assert weird.rule_states == (("Ru le", "D"),)
    assert [name for name, _ in user.statistics] == [Name("public", "Sta t")]
    assert set(user.options) == {"fillfactor=80", "autovacuum_enabled=off", "toast.autovacuum_enabled=off"}
    assert user.owner == "Own er" and catalog.tables[LONG].persistence == "u"
    assert catalog.tables[Name("public", "heir")].inherits == (Name("public", "reader"),)
    assert catalog.tables[Name("public", "parts")].children == (Name("public", "parts_1"),)
    assert catalog.tables[Name("public", "typed")].of_type == "public.shape"


def test_grants(catalog: Catalog) -> None:
    weird = catalog.tables[WEIRD]
    assert {g for g in weird.grants if g.grantee != "postgres"} == {
        Grant("", "SELECT"),
        Grant("authenticated", "INSERT", grantable=True),
        Grant("Own er", "SELECT", "id"),
        Grant("Own er", "SELECT", "user_id"),
        Grant("Own er", "UPDATE", "period"),
    }
    assert catalog.tables[PERCENT].grants == (Grant("postgres", ""),)
    assert set(catalog.default_grantees) == {"anon", "authenticated"}
    functions = {f.name.name: f for f in catalog.functions}
    granted = functions["set_of"].grants
    assert granted is not None and {g.grantee for g in granted} == {"postgres", "authenticated"}


def test_publications(catalog: Catalog) -> None:
    weird = catalog.tables[WEIRD]
    if catalog.server_version >= 150000:
        assert weird.published == (Published("Pub é", ("id", "user_id"), "((id > 5) AND (user_id <> 3))"),)
        assert {p.name: p.schemas for p in catalog.publications}["by_schema"] == (SCHEMA,)
    assert {p.name: p.all_tables for p in catalog.publications}["everything"]


def test_views_functions_and_the_rest(catalog: Catalog) -> None:
    view = catalog.views[Name("public", "Vi ew")]
    assert view.columns == ("id", "Na me", "size") and not view.definition.endswith(";")
    assert "check_option=local" in view.options and view.column_comments == (("size", "a size"),)
    assert view.column_defaults == (("Na me", "'x'::text"),)
    assert catalog.views[Name("public", "over_view")].triggers[0].name == "instead"
    assert catalog.views[Name("public", "Mat")].indexes[0].name == "mat_ix"
    assert not catalog.views[Name("public", "empty")].populated
    functions = {(f.name.name, f.arguments): f for f in catalog.functions}
    assert functions["set_of", ""].atomic and not functions["touch", ""].atomic
    assert functions["by_row", 'r "Sch é ma"."We""ird"'].settings == ("search_path=public, pg_temp",)
    assert functions["agg", "integer"].kind == "a" and functions["doit", "INOUT x integer"].kind == "p"
    assert catalog.types == {Name("public", "Mo%od"): ("sad", "it's ok", 'hap"py')}
    assert catalog.sequences[Name("public", "user_id_seq")] == "integer"
    assert catalog.sequence_details[Name(SCHEMA, "Se q")].owned_by == (WEIRD, "id")
    assert catalog.extensions.keys() == {"plpgsql"} and set(catalog.schemas) == {"public", SCHEMA}


def test_dependents_of_every_kind(catalog: Catalog) -> None:
    assert edges(catalog, USER, "view") == {'view public."Vi ew"'}
    assert edges(catalog, Name("public", "Vi ew"), "view") == {"view public.over_view"}
    assert edges(catalog, Name("public", "Vi ew"), "matview") == {'materialized view public."Mat"'}
    assert edges(catalog, USER, "matview") <= {"materialized view public.empty"}
    assert edges(catalog, USER, "function") == {
        'function public.array_of(public."user"[])',
        'function public.by_row(public."user")',
        "function public.set_of()",
    }
    assert edges(catalog, WEIRD, "policy") >= {"policy reads_other on table public.reader"}
    assert edges(catalog, USER, "policy") == {f"policy Pol icy on table {WEIRD}"}
    assert edges(catalog, USER, "statistics") == {'statistics object public."Sta t"'}
    assert "column u of table public.uses_type" in edges(catalog, USER, "table")
    assert edges(catalog, Name("public", "reader"), "table") == {"table public.heir"}
    assert len(edges(catalog, WEIRD, "publication")) == 1 and len(edges(catalog, WEIRD, "rule")) == 1
    assert f"constraint F k on table {WEIRD}" in edges(catalog, USER, "constraint")
    reader = next(d for d in catalog.dependents if "reads_other" in d.object and d.table == WEIRD)
    assert reader.owner == Name("public", "reader") and reader.columns == ("user_id",)
    known = {"view", "matview", "function", "policy", "rule", "trigger", "generated", "publication", "constraint"}
    assert {d.kind for d in catalog.dependents} <= known | {"index", "statistics", "sequence", "table", "type"}


def test_dependents_of_functions_tell_overloads_apart(catalog: Catalog) -> None:
    by_oid = {f.oid: f for f in catalog.functions}

    def on(dependent: Dependent) -> str:
        return by_oid[dependent.referent].arguments

    found = {(d.object, on(d)) for d in catalog.function_dependents if d.table == Name("public", "by_row")}
    assert found == {
        ("view public.over_view", 'r "Sch é ma"."We""ird"'),
        ("constraint c on table public.uses_type", 'r public."user"'),
    }


def test_reads_inside_a_transaction_and_locks_nothing_strong(database: Database) -> None:
    with nasty(database) as conn, conn.transaction():
        conn.execute("SET LOCAL search_path = public, pg_temp")
        read_catalog(conn)
        assert conn.execute("SHOW search_path").fetchone() == ("public, pg_temp",)
        locks = conn.execute(
            "SELECT DISTINCT mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'"
        )
        assert {mode for (mode,) in locks} == {"AccessShareLock"}


def test_own_schemas_are_left_out_unless_asked_for(database: Database) -> None:
    with open_session(database) as conn:
        for schema in ("ecluse", "ecluse_next_a", "ecluse_kept_a", "ecluse_mine"):
            conn.execute(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.t (id int)".encode())
        assert list(read_catalog(conn).tables) == [Name("ecluse_mine", "t")]
        assert list(read_catalog(conn, ["ecluse_next_a", "nowhere"]).tables) == [Name("ecluse_next_a", "t")]


def test_an_ordinary_role_reads_the_same(any_server_database: Database) -> None:
    with nasty(any_server_database) as conn:
        mine = read_catalog(conn)
        conn.execute("SET ROLE anon")
        theirs = read_catalog(conn)
    assert theirs.tables == mine.tables and theirs.dependents == mine.dependents
    assert theirs.role.name == "anon" and not theirs.role.superuser and theirs.role.member_of == ("anon",)
    assert not theirs.role.create_in_database


def test_sizes_are_measured(database: Database) -> None:
    with open_session(database) as conn:
        conn.execute("CREATE TABLE public.t AS SELECT repeat('x', 100) FROM generate_series(1, 1000); ANALYZE public.t")
        table = read_catalog(conn).tables[Name("public", "t")]
        assert table.pages > 10 and table.size >= table.pages * 8192 and table.rows == 1000 and table.filenode
        assert read_catalog(conn, measure=False).tables[table.name].pages == 0


def test_stale_slots_are_told(database: Database) -> None:
    with open_session(database) as conn:
        conn.execute("SELECT pg_create_physical_replication_slot('left', true)")
        try:
            assert read_catalog(conn).activity.stale_slots == ("'left' (physical)",)
        finally:
            conn.execute("SELECT pg_drop_replication_slot('left')")
