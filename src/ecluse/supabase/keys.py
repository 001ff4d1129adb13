"""All secrets of a stack: made together, and changed so that the old ones go on for a while."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from urllib.parse import urlsplit

from ecluse.errors import SettingsError, WrongState, WrongUsage
from ecluse.supabase import tokens
from ecluse.supabase.env_file import EnvFile, parse_env
from ecluse.supabase.tokens import ANON, PUBLISHABLE, SECRET, SERVICE, Jwk

# What applications hold, and what each is good for.
API_KEYS = {
    "ANON_KEY": ANON,
    "SERVICE_ROLE_KEY": SERVICE,
    "SUPABASE_PUBLISHABLE_KEY": ANON,
    "SUPABASE_SECRET_KEY": SERVICE,
}
PREVIOUS = "_PREVIOUS"
ROTATED_AT = "KEYS_ROTATED_AT"
_SECRETS = {
    *API_KEYS,
    *("JWT_SECRET", "JWT_KEYS", "JWT_JWKS", "ANON_KEY_ASYMMETRIC", "SERVICE_ROLE_KEY_ASYMMETRIC"),
    *("POSTGRES_PASSWORD", "DASHBOARD_PASSWORD", "SECRET_KEY_BASE", "REALTIME_DB_ENC_KEY", "PG_META_CRYPTO_KEY"),
    *("S3_PROTOCOL_ACCESS_KEY_ID", "S3_PROTOCOL_ACCESS_KEY_SECRET", "SMTP_PASS"),
}
_ROTATED = (*API_KEYS, "JWT_SECRET")
_HEADING = "# --- before the rotation: accepted until `ecluse supabase keys rotate --end` ---"


def is_secret(name: str) -> bool:
    """Whether a variable of `.env` holds a secret, or a key, rather than a setting."""
    return name.removesuffix(PREVIOUS) in _SECRETS


def new_env(url: str, now: datetime) -> EnvFile:
    """The `.env` of a new stack that is reached at this address. Raises WrongUsage where it is no address."""
    skeleton = parse_env(files("ecluse.supabase.stack").joinpath("env").read_text(encoding="utf-8"))
    return skeleton.with_values(_addresses(url) | new_secrets(now))


def rotated_env(env: EnvFile, now: datetime) -> EnvFile:
    """With new keys, and those of before at its end. Raises as `rotated` does."""
    changed = rotated(env.values, now)
    return EnvFile((*env.lines, "", _HEADING, "")).with_values(changed)


def ended_env(env: EnvFile) -> EnvFile:
    """Without the keys of before. Raises WrongState where there are none."""
    kept = env.with_values(ended(env.values)).without({ROTATED_AT, *(name + PREVIOUS for name in _ROTATED)})
    return EnvFile(tuple("\n".join(kept.lines).replace(_HEADING, "").rstrip().split("\n")))


def _addresses(url: str) -> dict[str, str]:
    """The address, and what follows from it: the port on this machine, or the name in the certificate."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise WrongUsage(f"'{url}' is not the address of a gateway", hint="--url https://api.example.com")
    values = {"SUPABASE_PUBLIC_URL": url.rstrip("/")}
    if parts.scheme == "https":
        return values | {"PROXY_DOMAIN": parts.hostname}
    return values | ({"KONG_HTTP_PORT": str(port)} if port else {})


def new_secrets(now: datetime) -> dict[str, str]:
    """Every secret of a new stack, by its name in `.env`. All passwords are safe inside a URL."""
    return _signed(secrets.token_hex(32), tokens.signing_key(), now) | {
        "POSTGRES_PASSWORD": secrets.token_hex(24),
        "DASHBOARD_PASSWORD": secrets.token_hex(16),
        "SECRET_KEY_BASE": secrets.token_hex(48),
        # The service takes exactly 16 characters: they are the key of AES-128.
        "REALTIME_DB_ENC_KEY": secrets.token_hex(8),
        "PG_META_CRYPTO_KEY": secrets.token_hex(16),
        "S3_PROTOCOL_ACCESS_KEY_ID": secrets.token_hex(16),
        "S3_PROTOCOL_ACCESS_KEY_SECRET": secrets.token_hex(32),
    }


def rotated(values: Mapping[str, str], now: datetime) -> dict[str, str]:
    """What changes in `.env`: new keys, and the old ones under names of their own, still accepted.

    Raises WrongState while the keys before are still accepted, SettingsError where there is nothing to change.
    """
    if since := values.get(ROTATED_AT):
        raise WrongState(
            f"the keys were changed at {since}, and those of before are still accepted",
            details="a third generation beside them would be one too many to tell apart",
            hint="ecluse supabase keys rotate --end",
            state="nothing was changed",
        )
    if not values.get("JWT_SECRET"):
        raise SettingsError("'.env' has no JWT_SECRET", hint="ecluse supabase keys new")
    signing = tokens.signing_key_of(values.get("JWT_KEYS", ""))
    former = [tokens.public_half(signing)] if signing else []
    changed = _signed(secrets.token_hex(32), tokens.signing_key(), now, former, values["JWT_SECRET"])
    changed |= {name + PREVIOUS: values[name] for name in _ROTATED if values.get(name)}
    return changed | {ROTATED_AT: now.astimezone(UTC).isoformat(timespec="seconds")}


def ended(values: Mapping[str, str]) -> dict[str, str]:
    """What changes in `.env` when the keys of before are no longer accepted."""
    signing = tokens.signing_key_of(values.get("JWT_KEYS", ""))
    if ROTATED_AT not in values or signing is None:
        raise WrongState("there are no previous keys that could end", state="nothing was changed")
    secret = values["JWT_SECRET"]
    return {"JWT_KEYS": tokens.jwt_keys(signing, secret), "JWT_JWKS": tokens.jwt_jwks(signing, secret)}


def _signed(
    secret: str, key: Jwk, now: datetime, former: list[Jwk] | None = None, former_secret: str = ""
) -> dict[str, str]:
    """All that hangs on the JWT secret and the signing key. The former ones still verify, and sign nothing."""
    return {
        "JWT_SECRET": secret,
        "ANON_KEY": tokens.legacy_key(secret, ANON, now),
        "SERVICE_ROLE_KEY": tokens.legacy_key(secret, SERVICE, now),
        "SUPABASE_PUBLISHABLE_KEY": tokens.opaque_key(PUBLISHABLE),
        "SUPABASE_SECRET_KEY": tokens.opaque_key(SECRET),
        "JWT_KEYS": tokens.jwt_keys(key, secret, former or ()),
        "JWT_JWKS": tokens.jwt_jwks(key, secret, former or (), former_secret),
        "ANON_KEY_ASYMMETRIC": tokens.asymmetric_key(key, ANON, now),
        "SERVICE_ROLE_KEY_ASYMMETRIC": tokens.asymmetric_key(key, SERVICE, now),
    }
