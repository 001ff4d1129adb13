"""PostgreSQL under the project's `.ecluse/pg<major>/`, started on demand and shared by processes.

Who uses the server is not a list of pids, which goes stale when a process is killed and lies when a pid
comes back: each handle holds a shared `flock` on `users.lock`, which the kernel drops with its process.
Whoever lets go and then gets the lock alone was the last one, and stops the server. `start.lock` is held
alone while a server is started, stopped, entered or left, so these never interleave.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from ecluse.errors import EmbeddedServerFailed
from ecluse.model.names import ident
from ecluse.postgres.binaries import DEFAULT_VERSION, bin_dir, major_version
from ecluse.postgres.files import is_locked

StopMode = Literal["smart", "fast", "immediate"]

_PATIENCE_SECONDS = 60
_SOCKET_NAME = "/.s.PGSQL.5432"
_LONGEST_SOCKET_PATH = 103  # macOS; Linux has 107
_LARGEST_LOG = 10_000_000
_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "wal_buffers": "64MB",
    "wal_level": "logical",
    "max_connections": "100",
    "max_prepared_transactions": "5",
    "autovacuum": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%a ",
    # The log is shown when a start fails, so it must not hold rows.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}


@dataclass(frozen=True, slots=True)
class _Account:
    """The operating system's user that the server runs as."""

    uid: int
    gid: int
    name: str


class EmbeddedServer:
    """One use of the server in `home`; many handles, threads and processes may use the same one.

    `settings` are added to the server's configuration when this handle is the one that starts it.
    """

    def __init__(self, home: Path, programs: Path, settings: Mapping[str, str] | None = None) -> None:
        self.home = home.resolve()
        self.bin_dir = programs
        self.version = major_version(programs)
        self.data_dir = self.home / "data"
        self.log_path = self.home / "server.log"
        self.socket_dir = _socket_dir(self.home)
        self._settings = _SETTINGS | dict(settings or {})
        self._mutex = threading.RLock()
        self._use: int | None = None  # the descriptor that holds our lock on users.lock
        self._owner_pid = 0

    def start(self) -> str:
        """Make sure that the server runs and that it stays while we use it; gives the conninfo of `postgres`."""
        with self._mutex, self._alone():
            if self._use is None or self._owner_pid != os.getpid():
                # After a fork the descriptor is the parent's lock too: the child needs one of its own.
                self._use = _open(self.home / "users.lock")
                self._owner_pid = os.getpid()
                fcntl.flock(self._use, fcntl.LOCK_SH)
                atexit.register(self.release)
            try:
                self._ensure_running()
            except EmbeddedServerFailed:
                self._let_go()
                raise
        return self.conninfo()

    def release(self) -> None:
        """End our use; the last one stops the server. Harmless when called twice, or in a forked child."""
        with self._mutex:
            if self._use is None or self._owner_pid != os.getpid():
                return
            with self._alone():
                try:
                    fcntl.flock(self._use, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    self._let_go()
                    return
                try:
                    self._halt("fast")
                finally:
                    self._let_go()

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server now, whoever else uses it."""
        with self._mutex, self._alone():
            self._halt(mode)
            self._let_go()

    def crash(self) -> None:
        """Stop without a checkpoint, as a power cut would; the next start recovers from the log."""
        self.stop("immediate")

    def in_use(self) -> bool:
        """Whether a handle of a living process uses the server; not whether it runs."""
        return is_locked(self.home / "users.lock")

    def is_running(self) -> bool:
        """Whether a server answers; it may still be starting."""
        return self._ping() in (pq.Ping.OK, pq.Ping.REJECT)

    def conninfo(self, name: str = "postgres") -> str:
        """The connection string of a database of this server."""
        return make_conninfo("", host=str(self.socket_dir), port=5432, user="postgres", dbname=name)

    def create_database(self, name: str) -> str:
        """Create the database if it is missing; gives its connection string."""
        with psycopg.connect(self.conninfo(), autocommit=True) as conn:
            known = conn.execute("SELECT 1 FROM pg_catalog.pg_database WHERE datname = %s", [name]).fetchone()
            if known is None:
                # Another process may create it at this moment; both errors mean that it is there.
                with contextlib.suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                    conn.execute(f"CREATE DATABASE {ident(name)} TEMPLATE template0".encode())
        return self.conninfo(name)

    def __enter__(self) -> EmbeddedServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    # --- below: called with start.lock held -----------------------------------------------------

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            descriptor = _open(self.home / "start.lock")
        except OSError as error:
            raise EmbeddedServerFailed(f"'{self.home}' cannot be used", details=str(error)) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _let_go(self) -> None:
        if self._use is not None and self._owner_pid == os.getpid():
            os.close(self._use)
            atexit.unregister(self.release)
        self._use = None

    def _ping(self) -> pq.Ping:
        return pq.Ping(pq.PGconn.ping(make_conninfo(self.conninfo(), connect_timeout=5).encode()))

    def _ensure_running(self) -> None:
        if self._ping() == pq.Ping.OK:
            return
        account = _account(self.home, self.data_dir)
        self._make_folders(account)
        if not (self.data_dir / "PG_VERSION").exists():
            self._initialise(account)
        if self._ping() == pq.Ping.NO_RESPONSE:
            self._clear_stale_pids()
            self._write_configuration(account)
            patience = str(_PATIENCE_SECONDS)
            arguments = ["start", "--wait", "-t", patience, "-D", str(self.data_dir), "-l", str(self.log_path)]
            self._run(account, "pg_ctl", *arguments)
        self._await_answer()

    def _await_answer(self) -> None:
        """A server that someone left in the middle of starting or recovering answers REJECT for a while."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._ping() != pq.Ping.OK:
            if time.monotonic() > deadline:
                raise self._failure("did not accept connections")
            time.sleep(0.02)

    def _make_folders(self, account: _Account) -> None:
        if self.home.parent.name == ".ecluse" and not (self.home.parent / ".gitignore").exists():
            (self.home.parent / ".gitignore").write_text("*\n")
        if os.geteuid() == 0:
            # Another user than ours has to walk through; what is inside is closed again.
            for folder in (self.home, self.home.parent):
                folder.chmod(folder.stat().st_mode | 0o111)
        _private_folder(self.socket_dir, account)
        if self.log_path.exists() and self.log_path.stat().st_size > _LARGEST_LOG:
            self.log_path.unlink()
        self.log_path.touch(mode=0o600)
        _give(self.log_path, account)

    def _initialise(self, account: _Account) -> None:
        """Build the cluster beside its place and move it there whole, so that a kill leaves no half cluster."""
        for left in self.home.glob("data.new.*"):
            # Best effort: an initdb whose owner was killed may still be writing there.
            shutil.rmtree(left, ignore_errors=True)
        unfinished = Path(tempfile.mkdtemp(prefix="data.new.", dir=self.home))
        _give(unfinished, account)
        arguments = ["-D", str(unfinished), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        if self._settings["fsync"] == "off":
            arguments.append("--no-sync")
        if self.version >= 17:
            locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
            self._run(account, "initdb", *arguments, *locale)
        else:
            try:
                self._run(account, "initdb", *arguments, "--locale=C.UTF-8")
            except EmbeddedServerFailed:  # not every system has that locale
                self._run(account, "initdb", *arguments, "--locale=C")
        with (unfinished / "postgresql.conf").open("a") as file:
            file.write("\ninclude 'ecluse.conf'\n")
        unfinished.rename(self.data_dir)

    def _write_configuration(self, account: _Account) -> None:
        """Our settings are in a file that is read before `ALTER SYSTEM`'s, so they can be overruled there."""
        settings = self._settings | {"unix_socket_directories": str(self.socket_dir)}
        lines = (f"{name} = '{value}'\n" for name, value in settings.items() for value in [value.replace("'", "''")])
        path = self.data_dir / "ecluse.conf"
        path.write_text("# Written at each start by ecluse; use ALTER SYSTEM for changes.\n" + "".join(lines))
        _give(path, account)

    def _halt(self, mode: StopMode) -> None:
        self._clear_stale_pids()
        if not (self.data_dir / "postmaster.pid").exists():
            return
        account = _account(self.home, self.data_dir)
        patience = str(_PATIENCE_SECONDS)
        try:
            self._run(account, "pg_ctl", "stop", "--wait", "-t", patience, "-D", str(self.data_dir), "-m", mode)
        except EmbeddedServerFailed:
            if self.is_running():
                raise
            # The file was left by a server that is gone: stopped is what was asked for.

    def _clear_stale_pids(self) -> None:
        """Remove pid files whose pid is a zombie's or another program's, which PostgreSQL takes for a server.

        Both are common in containers: nobody reaps there, and after a restart the same pids come again.
        PostgreSQL's own guard against two servers on one data directory, its shared memory, stays in force.
        """
        if not Path("/proc/self").exists():
            return
        for path in (self.data_dir / "postmaster.pid", self.socket_dir / f"{_SOCKET_NAME}.lock".lstrip("/")):
            if path.exists():
                pid = path.read_text().partition("\n")[0].strip()
                words: list[bytes] = []
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    words = Path("/proc", pid, "cmdline").read_bytes().split(b"\0")
                if pid.isdigit() and os.fsencode(self.data_dir) not in words:
                    path.unlink()

    def _run(self, account: _Account, program: str, *arguments: str) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))}
        as_other = os.geteuid() != account.uid
        # The output goes to a file: a server inherits a pipe, and keeps it open long after pg_ctl is done.
        with (self.home / "program.log").open("w+") as output:
            try:
                result = subprocess.run(
                    [str(self.bin_dir / program), *arguments],
                    env=environment | {"LC_ALL": "C"},
                    cwd=self.home,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    user=account.uid if as_other else None,
                    group=account.gid if as_other else None,
                    extra_groups=[] if as_other else None,
                    umask=0o077,
                    check=False,
                )
            except OSError as error:
                raise EmbeddedServerFailed(
                    f"'{program}' of PostgreSQL {self.version} cannot be run as the user '{account.name}'",
                    details=str(error),
                    hint=f"'{account.name}' must be able to enter '{self.bin_dir}' and '{self.home}'",
                ) from error
            output.seek(0)
            said = output.read().strip()
        if result.returncode != 0:
            raise self._failure(f"failed in '{program} {arguments[0]}'", said)

    def _failure(self, what: str, said: str = "") -> EmbeddedServerFailed:
        end = ""
        if self.log_path.exists():
            end = "\n".join(self.log_path.read_text(errors="replace").splitlines()[-15:])
        details = "\n".join(part for part in (said[-2000:], end) if part)
        return EmbeddedServerFailed(
            f"the embedded PostgreSQL {self.version} {what}", details=details, hint=f"its log is {self.log_path}"
        )


def server_for(project_dir: Path, version: int = DEFAULT_VERSION, programs: Path | None = None) -> EmbeddedServer:
    """A handle, not started, on the project's server of that major version, or of the server in `programs`."""
    if programs is not None:
        return EmbeddedServer(project_dir / ".ecluse" / f"pg{major_version(programs)}", programs)
    return EmbeddedServer(project_dir / ".ecluse" / f"pg{version}", bin_dir(version))


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _socket_dir(home: Path) -> Path:
    """Beside the data; where that path is too long for a socket, in /tmp under a name made from it."""
    beside = home / "run"
    if len(os.fsencode(beside)) + len(_SOCKET_NAME) <= _LONGEST_SOCKET_PATH:
        return beside
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path("/tmp") / f"ecluse-{digest}"


def _account(home: Path, data_dir: Path) -> _Account:
    """Who the server runs as: us, or when we are root the owner of the data, of the project, or a system user.

    PostgreSQL refuses to run as root. No user is created: `nobody` is on every system.
    """
    if os.geteuid() != 0:
        if data_dir.exists() and data_dir.stat().st_uid != os.geteuid():
            raise EmbeddedServerFailed(
                f"'{data_dir}' belongs to another user", hint="run as that user or as root, or remove the folder"
            )
        return _Account(os.geteuid(), os.getegid(), str(os.geteuid()))
    for folder in (data_dir, home.parent, home.parent.parent):
        with contextlib.suppress(FileNotFoundError, KeyError):
            entry = pwd.getpwuid(folder.stat().st_uid)
            if entry.pw_uid != 0:
                return _Account(entry.pw_uid, entry.pw_gid, entry.pw_name)
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return _Account(entry.pw_uid, entry.pw_gid, entry.pw_name)
    raise EmbeddedServerFailed(
        "PostgreSQL does not run as root, and there is no user 'postgres' or 'nobody'", hint="run as another user"
    )


def _private_folder(path: Path, account: _Account) -> None:
    """Make a folder that only the server's user enters; one that another user put there is refused."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if path.is_symlink() or path.stat().st_uid not in (account.uid, os.geteuid()):
            raise EmbeddedServerFailed(f"'{path}' belongs to another user", hint="remove it") from None
    path.chmod(0o700)
    _give(path, account)


def _give(path: Path, account: _Account) -> None:
    if os.geteuid() == 0:
        os.chown(path, account.uid, account.gid)
