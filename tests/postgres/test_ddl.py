"""What is read and rendered again is the same: in another database, and beside the original and then in its place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg
import pytest

from ecluse.model.catalog import Catalog, Published, Table
from ecluse.model.names import Name, ident
from ecluse.planning import ddl
from ecluse.planning.structure import Deviation, difference
from ecluse.postgres.catalog import read_catalog
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.embedded import EmbeddedServer
from tests.postgres.nasty import PERCENT, TABLES, USER, WEIRD, nasty, script

NEXT, KEPT = "ecluse_next_x", "ecluse_kept_x"
# Tables that a plan refuses, and so nobody renders.
REFUSED = {"parts", "parts_1", "heir", "typed", "shape"}
VIEWS = ("Vi ew", "over_view", "Mat", "empty")


def run(conn: psycopg.Connection[Any], statements: Iterable[str]) -> None:
    for statement in statements:
        conn.execute(statement.encode())


def build(table: Table, schema: str) -> list[str]:
    """A table in a schema with all that stands on nothing else."""
    name = table.name.within(schema)
    return [
        ddl.create_table(table, schema),
        *(ddl.constraint_sql(name, c) for c in ddl.later_constraints(table) if c.kind != "f"),
        *(ddl.index_sql(name, index) for index in ddl.plain_indexes(table)),
    ]


def bind(table: Table) -> list[str]:
    """What is made when every name has its final bearer."""
    return [
        *(ddl.constraint_sql(table.name, c) for c in table.foreign_keys),
        *ddl.bound_objects(table, table.name.schema),
        *(text for trigger in table.triggers for text in ddl.trigger_sql(trigger, table.name, table.name)),
        *(ddl.publication_add(table.name, published) for published in table.published),
    ]


def everything(catalog: Catalog) -> list[str]:
    """The whole catalog as a script."""
    tables = [catalog.tables[name] for name in TABLES]
    tables += [t for t in catalog.tables.values() if t.name not in TABLES and t.name.name not in REFUSED]
    functions = [f for f in catalog.functions if f.name.name != "touch" and f.kind != "a"]
    grantees = catalog.default_grantees
    return [
        "CREATE SEQUENCE public.user_id_seq AS integer",
        *(ddl.create_table(table, table.name.schema) for table in tables),
        'ALTER SEQUENCE public.user_id_seq OWNED BY public."user".id',
        *(text for function in functions for text in ddl.function_sql(function, grantees)),
        *(text for table in tables for text in build(table, table.name.schema)[1:]),
        *(text for table in tables for text in ddl.table_settings(table, table.name.schema, grantees)),
        *(f"CREATE PUBLICATION {ident(p.name)}" for p in catalog.publications if not p.all_tables and not p.schemas),
        *(text for table in tables for text in bind(table)),
        *(text for name in VIEWS for text in ddl.view_sql(catalog.views[Name("public", name)], grantees)),
        *(
            text
            for sequence in catalog.sequence_details.values()
            for text in ddl.sequence_extras(sequence, sequence.name.schema, grantees)
        ),
    ]


def of_interest(found: Iterable[Deviation]) -> list[str]:
    """Without the tables that are refused, and what has no DDL here: aggregates, other publications."""
    gone = {f"public.{name}" for name in REFUSED} | {"public.agg(integer)", "everything", "by_schema"}
    return [str(each) for each in found if each.object not in gone]


def test_round_trip_to_another_database(any_server: EmbeddedServer, any_server_database: Database) -> None:
    with nasty(any_server_database) as conn:
        before = read_catalog(conn)
    try:
        with open_session(Database("other", any_server.create_database("round_trip"))) as conn:
            conn.execute(script(before.server_version // 10000, prelude=True).encode())
            run(conn, everything(before))
            assert of_interest(difference(before, read_catalog(conn))) == []
    finally:  # or its roles, which belong to the server, could not be dropped by others
        with open_session(Database("any", any_server.conninfo())) as conn:
            conn.execute("DROP DATABASE round_trip WITH (FORCE)")


def test_beside_and_then_in_place(any_server_database: Database) -> None:
    """Two tables in two schemas are built beside the old ones and take their places; their catalog is as before."""
    with nasty(any_server_database) as conn:
        before = read_catalog(conn)
        for number, name in enumerate((USER, WEIRD, PERCENT)):
            table = before.tables[name]
            following, kept = f"{NEXT}_{number}", f"{KEPT}_{number}"
            run(conn, [f"CREATE SCHEMA {following}", f"CREATE SCHEMA {kept}"])
            run(conn, [f'GRANT ALL ON SCHEMA {schema} TO "Own er"' for schema in (following, kept)])
            run(conn, build(table, following))
            run(conn, ddl.table_settings(table, following, before.default_grantees))
            run(conn, [ddl.publication_drop(name, published) for published in table.published])
            run(conn, ddl.statistics_moves(table.statistics, name.schema, kept))
            run(conn, [f"ALTER TABLE {name.sql} SET SCHEMA {kept}"])
            run(conn, [f"ALTER TABLE {name.within(following).sql} SET SCHEMA {ident(name.schema)}"])
            run(conn, ddl.statistics_moves(table.statistics, following, name.schema))
            if name == USER:
                run(conn, [f"ALTER SEQUENCE {kept}.user_id_seq OWNED BY NONE"])
                run(conn, [f"ALTER SEQUENCE {kept}.user_id_seq SET SCHEMA public"])
                run(conn, ['ALTER SEQUENCE public.user_id_seq OWNED BY public."user".id'])
        for name in (USER, WEIRD, PERCENT):
            run(conn, bind(before.tables[name]))
        after = read_catalog(conn)
        swapped = {str(name) for name in (USER, WEIRD, PERCENT)}
        assert [
            str(d) for d in difference(before, after) if d.kind in ("table", "sequence") and d.object in swapped
        ] == []


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_names_of_statements_are_quoted(table: Name) -> None:
    published = ddl.publication_add(table, Published('p"q', ("a b",), "(x > 1)"))
    assert table.sql in published and '"p""q"' in published


def test_triggers_get_their_states_back(database: Database) -> None:
    with nasty(database) as conn:
        before = read_catalog(conn)
        triggers = before.tables[WEIRD].triggers
        run(conn, [f"ALTER TABLE {WEIRD.sql} DISABLE TRIGGER USER"])
        assert [str(d) for d in difference(before, read_catalog(conn))] == [
            f"table {WEIRD}, trigger Tr ig: enabled: was O, is D",
            f"table {WEIRD}, trigger late: enabled: was O, is D",
            f"table {WEIRD}, trigger wipe: enabled: was A, is D",
        ]
        run(conn, ddl.restored_states(WEIRD, "TRIGGER", [(t.name, t.enabled) for t in triggers]))
        assert difference(before, read_catalog(conn)) == ()
