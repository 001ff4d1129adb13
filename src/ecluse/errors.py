"""Every error of Écluse: code, message, details, hint, exit status.

Codes begin with `ECL`; an error that PostgreSQL raised keeps its SQLSTATE. The families:
1xx settings and connections, 2xx the migration file, 3xx state and drift, 4xx refused by the plan,
5xx the database during a run, 6xx proof, 9xx our bug.
"""

from __future__ import annotations

from typing import ClassVar

from ecluse.redaction import redact


class EcluseError(Exception):
    """The base of all errors that a user can meet. The docstring of a class is its meaning in the reference.

    `state` says what the database is now ("nothing was changed"); the engine fills it in where it knows.
    """

    code: ClassVar[str] = "ECL900"
    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, details: str = "", hint: str = "", state: str = "") -> None:
        super().__init__(redact(message))
        self.message = redact(message)
        self.details = redact(details)
        self.hint = redact(hint)
        self.state = state

    def as_dict(self) -> dict[str, str]:
        """The shape of an error in `--json`: PostgREST's four fields, and the state."""
        return {
            "code": self.sqlstate or self.code,
            "message": self.message,
            "details": self.details,
            "hint": self.hint,
            "state": self.state,
        }

    @property
    def sqlstate(self) -> str:
        """PostgreSQL's own code where the error came from there, else empty."""
        return ""


# --- 1xx settings and connections -------------------------------------------------------------------


class WrongUsage(EcluseError):
    """The command line is not one that Écluse understands."""

    code = "ECL100"
    exit_status = 2


class SettingsError(EcluseError):
    """`ecluse.toml` cannot be read, or names something that Écluse does not know."""

    code = "ECL101"
    exit_status = 2


class UnknownDatabase(EcluseError):
    """A command or a migration names a database that `ecluse.toml` does not have."""

    code = "ECL102"
    exit_status = 2


class MissingVariable(EcluseError):
    """A database is configured as `env:NAME` and the variable is not set."""

    code = "ECL103"


class CannotConnect(EcluseError):
    """The server did not let us in: wrong address, password, database or certificate."""

    code = "ECL110"


class ServerTooOld(EcluseError):
    """The server is older than PostgreSQL 14."""

    code = "ECL111"


class EmbeddedServerFailed(EcluseError):
    """The embedded PostgreSQL did not start or stop; the end of its log is in the details."""

    code = "ECL112"


class SourceUnreachable(EcluseError):
    """A source of identity did not answer, and without it nobody can say who is who."""

    code = "ECL113"


class ClusterUnavailable(EcluseError):
    """The cluster that should carry the copy cannot be used."""

    code = "ECL114"


class ServiceUnavailable(EcluseError):
    """A service of the stack does not answer, or refuses what it is asked with; the cause is in the message."""

    code = "ECL115"


class MissingProgram(EcluseError):
    """A program of PostgreSQL that the command needs is not here, or is older than the server."""

    code = "ECL116"


class ProgramFailed(EcluseError):
    """A program of PostgreSQL (`pg_dump`, `pg_restore`) failed; what it said is in the details, without values."""

    code = "ECL117"


class NoRoom(EcluseError):
    """A folder of this machine cannot be written: it has no room left, or is not ours."""

    code = "ECL118"


class CopyFailed(EcluseError):
    """A database cannot be copied for a rehearsal: what could not be made where the copy would be is in the details."""

    code = "ECL119"


# --- 2xx the migration file -------------------------------------------------------------------------


class MigrationFileError(EcluseError):
    """A migration file cannot be read, or says something that is not valid; file and line are in the message."""

    code = "ECL201"
    exit_status = 2


class UnknownOperation(MigrationFileError):
    """A migration file names an operation that does not exist."""

    code = "ECL202"


class MappingError(EcluseError):
    """A mapping is not valid SQL, or reads what a mapping may not read (another row, another table)."""

    code = "ECL203"


class NotInDatabase(EcluseError):
    """A migration names a table, column or object that the database does not have."""

    code = "ECL204"


class UnknownMigration(EcluseError):
    """There is no migration of that name or path."""

    code = "ECL205"
    exit_status = 2


class ExpectationError(EcluseError):
    """What a database is to be compared with cannot be read; file and line are in the message."""

    code = "ECL206"
    exit_status = 2


class UnknownBackup(EcluseError):
    """There is no backup of that name or path, or there are several."""

    code = "ECL207"
    exit_status = 2


# --- 3xx state and drift ----------------------------------------------------------------------------


class DatabaseChanged(EcluseError):
    """The database is not the one that was planned for: the fingerprint differs."""

    code = "ECL301"


class AnotherRun(EcluseError):
    """Another process works on this database; only one run at a time may."""

    code = "ECL302"


class WrongState(EcluseError):
    """The command does not fit the state of the run: the arrows of the status table do not allow it."""

    code = "ECL303"


class NotConfirmed(EcluseError):
    """A protected database, or `finish`, needs its name or fingerprint, and it was not given."""

    code = "ECL304"


class UnknownGeneration(EcluseError):
    """A recipe does not recognise the shape of the database it was pointed at."""

    code = "ECL305"


class InUse(EcluseError):
    """Somebody still uses what the command would take away, or would be surprised by it."""

    code = "ECL306"


class NotRehearsed(EcluseError):
    """A protected database is changed by a plan that passed its rehearsal, and this one did not, or says why not."""

    code = "ECL307"


class NotBackedUp(EcluseError):
    """A protected database is switched only after a verified backup, or with a reason to do without one."""

    code = "ECL308"


# --- 4xx refused by the plan ------------------------------------------------------------------------


class PlanRefused(EcluseError):
    """The plan found something it will not do; each reason is named, all at once."""

    code = "ECL401"
    exit_status = 3


class MissingRights(EcluseError):
    """The role lacks rights that the plan needs; all are named at once, before anything runs."""

    code = "ECL402"


class CannotExport(EcluseError):
    """The migration has a part that only the engine can carry out: no script of statements does the same."""

    code = "ECL403"
    exit_status = 3


class RowsHidden(EcluseError):
    """Row level security may hide rows from the role that would read all of them."""

    code = "ECL404"


# --- 5xx the database during a run ------------------------------------------------------------------


class DatabaseError(EcluseError):
    """PostgreSQL raised an error; its SQLSTATE is the code."""

    code = "ECL500"
    exit_status = 4

    def __init__(self, message: str, *, sqlstate: str, details: str = "", hint: str = "", state: str = "") -> None:
        super().__init__(message, details=details, hint=hint, state=state)
        self._sqlstate = sqlstate

    @property
    def sqlstate(self) -> str:
        return self._sqlstate


class ConnectionLost(EcluseError):
    """The connection to the server broke in the middle of a run."""

    code = "ECL501"
    exit_status = 4


class LockNotTaken(EcluseError):
    """A lock did not come within its budget; who holds it and since when is in the details."""

    code = "ECL502"
    exit_status = 4


class DiskFull(EcluseError):
    """The server has no space left."""

    code = "ECL503"
    exit_status = 4


class CaptureBroken(EcluseError):
    """The capture trigger was disabled or dropped, so changes may have been missed; the copy starts again."""

    code = "ECL504"
    exit_status = 4


class ValueRefused(EcluseError):
    """A row written during the run does not fit the mapping, and its policy is `refuse`."""

    code = "ECL505"
    exit_status = 4


class Interrupted(EcluseError):
    """The run was stopped by Ctrl-C, safely."""

    code = "ECL506"
    exit_status = 130


class ArchiveDamaged(EcluseError):
    """The archive written by `finish` does not hold what the tables hold; nothing was dropped."""

    code = "ECL507"


class ImportStopped(EcluseError):
    """An import of users stopped half way: what was done is recorded, and the same command goes on."""

    code = "ECL508"
    exit_status = 4


# --- 6xx proof --------------------------------------------------------------------------------------


class ProofFailed(EcluseError):
    """A proof did not hold: rows, structure or behaviour differ from what the plan promised."""

    code = "ECL601"
    exit_status = 3


class CannotCompare(EcluseError):
    """Two tables cannot be compared as was asked: their rows cannot be read, or cannot be told apart."""

    code = "ECL602"


class BackupDamaged(EcluseError):
    """A file of a backup is missing, cut off, changed or not its own; each is named."""

    code = "ECL603"
    exit_status = 3


class NotVerifiable(EcluseError):
    """A backup cannot be tried on the server that was meant for it; it is kept, and is not called verified."""

    code = "ECL604"


class ReportDamaged(EcluseError):
    """A file is no report of a run, or says something else than when it was made."""

    code = "ECL605"
    exit_status = 3


class NotRestorable(EcluseError):
    """A backup cannot be restored there: the server is older, or lacks roles or extensions, which are named."""

    code = "ECL606"


# --- 9xx our bug ------------------------------------------------------------------------------------


class OurBug(EcluseError):
    """Something happened in Écluse that should not be possible; please report it."""

    code = "ECL901"
    exit_status = 70


def all_errors() -> list[type[EcluseError]]:
    """Every error class, by code: what the reference and `ecluse errors` list."""
    found: list[type[EcluseError]] = []
    pending: list[type[EcluseError]] = [EcluseError]
    while pending:
        cls = pending.pop()
        pending.extend(cls.__subclasses__())
        if cls is not EcluseError:
            found.append(cls)
    return sorted(found, key=lambda cls: cls.code)
