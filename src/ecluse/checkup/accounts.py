"""What an application of Supabase needs of its database: schema auth, and accounts that can sign in."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg.conninfo import conninfo_to_dict

from ecluse.checkup.check import OF_APPLICATION, Found, Patient, Topic, Unseen, listed
from ecluse.model.names import literal
from ecluse.operations.people_flow import NOBODY, TOKENS
from ecluse.supabase.claims import faults
from ecluse.words import many

ACCOUNTS = Topic("accounts", "Supabase: schema auth, and its accounts")

_CALLS = r"\mauth\.(uid|role|email|jwt)\s*\("


@ACCOUNTS.check(
    "auth-schema-missing",
    "wrong",
    "schema auth is missing, and something here needs it",
    means="A function calls auth.uid() or another function of schema auth, or the address is one of Supabase, and "
    "there is none: nobody is recognised, and the functions fail when they are called.",
    fix="ecluse supabase prepare --database <name>",
)
def auth_missing(at: Patient) -> Iterator[Found]:
    """Functions of the application that call what is not there."""
    missing = at.rows(
        "SELECT p.oid::regprocedure::text, m[1] FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
        f"CROSS JOIN LATERAL regexp_matches(p.prosrc, {literal(_CALLS)}) AS m WHERE {OF_APPLICATION} "
        "AND n.nspname <> 'auth' AND NOT EXISTS (SELECT FROM pg_proc f JOIN pg_namespace a ON a.oid = f.pronamespace "
        "WHERE a.nspname = 'auth' AND f.proname = m[1]) ORDER BY 1"
    )
    fix = f"ecluse supabase prepare --database {at.database.name}"
    if missing:
        told = listed([f"{name} calls auth.{called}()" for name, called in missing])
        yield Found("auth", f"{told}, which is not there", fix)
    host = str(conninfo_to_dict(at.database.conninfo).get("host") or "")
    if host.endswith((".supabase.co", ".supabase.com")) and not at.value("SELECT to_regnamespace('auth') IS NOT NULL"):
        yield Found(
            "auth", "the address is one of Supabase, and there is no schema auth", "check the name of the database"
        )


@ACCOUNTS.check(
    "auth-functions-wrong",
    "wrong",
    "a function of schema auth does not say who is asking",
    means="Policies ask auth.uid() and the others who is signed in. What they answer is not what the token says, so "
    "that rows are shown to nobody, or to somebody else.",
    fix="DROP FUNCTION auth.<name>() CASCADE; then: ecluse supabase prepare   # CASCADE takes the policies along: "
    "note them first",
)
def auth_functions(at: Patient) -> Iterator[Found]:
    """The functions are called with claims, in a transaction that is rolled back."""
    if at.value("SELECT to_regnamespace('auth') IS NULL"):
        return
    if not at.value("SELECT has_schema_privilege('auth', 'USAGE')"):
        raise Unseen(f"no right to use schema auth: GRANT USAGE ON SCHEMA auth TO {at.role}")
    for name, wrong in faults(at.conn):
        yield Found(name, f"{name} {wrong}")


_EMPTIED = "{} = coalesce({}, '')"
_BROKEN = (
    (
        "NULL where the auth service reads a text or a time, so every request about them fails, and the list of users",
        " OR ".join(f"u.{name} IS NULL" for name in (*TOKENS, "aud", "role", "created_at", "updated_at")),
        f"UPDATE auth.users SET {', '.join(map(_EMPTIED.format, TOKENS, TOKENS))}, "
        "aud = coalesce(aud, 'authenticated'), role = coalesce(role, 'authenticated'), "
        "created_at = coalesce(created_at, now()), updated_at = coalesce(updated_at, now())",
    ),
    (
        "found by nobody, for instance_id is not the zero UUID, or aud is not 'authenticated'",
        f"u.instance_id IS DISTINCT FROM {NOBODY} OR u.aud IS DISTINCT FROM 'authenticated'",
        f"UPDATE auth.users SET instance_id = {NOBODY}, aud = 'authenticated' "
        f"WHERE instance_id IS DISTINCT FROM {NOBODY} OR aud IS DISTINCT FROM 'authenticated'",
    ),
    (
        "an e-mail address that is not in lower case, by which they are not found",
        "u.email <> lower(u.email)",
        "UPDATE auth.users u SET email = lower(email) WHERE email <> lower(email) AND NOT EXISTS "
        "(SELECT FROM auth.users o WHERE o.id <> u.id AND lower(o.email) = lower(u.email))",
    ),
    (
        "an empty phone number instead of none",
        "u.phone = ''",
        "UPDATE auth.users SET phone = NULL WHERE phone = ''",
    ),
    (
        "no provider in raw_app_meta_data",
        "u.deleted_at IS NULL AND NOT coalesce(u.is_anonymous, false) "
        "AND NOT coalesce(u.raw_app_meta_data, '{}') ?& ARRAY['provider', 'providers']",
        """UPDATE auth.users SET raw_app_meta_data = '{"provider": "email", "providers": ["email"]}' """
        "|| coalesce(raw_app_meta_data, '{}') "
        "WHERE NOT coalesce(raw_app_meta_data, '{}') ?& ARRAY['provider', 'providers']",
    ),
)


@ACCOUNTS.check(
    "accounts-broken",
    "wrong",
    "accounts are not as the auth service reads them",
    means="Rows of auth.users that were inserted by hand, or by a script, lack what supabase/auth takes for granted: "
    "their owners cannot sign in (500 'Database error querying schema'), or are not found.",
    fix="UPDATE auth.users SET <what is named> WHERE <condition>   -- or carry them over with import_users",
)
def broken(at: Patient) -> Iterator[Found]:
    """Every rule is asked of all accounts at once."""
    if not _readable(at):
        return
    counts = ", ".join(f"count(*) FILTER (WHERE {rule})" for _, rule, _ in _BROKEN)
    for count, (words, _, fix) in zip(at.rows(f"SELECT {counts} FROM auth.users u")[0], _BROKEN, strict=True):
        if count:
            yield Found("auth.users", f"{many(count, 'account')}: {words}", fix)


@ACCOUNTS.check(
    "email-twice",
    "wrong",
    "two accounts have one e-mail address",
    means="They differ in upper and lower case, which the unique index lets in. Whoever signs in gets one of the "
    "two, and what the other one owns is gone for him.",
    fix="SELECT id, created_at, last_sign_in_at FROM auth.users WHERE lower(email) = '<address>'   -- keep one, and "
    "point rows to it: ecluse identity audit",
)
def email_twice(at: Patient) -> Iterator[Found]:
    """Accounts that sign in by address; those of single sign-on may share one."""
    if not _readable(at):
        return
    groups = at.value(
        "SELECT count(*) FROM (SELECT FROM auth.users WHERE email <> '' AND NOT is_sso_user AND deleted_at IS NULL "
        "GROUP BY lower(email) HAVING count(*) > 1) g"
    )
    if groups:
        shared = "1 address is shared" if groups == 1 else f"{groups:,} addresses are shared"
        yield Found("auth.users", f"{shared}: the same but for upper and lower case")


@ACCOUNTS.check(
    "accounts-without-identity",
    "warning",
    "accounts have no identity",
    means="A row of auth.identities says by which provider somebody signs in. Without one a password still works; a "
    "change of the e-mail address and a later sign-in with Google or GitHub do not.",
    fix="INSERT INTO auth.identities (user_id, provider, provider_id, identity_data, created_at, updated_at) SELECT "
    "id, 'email', id, jsonb_build_object('sub', id, 'email', email), created_at, now() FROM auth.users u WHERE email "
    "IS NOT NULL AND NOT EXISTS (SELECT FROM auth.identities i WHERE i.user_id = u.id)",
)
def without_identity(at: Patient) -> Iterator[Found]:
    """Of accounts that are neither deleted nor anonymous."""
    if not _readable(at):
        return
    count = at.value(
        "SELECT count(*) FROM auth.users u WHERE u.deleted_at IS NULL AND NOT coalesce(u.is_anonymous, false) "
        "AND NOT EXISTS (SELECT FROM auth.identities i WHERE i.user_id = u.id)"
    )
    if count:
        yield Found("auth.identities", f"{many(count, 'account')} without an identity")


@ACCOUNTS.check(
    "mapped-to-nobody",
    "wrong",
    "the map of users names accounts that are not there",
    means="The table of who became whom (user_id_mapping) has lines whose account was deleted, or never made: 'User "
    "not found', and rows that belong to nobody.",
    fix="SELECT m.* FROM <map> m LEFT JOIN auth.users u ON u.id = m.supabase_user_id WHERE u.id IS NULL   -- then: "
    "ecluse identity audit",
)
def mapped_to_nobody(at: Patient) -> Iterator[Found]:
    """Tables that have the columns of such a map, held against the accounts."""
    if not _readable(at):
        return
    for (table,) in at.rows(
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE c.relkind = 'r' AND {OF_APPLICATION} AND has_table_privilege(c.oid, 'SELECT') AND 2 = (SELECT "
        f"count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND (a.attname = 'old_user_id' OR a.attname = "
        f"'supabase_user_id' AND a.atttypid = 'uuid'::regtype)) ORDER BY 1"
    ):
        count = at.value(
            f"SELECT count(*) FROM {table} m WHERE m.supabase_user_id IS NOT NULL "
            "AND NOT EXISTS (SELECT FROM auth.users u WHERE u.id = m.supabase_user_id)"
        )
        if count:
            yield Found(table, f"{many(count, 'line')} of {table} name no account")


@ACCOUNTS.check(
    "realtime-not-published",
    "warning",
    "there is a realtime service, and no publication for it",
    means="Realtime sends what the publication supabase_realtime has. There is none, so that no change of a row is "
    "ever sent.",
    fix="CREATE PUBLICATION supabase_realtime; ALTER PUBLICATION supabase_realtime ADD TABLE <table>   -- or "
    "publish_changes in a migration",
)
def realtime(at: Patient) -> Iterator[Found]:
    """A schema realtime without its publication."""
    if at.value("SELECT to_regnamespace('realtime') IS NOT NULL") and not at.value(
        "SELECT count(*) FROM pg_publication WHERE pubname = 'supabase_realtime'"
    ):
        yield Found("supabase_realtime", "there is no publication supabase_realtime")


def _readable(at: Patient) -> bool:
    """Whether there are accounts here. Raises where there are, and we may not read them."""
    if not at.is_supabase:
        return False
    if not at.value(
        "SELECT has_schema_privilege('auth', 'USAGE') AND has_table_privilege('auth.users', 'SELECT') "
        "AND has_table_privilege('auth.identities', 'SELECT')"
    ):
        raise Unseen(f"no right to read auth.users: GRANT SELECT ON ALL TABLES IN SCHEMA auth TO {at.role}")
    return True
