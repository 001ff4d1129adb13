"""Whether all keys come from one secret, are what their names say, and are known at the gateway. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ecluse.supabase import tokens
from ecluse.supabase.key_facts import Key, Stack, variable
from ecluse.supabase.key_places import JWT_SECRET, Place
from ecluse.supabase.keys import API_KEYS, PREVIOUS, ROTATED_AT
from ecluse.supabase.tokens import ANON, SERVICE

REFUSED = '401 "Invalid authentication credentials" from the gateway'
MISSING = '401 "No API key found in request" from the gateway'
_UNVERIFIED = "401 PGRST301 from REST"
_SOON = timedelta(days=30)
_DEFAULT = re.compile(r"\$\{\w+:?[-?+]")
_NOT_IN_URL = re.compile(r"[^\w.~-]", re.ASCII)
# Published with the examples of Supabase: whoever knows them can sign in as anybody.
_EXAMPLES = ("super-secret-jwt-token-with-at-least-32-characters-long", "your-super-secret-jwt-token")

_NEW = "ecluse supabase keys new"
_ROTATE = "ecluse supabase keys rotate"
_END = "ecluse supabase keys rotate --end"
_COMPOSE = "`ecluse supabase compose` writes a configuration that takes them from .env"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a key: `cause` says what clients meet. `level`: wrong | note."""

    place: str
    level: Literal["wrong", "note"]
    fault: str
    message: str
    cause: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A place, and the key that stands there."""

    place: Place
    key: Key


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """What was looked at, and what is wrong with it."""

    seen: tuple[Seen, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def good(self) -> bool:
        """Whether nothing is wrong; notes do not count."""
        return not any(found.level == "wrong" for found in self.findings)


def check_keys(values: Mapping[str, str], file: str, places: Iterable[Place], now: datetime) -> KeyCheck:
    """Hold every place against the stack's `.env`."""
    bare = Stack(values, now)
    # Before the first rotation there is nothing to fill in there, and the gateway leaves it out.
    given = [p for p in places if not (variable(p.value).endswith(PREVIOUS) and bare.resolve(p.value) is None)]
    gateway = [place for place in given if place.kind == "gateway"]
    known = {filled for place in gateway if (filled := bare.resolve(place.value))}
    stack = Stack(values, now, frozenset(known if gateway else bare.own))
    own = [Place("stack", file, 0, name, values[name], role) for name, role in API_KEYS.items() if values.get(name)]
    seen: list[Seen] = []
    findings = list(_of_stack(stack, file))
    for place in (*own, *given):
        if place.wants == JWT_SECRET:
            findings += _of_secret(place, stack)
        elif (value := stack.resolve(place.value)) and not _DEFAULT.match(value):
            seen.append(Seen(place, stack.key(value)))
            findings += _of_key(place, value, seen[-1].key, stack)
        else:
            findings += _of_nothing(place)
    findings += _not_at_gateway(stack, file)
    return KeyCheck(tuple(seen), tuple(findings))


# --- the stack by itself ------------------------------------------------------------------------------


def _of_stack(stack: Stack, file: str) -> Iterator[Finding]:
    """What is wrong with `.env` on its own."""
    example = stack.secret.startswith(_EXAMPLES)
    if len(stack.secret) < 32 or example:
        message = f"JWT_SECRET is {'published with the examples of Supabase' if example else 'too short'}"
        yield _wrong(file, "weak-secret", message, "anybody can sign in as anybody", _ROTATE if stack.secret else _NEW)
    if not any(stack.values.get(name) for name, role in API_KEYS.items() if role == ANON):
        message = "it has no key for browsers: neither ANON_KEY nor SUPABASE_PUBLISHABLE_KEY"
        yield _wrong(file, "missing", message, MISSING, _NEW)
    if _NOT_IN_URL.search(stack.values.get("POSTGRES_PASSWORD", "")):
        message = "POSTGRES_PASSWORD has characters that mean something in a URL"
        cause = "services that get it inside a URL cannot connect, or take something else for the host"
        yield _wrong(file, "unsafe-password", message, cause, "letters and digits; change it in the database as well")
    if since := stack.values.get(ROTATED_AT):
        yield Finding(file, "note", "overlap", f"the keys of before {since} are still accepted", hint=_END)
    yield from _of_sets(stack, file)


def _of_sets(stack: Stack, file: str) -> Iterator[Finding]:
    """JWT_KEYS, JWT_JWKS and what is signed by them must say the same as JWT_SECRET."""
    keys, jwks = (tokens.keys_of(stack.values.get(name, "")) for name in ("JWT_KEYS", "JWT_JWKS"))
    own = tokens.shared_key(stack.secret)["k"]
    for name, found in (("JWT_KEYS", keys), ("JWT_JWKS", jwks)):
        if found and own not in [str(key.get("k", "")).rstrip("=") for key in found]:
            cause = f"{_UNVERIFIED} for every key in the old form"
            yield _wrong(file, "other-secret", f"{name} holds another secret than JWT_SECRET", cause, _ROTATE)
    signing = tokens.signing_key_of(stack.values.get("JWT_KEYS", ""))
    if signing and signing.get("kid") not in [key.get("kid") for key in jwks]:
        message = "JWT_JWKS does not have the key that JWT_KEYS signs with"
        cause = f"people sign in, and then REST and realtime refuse their tokens: {_UNVERIFIED}"
        yield _wrong(file, "signing-key", message, cause, _ROTATE)
    for name in ("ANON_KEY_ASYMMETRIC", "SERVICE_ROLE_KEY_ASYMMETRIC"):
        token = stack.values.get(name)
        if token and not any(tokens.verifies_by(token, key) for key in jwks):
            cause = f"{_UNVERIFIED} for every publishable or secret key"
            yield _wrong(file, "signing-key", f"no key of JWT_JWKS verifies {name}", cause, _ROTATE)


def _not_at_gateway(stack: Stack, file: str) -> Iterator[Finding]:
    for value, name in stack.own.items():
        if value not in stack.accepted:
            message = f"the configuration of the gateway does not have {name}"
            yield _wrong(file, "not-at-gateway", message, f"{REFUSED} for whoever uses it", _COMPOSE)


# --- a place ------------------------------------------------------------------------------------------


def _of_secret(place: Place, stack: Stack) -> Iterator[Finding]:
    if place.public:
        yield _leak(place, "the JWT secret")
    if stack.resolve(place.value) != stack.secret:
        cause = "this application takes the tokens of everybody who is signed in for forged"
        yield _wrong(str(place), "other-secret", "it is not JWT_SECRET of .env", cause, "copy JWT_SECRET from .env")


def _of_nothing(place: Place) -> Iterator[Finding]:
    """There is no key at the place, or one that cannot be told from here."""
    where = str(place)
    if not place.value:
        yield _wrong(where, "missing", "it is empty", MISSING, _copy(place))
    elif _DEFAULT.match(place.value):
        message = "the gateway does not understand defaults: this very text is the key that it knows"
        yield _wrong(where, "placeholder", message, f"{REFUSED} for every other key", _COMPOSE)
    elif place.kind == "gateway":
        yield _wrong(where, "placeholder", f"{variable(place.value)} has no value in .env", REFUSED, _NEW)
    else:
        message = f"it takes its value from {variable(place.value)}, which is not in .env; it was not looked at"
        yield Finding(where, "note", "placeholder", message)


def _of_key(place: Place, value: str, key: Key, stack: Stack) -> Iterator[Finding]:
    where = str(place)
    if key.role == SERVICE and (place.public or place.wants == ANON):
        yield _leak(place, "a key that passes row level security")
    elif place.wants and key.form != "none" and key.role != place.wants:
        role = f"its role is '{key.role}'" if key.role else "it names no role"
        cause = "REST answers as another role than is meant, or refuses with 401 or 403"
        yield _wrong(where, "wrong-role", f"this should be a key for {place.wants}, and {role}", cause, _copy(place))
    refusal = _refusal(place, value, key, stack)
    yield from [refusal] if refusal else _of_time(place, value, key, stack)


def _refusal(place: Place, value: str, key: Key, stack: Stack) -> Finding | None:
    """Why the gateway, or a service behind it, says no."""
    where = str(place)
    if key.form == "none":
        message = "it is no key: neither a JWT, nor does it begin with sb_publishable_ or sb_secret_"
        return _wrong(where, "malformed", message, REFUSED, _copy(place))
    if key.signed == "encoded":
        message = "it was signed with JWT_SECRET decoded from base64; the services take its characters as they are"
        return _wrong(where, "encoded-secret", message, _UNVERIFIED, _ROTATE)
    if key.form == "jwt" and not key.signed:
        demo = "; it is the demo key of Supabase's examples" if key.demo else ""
        message = f"it was signed with another secret than JWT_SECRET of .env{_made(key, stack)}{demo}"
        known = f"the gateway lets it in, and then {_UNVERIFIED}"
        return _wrong(where, "other-secret", message, known if value in stack.accepted else REFUSED, _copy(place))
    if place.kind == "gateway" and value not in stack.own:
        message = f"it is not a key of .env{_made(key, stack)}"
        return _wrong(where, "other-generation", message, f"{REFUSED} for whoever has the key of .env", _COMPOSE)
    if place.kind == "application" and value not in stack.accepted:
        message = f"the gateway, which compares letter by letter, does not have it{_made(key, stack)}"
        return _wrong(where, "not-at-gateway", message, REFUSED, _copy(place))
    return None


def _of_time(place: Place, value: str, key: Key, stack: Stack) -> Iterator[Finding]:
    where = str(place)
    if key.expires and key.expires <= stack.now:
        cause = '401 PGRST303 "JWT expired" from REST, 403 bad_jwt from auth'
        yield _wrong(where, "expired", f"it expired on {_moment(key.expires)}", cause, _ROTATE)
    elif key.expires and key.expires <= stack.now + _SOON:
        yield Finding(where, "note", "expires-soon", f"it expires on {_moment(key.expires)}", hint=_ROTATE)
    if place.kind == "application" and stack.own.get(value, "").endswith(PREVIOUS):
        message = "it is a key from before the rotation, accepted until that ends"
        yield Finding(where, "note", "previous", message, hint=_copy(place))


# --- words --------------------------------------------------------------------------------------------


def _wrong(place: str, fault: str, message: str, cause: str, hint: str) -> Finding:
    return Finding(place, "wrong", fault, message, cause, hint)


def _leak(place: Place, what: str) -> Finding:
    message = f"this is {what}, under a name for browsers"
    return _wrong(str(place), "leaked", message, "whoever opens the page can read and write every row", _ROTATE)


def _copy(place: Place) -> str:
    if place.kind == "gateway":
        return _COMPOSE
    if place.kind == "stack":
        return _ROTATE
    names = [name for name, role in API_KEYS.items() if role == (place.wants or ANON)]
    return f"copy {' or '.join(reversed(names))} from .env"


def _made(key: Key, stack: Stack) -> str:
    """When it was made and when that of `.env` was, where that tells them apart."""
    ours = next((stack.key(stack.values.get(n, "")) for n, role in API_KEYS.items() if role == key.role), Key(""))
    if key.issued is None or key.issued == ours.issued:
        return ""
    other = f", that of .env on {_moment(ours.issued)}" if ours.issued else ""
    return f"; it was made on {_moment(key.issued)}{other}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
