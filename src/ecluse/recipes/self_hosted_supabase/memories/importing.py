"""A folder of memories into a table: every file, and every row of it, comes to one outcome and is accounted for.

Without `confirm` it only looks: the transactions are read-only, and no file is touched.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from pathlib import Path

import psycopg

from ecluse.errors import EcluseError, Interrupted, WrongUsage
from ecluse.model.names import Name
from ecluse.postgres.connect import Database, Session, open_session
from ecluse.postgres.failures import translate
from ecluse.postgres.locks import hold_run_lock
from ecluse.recipes.self_hosted_supabase.memories import files, loading
from ecluse.recipes.self_hosted_supabase.memories.loading import Job, Record, TableRefuses
from ecluse.recipes.self_hosted_supabase.memories.rows import Fault, Memory, NotAMemory, read_memory
from ecluse.recipes.self_hosted_supabase.memories.target import Nobody, Target, find_target, owners


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be imported, and how. `leave` names the kinds of faults whose rows are left out of a file."""

    folder: Path
    into: Name
    people: Name | None
    zone: tzinfo
    leave: frozenset[str] = frozenset()
    confirm: bool = False


@dataclass(frozen=True, slots=True)
class FileAccount:
    """What became of a file, or would: rows = imported + there + empty + rejected; `rows` is None if it is not read.

    `state`: ready (nothing was done yet) | imported | recorded (it was imported before) | rejected. A file that is
    rejected stays as it is, with all its rows, for `reason` or for the faults. `stays` says why one that was imported
    was not renamed, `aside` where the rows are that were left out.
    """

    file: str
    state: str
    rows: int | None = None
    imported: int = 0
    there: int = 0
    empty: int = 0
    rejected: int = 0
    reason: str = ""
    faults: tuple[Fault, ...] = ()
    further: Mapping[str, int] = field(default_factory=dict)
    renamed: str = ""
    stays: str = ""
    aside: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """All files of the folder. `done` were renamed earlier; `others` are no memories."""

    table: str
    people: str
    files: tuple[FileAccount, ...]
    done: int
    others: int

    @property
    def clean(self) -> bool:
        """Whether no file stays behind."""
        return all(one.state != "rejected" and not one.stays for one in self.files)


def import_folder(database: Database, wish: Wish) -> Account:
    """Import every memory of the folder, each in a transaction of its own, or only look.

    Raises what `find_target` raises, ProofFailed, and errors of the server; what was imported until then is recorded.
    """
    done: list[FileAccount] = []
    with contextlib.ExitStack() as stack, _told(wish, done):
        if wish.confirm:
            if not os.access(wish.folder, os.W_OK | os.X_OK):
                raise WrongUsage(f"the files of '{wish.folder}' cannot be renamed: it may not be written to")
            stack.enter_context(hold_run_lock(database, "import"))
        session = stack.enter_context(open_session(database, role="import"))
        target = find_target(session, wish.into, wish.people)
        if wish.confirm:
            loading.install(session)
        session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        session.read_only = not wish.confirm
        found = files.look(wish.folder)
        whose = owners(session, target, map(files.digits, found.memories))
        one = _Importer(session, target, wish, loading.records_there(session))
        done += (_rejected(path, "its name has no 12 hex digits of an id") for path in found.strays)
        for path in found.memories:
            done.append(one.take(path, whose[files.digits(path)]))
    listed = tuple(sorted(done, key=lambda account: account.file))
    return Account(str(target.table), str(target.people), listed, found.done, found.others)


@contextlib.contextmanager
def _told(wish: Wish, done: list[FileAccount]) -> Iterator[None]:
    """Errors say how far it came."""

    def state() -> str:
        number = sum(account.state == "imported" for account in done)
        if not wish.confirm or not number:
            return "nothing was changed"
        return f"files imported and recorded: {number:,}; the others are as they were"

    try:
        yield
    except psycopg.Error as error:
        raise translate(error, state()) from None
    except KeyboardInterrupt:
        raise Interrupted(
            "the import was interrupted", hint="run it again: what was imported is known", state=state()
        ) from None
    except EcluseError as error:
        error.state = error.state or state()
        raise


def _rejected(path: Path, reason: str, memory: Memory | None = None, faults: tuple[Fault, ...] = ()) -> FileAccount:
    """A file that stays as it is."""
    if memory is None:
        return FileAccount(path.name, "rejected", reason=reason)
    return FileAccount(
        path.name,
        "rejected",
        memory.total,
        empty=memory.empty,
        rejected=memory.total - memory.empty,
        reason=reason,
        faults=tuple(sorted((*memory.faults, *faults), key=lambda fault: fault.index)),
    )


@dataclass(frozen=True, slots=True)
class _Importer:
    session: Session
    target: Target
    wish: Wish
    records: bool

    def take(self, path: Path, owner: str | Nobody) -> FileAccount:
        """One file to its outcome."""
        try:
            content = files.read(path)
            sha256 = files.sha256(content)
            before = self._recorded(path.name, sha256)
            if before is not None:
                return self._finish(path, sha256, _account(path, "recorded", before))
            memory = read_memory(content, self.target.columns, self.wish.zone)
        except (files.CannotRead, NotAMemory) as problem:
            return _rejected(path, str(problem))
        if isinstance(owner, Nobody):
            return _rejected(path, owner.reason, memory)
        if any(fault.kind not in self.wish.leave for fault in memory.faults):
            return _rejected(path, "", memory)
        return self._load(path, sha256, owner, memory)

    def _recorded(self, file: str, sha256: str) -> Record | None:
        return loading.recorded(self.session, file, sha256, self.target.table) if self.records else None

    def _load(self, path: Path, sha256: str, owner: str, memory: Memory) -> FileAccount:
        job = Job(path.name, sha256, owner, memory.rows, memory.empty, len(memory.faults))
        aside: list[str] = []

        def leave() -> None:
            # Before the commit, so that no row is ever in neither place.
            if memory.faults:
                aside.append(files.set_aside(path, _left(memory)))

        try:
            if self.wish.confirm:
                found = _account(path, "imported", loading.load(self.session, self.target, job, leave))
            else:
                found = _account(path, "ready", loading.foresee(self.session, self.target, job))
        except TableRefuses as refusal:
            return self._without(path, sha256, owner, memory, refusal)
        except OSError as error:
            return _rejected(path, f"the rows that are left cannot be written beside it: {error.strerror}", memory)
        told = replace(found, faults=memory.faults, further=memory.further, aside="".join(aside))
        return self._finish(path, sha256, told)

    def _without(self, path: Path, sha256: str, owner: str, memory: Memory, refusal: TableRefuses) -> FileAccount:
        """A file with rows that the table refuses: it stays, or these are left out of it as well."""
        refused = {fault.index for fault in refusal.faults}
        if not refused or any(fault.kind not in self.wish.leave for fault in refusal.faults):
            return _rejected(path, "" if refused else refusal.reason, memory, refusal.faults)
        rows = tuple(row for row in memory.rows if row.index not in refused)
        faults = tuple(sorted((*memory.faults, *refusal.faults), key=lambda fault: fault.index))
        return self._load(path, sha256, owner, replace(memory, rows=rows, faults=faults))

    def _finish(self, path: Path, sha256: str, account: FileAccount) -> FileAccount:
        """Rename what is committed. That it is recorded makes it harmless to die before this."""
        if not self.wish.confirm:
            return account
        try:
            return replace(account, renamed=files.put_away(path, sha256))
        except files.CannotRead as problem:
            return replace(account, stays=str(problem))
        except OSError as error:
            return replace(account, stays=f"it cannot be renamed: {error.strerror}")


def _account(path: Path, state: str, found: Record) -> FileAccount:
    there = found.imported + found.there if state == "recorded" else found.there
    imported = 0 if state == "recorded" else found.imported
    return FileAccount(path.name, state, found.rows, imported, there, found.empty, found.rejected)


def _left(memory: Memory) -> bytes:
    """The rows that are left out, as a memory of their own. Escaped: half a character has no UTF-8."""
    entries = [memory.entries[fault.index] for fault in memory.faults]
    return (json.dumps({"conversations": entries}, indent=2) + "\n").encode()
