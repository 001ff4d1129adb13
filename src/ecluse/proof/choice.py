"""Which columns of two tables are compared, by which key, and what each is made of on either side. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ecluse.errors import MappingError, NotInDatabase, WrongUsage
from ecluse.model.names import ident
from ecluse.model.settings import did_you_mean
from ecluse.operations import expressions

_STATE = "nothing was changed"


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one side, in its order, and its primary key."""

    names: tuple[str, ...]
    primary_key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, in the names of B's columns. `mapped`: of some, the expression over A's row.

    Empty `columns`: all. Empty `key`: the primary key. `where` is a condition over the row of either side.
    """

    key: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    where: str = ""
    mapped: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is compared. `of_a`: each column as SQL over A's row `m`."""

    columns: tuple[str, ...]
    key: tuple[str, ...]
    of_a: Mapping[str, str]
    only_in_a: tuple[str, ...]
    only_in_b: tuple[str, ...]


def choose(a: Columns, b: Columns, asked: Asked) -> Choice:
    """Raises NotInDatabase for a column that is not there, MappingError for an expression, WrongUsage for the rest."""
    mapped, used = _mapped(a, b, asked)
    shared = [name for name in b.names if name in mapped or name in a.names]
    _check_names(a, b, shared, asked)
    key = asked.key or _default_key(a, b, shared, asked)
    wanted = set(asked.columns or shared) - set(asked.exclude) | set(key)
    columns = tuple(name for name in shared if name in wanted)
    if not columns:
        raise WrongUsage(
            "there is no column to compare: none of A is one of B",
            details=f"A has {', '.join(a.names)}\nB has {', '.join(b.names)}",
            hint="--map 'column of B = expression over a row of A'",
            state=_STATE,
        )
    known = {*b.names, *used, *asked.exclude}
    alone_a = () if asked.columns else tuple(name for name in a.names if name not in known)
    alone_b = () if asked.columns else tuple(n for n in b.names if n not in shared and n not in asked.exclude)
    of_a = {name: mapped.get(name) or f"m.{ident(name)}" for name in shared}
    return Choice(columns, key, of_a, alone_a, alone_b)


def condition(side: Columns, label: str, text: str, instead: Mapping[str, str]) -> str:
    """A condition over the row `m` of a side, empty where there is none; `instead`: what takes the place of a column.

    Raises NotInDatabase and MappingError, as `choose` does.
    """
    return f"({_over_row(side, label, text, '--where', instead)})" if text else ""


def _mapped(a: Columns, b: Columns, asked: Asked) -> tuple[dict[str, str], set[str]]:
    """The expressions over `m`, and the columns of A that they read."""
    found, used = {}, set()
    for name, text in asked.mapped.items():
        if name not in b.names:
            raise _no_column("B", b, name, "--map")
        found[name] = f"({_over_row(a, 'A', text, f'--map {name}', {})})"
        used |= {reference.column for reference in expressions.references(text)}
    return found, used


def _over_row(side: Columns, label: str, text: str, option: str, instead: Mapping[str, str]) -> str:
    """A checked expression, with each column as it is written over the row `m`."""
    try:
        for reference in expressions.check_mapping(text):
            if reference.qualifier not in ("", "m"):
                raise expressions.InvalidSql(f"'{reference.qualifier}' is not the row; its columns are named alone")
            if reference.column not in side.names and reference.column not in instead:
                raise _no_column(label, side, reference.column, option)
    except expressions.InvalidSql as problem:
        raise MappingError(f"{option}: {problem}", details=text, state=_STATE) from None
    return expressions.rewrite(text, lambda found: instead.get(found.column) or f"m.{ident(found.column)}")


def _check_names(a: Columns, b: Columns, shared: Sequence[str], asked: Asked) -> None:
    for option, names in (("--key", asked.key), ("--columns", asked.columns)):
        for name in names:
            if name not in b.names:
                raise _no_column("B", b, name, option)
            if name not in shared:
                raise _no_column("A", a, name, option, f"--map '{name} = an expression over a row of A'")
    for name in asked.exclude:
        if name not in (*a.names, *b.names):
            raise _no_column("neither side", Columns((*b.names, *a.names)), name, "--exclude")
    both = set(asked.exclude) & {*asked.key, *asked.columns}
    if both:
        raise WrongUsage(f"'{min(both)}' is to be compared, and to be left out", hint="one of the two", state=_STATE)


def _no_column(side: str, columns: Columns, name: str, option: str, hint: str = "") -> NotInDatabase:
    says = "has a" if side == "neither side" else "has no"
    near = did_you_mean(name, columns.names)
    hint = hint or f"the columns are: {', '.join(columns.names)}"
    return NotInDatabase(f"{option}: {side} {says} column '{name}'{near}", hint=hint, state=_STATE)


def _default_key(a: Columns, b: Columns, shared: Sequence[str], asked: Asked) -> tuple[str, ...]:
    """The primary key, if it is compared at all; B's first, for by its names columns are known."""
    for key in (b.primary_key, a.primary_key):
        if key and all(name in shared and name not in asked.exclude for name in key):
            return key
    return ()
