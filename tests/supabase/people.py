"""A small world of people for the tests of `import_users`: every kind of user, and rows that follow them."""

from __future__ import annotations

from pathlib import Path

from ecluse.postgres.connect import Database
from ecluse.supabase.prepare import prepare
from tests.harness import Stage, load

BCRYPT = "$2b$04$CCCCCCCCCCCCCCCCCCCCC.aLXwMV8eQqmDfZ5fHw5WFn9fIyZ3UGe"
GRACE = "6b1d2c3e-4f50-4a61-8b72-9c83ad94be05"  # has an account already

ACCOUNTS = f"""
INSERT INTO auth.users (instance_id, id, aud, role, email, email_confirmed_at, encrypted_password,
    confirmation_token, recovery_token, email_change_token_new, email_change, raw_app_meta_data, raw_user_meta_data,
    created_at, updated_at)
VALUES ('00000000-0000-0000-0000-000000000000', '{GRACE}', 'authenticated', 'authenticated', 'grace@example.com',
    now(), 'kept as it is', '', '', '', '', '{{"provider": "email", "providers": ["email"]}}', '{{}}', now(), now());
INSERT INTO auth.identities (provider_id, user_id, identity_data, provider, created_at, updated_at)
VALUES ('{GRACE}', '{GRACE}', '{{"sub": "{GRACE}", "email": "grace@example.com"}}', 'email', now(), now());
"""

LEGACY = f"""
CREATE TABLE public.users (id serial PRIMARY KEY, email text UNIQUE, password_hash text NOT NULL, full_name text,
    role text DEFAULT 'user', is_active boolean DEFAULT true, created_at timestamp NOT NULL DEFAULT now(),
    last_login timestamp, theme text NOT NULL DEFAULT 'light');
INSERT INTO public.users (id, email, password_hash, full_name, role, is_active, created_at, last_login, theme) VALUES
    (1, 'Ada@Example.com', '{BCRYPT}', 'Ada', 'admin', true, '2025-01-01 10:00:00.123456', '2026-01-01', 'dark'),
    (2, 'bob@example.com', 'pbkdf2_sha256$600000$salt$hash', NULL, 'user', true, '2025-01-02', NULL, 'light'),
    (3, 'cleo@example.com', '{BCRYPT}', 'Cléo', 'user', false, '2025-01-03', NULL, 'light'),
    (4, 'twin@example.com', '{BCRYPT}', 'Twin', 'user', true, '2025-01-04', NULL, 'light'),
    (5, 'Twin@example.com', '{BCRYPT}', 'Twin', 'user', true, '2025-01-05', NULL, 'light'),
    (6, NULL, '{BCRYPT}', 'Nobody', 'user', true, '2025-01-06', NULL, 'light'),
    (7, 'not an address', '{BCRYPT}', 'Odd', 'user', true, '2025-01-07', NULL, 'light'),
    (8, 'grace@example.com', '{BCRYPT}', 'Grace', 'user', true, '2025-01-08', NULL, 'dark'),
    (9, ' dan@example.com ', '', 'Dan', NULL, NULL, '2025-01-09', NULL, 'light');
SELECT setval('public.users_id_seq', 9);
CREATE TABLE public.notes (id serial PRIMARY KEY, user_id integer NOT NULL, body text);
CREATE INDEX notes_user ON public.notes (user_id);
INSERT INTO public.notes (user_id, body) SELECT u, 'note ' || n FROM generate_series(1, 10) u, generate_series(1, 3) n;
SELECT setval('public.notes_id_seq', 30);
CREATE TABLE public.quotas (user_id serial PRIMARY KEY, bytes bigint NOT NULL);
INSERT INTO public.quotas SELECT u, u * 100 FROM generate_series(1, 9) u;
CREATE TABLE public.logs (id serial PRIMARY KEY, user_id integer REFERENCES public.users ON DELETE SET NULL, act text);
INSERT INTO public.logs (user_id, act) SELECT nullif(u, 0), 'login' FROM generate_series(0, 9) u;
SELECT setval('public.logs_id_seq', 10);
CREATE TABLE public.tokens (id serial PRIMARY KEY, user_id integer REFERENCES public.users, token text);
INSERT INTO public.tokens (user_id, token) VALUES (1, 'x');
SELECT setval('public.tokens_id_seq', 1);
"""

MIGRATION = """
name = "people"
database = "app"

[[operation]]
kind = "import_users"
table = "public.users"

[operation.profile]
table = "public.profiles"
columns = { id = "uuid not null", full_name = "text", theme = "text not null default 'light'" }
values = { full_name = "full_name", theme = "theme" }

[[operation]]
kind = "remap_ids"
users = "public.users"
unmapped = "quarantine"
on_delete = "cascade"
columns = [
    { table = "public.notes", column = "user_id" },
    { table = "public.quotas", column = "user_id" },
    { table = "public.logs", column = "user_id" },
]

[[operation]]
kind = "archive_table"
table = "public.tokens"
"""

SECURED = (
    MIGRATION
    + """
[[operation]]
kind = "secure_rows"
table = "public.notes"
owner = "user_id"
owner_may = ["select", "insert", "update", "delete"]
admin = { claim = "app_metadata.role", values = ["admin"], may = ["select"] }

[[operation]]
kind = "secure_rows"
table = "public.profiles"
owner = "id"
owner_may = ["select", "update"]

[[operation]]
kind = "secure_rows"
table = "public.user_id_mapping"
owner = "supabase_user_id"
owner_may = ["select"]

[[operation]]
kind = "publish_changes"
table = "public.notes"
full = true
"""
)


def staged(database: Database, folder: Path, legacy: str = LEGACY, migration: str = MIGRATION) -> Stage:
    """A prepared database with these people beside an account that is there already, and the migration."""
    prepare(database)
    load(database, ACCOUNTS)
    load(database, legacy)
    file = folder / "people.toml"
    file.write_text(migration)
    return Stage(database, file)


def account(id_: str, email: str | None, more: str = "") -> str:
    """The statement with which the auth service makes an account. `more`: further columns, `name = value, ...`."""
    values = {"id": f"'{id_}'", "email": f"'{email}'" if email else "NULL", "encrypted_password": "'their own'"}
    values["email_confirmed_at"] = "now()"
    values |= dict(pair.split(" = ") for pair in more.split(", ") if pair)
    tokens = ("confirmation_token", "recovery_token", "email_change_token_new", "email_change")
    always = "'00000000-0000-0000-0000-000000000000', 'authenticated', 'authenticated', '{}', now(), now()"
    return (
        f"INSERT INTO auth.users (instance_id, aud, role, raw_user_meta_data, created_at, updated_at, "
        f"{', '.join(tokens)}, {', '.join(values)}) VALUES ({always}, '', '', '', '', {', '.join(values.values())});"
    )
