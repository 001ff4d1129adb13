"""The sample of an application with its own users: what is planted is there, and the passwords are real."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest

from ecluse.postgres.connect import Database
from ecluse.recipes.self_hosted_supabase import sample
from ecluse.recipes.self_hosted_supabase.sample.memories import write_memories
from ecluse.supabase.prepare import prepare
from tests.harness import snapshot
from tests.recipes.passwords import ACCEPTED, ACCOUNT, REFUSED, fits
from tests.recipes.two import of
from tests.supabase.conftest import drop_roles

ROWS = 2000
OWNERS = (
    *("user_conversations", "user_documents", "user_contexts", "user_storage_quotas", "migration_status"),
    *("reports", "watch_configs", "watch_history"),
)
TAKEN = (
    r"^\$2[abxy]\$[0-9]{2}\$.{53}$",
    r"^\$argon2(i|id)\$v=19\$m=[0-9]{1,6},t=[0-9]{1,2},p=[0-9]{1,2}\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$",
    r"^\$fbscrypt\$v=1,n=[0-9]+,r=[0-9]+,p=[0-9]+,ss=[A-Za-z0-9+/=]+,sk=[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+$",
)


def made(database: Database, rows: int = ROWS, seed: int = 1) -> Database:
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        sample.load({"app": conn}, "services", rows, seed)
    return database


@pytest.fixture
def prepared(database: Database) -> Iterator[Database]:
    prepare(database)
    yield database
    drop_roles(database)


def counts(database: Database, table: str, **conditions: str) -> dict[str, int]:
    """How many rows of the table meet each condition."""
    chosen = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in conditions.values())
    return dict(zip(conditions, of(database, f"SELECT {chosen} FROM {table}")[0], strict=True))


# --- passwords ------------------------------------------------------------------------------------


@pytest.mark.parametrize("hashed", [*ACCEPTED, *ACCOUNT])
def test_each_hash_that_a_supabase_takes_is_of_its_password(hashed: str) -> None:
    password = (ACCEPTED | ACCOUNT)[hashed]
    assert fits(password, hashed)
    assert not fits(password + "!", hashed)
    assert [pattern for pattern in TAKEN if re.search(pattern, hashed)]
    assert len(hashed) <= 255


def test_no_other_hash_would_be_taken() -> None:
    taken = [hashed for hashed in REFUSED for pattern in TAKEN if re.search(pattern, hashed)]
    assert taken == []


def test_firebase_would_say_the_same() -> None:
    # The example that Firebase publishes with its scrypt.
    assert fits(
        "user1password",
        "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,"
        "sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
        "$42xEC+ixf3L2lw=="
        "$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
    )


def test_the_script_has_the_hashes_that_the_tests_know() -> None:
    script = files(sample).joinpath("passwords.sql").read_text(encoding="utf-8")
    found = re.findall(r"^ +\('(\w+)', \d+, '(.*)'\)[,;]$", script, re.MULTILINE)
    assert [hashed for kind, hashed in found if kind not in ("refused", "account")] == list(ACCEPTED)
    assert tuple(hashed for kind, hashed in found if kind == "refused") == REFUSED
    assert [hashed for kind, hashed in found if kind == "account"] == list(ACCOUNT)


# --- users ----------------------------------------------------------------------------------------


def test_the_shares_of_the_users_hold(database: Database) -> None:
    made(database)
    tidy = "lower(btrim(email, ' '))"
    valid = r"email ~ '^[^@\s]+@[^@\s]+$' AND length(email) <= 255"
    assert counts(
        database,
        "users",
        all="true",
        bcrypt="password_hash ~ '^[$]2' AND length(password_hash) = 60",
        twelve="password_hash ~ '^[$]2b[$]12[$]'",
        argon2id="password_hash ~ '^[$]argon2id' AND password_hash !~ 'm=2097152'",
        argon2i="password_hash ~ '^[$]argon2i[$]'",
        firebase="password_hash ~ '^[$]fbscrypt'",
        missing="btrim(coalesce(email, '')) = ''",
        invalid=f"btrim(email) <> '' AND NOT ({valid.replace('email', tidy)})",
        untidy=f"email <> btrim(email) AND {valid.replace('email', tidy)}",
        capitals="email = upper(email) AND email <> lower(email) AND email !~ '^SAME'",
        long="length(email) BETWEEN 200 AND 255",
        admin="role = 'admin' AND id = 1 AND is_active",
        users="role = 'user'",
        inactive="NOT is_active",
        long_name="length(full_name) > 255",
    ) == {
        **{"all": 2000, "bcrypt": 1600, "twelve": 1133, "argon2id": 160, "argon2i": 40, "firebase": 80},
        **{"missing": 20, "invalid": 10, "untidy": 7, "capitals": 3, "long": 2},
        **{"admin": 1, "users": 1999, "inactive": 40, "long_name": 2},
    }
    assert of(database, "SELECT array_agg(DISTINCT password_hash) FROM users")[0][0] == sorted([*ACCEPTED, *REFUSED])
    [(twins,)] = of(database, "SELECT sum(n) FROM (SELECT count(*) n FROM users GROUP BY lower(email)) t WHERE n = 2")
    assert twins == 10
    [(never, again, other, none)] = of(
        database,
        "SELECT count(*) FILTER (WHERE last_login IS NULL), count(*) - count(DISTINCT created_at), "
        "count(*) FILTER (WHERE full_name ~ '[^\\x01-\\x7f]'), count(*) FILTER (WHERE full_name IS NULL) FROM users",
    )
    assert 500 < never < 700 and again == 200 and other > 1000 and 40 < none < 80


def test_twins_have_rows_of_their_own(database: Database) -> None:
    made(database, 200)
    twins = "SELECT id FROM users WHERE lower(email) LIKE 'same.name%'"
    assert of(database, f"SELECT count(*) FROM ({twins}) t") == [(2,)]
    for table in ("user_conversations", "user_documents", "user_storage_quotas"):
        assert of(database, f"SELECT count(DISTINCT user_id) FROM {table} WHERE user_id IN ({twins})") == [(2,)], table


@pytest.mark.parametrize("rows", [200, ROWS])
def test_some_rows_of_each_table_are_of_nobody(database: Database, rows: int) -> None:
    made(database, rows)
    for table in OWNERS:
        orphans, all_, nobody = of(
            database,
            "SELECT count(*) FILTER (WHERE u.id IS NULL AND user_id IS NOT NULL), count(*), "
            f"count(*) FILTER (WHERE user_id IS NULL) FROM {table} LEFT JOIN users u ON u.id = user_id",
        )[0]
        assert 1 <= orphans <= max(3, all_ * 0.008), table
        assert (nobody > 0) == (table == "watch_history"), table
    assert of(database, "SELECT count(*) FROM users WHERE id < 1") == [(0,)]
    assert of(
        database,
        "SELECT count(*) FROM watch_history h JOIN watch_configs w ON w.id = watch_id AND w.user_id <> h.user_id",
    ) == [(0,)]
    assert of(database, "SELECT count(*) FILTER (WHERE user_id IS NULL) FROM activity_logs") == [(rows // 10,)]
    assert counts(database, "invitations", by="created_by IS NULL", used="used_by IS NULL", mine="used_by = 1") == {
        "by": rows // 60,
        "used": rows // 9,
        "mine": 0,
    }


def test_the_tables_have_the_usual_sizes(database: Database) -> None:
    made(database)
    tables = (*OWNERS, "users", "activity_logs", "invitations", "password_reset_tokens", "documents")
    sizes = {table: of(database, f"SELECT count(*) FROM {table}")[0][0] for table in tables}
    assert sizes == {
        **{"user_conversations": 4010, "user_documents": 610, "user_contexts": 200, "user_storage_quotas": 2010},
        **{"migration_status": 403, "reports": 400, "watch_configs": 200, "watch_history": 400, "users": 2000},
        **{"activity_logs": 2000, "invitations": 666, "password_reset_tokens": 100, "documents": 100},
    }
    assert of(database, "SELECT to_regclass('user_id_mapping')") == [(None,)]


def test_the_next_user_gets_the_next_id(database: Database) -> None:
    made(database, 200)
    new = "INSERT INTO users (email, password_hash, created_at) VALUES ('new@example.com', '', now()) RETURNING id"
    assert of(database, new) == [(201,)]
    for table in set(OWNERS) - {"user_storage_quotas", "migration_status"}:
        assert of(database, f"SELECT max(id) = pg_sequence_last_value('{table}_id_seq') FROM {table}") == [(True,)], (
            table
        )


def test_the_same_seed_gives_the_same_rows(fresh_database: Callable[[], Database]) -> None:
    one, same, other = (snapshot(made(fresh_database(), 300, seed)) for seed in (1, 1, 2))
    assert one.rows == same.rows and one.sequences == same.sequences
    differing = {table for table in one.rows if one.rows[table] != other.rows[table]}
    assert differing == set(one.rows)


@pytest.mark.parametrize("rows", [1, 200])
def test_each_server_takes_it(any_server_database: Database, rows: int) -> None:
    made(any_server_database, rows)
    assert of(any_server_database, "SELECT count(*), min(email) FILTER (WHERE id = 1) FROM users") == [
        (rows, "admin@example.com")
    ]


# --- accounts -------------------------------------------------------------------------------------


def test_some_have_an_account_already(prepared: Database) -> None:
    made(prepared)
    [(matched, ids, passwords)] = of(
        prepared,
        "SELECT count(*), count(DISTINCT a.id), count(*) FILTER (WHERE a.encrypted_password <> u.password_hash) "
        "FROM auth.users a JOIN public.users u ON lower(btrim(u.email)) = a.email",
    )
    assert (matched, ids, passwords) == (10, 10, 10)
    assert of(prepared, "SELECT count(*) FROM auth.users") == [(14,)]
    assert {row[0] for row in of(prepared, "SELECT DISTINCT encrypted_password FROM auth.users")} == {*ACCOUNT, None}


def test_the_accounts_are_as_an_auth_service_writes_them(prepared: Database) -> None:
    made(prepared, 200)
    given = (
        *("instance_id", "aud", "role", "confirmation_token", "recovery_token", "email_change_token_current"),
        *("email_change_token_new", "email_change", "phone_change_token", "phone_change", "reauthentication_token"),
        *("email_change_confirm_status", "created_at", "updated_at", "raw_app_meta_data", "raw_user_meta_data"),
    )
    assert of(prepared, f"SELECT id FROM auth.users WHERE num_nulls({', '.join(given)}) > 0") == []
    assert of(
        prepared,
        "SELECT DISTINCT instance_id::text, aud, role, email IS NOT DISTINCT FROM lower(email) FROM auth.users",
    ) == [("00000000-0000-0000-0000-000000000000", "authenticated", "authenticated", True)]
    assert (
        of(prepared, "SELECT id FROM auth.users WHERE (email IS NULL) <> (email_confirmed_at IS NULL) OR phone = ''")
        == []
    )


def test_each_account_has_an_identity_for_each_provider(prepared: Database) -> None:
    made(prepared, 200)
    assert (
        of(
            prepared,
            "SELECT a.raw_app_meta_data -> 'providers', jsonb_agg(i.provider) FROM auth.users a "
            "LEFT JOIN auth.identities i ON i.user_id = a.id WHERE NOT is_anonymous GROUP BY a.id "
            "HAVING a.raw_app_meta_data -> 'providers' IS DISTINCT FROM jsonb_agg(i.provider)",
        )
        == []
    )
    assert (
        of(
            prepared,
            "SELECT a.id FROM auth.identities i JOIN auth.users a ON a.id = i.user_id "
            "WHERE i.identity_data ->> 'sub' <> i.provider_id "
            "OR (i.provider IN ('email', 'phone') AND i.provider_id <> a.id::text) "
            "OR i.email IS DISTINCT FROM a.email OR num_nulls(i.created_at, i.updated_at) > 0",
        )
        == []
    )
    assert of(prepared, "SELECT provider, count(*) FROM auth.identities GROUP BY 1 ORDER BY 1") == [
        ("email", 2),
        ("google", 1),
        ("phone", 1),
    ]


# --- memories -------------------------------------------------------------------------------------


def test_memories_have_what_was_planted(tmp_path: Path) -> None:
    planted = write_memories(tmp_path, range(1, 41), seed=1)
    assert planted == {
        **{"files": 40, "strangers": 1, "summaries": 20, "empty": 16, "unparseable": 6, "undated": 4},
        "conversations": planted["conversations"],
    }
    names = {f"memory_{hashlib.md5(str(n).encode()).hexdigest()[:12]}.json" for n in range(1, 41)}
    found = {path.name: json.loads(path.read_text())["conversations"] for path in tmp_path.iterdir()}
    assert len(found.keys() - names) == 1 and names < found.keys()
    rows = [row for name in names for row in found[name]]
    assert len(rows) == planted["conversations"]
    assert sum("response_summary" in row for row in rows) == planted["summaries"]
    assert sum(not (row["query"] and (row.get("response") or row.get("response_summary"))) for row in rows) == 16
    assert sum("timestamp" not in row and "created_at" not in row for row in rows) == planted["undated"]


def test_memories_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    texts = []
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        (tmp_path / name).mkdir()
        write_memories(tmp_path / name, [1, 2, 3], seed)
        texts.append({path.name: path.read_text() for path in (tmp_path / name).iterdir()})
    assert texts[0] == texts[1] != texts[2]
