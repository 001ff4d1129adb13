"""The probe of imported users: every invariant of supabase/auth, asked of all accounts that the map names. Pure.

The rules are those of supabase/auth's models: what it reads into a value that cannot be NULL makes every request about
that person fail, and the list of users with it; what it looks people up by must be there; an identity is what
e-mail changes and linking go by.
"""

from __future__ import annotations

from ecluse.model.names import Name, literal
from ecluse.operations.people_flow import NOBODY, TOKENS

_READ = (*TOKENS, "created_at", "updated_at")
_BROKEN = {
    "accounts are found by nobody: instance_id, aud or role is not what the auth service asks for": (
        f"u.instance_id IS DISTINCT FROM {NOBODY} OR u.aud IS DISTINCT FROM 'authenticated' "
        "OR u.role IS DISTINCT FROM 'authenticated'"
    ),
    "accounts have NULL where the auth service reads a text or a time": " OR ".join(
        f"u.{name} IS NULL" for name in _READ
    ),
    "accounts have an e-mail address that is not in lower case, or nothing to sign in with": (
        "u.email <> lower(u.email) OR (u.email IS NULL AND u.phone IS NULL AND u.deleted_at IS NULL)"
    ),
    "accounts have an empty phone number instead of none": "u.phone = ''",
    "accounts have no provider in raw_app_meta_data": (
        "NOT coalesce(u.raw_app_meta_data, '{}') ?& ARRAY['provider', 'providers']"
    ),
    "accounts have no identity that says who they are": (
        # One that the service made may be of any provider; whom it deleted has none that says so.
        "u.deleted_at IS NULL AND NOT EXISTS (SELECT FROM auth.identities d WHERE d.user_id = u.id "
        "AND d.identity_data->>'sub' = d.provider_id AND d.created_at IS NOT NULL AND d.updated_at IS NOT NULL "
        "AND (d.provider <> 'email' OR d.provider_id = u.id::text))"
    ),
}


def script(mapping: Name) -> str:
    """A script that raises with the first rule that accounts of imported users break, and how many do."""
    created = f"SELECT u.* FROM {mapping.sql} a JOIN auth.users u ON u.id = a.supabase_user_id WHERE NOT a.matched"
    parts = [
        _raise(
            f"SELECT count(*) FROM {mapping.sql} a WHERE NOT EXISTS "
            "(SELECT FROM auth.users u WHERE u.id = a.supabase_user_id)",
            "lines of the map name an account that is not there",
        )
    ]
    parts += [_raise(f"SELECT count(*) FROM ({created}) u WHERE {rule}", words) for words, rule in _BROKEN.items()]
    body = "\n".join(parts)
    return f"DO $probe$\nDECLARE found bigint;\nBEGIN\n{body}\nEND $probe$"


def _raise(question: str, words: str) -> str:
    return f"found := ({question});\nIF found > 0 THEN RAISE EXCEPTION '%', found || {literal(f' {words}')}; END IF;"
