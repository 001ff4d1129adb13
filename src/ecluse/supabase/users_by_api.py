"""The import of users through auth's admin API, where there is no connection to its database.

Everybody's new id is known before the account is made, so a process may be killed at any moment: what it had made is
found again by that id, or by the e-mail address, and written down.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from ecluse.errors import EcluseError, ImportStopped, Interrupted, ServiceUnavailable
from ecluse.model.report import Event
from ecluse.operations.people_sql import CREATED, HELD, MATCHED, TAKEN, TWO_ACCOUNTS, UNPROVED
from ecluse.postgres.failures import translate
from ecluse.supabase.accounts import judge_accounts, list_accounts
from ecluse.supabase.admin_api import AdminApi, slug
from ecluse.supabase.http import Reply
from ecluse.supabase.outcomes import Failed
from ecluse.supabase.pace import Stopped
from ecluse.supabase.refusals import cause_of, said
from ecluse.supabase.roster import NewUser, Roster, Settled
from ecluse.supabase.user_outcomes import FAILED, Summary, mask_email

_CENTURY = "876000h"
_NOTHING = "nothing was changed"
_NOT_LOST = "what was made is found again by the same command"
# So many refusals one after the other are not about those users.
_IN_A_ROW = 10
_TRIES = 3  # where auth itself fails over one user, which a race may have been

LIST, MAKE, PROVE = "list the accounts", "make accounts", "list the accounts again"


@dataclass(frozen=True, slots=True)
class Choices:
    """How it is done: accounts on a page, requests at a time, users between two commits."""

    page_size: int = 1000
    threads: int = 4
    batch: int = 100


@dataclass(frozen=True, slots=True)
class Check:
    """A question at the end, and how many users answer it with no."""

    title: str
    wrong: int


@dataclass
class ImportByApi:
    """One import. `tell` may be called from this thread only."""

    roster: Roster
    api: AdminApi
    choices: Choices = field(default_factory=Choices)
    tell: Callable[[Event], None] = lambda event: None
    _halt: threading.Event = field(default_factory=threading.Event)
    _refused: int = 0  # one after the other

    def survey(self, *, bodies: bool) -> Summary:
        """What would become of everybody. Nothing is made. Raises ServiceUnavailable, PlanRefused, Interrupted."""
        with self._failures(ServiceUnavailable, lambda: _NOTHING):
            self.api.check_version()
            self._list(LIST)
            judge_accounts(self.roster.session)
            self.roster.take(bodies=bodies)
            return self.roster.summary()

    def carry_out(self) -> int:
        """Make the accounts, and write down who became whom; the number of new rows of that table.

        Raises ImportStopped and Interrupted; the same again goes on.
        """
        with self._failures(ImportStopped, self._state), ThreadPoolExecutor(self.choices.threads) as pool:
            try:
                self.roster.make_mapping()
                return self.roster.map_those_there() + self._make_all(pool)
            finally:
                # Whatever ended it: what still waits for its turn is not begun.
                self._halt.set()

    def _make_all(self, pool: ThreadPoolExecutor) -> int:
        wanted, done, rows, last, began = self.roster.summary().to_create, 0, 0, 0, time.monotonic()
        self.tell(Event("step", MAKE, total=wanted))
        while users := self.roster.new_users(last, self.choices.batch):
            answers = list(pool.map(self._attempt, users))
            rows += self.roster.settle([answer for answer in answers if isinstance(answer, Settled)])
            if stops := [answer for answer in answers if isinstance(answer, Exception)]:
                # What failed, rather than what only was not begun for it.
                raise next((stop for stop in stops if isinstance(stop, Failed)), stops[0])
            done, last = done + len(users), users[-1].n
            rate = done / max(time.monotonic() - began, 0.001)
            self.tell(Event("progress", MAKE, done=done, total=wanted, rate=rate))
        self.tell(Event("done", MAKE, seconds=time.monotonic() - began))
        return rows

    def prove(self) -> tuple[Check, ...]:
        """Ask the service for all accounts again, and compare them with who is written down."""
        with self._failures(ImportStopped, lambda: f"{self._state()}; that they are was not proved"):
            self._list(PROVE)
        found = self.roster.summary()
        mapped, wanted = self.roster.there()
        return (
            Check("each row is created, matched or quarantined", abs(found.rows - _told(found))),
            Check("who is created or matched is in the table of who became whom", wanted - mapped),
            Check("who is in it has an account of that id and e-mail address", self.roster.without_account()),
        )

    # --- one user ---------------------------------------------------------------------------------

    def _attempt(self, user: NewUser) -> Settled | Exception:
        """In a thread: what became of the user, or why all must stop."""
        try:
            if self._halt.is_set() or self.api.pace.stop.is_set():
                raise Stopped
            return self._make(user)
        except (Failed, Stopped) as stopped:
            self._halt.set()
            return stopped

    def _make(self, user: NewUser) -> Settled:
        for attempt in range(_TRIES):
            if attempt:
                self.api.pace.sleep(self.api.patience.before(attempt - 1))
            reply = self.api.create(_body(user))
            if reply.status in (200, 201):
                if reply.get("id") != user.uid:
                    self.api.refuse_other_id(str(reply.get("id")))
                return self._settled(Settled(user.n, user.uid, CREATED))
            if slug(reply) != "email_exists" and reply.status < 500:
                break
            # Somebody has the address by now: we, a moment or a run ago, or the person.
            known = self._known(user)
            if known:
                return self._settled(known)
        return self._failed(user, reply)

    def _known(self, user: NewUser) -> Settled | None:
        """What became of a user whom auth does not take, by the accounts that it has."""
        own = self.api.account(user.uid)
        if own and own.email == user.email:
            return Settled(user.n, user.uid, CREATED)
        if own:
            return Settled(user.n, None, HELD, TAKEN)
        others = self.api.by_email(user.email)
        if len(others) > 1:
            return Settled(user.n, None, HELD, TWO_ACCOUNTS)
        if others and not others[0].confirmed:
            return Settled(user.n, None, HELD, UNPROVED)
        return Settled(user.n, others[0].id, MATCHED) if others else None

    def _settled(self, settled: Settled) -> Settled:
        self._refused = 0
        return settled

    def _failed(self, user: NewUser, reply: Reply) -> Settled:
        self._refused += 1
        if self._refused >= (_IN_A_ROW if reply.status >= 500 else 10 * _IN_A_ROW):
            raise Failed(cause_of("auth", reply))
        reason = said(reply).replace(user.email, mask_email(user.email))
        return Settled(user.n, None, FAILED, f"auth answers {reason}")

    # --- all of them ------------------------------------------------------------------------------

    def _list(self, step: str) -> None:
        began = time.monotonic()
        self.tell(Event("step", step))

        def tell(done: int, total: int) -> None:
            self.tell(Event("progress", step, done=done, total=total, rate=done / max(time.monotonic() - began, 0.001)))

        list_accounts(self.api, self.roster.session, self.choices.page_size, tell)
        self.tell(Event("done", step, seconds=time.monotonic() - began))

    def _state(self) -> str:
        there, wanted = self.roster.there()
        return f"{there:,} of {wanted:,} users are there, each with its row in '{self.roster.mapping}'"

    @contextmanager
    def _failures(self, error: type[EcluseError], state: Callable[[], str]) -> Iterator[None]:
        """What went wrong, as an error of ours that says where things stand."""
        try:
            yield
        except Failed as failed:
            cause = failed.cause
            again = "" if error is ServiceUnavailable else "the same command again goes on where it stopped"
            raise error(cause.why, details=again, hint=cause.hint, state=state()) from None
        except Stopped:
            raise Interrupted("stopped on request", state=state()) from None
        except psycopg.errors.QueryCanceled as canceled:
            if not self.api.pace.stop.is_set():
                raise translate(canceled, _NOT_LOST) from None
            raise Interrupted("stopped on request", state=_NOT_LOST) from None
        except psycopg.Error as broken:
            raise translate(broken, _NOT_LOST) from None


def _body(user: NewUser) -> dict[str, object]:
    body: dict[str, object] = {"id": user.uid, "email": user.email, "email_confirm": True}
    body |= {"user_metadata": user.user_metadata, "app_metadata": user.app_metadata}
    # Without a hash auth makes up a password that nobody knows.
    body |= {"password_hash": user.hash} if user.hash else {}
    return body | ({"ban_duration": _CENTURY} if user.disabled else {})


def _told(found: Summary) -> int:
    return found.of(CREATED) + found.of(MATCHED) + found.of(HELD)
