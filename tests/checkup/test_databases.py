"""The checks of a database: each is made to fail on a real one and seen; on one where all is well, none cries."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ecluse.checkup import activity, server
from ecluse.checkup.check import Finding, Patient
from ecluse.checkup.examine import examine, examine_database
from ecluse.checkup.registry import CHECKS
from ecluse.postgres.binaries import DEFAULT_VERSION
from ecluse.postgres.connect import Database, open_session
from ecluse.postgres.embedded import EmbeddedServer
from ecluse.postgres.sql import lines_for
from tests.harness import load

ALL = frozenset(check.id for check in CHECKS)

# A database of an application where nothing is wrong, with something near to every fault.
SOUND = """
CREATE ROLE {app} LOGIN; CREATE ROLE {group} NOLOGIN; GRANT {group} TO {app};
CREATE SCHEMA shop; GRANT USAGE ON SCHEMA shop TO {app}, {group};
CREATE TABLE shop.people (id serial PRIMARY KEY, email text NOT NULL, kind text);
CREATE TABLE shop.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person int NOT NULL REFERENCES shop.people, n int DEFAULT 5 CHECK (n > 0));
CREATE SEQUENCE shop.numbers; CREATE TABLE shop.bills (number bigint DEFAULT nextval('shop.numbers') PRIMARY KEY);
CREATE SEQUENCE shop.down INCREMENT -1; CREATE TABLE shop.depths (n int DEFAULT nextval('shop.down') PRIMARY KEY);
CREATE TABLE shop.coupons (code text NOT NULL UNIQUE);
CREATE TABLE shop.days (day date, n int, PRIMARY KEY (day, n)) PARTITION BY RANGE (day);
CREATE TABLE shop.days_1 PARTITION OF shop.days FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO shop.people (email) SELECT 'p' || i FROM generate_series(1, 9) i;
INSERT INTO shop.orders (person) SELECT id FROM shop.people; INSERT INTO shop.bills DEFAULT VALUES;
INSERT INTO shop.depths DEFAULT VALUES; INSERT INTO shop.depths DEFAULT VALUES;
CREATE INDEX orders_person ON shop.orders (person);
ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY; GRANT SELECT ON shop.orders TO {app}, {group};
CREATE POLICY own ON shop.orders TO {group} USING (n > 1);
CREATE POLICY told ON shop.orders TO {app} USING (current_user = '{app}');
CREATE VIEW shop.mine AS SELECT * FROM shop.people; GRANT SELECT ON shop.mine TO {app};
CREATE FUNCTION shop.f() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = '' AS 'SELECT 1';
CREATE FUNCTION shop.g() RETURNS int LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC SELECT 1; END;
CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touch BEFORE UPDATE ON shop.people FOR EACH ROW EXECUTE FUNCTION shop.touch();
CREATE PUBLICATION feed_{app} FOR TABLE shop.orders, shop.people;
"""


@dataclass(frozen=True)
class Shop:
    """That database, and its two roles."""

    database: Database
    app: str
    group: str

    @contextlib.contextmanager
    def after(self, change: str = "") -> Iterator[Patient]:
        """The database after a change, which is taken back."""
        with open_session(self.database, role="doctor") as conn, conn.transaction(force_rollback=True):
            text = lines_for(change.format(app=self.app, group=self.group), conn.info.server_version // 10000)
            conn.execute(text.encode())
            yield Patient(conn, self.database, Path())


@contextlib.contextmanager
def opened(database: Database) -> Iterator[Shop]:
    name = f"shop_{os.getpid()}_{abs(hash(database.conninfo)) % 10**6}"
    shop = Shop(database, f"{name}_app", f"{name}_group")
    load(database, SOUND.format(app=shop.app, group=shop.group))
    try:
        yield shop
    finally:
        load(database, f"DROP OWNED BY {shop.app}, {shop.group}; DROP ROLE {shop.app}, {shop.group}")


@pytest.fixture
def shop(database: Database) -> Iterator[Shop]:
    """On the newest server."""
    with opened(database) as made:
        yield made


@pytest.fixture
def newest(servers: Callable[[int], EmbeddedServer]) -> Database:
    """A database on the newest embedded server, which has a collation with a version."""
    server_ = servers(DEFAULT_VERSION)
    return Database("app", server_.create_database(f"newest_{os.getpid()}"))


def bad(findings: list[Finding]) -> list[Finding]:
    """What is wrong, or a warning, or could not be looked at."""
    return [f for f in findings if f.level in ("wrong", "warning") or not f.seen]


# --- where all is well ------------------------------------------------------------------------------


def test_nothing_is_invented_on_any_version(any_server_database: Database) -> None:
    """On an empty database, and on one that has something near to every fault."""
    assert bad(list(examine_database(any_server_database, Path(), ALL))) == []
    with opened(any_server_database):
        found = list(examine_database(any_server_database, Path(), ALL))
        assert bad(found) == []
        assert {f.id for f in found} == {c.id for c in CHECKS if c.scope == "database"}


# --- each fault, planted and taken back ---------------------------------------------------------------

# Check -> what somebody does -> parts of what is found and of how to put it right. {app} and {group} are the roles.
FAULTS: dict[str, dict[str, tuple[str, ...]]] = {
    "read-only-server": {"SET LOCAL default_transaction_read_only = on": ("is on", "RESET default_transaction")},
    "no-right-to-create": {"SET LOCAL ROLE {app}": ("'{app}' may not create schemas", "GRANT CREATE ON DATABASE")},
    "few-sessions-left": {
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 3', current_database()); END $$": (
            "2 more sessions may be opened, by the limit of the database",
        )
    },
    "transaction-ids-run-out": {
        "UPDATE pg_class SET relfrozenxid = '3000000000' WHERE oid = 'shop.bills'::regclass": (
            "shop.bills has rows that are 1,29",
            "VACUUM (FREEZE, VERBOSE) shop.bills",
        )
    },
    "extension-without-files": {
        "UPDATE pg_extension SET extname = 'lost' WHERE extname = 'plpgsql'": ("no files of extension lost",)
    },
    "missing-extension": {
        "CREATE FUNCTION shop.id() RETURNS uuid LANGUAGE plpgsql AS 'BEGIN RETURN uuid_generate_v4(); END'": (
            "shop.id() calls uuid_generate_v4()",
            'CREATE EXTENSION "uuid-ossp"',
        )
    },
    "invalid-index": {
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'shop.orders_person'::regclass": (
            "index orders_person of shop.orders is INVALID",
            'REINDEX INDEX CONCURRENTLY "shop"."orders_person"',
        ),
        "CREATE INDEX x_ccnew ON shop.orders (n);"
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'shop.x_ccnew'::regclass": (
            'DROP INDEX CONCURRENTLY "shop"."x_ccnew"',
        ),
        "CREATE INDEX days_n ON ONLY shop.days (n)": ("days_n of shop.days", "ATTACH PARTITION"),
    },
    "unvalidated-constraint": {
        "ALTER TABLE shop.people ADD CONSTRAINT named CHECK (email <> '') NOT VALID": (
            "constraint named of shop.people is NOT VALID",
            'ALTER TABLE "shop"."people" VALIDATE CONSTRAINT "named"',
        ),
        "CREATE DOMAIN shop.short AS text; ALTER DOMAIN shop.short ADD CHECK (length(VALUE) < 9) NOT VALID": (
            'ALTER DOMAIN "shop"."short" VALIDATE CONSTRAINT "short_check"',
        ),
    },
    "no-primary-key": {
        "ALTER TABLE shop.bills DROP CONSTRAINT bills_pkey": ("shop.bills has no primary key",),
        "ALTER TABLE shop.coupons ALTER code DROP NOT NULL": ("shop.coupons has no primary key",),
        "CREATE TABLE shop.bare (id int); CREATE UNIQUE INDEX ON shop.bare (id) WHERE id > 0": ("shop.bare",),
    },
    "published-without-identity": {
        "ALTER TABLE shop.orders DROP CONSTRAINT orders_pkey": (
            "shop.orders is in feed_{app}, and UPDATE and DELETE of it fail",
            'ALTER TABLE "shop"."orders" REPLICA IDENTITY FULL',
        ),
        "CREATE PUBLICATION every_{app} FOR ALL TABLES; ALTER TABLE shop.bills REPLICA IDENTITY NOTHING": (
            "shop.bills is in every_",
        ),
    },
    "foreign-key-not-enforced": {
        "ALTER TABLE shop.orders DISABLE TRIGGER ALL": (
            "shop.orders does not keep to orders_person_fkey",
            'ALTER TABLE "shop"."orders" ENABLE TRIGGER ALL',
        )
    },
    "disabled-trigger": {
        "ALTER TABLE shop.people DISABLE TRIGGER touch": (
            "trigger touch of shop.people is disabled",
            'ALTER TABLE "shop"."people" ENABLE TRIGGER "touch"',
        )
    },
    "empty-materialised-view": {
        "CREATE MATERIALIZED VIEW shop.m AS SELECT 1 WITH NO DATA": ('REFRESH MATERIALIZED VIEW "shop"."m"',)
    },
    "sequence-behind": {
        "INSERT INTO shop.people (id, email) VALUES (10, 'x')": (
            "shop.people.id goes to 10, and the next of shop.people_id_seq is 10",
            """SELECT setval('"shop"."people_id_seq"', (SELECT max("id") FROM "shop"."people"))""",
        ),
        "INSERT INTO shop.orders (id, person) OVERRIDING SYSTEM VALUE VALUES (500, 1)": ("shop.orders.id goes to 500",),
        "INSERT INTO shop.bills VALUES (2)": ("shop.bills.number goes to 2, and the next of shop.numbers is 2",),
        "INSERT INTO shop.depths VALUES (-3)": ("shop.depths.n goes to -3, and the next of shop.down is -3", "min("),
        "ALTER SEQUENCE shop.people_id_seq RESTART 9": ("goes to 9, and the next of shop.people_id_seq is 9",),
    },
    "sequence-near-its-end": {
        "SELECT setval('shop.people_id_seq', 2000000000)": ("is at 2,000,000,000 of 2,147,483,647",),
        "ALTER TABLE shop.depths ADD s smallint DEFAULT nextval('shop.numbers');SELECT setval('shop.numbers', 30000)": (
            "shop.numbers is at 30,000 of 32,767, for shop.depths.s (smallint)",
        ),
    },
    "rows-hidden-from-us": {
        "ALTER TABLE shop.orders FORCE ROW LEVEL SECURITY; SET LOCAL ROLE {app}": (
            "hides rows of shop.orders from '{app}'",
            "BYPASSRLS",
        )
    },
    "rls-without-policy": {
        "DROP POLICY own ON shop.orders; DROP POLICY told ON shop.orders": (
            "shop.orders is silently empty for {app}, {group}",
            'CREATE POLICY <name> ON "shop"."orders" FOR SELECT TO "{app}"',
        ),
        "GRANT SELECT ON shop.people TO PUBLIC; ALTER TABLE shop.people ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY write ON shop.people FOR INSERT WITH CHECK (true);"
        "CREATE POLICY less ON shop.people AS RESTRICTIVE USING (true)": ("silently empty for PUBLIC",),
    },
    "reader-without-policy": {
        "CREATE ROLE {app}_2 LOGIN; GRANT SELECT ON shop.orders TO {app}_2": (
            "shop.orders is silently empty for {app}_2: no policy",
            'CREATE POLICY <name> ON "shop"."orders" FOR SELECT TO "{app}_2"',
        ),
        "DROP POLICY told ON shop.orders; REVOKE {group} FROM {app}": ("silently empty for {app}: no policy",),
    },
    "policies-without-rls": {
        "ALTER TABLE shop.orders DISABLE ROW LEVEL SECURITY": (
            "shop.orders has the policies own, told, and row level security is off",
            'ALTER TABLE "shop"."orders" ENABLE ROW LEVEL SECURITY',
        )
    },
    "view-past-policies": {
        "CREATE VIEW shop.all_orders AS SELECT * FROM shop.orders; GRANT SELECT ON shop.all_orders TO PUBLIC": (
            "shop.all_orders shows all rows of shop.orders to PUBLIC",
            '"shop"."all_orders"',  # security_invoker, or before PostgreSQL 15 the right to read it
        ),
        "CREATE VIEW shop.a AS SELECT * FROM shop.orders; CREATE VIEW shop.b AS SELECT * FROM shop.a;"
        "GRANT SELECT ON shop.b TO PUBLIC": ("shop.b shows all rows of shop.orders",),
        "CREATE MATERIALIZED VIEW shop.m AS SELECT * FROM shop.orders; GRANT SELECT ON shop.m TO PUBLIC": (
            'REVOKE SELECT ON "shop"."m" FROM PUBLIC',
        ),
    },
    "definer-without-search-path": {
        "ALTER FUNCTION shop.f() RESET search_path": ("ALTER FUNCTION shop.f() SET search_path = ''",),
    },
    "policy-for-nobody": {
        "CREATE POLICY x ON shop.orders USING (current_user = 'nobody_here')": (
            "the role 'nobody_here', and there is",
        ),
        "CREATE POLICY x ON shop.orders USING "
        "((current_setting('request.jwt.claims', true)::jsonb ->> 'role') = 'admins')": ("asks for the role 'admins'",),
    },
    "policy-reads-old-claims": {
        "CREATE POLICY x ON shop.orders USING (person = current_setting('request.jwt.claim.sub', true)::int)": (
            "policy x of shop.orders reads request.jwt.claim.sub only",
            "request.jwt.claims",
        )
    },
    "policy-trusts-user": {
        "CREATE POLICY x ON shop.orders USING "
        "(current_setting('request.jwt.claims', true)::jsonb -> 'user_metadata' ->> 'admin' = 'true')": (
            "policy x of shop.orders reads user_metadata",
        )
    },
    "policy-fails": {
        "CREATE POLICY x ON shop.orders TO {app} USING (EXISTS (SELECT FROM shop.orders o WHERE o.id = n))": (
            "SELECT of shop.orders as {app}: infinite recursion detected in policy",
            "SECURITY DEFINER",
        ),
        "CREATE POLICY x ON shop.orders USING (person IN (SELECT id FROM shop.people))": (
            "SELECT of shop.orders as {app}: permission denied for table people",
        ),
    },
    "auth-schema-missing": {
        "CREATE FUNCTION shop.me() RETURNS uuid LANGUAGE plpgsql AS 'BEGIN RETURN auth.uid(); END'": (
            "shop.me() calls auth.uid(), which is not there",
            "ecluse supabase prepare --database app",
        )
    },
    "auth-functions-wrong": {
        "CREATE SCHEMA auth; CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid'": (
            "auth.uid() does not read request.jwt.claims",
        )
    },
    "realtime-not-published": {"CREATE SCHEMA realtime": ("no publication supabase_realtime",)},
    "left-over-schema": {
        "CREATE SCHEMA ecluse_kept_old_one": ("belongs to no unfinished run", 'DROP SCHEMA "ecluse_kept_old_one"')
    },
}
# Meant so, perhaps: the same, one step less loud.
MILDER = {
    "policy-for-nobody": "REVOKE {group} FROM {app}",
    "view-past-policies": "CREATE VIEW shop.x AS SELECT * FROM shop.orders; GRANT SELECT ON shop.x TO {app}",
    "rls-without-policy": "CREATE ROLE anon; CREATE TABLE shop.t (id int PRIMARY KEY); GRANT SELECT ON shop.t TO anon;"
    "ALTER TABLE shop.t ENABLE ROW LEVEL SECURITY",
    "open-to-the-api": "CREATE ROLE anon; GRANT USAGE ON SCHEMA shop TO anon; GRANT INSERT ON shop.people TO anon",
}
# Nobody's fault.
SOUND_TOO = {
    "reader-without-policy": "CREATE ROLE {app}_2 NOLOGIN; GRANT {app}_2 TO {app};"
    "GRANT SELECT ON shop.orders TO {app}_2; CREATE ROLE {app}_3 LOGIN BYPASSRLS;"
    "GRANT SELECT ON shop.orders TO {app}_3",
    "view-past-policies": "CREATE VIEW shop.x WITH (security_invoker = on) AS SELECT * FROM shop.orders;"
    "CREATE VIEW shop.y AS SELECT * FROM shop.x; GRANT SELECT ON shop.x, shop.y TO PUBLIC -- >= 15",
    "unvalidated-constraint": "ALTER TABLE shop.people ADD CONSTRAINT named CHECK (email <> '') NOT ENFORCED -- >= 18",
    "published-without-identity": "ALTER TABLE shop.orders DROP CONSTRAINT orders_pkey, REPLICA IDENTITY FULL",
    "sequence-behind": "ALTER SEQUENCE shop.numbers MAXVALUE 99 CYCLE; INSERT INTO shop.bills VALUES (500)",
    "policy-reads-old-claims": "CREATE POLICY x ON shop.orders USING (person = coalesce(current_setting("
    "'request.jwt.claim.sub', true), current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::int)",
}


def test_each_fault_is_found_explained_and_put_right(shop: Shop) -> None:
    by_id = {check.id: check for check in CHECKS}
    wrong = []
    for id_, cases in FAULTS.items():
        for change, parts in cases.items():
            with shop.after(change) as patient:
                found = list(examine(patient, {id_}))
            said = "\n".join(f"{f.found}\n{f.fix}" for f in found)
            wanted = [part.format(app=shop.app, group=shop.group) for part in parts]
            if {f.level for f in found} != {by_id[id_].level} or not all(part in said for part in wanted):
                wrong.append((id_, change, said))
    assert not wrong, "\n\n".join(f"{id_}: {change}\n{said}" for id_, change, said in wrong)


def test_what_may_be_meant_is_a_warning_and_what_is_well_is_not_told(shop: Shop) -> None:
    with open_session(shop.database) as conn:
        anon = conn.execute("SELECT count(*) FROM pg_roles WHERE rolname = 'anon'").fetchone()
    for id_, change in MILDER.items():
        if anon == (1,):
            change = change.replace("CREATE ROLE anon;", "")
        with shop.after(change) as patient:
            assert [f.level for f in examine(patient, {id_})] == ["warning"], id_
    for id_, change in SOUND_TOO.items():
        with shop.after(change) as patient:
            assert [f.level for f in examine(patient, {id_})] == ["good"], id_


# --- what no transaction can take back ----------------------------------------------------------------


def only(database: Database, id_: str) -> list[Finding]:
    """The findings of one check."""
    return [f for f in examine_database(database, Path(), {id_}) if f.level != "good"]


def test_transactions_that_are_open(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    gid = f"left {shop.app}"
    with psycopg.connect(shop.database.conninfo) as conn:
        conn.execute("CREATE TABLE shop.t ()")
        conn.execute(f"PREPARE TRANSACTION '{gid}'".encode())
        conn.autocommit = False
    try:
        (found,) = only(shop.database, "prepared-transaction")
        assert (found.level, found.object) == ("wrong", gid)
        assert f"ROLLBACK PREPARED '{gid}'" in found.fix
    finally:
        load(shop.database, f"ROLLBACK PREPARED '{gid}'")
    with psycopg.connect(shop.database.conninfo) as idle:
        idle.execute("SELECT 1")
        assert only(shop.database, "long-transaction") == []
        monkeypatch.setattr(activity, "_LONG", "0 s")
        (found,) = only(shop.database, "long-transaction")
        assert found.fix == f"SELECT pg_terminate_backend({idle.info.backend_pid})"
        with open_session(shop.database) as conn, conn.transaction(force_rollback=True):
            conn.execute(f"SET LOCAL ROLE {shop.app}".encode())
            (unseen,) = examine(Patient(conn, shop.database, Path()), {"long-transaction"})
            assert (unseen.seen, unseen.level) == (False, "told")
            assert "GRANT pg_read_all_stats TO" in unseen.found


def test_versions_of_what_is_installed(newest: Database, tmp_path: Path) -> None:
    """Collations and extensions that are not what they were; and a server of the future."""
    with open_session(newest) as conn, conn.transaction(force_rollback=True):
        conn.execute('CREATE TABLE public.t (a text COLLATE pg_catalog."pg_c_utf8")')
        patient = Patient(conn, newest, tmp_path)
        assert [f.level for f in examine(patient, {"collation-changed", "outdated-extension"})] == ["good", "good"]
        conn.execute("UPDATE pg_collation SET collversion = '0' WHERE collname = 'pg_c_utf8'")
        (found,) = examine(patient, {"collation-changed"})
        assert "was version 0, and is 1" in found.found
        assert "REFRESH VERSION" in found.fix
        conn.execute("CREATE EXTENSION vector SCHEMA public")
        conn.execute("UPDATE pg_extension SET extversion = '0.7.0' WHERE extname = 'vector'")
        (found,) = examine(patient, {"outdated-extension"})
        assert (found.level, found.fix) == ("warning", 'ALTER EXTENSION "vector" UPDATE')

        class Future(Patient):
            major = 99

        (found,) = examine(Future(conn, newest, tmp_path), {"pg-dump-too-old"})
        assert (found.level, "the newest pg_dump here is" in found.found) == ("wrong", True)


def test_the_disk(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    assert server.judge_disk(10**12, 10**9, 10**10) == "good"
    assert server.judge_disk(5 * 10**9, 10**9, 10**10) == "warning"
    assert server.judge_disk(5 * 10**9, 6 * 10**9, 10**10) == "wrong"
    assert server.judge_disk(10**8, 0, 0) == "wrong"
    monkeypatch.setattr(server, "_LEAST_FREE", 10**18)
    (found,) = only(database, "disk-nearly-full")
    assert (found.level, "are free where the data is" in found.found) == ("wrong", True)
    elsewhere = replace(database, conninfo=make_conninfo(database.conninfo, host="db.example.com"))
    with open_session(database) as conn:
        (unseen,) = examine(Patient(conn, elsewhere, Path()), {"disk-nearly-full"})
    assert (unseen.seen, "a migration needs up to" in unseen.found) == (False, True)


def test_a_role_that_may_little_is_told_what_it_could_not_see(shop: Shop) -> None:
    """And what it finds is what it may see: nothing is good that was not looked at."""
    stranger = replace(shop.database, conninfo=make_conninfo(shop.database.conninfo, user=shop.app))
    found = examine_database(stranger, Path(), ALL)
    assert {f.id for f in found if f.level == "wrong"} == {"no-right-to-create"}
    assert [f.found for f in found if f.id == "tables-of-others"] == ["7 tables of 'postgres'"]
    unseen = {f.id: f.found for f in found if not f.seen}
    assert unseen.keys() == {"disk-nearly-full", "long-transaction", "sequence-behind", "sequence-near-its-end"} - (
        {"long-transaction"} - unseen.keys()  # where nobody else is there
    )
    assert "shop.people.id (no right to read it)" in unseen["sequence-behind"]
    load(shop.database, f"GRANT SELECT ON ALL TABLES IN SCHEMA shop TO {shop.app}")
    load(shop.database, f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA shop TO {shop.app}")
    (hidden,) = only(stranger, "sequence-behind")
    assert hidden.found == "could not look: shop.orders.id (row level security)"


def test_a_table_that_is_locked_keeps_nobody_from_the_others(shop: Shop) -> None:
    with psycopg.connect(shop.database.conninfo) as owner, open_session(shop.database) as conn:
        owner.execute("LOCK TABLE shop.people, shop.orders IN ACCESS EXCLUSIVE MODE")
        conn.execute("INSERT INTO shop.bills VALUES (7)")
        conn.execute("SET lock_timeout = '20ms'")
        found = [f for f in examine(Patient(conn, shop.database, Path()), ALL) if f.level not in ("good", "warning")]
    assert [f.object for f in found if f.level == "wrong"] == ["shop.numbers"]
    unseen = {f.id: f.found for f in found if not f.seen}
    assert "shop.orders.id (somebody holds a lock), shop.people.id (somebody holds a lock)" in unseen["sequence-behind"]
    assert "lock" in unseen["policy-fails"]


def test_pgbench_has_but_one_table_without_a_key(database: Database) -> None:
    load(
        database,
        "CREATE TABLE pgbench_history(tid int,bid int,aid int,delta int,mtime timestamp,filler char(22));"
        "CREATE TABLE pgbench_tellers(tid int not null,bid int,tbalance int,filler char(84)) with (fillfactor=100);"
        "CREATE TABLE pgbench_accounts(aid int not null,bid int,abalance int,filler char(84)) with (fillfactor=100);"
        "CREATE TABLE pgbench_branches(bid int not null,bbalance int,filler char(88)) with (fillfactor=100);"
        "alter table pgbench_branches add primary key (bid); alter table pgbench_tellers add primary key (tid);"
        "alter table pgbench_accounts add primary key (aid)",
    )
    assert [(f.id, f.object) for f in bad(list(examine_database(database, Path(), ALL)))] == [
        ("no-primary-key", "public.pgbench_history")
    ]
