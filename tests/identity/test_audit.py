"""The audit on two real databases: every planted fault is found, and none is invented."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from ecluse.errors import NotInDatabase
from ecluse.identity.findings import mask
from ecluse.identity.source_sql import columns_of, question
from ecluse.model.identity import Identity, Kind, Source
from ecluse.postgres.connect import open_session
from tests.identity.world import ACCOUNTS, IDENTITY, MEMBERS, OWNERS, PROFILES, World, short

USER_ID = "app: public.conversations.user_id"


def test_clean_data_has_no_fault_and_all_columns_are_seen(world: World) -> None:
    found = world.audit()
    assert short(found.findings) == [] and found.clean
    assert [(s.source, s.people) for s in found.sources] == [
        (str(ACCOUNTS), 30),
        (str(PROFILES), 30),
        (str(MEMBERS), 20),
    ]
    columns = {c.column: (c.known_by, c.holds, c.values, c.rows, c.resolved[c.holds], c.absent) for c in found.columns}
    assert columns == {
        USER_ID: ("declaration", "auth", 30, 60, 30, 0),
        "app: public.conversations.meta -> seen[*].by": ("declaration", "auth", 30, 60, 30, 0),
        "app: public.conversations.watchers": ("values", "auth", 30, 60, 30, 0),
        "app: public.orders.member_id": ("foreign key", "legacy", 20, 20, 20, 0),
        "app: public.orders.user_email": ("name", "email", 20, 20, 20, 0),
        "app: public.newsletter.email": ("values", "email", 23, 23, 3, 20),
        "people: public.documents.owner": ("foreign key", "auth", 30, 30, 30, 0),
    }


FAULTS = {
    "e-mail as id": (
        "app",
        "UPDATE conversations SET user_id = 'USER3@example.org' WHERE id <= 3",
        [("wrong identity", USER_ID, 1)],
        "written with the e-mail",
    ),
    "profile id as auth id": (
        "app",
        "UPDATE conversations SET user_id = md5('profile' || id)::uuid WHERE id <= 2",
        [("wrong identity", USER_ID, 2)],
        "with the id of the profile",
    ),
    "number as auth id": (
        "app",
        "UPDATE conversations SET user_id = id WHERE id <= 4",
        [("wrong identity", USER_ID, 4)],
        "under another id",
    ),
    "deleted user": (
        "people",
        "UPDATE auth.users SET deleted_at = now() WHERE id = md5('auth7')::uuid",
        [
            ("deleted person", USER_ID, 1),
            ("deleted person", "app: public.conversations.meta -> seen[*].by", 1),
            ("deleted person", "people: public.documents.owner", 1),
        ],
        "",
    ),
    "e-mails differ by case": (
        "people",
        "INSERT INTO auth.users "
        "VALUES (md5('again')::uuid, 'nina@Example.org'), (md5('more')::uuid, 'Nina@example.org')",
        [("e-mails differ by case", "people: auth.users.email", 1)],
        "signed up twice",
    ),
    "same e-mail, other id": (
        "people",
        "INSERT INTO auth.users VALUES (md5('again')::uuid, 'nina@example.org'); "
        "INSERT INTO users VALUES (md5('p')::uuid, md5('other')::uuid, 'nina@example.org')",
        [("e-mail twice", "people: auth.users.email and people: public.users.email", 1)],
        "second account",
    ),
    "one id, two people": (
        "people",
        "INSERT INTO users VALUES (md5('auth4')::uuid, NULL, 'mallory@example.org')",
        [("one id, two people", "people: auth.users.id and people: public.users.id", 1)],
        "as if it were another's",
    ),
    "auth id in two profiles": (
        "people",
        "INSERT INTO users VALUES (md5('p')::uuid, md5('auth4')::uuid, NULL)",
        [("id twice", "people: public.users.auth_user_id", 1), ("ambiguous", USER_ID, 1)],
        "no unique index",
    ),
    "nobody": (
        "app",
        "UPDATE conversations SET user_id = CASE id WHEN 1 THEN gen_random_uuid()::text ELSE 'guest' END "
        "WHERE id <= 2; "
        "UPDATE orders SET user_email = 'gone@example.org' WHERE id = 1",
        [("orphan", USER_ID, 2), ("orphan", "app: public.orders.user_email", 1)],
        "no id at all",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(world: World, fault: str) -> None:
    name, sql, expected, cause = FAULTS[fault]
    world.run(name, sql)
    found = world.audit()
    have = short(found.findings)
    assert [one for one in expected if one not in have] == []
    # One fault may show in every column that holds the id; nothing else may be said.
    assert {kind for kind, _, _ in have} == {kind for kind, _, _ in expected}
    assert any(cause in text for one in found.findings for text in one.causes) or not cause
    assert not found.clean
    assert world.audit() == found


def test_the_column_that_was_joined_on_the_wrong_id(world: World) -> None:
    """The readers looked for the profile's id, and everybody was missing: the ids are in auth_user_id."""
    world.identity = Identity(source=IDENTITY.source, column=(OWNERS.model_copy(update={"holds": Kind.PROFILE}),))
    [finding] = [f for f in world.audit().findings if f.where == USER_ID]
    assert (finding.fault, finding.values, finding.rows) == ("wrong identity", 30, 60)
    assert (
        "people: public.users.auth_user_id" in finding.message and "not in people: public.users.id" in finding.message
    )


def test_one_answer_that_is_missing_makes_no_orphan_of_anybody(world: World) -> None:
    away = replace(world, away=frozenset({"people"}))
    found = away.audit()
    assert {str(one.fault) for one in found.findings} == {"unreachable"}
    assert "people" in [one.where for one in found.findings] and not found.clean
    [column] = [c for c in found.columns if c.column == USER_ID]
    assert (column.unreachable, column.absent, column.resolved["auth"]) == (30, 0, 0)
    [members] = [c for c in found.columns if c.column == "app: public.orders.member_id"]
    assert members.resolved["legacy"] == 20  # a foreign key says what these are, and that is known here


def test_an_id_column_of_a_source_that_is_declared_is_looked_up_in_the_others(world: World) -> None:
    """A profile whose account was deleted outright."""
    holder = OWNERS.model_copy(update={"database": "people", "table": "users", "column": "auth_user_id"})
    world.identity = Identity(source=IDENTITY.source, column=(holder,))
    assert world.audit().clean
    world.run("people", "DELETE FROM documents WHERE owner = md5('auth9')::uuid")
    world.run("people", "DELETE FROM auth.users WHERE id = md5('auth9')::uuid")
    [finding] = world.audit().findings
    assert (finding.fault, finding.where, finding.values) == ("orphan", "people: public.users.auth_user_id", 1)
    assert "deleted outright" in finding.causes[0]


def test_a_table_that_may_not_be_read_is_told(world: World) -> None:
    world.run("app", "CREATE TABLE hidden (user_id uuid); INSERT INTO hidden VALUES (gen_random_uuid())")
    world.run("app", "ALTER TABLE hidden ENABLE ROW LEVEL SECURITY; ALTER TABLE hidden FORCE ROW LEVEL SECURITY")
    world.run("app", "DROP ROLE IF EXISTS ecluse_auditor; CREATE ROLE ecluse_auditor LOGIN")
    try:
        world.run("app", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO ecluse_auditor")
        app = world.databases["app"]
        theirs = replace(app, conninfo=app.conninfo + " user=ecluse_auditor")
        found = replace(world, databases=world.databases | {"app": theirs}).audit()
    finally:
        world.run("app", "DROP OWNED BY ecluse_auditor; DROP ROLE ecluse_auditor")
    assert short(found.findings) == [("unreachable", "app: public.hidden.user_id", 0)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"table": "public.userz"}, "database 'people' has no table 'public.userz'"),
        ({"email": "e_mail"}, "'people: public.users' has no column 'e_mail'; did you mean 'email'?"),
    ],
)
def test_a_source_that_is_not_there_is_an_error(world: World, change: dict[str, str], message: str) -> None:
    world.identity = Identity(source=(PROFILES.model_copy(update=change),))
    with pytest.raises(NotInDatabase) as caught:
        world.audit()
    assert caught.value.message == message


def test_names_of_every_kind_and_ids_of_every_type(world: World) -> None:
    world.run("app", 'CREATE TABLE "odd %s users" ("the ""id" bigint, "100%" char(36), mail text, gone boolean)')
    world.run("app", """INSERT INTO "odd %s users" VALUES (9000000000, upper(md5('x')::uuid::text), 'x@y.z', false)""")
    odd = Source(database="app", table='"odd %s users"', legacy='the "id', auth="100%", email="mail", deleted="gone")
    world.run("app", "CREATE TABLE k (user_id text); INSERT INTO k VALUES ('9000000000'), (md5('x')::uuid), ('X@y.z')")
    world.identity = Identity(source=(odd,))
    columns = {c.column: c for c in world.audit().columns}
    assert columns["app: public.k.user_id"].resolved == {"legacy": 1, "profile": 0, "auth": 1, "email": 1}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("ann@example.org", "a***@example.org"),
        ("whatsapp_+15551234567", "wh***"),
        ("15551234567", "15***"),
        ("42", "42"),
        ("3CD5B63B-0000-4000-8000-000000000001", "3CD5B63B-0000-4000-8000-000000000001"),
    ],
)
def test_what_is_no_plain_id_is_masked(value: str, shown: str) -> None:
    assert mask(value) == shown


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


def _reads_again_and_again(plan: dict[str, Any]) -> bool:
    """Whether a table is read as a whole for each row of something else."""
    loops = [node["Plans"][1] for node in _nodes(plan) if node["Node Type"] == "Nested Loop"]
    return any(below["Node Type"] == "Seq Scan" for inner in loops for below in _nodes(inner))


MANY = {
    "people": """
ALTER TABLE documents DROP CONSTRAINT documents_owner_fkey;
ALTER TABLE auth.users DROP CONSTRAINT users_pkey;
ALTER TABLE users DROP CONSTRAINT users_email_key, DROP CONSTRAINT users_pkey;
INSERT INTO auth.users SELECT md5('a' || n)::uuid, 'a' || n || '@x' FROM generate_series(1, 20000) n;
INSERT INTO users SELECT md5('p' || id)::uuid, id, upper(email) FROM auth.users;
""",
    "app": "INSERT INTO members (email) SELECT 'a' || n || '@x' FROM generate_series(1, 20000) n",
}


@pytest.mark.parametrize("analysed", [True, False])
@pytest.mark.parametrize("source", [ACCOUNTS, PROFILES, MEMBERS], ids=str)
def test_a_question_reads_a_source_without_an_index_once(world: World, source: Source, analysed: bool) -> None:
    """By the server's own plan, with statistics and without: it hashes, however many values there are."""
    world.run(source.database, MANY[source.database])
    if analysed:
        world.run(source.database, "ANALYZE")
    with open_session(world.databases[source.database]) as conn:
        types = columns_of(conn, source.database, source.name)
        for number in (300, 20_000):
            emails, uuids = [f"A{n}@x" for n in range(number)], [str(UUID(int=n)) for n in range(number)]
            for values in (emails, uuids, [*emails, *uuids, *map(str, range(number))]):
                query, parameters = question(source, types, values, frozenset(Kind))
                if query:
                    row = conn.execute(f"EXPLAIN (FORMAT JSON) {query}".encode(), parameters).fetchone()
                    assert row is not None
                    assert not _reads_again_and_again(row[0][0]["Plan"]), (number, values[0])
