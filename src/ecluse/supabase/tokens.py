"""The forms of Supabase's keys, and making them. Pure but for chance: the time is given."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import uuid
import warnings
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, cast

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from jwt.algorithms import ECAlgorithm

ANON, SERVICE = "anon", "service_role"
PUBLISHABLE, SECRET = "sb_publishable_", "sb_secret_"
LIFETIME = timedelta(days=5 * 365)
Jwk = dict[str, Any]


def claims(role: str, now: datetime) -> dict[str, Any]:
    """What a key says of itself: no person, no audience, only the database role."""
    return {"role": role, "iss": "supabase", "iat": int(now.timestamp()), "exp": int((now + LIFETIME).timestamp())}


def legacy_key(secret: str, role: str, now: datetime) -> str:
    """A key in the old form. The characters of the secret are what signs, whatever they may look like."""
    return jwt.encode(claims(role, now), secret, "HS256")


def opaque_key(prefix: str) -> str:
    """A key in the new form: it means something to the gateway only. Its end tells a typing error from a wrong key."""
    chance = secrets.token_urlsafe(17)[:22]
    digest = hashlib.sha256(f"supabase-self-hosted|{prefix}{chance}".encode()).digest()
    return f"{prefix}{chance}_{base64.urlsafe_b64encode(digest).decode()[:8]}"


def signing_key() -> Jwk:
    """A private P-256 key that the auth service signs with."""
    made = ECAlgorithm.to_jwk(generate_private_key(SECP256R1()), as_dict=True)
    return {**made, "kid": str(uuid.uuid4()), "use": "sig", "alg": "ES256", "key_ops": ["sign", "verify"], "ext": True}


def public_half(key: Jwk) -> Jwk:
    """What others need to verify."""
    return {name: value for name, value in key.items() if name != "d"} | {"key_ops": ["verify"]}


def shared_key(secret: str) -> Jwk:
    """The JWT secret in the form of a key, for those who read keys only."""
    return {"kty": "oct", "k": base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="), "alg": "HS256"}


def asymmetric_key(key: Jwk, role: str, now: datetime) -> str:
    """What the gateway puts in the place of an opaque key."""
    private = cast(EllipticCurvePrivateKey, ECAlgorithm.from_jwk(key))
    return jwt.encode(claims(role, now), private, "ES256", {"kid": key["kid"]})


def jwt_keys(key: Jwk, secret: str, former: Iterable[Jwk] = ()) -> str:
    """JWT_KEYS of the auth service. It refuses to start when more than one key may sign."""
    return _compact([key, shared_key(secret), *former])


def jwt_jwks(key: Jwk, secret: str, former: Iterable[Jwk] = (), former_secret: str = "") -> str:
    """JWT_JWKS of those who only verify."""
    secrets_ = [shared_key(former_secret)] if former_secret else []
    return _compact({"keys": [public_half(key), shared_key(secret), *former, *secrets_]})


def signing_key_of(text: str) -> Jwk | None:
    """The key in JWT_KEYS that signs; None where there is none, or where it is not JSON."""
    return next((key for key in keys_of(text) if "sign" in key.get("key_ops", ()) and "d" in key), None)


def keys_of(text: str) -> list[Jwk]:
    """The keys in a JWT_KEYS or a JWT_JWKS; none where it is neither."""
    try:
        found = json.loads(text)
    except ValueError:
        return []
    listed = found.get("keys") if isinstance(found, Mapping) else found
    return [key for key in listed if isinstance(key, dict)] if isinstance(listed, list) else []


def verifies(token: str, secret: str | bytes) -> bool:
    """Whether the secret signed it, expired or not."""
    return _holds(token, secret, "HS256")


def verifies_by(token: str, key: Jwk) -> bool:
    """Whether the private half of the key signed it, expired or not."""
    try:
        return _holds(token, ECAlgorithm.from_jwk(key), "ES256")
    except (jwt.InvalidKeyError, ValueError):
        return False


def _holds(token: str, key: Any, algorithm: str) -> bool:
    unlimited = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}
    try:
        with warnings.catch_warnings():
            # That a secret is short is told by the check of keys, in its own words.
            warnings.simplefilter("ignore")
            jwt.decode(token, key, [algorithm], options=cast(Any, unlimited))
    except (jwt.PyJWTError, ValueError, TypeError):
        return False
    return True


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
