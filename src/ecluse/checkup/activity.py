"""What the server is busy with: transactions, replication slots, standbys, publications."""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.checkup.check import Found, Patient, Topic, Unseen
from ecluse.model.names import literal
from ecluse.postgres.locks import replica_lag
from ecluse.words import size

ACTIVITY = Topic("activity", "What the server is busy with")

_LONG = "5 minutes"
_LAG_SECONDS = 30.0
_LAG_BYTES = 64 * 2**20


@ACTIVITY.check(
    "prepared-transaction",
    "wrong",
    "a prepared transaction is open",
    means="It holds its locks, also after a restart of the server, and no row that was deleted since can be cleaned "
    "up. Nobody may be there any more to end it.",
    fix="COMMIT PREPARED '<name>'   -- or: ROLLBACK PREPARED '<name>'",
)
def prepared(at: Patient) -> Iterator[Found]:
    """Of this database."""
    for gid, owner, age in at.rows(
        "SELECT gid, owner, date_trunc('second', clock_timestamp() - prepared)::text FROM pg_prepared_xacts "
        "WHERE database = current_database() ORDER BY prepared"
    ):
        fix = f"COMMIT PREPARED {literal(gid)}   -- or: ROLLBACK PREPARED {literal(gid)}"
        yield Found(gid, f"prepared transaction '{gid}' of {owner}, {age} old", fix)


@ACTIVITY.check(
    "long-transaction",
    "wrong",
    "a transaction is open for more than 5 minutes",
    means="A capture waits for it where it wrote to the table, and so does everybody who comes after the capture. "
    "Rows that were deleted since cannot be cleaned up.",
    fix="SELECT pg_terminate_backend(<pid>)",
)
def long_transactions(at: Patient) -> Iterator[Found]:
    """Of this database, our own sessions left out."""
    for pid, user, state, age in at.rows(
        "SELECT pid, usename, coalesce(state, '?'), date_trunc('second', clock_timestamp() - xact_start)::text "
        "FROM pg_stat_activity WHERE xact_start < clock_timestamp() - %s::interval AND datname = current_database() "
        "AND backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY xact_start",
        _LONG,
    ):
        yield Found(f"pid {pid}", f"pid {pid} of {user} ({state}), {age} old", f"SELECT pg_terminate_backend({pid})")
    hidden = at.value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state IS NULL "
        "AND backend_type IS NULL AND pid <> pg_backend_pid()"
    )
    if hidden:
        raise Unseen(f"{hidden} sessions of other roles: GRANT pg_read_all_stats TO {at.role}")


@ACTIVITY.check(
    "inactive-slot",
    "wrong",
    "a replication slot is not read",
    means="The server keeps all of its log from there on, until the disk is full. A run writes much of it.",
    fix="SELECT pg_drop_replication_slot('<name>')   -- where its reader does not come back",
)
def inactive_slots(at: Patient) -> Iterator[Found]:
    """Slots that nobody reads, with what is kept for them."""
    for name, kind, status, kept, safe in at.rows(
        "SELECT slot_name, slot_type, coalesce(wal_status, '?'), CASE WHEN pg_is_in_recovery() THEN NULL ELSE "
        "pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint END, safe_wal_size FROM pg_replication_slots "
        "WHERE NOT active AND NOT temporary AND coalesce(wal_status, '') <> 'lost' ORDER BY 1"
    ):
        room = f", {size(safe)} more before it is given up" if safe is not None else ""
        told = f"slot '{name}' ({kind}, {status}) keeps {size(kept or 0)} of log{room}"
        yield Found(name, told, f"SELECT pg_drop_replication_slot({literal(name)})")


@ACTIVITY.check(
    "lost-slot",
    "wrong",
    "a replication slot has lost its log",
    means="The log that its reader needs next was removed, as max_slot_wal_keep_size wants it: the reader cannot go "
    "on, and has to be set up anew.",
    fix="SELECT pg_drop_replication_slot('<name>')   -- then a new subscription or standby",
)
def lost_slots(at: Patient) -> Iterator[Found]:
    """Slots that are of no use any more, or are about to be."""
    for name, status in at.rows(
        "SELECT slot_name, wal_status FROM pg_replication_slots WHERE wal_status IN ('lost', 'unreserved') ORDER BY 1"
    ):
        word = "has lost its log" if status == "lost" else "is about to lose its log"
        yield Found(name, f"slot '{name}' {word}", f"SELECT pg_drop_replication_slot({literal(name)})")


@ACTIVITY.check(
    "standby-behind",
    "warning",
    "a standby or a subscriber is behind",
    means="Who reads there sees the past, and a failover now would lose what it has not got. A copy waits for it "
    "(--max-lag).",
    fix="SELECT application_name, state, replay_lag, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) FROM "
    "pg_stat_replication",
)
def standbys(at: Patient) -> Iterator[Found]:
    """The slowest of them."""
    if at.value("SELECT pg_is_in_recovery()"):
        return
    lag = replica_lag(at.conn)
    if lag.standbys and lag.bytes is None and not at.value("SELECT pg_has_role('pg_read_all_stats', 'USAGE')"):
        raise Unseen(f"how far {lag.standbys} standbys are behind: GRANT pg_read_all_stats TO {at.role}")
    late = (lag.seconds or 0) > _LAG_SECONDS
    if late or (lag.bytes or 0) > _LAG_BYTES:
        by_time = f" and {lag.seconds:.0f} s" if lag.seconds is not None else ""
        yield Found("replication", f"the slowest of {lag.standbys} is {size(lag.bytes or 0)}{by_time} behind")


@ACTIVITY.check(
    "wal-level-not-logical",
    "warning",
    "there are publications, and the server does not log for them",
    means="A publication sends nothing unless wal_level is logical: realtime is silent, subscribers cannot begin.",
    fix="ALTER SYSTEM SET wal_level = 'logical'   -- and restart the server",
)
def wal_level(at: Patient) -> Iterator[Found]:
    """Publications that nobody can subscribe to."""
    for level, names in at.rows(
        "SELECT current_setting('wal_level'), string_agg(pubname, ', ' ORDER BY pubname) FROM pg_publication "
        "WHERE current_setting('wal_level') <> 'logical' GROUP BY 1"
    ):
        yield Found(names, f"wal_level is {level}, and there are publications: {names}")
