"""The floor: all of it by INSERT ... SELECT, in one transaction. It proves nothing, and nothing takes it back."""

from __future__ import annotations

import time

from benchmarks.ground import connect

TABLES = """
CREATE TABLE public.user_id_mapping (old_user_id integer NOT NULL, supabase_user_id uuid NOT NULL, email text NOT NULL,
    matched boolean NOT NULL DEFAULT false, migrated_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE public.profiles (id uuid NOT NULL, full_name text, created_at timestamptz NOT NULL DEFAULT now());
ALTER TABLE public.user_id_mapping ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.profiles ENABLE ROW LEVEL SECURITY;
"""

KEYS = """
ALTER TABLE public.user_id_mapping ADD PRIMARY KEY (old_user_id), ADD UNIQUE (supabase_user_id),
    ADD FOREIGN KEY (supabase_user_id) REFERENCES auth.users ON DELETE CASCADE;
CREATE INDEX ON public.user_id_mapping (email);
ALTER TABLE public.profiles ADD PRIMARY KEY (id), ADD FOREIGN KEY (id) REFERENCES auth.users ON DELETE CASCADE;
"""

# As short as a script may have it that only knows the sample: what it takes for an address need not be one.
_STAGED = r"""
CREATE TEMP TABLE staged ON COMMIT DROP AS
SELECT m.id, coalesce(a.id, gen_random_uuid()) AS uid, m.address, a.id IS NOT NULL AS matched,
       CASE WHEN m.hash ~ '^\$2[aby]\$' AND length(m.hash) = 60
                 OR m.hash ~ '^\$argon2id?\$' AND m.hash !~ 'm=[0-9]{7}' OR m.hash LIKE '$fbscrypt$%'
            THEN m.hash END AS hash,
       m.full_name, m.role, m.is_active, m.created_at, m.last_login
FROM (SELECT id, lower(btrim(email)) AS address, password_hash AS hash, full_name, role, is_active,
             created_at AT TIME ZONE 'UTC' AS created_at, last_login AT TIME ZONE 'UTC' AS last_login,
             count(*) OVER (PARTITION BY lower(btrim(email))) AS sharing
      FROM public.users) m
LEFT JOIN auth.users a ON lower(a.email) = m.address
WHERE m.sharing = 1 AND m.address ~ '^[^@ ]+@[a-z0-9-]+\.[a-z0-9.-]+$' AND length(m.address) <= 255;
"""

_INSERTS = """
INSERT INTO auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, banned_until,
    confirmation_token, recovery_token, email_change_token_new, email_change, raw_app_meta_data, raw_user_meta_data,
    created_at, updated_at, last_sign_in_at)
SELECT '00000000-0000-0000-0000-000000000000', uid, 'authenticated', 'authenticated', address, hash, created_at,
    CASE WHEN NOT is_active THEN now() + interval '100 years' END, '', '', '', '',
    jsonb_strip_nulls(jsonb_build_object('provider', 'email', 'providers', jsonb_build_array('email'), 'role', role)),
    jsonb_strip_nulls(jsonb_build_object('email_verified', true, 'full_name', full_name)),
    created_at, created_at, last_login
FROM staged WHERE NOT matched;
INSERT INTO auth.identities (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
SELECT uid, uid, jsonb_build_object('sub', uid, 'email', address, 'email_verified', true, 'phone_verified', false),
    'email', created_at, created_at, created_at
FROM staged WHERE NOT matched;
INSERT INTO public.profiles (id, full_name, created_at) SELECT uid, full_name, created_at FROM staged WHERE NOT matched;
INSERT INTO public.user_id_mapping (old_user_id, supabase_user_id, email, matched)
SELECT id, uid, address, matched FROM staged;
"""


def floor(conninfo: str) -> dict[str, float]:
    """Stage, insert, index; then statistics."""
    notes = {}
    with connect(conninfo) as conn:
        with conn.transaction():
            for what, script in (("stage", TABLES + _STAGED), ("insert", _INSERTS), ("index", KEYS)):
                began = time.monotonic()
                conn.execute(script.encode())
                notes[what] = time.monotonic() - began
        conn.execute("ANALYZE auth.users, auth.identities, public.profiles, public.user_id_mapping")
    return notes
