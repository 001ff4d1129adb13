"""The admin API of auth: one account, a page of accounts, a new account; asked again where the service is busy.

It numbers pages by offset over `created_at`, so that rows which share one may stand on two pages or on none: whoever
lists must compare with the total.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from ecluse.errors import SettingsError
from ecluse.supabase.http import Gateway, NoAnswer, Reply
from ecluse.supabase.key_facts import variable
from ecluse.supabase.keys import API_KEYS
from ecluse.supabase.outcomes import Failed
from ecluse.supabase.pace import Pace, Patience, retry_after
from ecluse.supabase.refusals import Cause, cause_of, said
from ecluse.supabase.tokens import SERVICE

_USERS = "/auth/v1/admin/users"
_LOGS = "docker compose logs auth"
# A thousand accounts are about a megabyte; metadata may be larger.
_PAGE = 256_000_000
_OLDEST = (2, 155)
_OLD = Cause(
    "this auth service is older than v2.155, which takes ids and password hashes: it would give everybody another "
    "id and no password",
    "update auth: ecluse supabase compose writes a version that does",
)
_BUSY = {408, 425, 429}


@dataclass(frozen=True, slots=True)
class Account:
    """An account. E-mail in lower case, None where nobody can sign in by it: SSO, or deleted.

    `confirmed`: somebody has shown that the address is theirs.
    """

    id: str
    email: str | None
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """A page of accounts; `total` is the number of all."""

    accounts: tuple[Account, ...]
    total: int
    more: bool


@dataclass
class AdminApi:
    """Auth, asked as an administrator. Every method raises Failed where it gives no answer to go by, and Stopped."""

    gateway: Gateway
    key: str = field(repr=False)
    pace: Pace
    patience: Patience = field(default_factory=Patience)

    def check_version(self) -> None:
        """Raise Failed where auth is too old for an import, if it says so."""
        version = str(self._ask("GET", "/auth/v1/health").get("version") or "")
        found = re.match(r"v?(\d+)\.(\d+)", version)
        if found and (int(found[1]), int(found[2])) < _OLDEST:
            raise Failed(_OLD)

    def page(self, number: int, size: int, *, newest_first: bool = False, like: str = "") -> Page:
        """A page, counted from 1; `like` is a text in the e-mail, where `%` and `_` stand for others."""
        asked = {"page": number, "per_page": size, "sort": f"created_at {'desc' if newest_first else 'asc'}"}
        path = f"{_USERS}?{urlencode(asked | ({'filter': like} if like else {}), quote_via=quote)}"
        reply = self._wanted(self._ask("GET", path, limit=_PAGE))
        value, total = reply.value, reply.headers.get("x-total-count", "")
        users = value.get("users") if isinstance(value, dict) else None
        if not isinstance(users, list):
            raise Failed(Cause("what auth answers is no list of accounts, or too long for one page", "--page-size 100"))
        if not total.isdecimal():
            why = "auth does not say how many accounts there are, so nobody knows whether its list is whole"
            raise Failed(Cause(why, "something between here and auth drops the header X-Total-Count"))
        link = reply.headers.get("link")
        more = 'rel="next"' in link if link is not None else number * size < int(total)
        return Page(tuple(map(_account, users)), int(total), more and bool(users))

    def account(self, uid: str) -> Account | None:
        """The account of that id."""
        reply = self._ask("GET", f"{_USERS}/{quote(uid)}")
        # A 404 of the gateway, which knows no such route, says nothing of accounts.
        if reply.status == 404 and (slug(reply) == "user_not_found" or "User not found" in reply.text):
            return None
        return _account(self._wanted(reply).value)

    def by_email(self, email: str) -> tuple[Account, ...]:
        """The accounts that are signed in to by this address, letter by letter."""
        found: dict[str, Account] = {}
        number, more = 1, True
        while more:
            page = self.page(number, 100, like=email)
            found |= {account.id: account for account in page.accounts if account.email == email}
            number, more = number + 1, page.more
        return tuple(found.values())

    def create(self, body: Mapping[str, Any]) -> Reply:
        """What auth says to a new account: its own refusals are answers too, even with status 500."""
        return self._ask("POST", _USERS, body, answers=lambda reply: slug(reply) == "unexpected_failure")

    def refuse_other_id(self, uid: str) -> None:
        """Take away an account that got another id than was asked for, and raise Failed: auth is too old."""
        self._ask("DELETE", f"{_USERS}/{quote(uid)}", {})
        raise Failed(_OLD)

    def _wanted(self, reply: Reply) -> Reply:
        if reply.status != 200:
            raise Failed(cause_of("auth", reply))
        return reply

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        answers: Callable[[Reply], bool] = lambda reply: False,
        limit: int = 1_000_000,
    ) -> Reply:
        """A request, made again where the service is busy or away. What is asked may be asked twice."""
        cause = Cause("")
        for attempt in range(self.patience.attempts):
            if attempt:
                self.pace.sleep(self.patience.before(attempt - 1))
            self.pace.wait()
            try:
                reply = self.gateway.ask(method, path, key=self.key, body=body, limit=limit)
            except NoAnswer as error:
                cause = Cause(str(error), "docker compose ps gateway auth")
                continue
            if reply.status in (401, 403):
                raise Failed(cause_of("auth", reply))
            if (reply.status < 500 and reply.status not in _BUSY) or answers(reply):
                return reply
            cause = cause_of("auth", reply)
            self._hold(reply)
        raise Failed(cause)

    def _hold(self, reply: Reply) -> None:
        """Let all threads wait as long as the service wants us to. Raises Failed where that is too long."""
        seconds = retry_after(reply.headers.get("retry-after", ""))
        if seconds is None:
            return
        if seconds > self.patience.longest:
            why = f"auth is not to be asked again for {seconds:.0f} s: {said(reply)}"
            raise Failed(Cause(why, "later, with a lower --rate"))
        self.pace.hold(seconds)


def service_key(values: Mapping[str, str], environment: Mapping[str, str]) -> str:
    """The key for servers in a `.env`, or in the variable that it names there. Raises SettingsError."""
    value = next((v for name, role in API_KEYS.items() if role == SERVICE and (v := values.get(name))), "")
    named = variable(value)
    key = (values.get(named) or environment.get(named, "")) if named else value
    if not key:
        why = f"'.env' takes its service key from {named}, which is not set" if named else "'.env' has no service key"
        raise SettingsError(why, hint="ecluse supabase keys check")
    return key


def slug(reply: Reply) -> str:
    """The word for what is wrong, in the body of either version of the API, or in the header."""
    words = (reply.get("error_code"), reply.get("code"), reply.headers.get("x-sb-error-code"))
    return next((word for word in words if isinstance(word, str) and word), "")


def _account(user: Any) -> Account:
    if not isinstance(user, dict) or not user.get("id"):
        raise Failed(Cause("what answers for auth is something else: it names no account", _LOGS))
    metadata = user.get("app_metadata") or {}
    identities = [each.get("provider") for each in user.get("identities") or () if isinstance(each, dict)]
    sso = any(str(provider).startswith("sso:") for provider in (metadata.get("provider"), *identities))
    email = str(user.get("email") or "").lower()
    known = None if sso or user.get("deleted_at") or not email else email
    return Account(str(user["id"]), known, bool(user.get("email_confirmed_at")))
