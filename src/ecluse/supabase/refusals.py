"""What an answer that is not the one wanted means: who said it, why, and what to do. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ecluse.redaction import redact
from ecluse.supabase.http import Reply


@dataclass(frozen=True, slots=True)
class Cause:
    """Why, and what to do about it."""

    why: str
    hint: str = ""


_KEYS = "ecluse supabase keys check"
_RESTART = "docker compose up -d --force-recreate gateway"
_RESTART_IT = "docker compose up -d --force-recreate {service}"
_PASSWORD = "docker compose logs db: the password of .env is not the one that the database got at its first start"

# By what stands in an answer, anywhere; the first that fits. `{service}` is whom the question was for.
_TEXTS: tuple[tuple[str, Cause], ...] = (
    (
        "No API key found in request",
        Cause("the gateway got no key: something between here and it drops the header apikey", _KEYS),
    ),
    (
        "Invalid authentication credentials",
        Cause("the gateway does not know this key: it was started with other keys than .env has now", _RESTART),
    ),
    (
        "You cannot consume this service",
        Cause("the gateway knows this key for another role: an anon key where a service_role key is needed", _KEYS),
    ),
    ("no Route matched", Cause("the gateway has no route for {service}: its configuration is not ours", _RESTART)),
    ("name resolution failed", Cause("{service} does not run: the gateway does not find it")),
    ("failure to get a peer", Cause("{service} does not run: the gateway does not find it")),
    ("invalid response was received from the upstream", Cause("{service} does not listen, or falls over its answer")),
    ("upstream server is timing out", Cause("{service} runs and does not answer")),
    ("password authentication failed", Cause("{service} cannot log in to the database", _PASSWORD)),
    ("PGRST301", Cause("REST does not have the key that signed this token: JWT_JWKS is another than .env's", _KEYS)),
    ("PGRST302", Cause("REST takes nobody without a token: PGRST_DB_ANON_ROLE is not set")),
    ("PGRST303", Cause("the token is expired, or the clocks of this machine and the stack differ", _KEYS)),
    ("PGRST300", Cause("REST has no JWT secret", _RESTART_IT)),
    ("PGRST00", Cause("REST does not reach the database", "docker compose logs rest db")),
    ("PGRST205", Cause("REST does not see the table: its schema is not in PGRST_DB_SCHEMAS, or its cache is old")),
    ("PGRST106", Cause("REST does not show this schema: it is not in PGRST_DB_SCHEMAS")),
    ("42501", Cause("the role has no right to the table, or a policy refuses the row")),
    ("bad_jwt", Cause("auth does not have the key that signed this token: JWT_SECRET or JWT_KEYS is another", _KEYS)),
    ("no_authorization", Cause("auth got no token: something between here and it drops the header Authorization")),
    ("not_admin", Cause("auth does not take this key for service_role", _KEYS)),
    (
        "Database error querying schema",
        Cause("auth cannot read the row of this person: a token column of auth.users is NULL where '' is needed"),
    ),
    (
        "Database error finding users",
        Cause("auth cannot read a row of auth.users: a token column is NULL where '' is needed"),
    ),
    (
        "Database error creating new user",
        Cause("the database refuses new people: a trigger on auth.users fails", "docker compose logs auth db"),
    ),
    ("email_provider_disabled", Cause("sign-in by e-mail is off", "ENABLE_EMAIL_SIGNUP=true")),
    ("invalid_credentials", Cause("the password is not the one that was set a moment ago")),
    ("email_not_confirmed", Cause("auth holds the e-mail for unconfirmed")),
    ("over_request_rate_limit", Cause("auth takes no more requests from here for some minutes")),
    ("API key is missing", Cause("realtime got no key: the gateway does not pass it on", _RESTART)),
    ("Failed to validate JWT signature", Cause("realtime has another JWT_SECRET or JWT_JWKS than .env", _RESTART_IT)),
    ("The token provided is not a valid JWT", Cause("realtime got a key that the gateway should translate", _RESTART)),
    ("Token has expired", Cause("the token is expired, or the clocks of this machine and the stack differ")),
    ("Tenant not found", Cause("realtime is called by another name than realtime-dev, or SEED_SELF_HOST is not set")),
    ("Realtime was disabled", Cause("realtime is switched off for this tenant")),
    ("Please check Realtime is enabled", Cause("the table is not in the publication supabase_realtime")),
    ("You do not have permissions", Cause("policies on realtime.messages refuse this channel")),
    ("Error connecting to Realtime", Cause("realtime does not reach the database", "docker compose logs realtime db")),
    ("Access is forbidden", Cause("the gateway keeps this address closed")),
)


def cause_of(service: str, reply: Reply) -> Cause:
    """The cause of an answer; where it is none that we know, what was answered."""
    if reply.status == 401 and service == "studio":
        return Cause("the dashboard has another login than DASHBOARD_USERNAME and DASHBOARD_PASSWORD", _RESTART)
    for text, cause in _TEXTS:
        if text in reply.text:
            hint = cause.hint or "docker compose logs {service}"
            return Cause(cause.why.format(service=service), hint.format(service=service))
    if reply.status >= 500:
        return Cause(f"{service} is there and fails: {said(reply)}", f"docker compose logs {service}")
    return Cause(f"{service} answers {said(reply)}", f"docker compose logs {service}")


def said(reply: Reply) -> str:
    """The answer in a few words, without tokens."""
    words = next((str(reply.get(name)) for name in ("message", "msg", "error", "reason") if reply.get(name)), "")
    code = next((str(reply.get(name)) for name in ("error_code", "code") if reply.get(name)), "")
    told = " ".join(part for part in (str(reply.status), code if code != str(reply.status) else "", words) if part)
    return redact(" ".join(told.split()))[:200]
