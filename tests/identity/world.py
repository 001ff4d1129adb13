"""Two databases: an application's, and the one where people live. Clean at first; tests plant faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from ecluse.errors import CannotConnect
from ecluse.identity.audit import audit, resolver_for
from ecluse.identity.findings import Audit, Finding, mask
from ecluse.identity.idmap import IdMap, id_map
from ecluse.identity.sessions import Sessions
from ecluse.model.identity import Holder, Identity, Kind, Source
from ecluse.postgres.connect import Database

PEOPLE = """
CREATE SCHEMA auth;
CREATE TABLE auth.users (id uuid PRIMARY KEY, email text, deleted_at timestamptz);
CREATE TABLE public.users (id uuid PRIMARY KEY, auth_user_id uuid, email text UNIQUE);
CREATE TABLE public.documents (id serial PRIMARY KEY, owner uuid REFERENCES auth.users, "of user" text);
INSERT INTO auth.users SELECT md5('auth' || n)::uuid, 'user' || n || '@example.org' FROM generate_series(1, 30) n;
INSERT INTO public.users SELECT md5('profile' || n)::uuid, md5('auth' || n)::uuid, 'User' || n || '@example.org'
    FROM generate_series(1, 30) n;
INSERT INTO public.documents (owner) SELECT id FROM auth.users;
"""
APPLICATION = """
CREATE TABLE members (id serial PRIMARY KEY, email varchar(255) NOT NULL);
INSERT INTO members (email) SELECT 'user' || n || '@example.org' FROM generate_series(1, 20) n;
CREATE TABLE conversations (id serial PRIMARY KEY, user_id text, title text, meta jsonb, watchers text[]);
INSERT INTO conversations (user_id, title, meta, watchers)
SELECT CASE n % 2 WHEN 0 THEN u::text ELSE upper(u::text) END, 'title ' || n,
       jsonb_build_object('seen', jsonb_build_array(jsonb_build_object('by', u), jsonb_build_object('by', NULL))),
       ARRAY[u::text, NULL]
FROM generate_series(1, 60) n, LATERAL (SELECT md5('auth' || n % 30 + 1)::uuid AS u) x;
CREATE TABLE orders (id serial PRIMARY KEY, member_id integer REFERENCES members, user_email text, note text);
INSERT INTO orders (member_id, user_email) SELECT n, 'USER' || n || '@example.org' FROM generate_series(1, 20) n;
CREATE TABLE newsletter (email text, user_agent text);
INSERT INTO newsletter SELECT 'reader' || n || '@example.org', 'agent ' || n FROM generate_series(1, 20) n;
INSERT INTO newsletter SELECT 'user' || n || '@example.org', 'agent ' || n FROM generate_series(1, 3) n;
ANALYZE;
"""

ACCOUNTS = Source(database="people", table="auth.users", auth="id", email="email", deleted="deleted_at")
PROFILES = Source(database="people", table="public.users", profile="id", auth="auth_user_id", email="email")
MEMBERS = Source(database="app", table="public.members", legacy="id", email="email")
OWNERS = Holder(database="app", table="public.conversations", column="user_id", holds=Kind.AUTH)
SEEN = Holder(database="app", table="public.conversations", column="meta", path="seen[*].by", holds=Kind.AUTH)
IDENTITY = Identity(source=(ACCOUNTS, PROFILES, MEMBERS), column=(OWNERS, SEEN))


@dataclass
class World:
    """The two databases, by name. What is `away` cannot be reached."""

    databases: dict[str, Database]
    away: frozenset[str] = frozenset()
    identity: Identity = IDENTITY

    def run(self, name: str, sql: str) -> None:
        with psycopg.connect(self.databases[name].conninfo, autocommit=True) as conn:
            conn.execute(sql.encode())

    def sessions(self) -> Sessions:
        def find(name: str) -> Database:
            if name in self.away:
                raise CannotConnect(f"cannot connect to {name}")
            return self.databases[name]

        return Sessions(find)

    def audit(self) -> Audit:
        sessions = self.sessions()
        try:
            return audit(self.identity, list(self.databases), sessions, mask)
        finally:
            sessions.close()

    def map(self, holders: Sequence[Holder] = (OWNERS,), to: Kind = Kind.AUTH) -> IdMap:
        sessions = self.sessions()
        try:
            return id_map(holders, to, resolver_for(self.identity, sessions), sessions)
        finally:
            sessions.close()


def short(findings: Sequence[Finding]) -> list[tuple[str, str, int]]:
    """What a test looks at."""
    return [(str(found.fault), found.where, found.values) for found in findings]
