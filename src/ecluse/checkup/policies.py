"""Policies: those that nobody can satisfy, and those that cannot be carried out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from ecluse.checkup.check import OF_APPLICATION, Found, Patient, Topic, Unseen, listed
from ecluse.model.names import Name, ident
from ecluse.postgres.failures import translate

POLICIES = Topic("policies", "Policies")

_POLICIES = f"""
SELECT n.nspname, c.relname, p.polname, c.relrowsecurity,
    ARRAY(SELECT rolname::text FROM pg_roles r WHERE r.oid = ANY (p.polroles) ORDER BY 1), p.polroles = '{{0}}',
    coalesce(pg_get_expr(p.polqual, p.polrelid), '') || ' ' || coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '')
  FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE {OF_APPLICATION} AND n.nspname <> ALL (%s) ORDER BY 1, 2, 3
"""
_ROLE = re.compile(
    r"(?:auth\.role\(\)|current_user|CURRENT_USER|session_user|SESSION_USER|->> 'role'::text)[^'=]*= '([^']+)'"
)
_OLD_CLAIM = re.compile(r"current_setting\('(request\.jwt\.claim\.\w+)'")
_APP_KEY = re.compile(r"'app_metadata'::text\)+ ->>? '([^']+)'::text")
_USER_METADATA = re.compile(r"'(?:user_metadata|raw_user_meta_data)'::text")


@dataclass(frozen=True, slots=True)
class _Policy:
    table: Name
    name: str
    on: bool  # row level security
    roles: tuple[str, ...]
    everybody: bool
    text: str

    @property
    def words(self) -> str:
        return f"policy {self.name} of {self.table}"

    @property
    def drop(self) -> str:
        return f"DROP POLICY {ident(self.name)} ON {self.table.sql}"


def _policies(at: Patient) -> list[_Policy]:
    return [_Policy(Name(r[0], r[1]), r[2], r[3], tuple(r[4]), r[5], r[6]) for r in at.rows(_POLICIES, at.managed)]


@POLICIES.check(
    "policy-for-nobody",
    "wrong",
    "a policy is for a role that nobody can be, or asks for one that does not exist",
    means="No session ever satisfies it: who should see rows by it sees none, and gets no error. A role that nobody "
    "was given yet is a warning.",
    fix="GRANT <role> TO authenticator   -- or ALTER POLICY <name> ON <table> TO <role that is used>",
)
def for_nobody(at: Patient) -> Iterator[Found]:
    """Policies TO roles without login that no login is a member of; and comparisons with names that are no role."""
    known: dict[str, bool] = dict(
        at.rows(
            "SELECT r.rolname, r.rolcanlogin OR EXISTS (SELECT FROM pg_roles l WHERE l.rolcanlogin AND NOT l.rolsuper "
            "AND pg_has_role(l.oid, r.oid, 'MEMBER')) FROM pg_roles r"
        )
    )
    for policy in _policies(at):
        if not policy.everybody and policy.roles and not any(known.get(role) for role in policy.roles):
            told = f"{policy.words} is for {listed(policy.roles)}: no role that can log in may become that"
            fix = f"GRANT {ident(policy.roles[0])} TO <the role that the application logs in as>"
            yield Found(str(policy.table), told, fix, level="warning")
        for name in sorted({found for found in _ROLE.findall(policy.text) if found not in known}):
            told = f"{policy.words} asks for the role '{name}', and there is none of that name"
            yield Found(
                str(policy.table), told, f"ALTER POLICY {ident(policy.name)} ON {policy.table.sql} USING (<condition>)"
            )


@POLICIES.check(
    "policy-reads-old-claims",
    "wrong",
    "a policy reads claims in a form that is not given any more",
    means="PostgREST used to set one variable for each claim, request.jwt.claim.sub and others. Since version 9, "
    "where the old form is not asked for, it sets request.jwt.claims as one document: the policy compares with NULL, "
    "and shows nothing.",
    fix="ALTER POLICY <name> ON <table> USING (user_id = (SELECT auth.uid()))   -- or: "
    "(current_setting('request.jwt.claims', true)::jsonb ->> 'sub')",
)
def old_claims(at: Patient) -> Iterator[Found]:
    """Policies that read request.jwt.claim.NAME and not the document beside it."""
    for policy in _policies(at):
        for claim in sorted(set(_OLD_CLAIM.findall(policy.text))):
            if "'request.jwt.claims'" not in policy.text:
                yield Found(str(policy.table), f"{policy.words} reads {claim} only")


@POLICIES.check(
    "policy-reads-missing-claim",
    "wrong",
    "a policy reads a claim that no account has",
    means="app_metadata of a token comes from raw_app_meta_data of the account. No account has the key that the "
    "policy asks for, so nobody satisfies it.",
    fix="UPDATE auth.users SET raw_app_meta_data = raw_app_meta_data || '{\"<key>\": \"<value>\"}' WHERE id = '<user>'",
)
def missing_claims(at: Patient) -> Iterator[Found]:
    """Keys of app_metadata that policies read, held against the accounts."""
    if not at.is_supabase:
        return
    for policy in _policies(at):
        for key in sorted(set(_APP_KEY.findall(policy.text))):
            some, has = at.rows(
                "SELECT EXISTS (SELECT FROM auth.users), EXISTS (SELECT FROM auth.users WHERE raw_app_meta_data ? %s)",
                key,
            )[0]
            if some and not has:
                yield Found(str(policy.table), f"{policy.words} reads app_metadata.{key}, which no account has")


@POLICIES.check(
    "policy-trusts-user",
    "wrong",
    "a policy believes what users say of themselves",
    means="user_metadata of a token is what its owner may change at will: with one request he is whoever he likes to "
    "be.",
    fix="keep it in raw_app_meta_data, and read auth.jwt() -> 'app_metadata'",
)
def trusts_user(at: Patient) -> Iterator[Found]:
    """Policies that read user_metadata."""
    for policy in _policies(at):
        if _USER_METADATA.search(policy.text):
            yield Found(str(policy.table), f"{policy.words} reads user_metadata", policy.drop)


@POLICIES.check(
    "policy-fails",
    "wrong",
    "a policy cannot be carried out",
    means="Every query of the table fails for the roles that the policy is for: it asks its own table (infinite "
    "recursion), or a table that the role may not read.",
    fix="a SECURITY DEFINER function that answers the question, with SET search_path = '', called by the policy",
)
def fails(at: Patient) -> Iterator[Found]:
    """Each table is asked for as each role of its policies, and no row is read: EXPLAIN."""
    asked: set[tuple[Name, str]] = set()
    unseen = []
    for policy in _policies(at):
        for role in policy.roles or _readers(at, policy.table):
            if policy.on and (policy.table, role) not in asked:
                asked.add((policy.table, role))
                try:
                    wrong = _explained(at, policy.table, role)
                except psycopg.errors.InsufficientPrivilege:
                    unseen.append(f"{policy.table} as {role} (our role may not become that)")
                except psycopg.errors.LockNotAvailable:
                    unseen.append(f"{policy.table} as {role} (somebody holds a lock)")
                else:
                    if wrong:
                        yield Found(str(policy.table), f"SELECT of {policy.table} as {role}: {wrong}")
    if unseen:
        raise Unseen(listed(unseen))


def _readers(at: Patient, table: Name) -> list[str]:
    """Who a policy for everybody is for: those with a grant who are neither owner nor exempt."""
    rows = at.rows(
        "SELECT DISTINCT r.rolname FROM pg_class c CROSS JOIN aclexplode(c.relacl) x JOIN pg_roles r ON r.oid = "
        "x.grantee WHERE c.oid = to_regclass(%s) AND NOT r.rolsuper AND NOT r.rolbypassrls AND x.grantee <> "
        "c.relowner ORDER BY 1",
        table.sql,
    )
    return [name for (name,) in rows]


def _explained(at: Patient, table: Name, role: str) -> str:
    """What the server says to a query of the table; empty where it would answer. Raises where we may not be that."""
    may = at.value(
        "SELECT has_table_privilege(%s, to_regclass(%s), 'SELECT') AND has_schema_privilege(%s, %s, 'USAGE')",
        *(role, table.sql, role, table.schema),
    )
    if not may:
        return ""
    with at.conn.transaction(force_rollback=True):
        at.conn.execute(f"SET LOCAL ROLE {ident(role)}".encode())
        at.conn.execute("SET LOCAL row_security = on")
        try:
            with at.conn.transaction():
                at.conn.execute(f"EXPLAIN SELECT FROM {table.sql}".encode())
        except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
            raise
        except psycopg.Error as error:
            return translate(error).message
    return ""
