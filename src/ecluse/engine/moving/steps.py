"""What a move does, as steps of `plan` and `explain`, each beside the step of the same phase within this database."""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.engine import estimates
from ecluse.engine.context import Run
from ecluse.engine.moving import carry, closing, ending, expand
from ecluse.model.plan import Step
from ecluse.planning import flow_sql, home_sql
from ecluse.proof.pairs import Scope, pairs


def expand_steps(run: Run) -> Iterator[Step]:
    """The capture in the origins."""
    for move in run.plan.moves:
        name = move.old.table.name
        undo = (*flow_sql.drop_capture(run.id, move.old, name), *flow_sql.drop_log(run.id, move.old))
        yield Step(
            "expand",
            f"in '{move.origin}': capture writes on {name} (triggers)",
            (*expand.log_statements(run, move), *expand.capture_statements(run, move)),
            f"SHARE ROW EXCLUSIVE on {name}: waits for writers, and new ones wait a moment",
            ";\n".join(undo),
            seconds=0.0,
        )


def copy_steps(run: Run) -> Iterator[Step]:
    """The copy, by ranges of pages."""
    for move in run.plan.moves:
        rows = flow_sql.rows_range(move.old, run.building, 0, estimates.SOME_PAGES)
        yield Step(
            "copy",
            f"copy {move.old.table.name} from '{move.origin}' into {move.new.table.name}, by ranges of pages",
            carry.relay_statements(run, move, rows),
            f"ACCESS SHARE on {move.old.table.name} in '{move.origin}'",
            rows=estimates.rows([move.old.table]),
            seconds=estimates.octets([move.old.table]) / estimates.COPY,
        )


def drain_steps(run: Run) -> Iterator[Step]:
    """What was written meanwhile."""
    for move in run.plan.moves:
        rows = flow_sql.rows_of_units(move.flow.old, run.building)
        yield Step(
            "drain",
            f"bring {move.new.table.name} up to date with {move.old.table.name} in '{move.origin}', again and again",
            (flow_sql.clear_units(move.flow.new, run.building), *carry.relay_statements(run, move, rows)),
            f"ACCESS SHARE on {move.old.table.name} in '{move.origin}'",
        )


def verify_steps(run: Run) -> Iterator[Step]:
    """The proof across servers."""
    for move in run.plan.moves:
        found = pairs(move.flow, Scope(run.building, (), {}, 1))
        yield Step(
            "verify",
            f"compare {move.old.table.name} in '{move.origin}' with {move.new.table.name}, every column, both ways; "
            "only sums travel",
            tuple(query for pair in found for query in (*pair.left.parts, *pair.right.parts)),
            f"ACCESS SHARE on {move.old.table.name} in '{move.origin}'",
            rows=estimates.rows([move.old.table]),
            seconds=4 * estimates.octets([move.old.table]) / estimates.HASH,
        )


def switch_steps(run: Run) -> Iterator[Step]:
    """The closing of the old table; its undo is the way home."""
    for move in run.plan.moves:
        name = move.old.table.name
        home = (*home_sql.stage(move.old.table), home_sql.leave_out(move.old, apart=False))
        yield Step(
            "switch",
            f"in '{move.origin}': close {name} for writing, and bring over what is left",
            closing.close_statements(run, move),
            f"SHARE ROW EXCLUSIVE on {name}, a moment; from then on it refuses writes, and reading goes on",
            ";\n".join((*home, *closing.reopen_statements(run, move))),
            seconds=0.1,
        )


def finish_steps(run: Run) -> Iterator[Step]:
    """The end of the old table."""
    for move in run.plan.moves:
        name = move.old.table.name
        yield Step(
            "finish",
            f"in '{move.origin}': write {name} into an archive, check it, and drop {name}",
            (f"COPY {name.sql} TO STDOUT", *ending.drop_statements(run, move)),
            f"ACCESS EXCLUSIVE on {name}, which nobody writes",
            None,
            rows=estimates.rows([move.old.table]),
            seconds=estimates.octets([move.old.table]) / estimates.COPY,
        )
