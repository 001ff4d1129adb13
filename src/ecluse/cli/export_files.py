"""An exported migration as files: for psql, for the Supabase CLI, for Alembic. Text only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from textwrap import wrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecluse.engine.exporting.script import Exported, Piece
    from ecluse.model.plan import Plan

# What is lost without an engine, in the words of the three laws.
LOST = (
    "Readers and writers wait from the first lock to the commit: the tables are locked while all rows are copied, for "
    "nothing captures what is written meanwhile. With `ecluse apply` they wait for milliseconds.",
    "Rows are counted, and the new and the old are compared by one sum of hashes each way, in the same transaction. "
    "The structure is not compared, no row is named that differs, and nothing proves it again later.",
    "It does not go on after a failure: everything is rolled back, and begins anew.",
    "The rollback gives the old rows back as they were. It does not carry home what was written since, and refuses "
    "where anything was. There is none after `finish`, which archives nothing.",
    "Rows that cannot be carried stay whole in the kept schema. Nothing lists them, or tries them again.",
)
_LABELS = "A rollback leaves the labels that enums got: {names}."
_PEOPLE = "It holds the id maps that the migration names, row by row: keep it where those files may be kept."


@dataclass(frozen=True, slots=True)
class Layout:
    """What the files are called. `revision` and `down_revision` are Alembic's."""

    name: str
    moment: datetime
    revision: str
    down_revision: str | None = None


def losses(plan: Plan) -> tuple[str, ...]:
    """The guarantees that this export has not."""
    added = ", ".join(str(enum.name) for enum in plan.enums if enum.added)
    without = [f"'{s.title}' has no way back, so there is no rollback." for s in plan.scripts if s.down is None]
    return (*LOST, *([_LABELS.format(names=added)] if added else []), *([_PEOPLE] if plan.inputs else []), *without)


def files(kind: str, plan: Plan, found: Exported, layout: Layout) -> Mapping[str, str]:
    """Path to text, in the order in which they are to be run."""
    return {"sql": _sql, "supabase": _supabase, "alembic": _alembic}[kind](plan, found, layout)


def _header(plan: Plan, title: str) -> Iterator[str]:
    yield f"{plan.migration}: {title}"
    yield f"Exported by Écluse from {plan.database}, plan {plan.fingerprint}. It fits this shape of the tables only."
    yield ""
    yield "What is lost by running it without Écluse:"
    for text in losses(plan):
        first, *rest = wrap(text, 110)
        yield f"- {first}"
        yield from (f"  {line}" for line in rest)
    warnings = [hazard for hazard in plan.hazards if hazard.level == "warn"]
    if warnings:
        yield ""
        yield "What the plan warns of:"
        for hazard in warnings:
            yield f"- {hazard.id}: {' '.join(hazard.message.split())}"


def _comment(lines: Iterator[str]) -> str:
    # What is named may hold an end of line, and is no statement for that.
    return "".join(f"-- {' '.join(line.splitlines())}".rstrip() + "\n" for line in lines)


def _statements(piece: Piece) -> str:
    return "".join(f"{statement.strip().rstrip(';')};\n\n" for statement in piece.statements)


# --- psql ---------------------------------------------------------------------------------------------


def _sql(plan: Plan, found: Exported, layout: Layout) -> Mapping[str, str]:
    made = {f"{n:02}_{piece.name}.sql": _psql(plan, piece) for n, piece in enumerate(found.pieces, 1)}
    for piece in (found.rollback, found.finish):
        if piece:
            made[f"{piece.name}.sql"] = _psql(plan, piece)
    return made


def _psql(plan: Plan, piece: Piece) -> str:
    head = _comment(_header(plan, piece.title))
    return f"{head}\n\\set ON_ERROR_STOP on\n\\encoding UTF8\n\nBEGIN;\n\n{_statements(piece)}COMMIT;\n"


# --- Supabase -----------------------------------------------------------------------------------------


def _supabase(plan: Plan, found: Exported, layout: Layout) -> Mapping[str, str]:
    made = {}
    for number, piece in enumerate(found.pieces, 1):
        # The CLI sends a file as one implicit transaction, and remembers it by its number.
        stamp = layout.moment + timedelta(seconds=number - 1)
        name = f"supabase/migrations/{stamp:%Y%m%d%H%M%S}_{layout.name}_{number:02}.sql"
        made[name] = f"{_comment(_header(plan, piece.title))}\n{_statements(piece)}"
    for extra in (found.rollback, found.finish):
        if extra:
            # Not among the migrations: the CLI would run it.
            made[f"supabase/ecluse/{layout.name}_{extra.name}.sql"] = _psql(plan, extra)
    return made


# --- Alembic ------------------------------------------------------------------------------------------


_REVISION = '''"""{header}
"""

from alembic import op

revision = {revision!r}
down_revision = {down_revision!r}
branch_labels = None
depends_on = None


def _run(statements):
    """Send each as it stands: neither `:` nor `%` in it is a parameter. With --sql, a tab stays one as well."""
    for statement in statements:
        if op.get_context().as_sql:
            op.get_context().impl.static_output(statement + ";")
        else:
            op.get_bind().exec_driver_sql(statement, execution_options={{"no_parameters": True}})


def upgrade():
{upgrade}

def downgrade():
{downgrade}

{constants}'''


def _alembic(plan: Plan, found: Exported, layout: Layout) -> Mapping[str, str]:
    upgrade, constants = [], []
    for piece in found.pieces:
        name = piece.name.upper()
        constants.append(_constant(name, piece))
        if piece.name == "migrate":
            upgrade.append(f"    _run({name})")
        else:
            # What comes before the main part must be committed, and so must that before what comes after it.
            upgrade += ["    with op.get_context().autocommit_block():", f'        _run(("BEGIN", *{name}, "COMMIT"))']
    if found.rollback:
        constants.append(_constant("ROLLBACK", found.rollback))
    down = "    _run(ROLLBACK)" if found.rollback else '    raise NotImplementedError("there is no way back")'
    text = _REVISION.format(
        header="\n".join(line.replace("\\", "\\\\").replace('"""', "'''") for line in _header(plan, "by Alembic")),
        revision=layout.revision,
        down_revision=layout.down_revision,
        upgrade="\n".join(upgrade) + "\n",
        downgrade=down + "\n",
        constants="\n".join(constants),
    )
    made = {f"{layout.revision}_{layout.name}.py": text}
    if found.finish:
        made[f"{layout.name}_finish.sql"] = _psql(plan, found.finish)
    return made


def _constant(name: str, piece: Piece) -> str:
    statements = "".join(f"    {_quoted(statement.strip().rstrip(';'))},\n" for statement in piece.statements)
    return f"{name} = (\n{statements})\n"


def _quoted(statement: str) -> str:
    """As it stands where Python can say it so."""
    # Python reads a line that ends in CR LF as one that ends in LF.
    plain = '"""' not in statement and "\r" not in statement and not statement.endswith(('"', "\\"))
    return f'r"""{statement}"""' if plain else repr(statement)
