"""A schema that is expected, compared with the one that is there. Pure.

Compared is what an application can tell: not owners, comments, storage, nor versions of extensions and what belongs to
them. What only the database has is told, and is no fault: an expectation speaks of what it names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ecluse.model.catalog import Catalog, Function, Grant, Role, Table, View
from ecluse.planning.structure import ABSENT, PRESENT, Deviation, difference

MISSING, DIFFERS, EXTRA = "missing", "differs", "also there"
_OURS = ("zz_ecluse_capture", "ecluse_unit_", "ecluse_before_")

_Bearer = TypeVar("_Bearer", Table, View, Function)


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing in which the database is not what was expected; `state` is missing, differs, or also there."""

    state: str
    kind: str
    object: str
    what: str  # "" for the object itself, else "column user_id: type", "grants to anon", ...
    expected: str
    actual: str

    def __str__(self) -> str:
        subject = f"{self.kind} {self.object}" + (f", {self.what}" if self.what else "")
        if self.state != DIFFERS:
            text = self.expected if self.state == MISSING else self.actual
            return subject + ("" if text == PRESENT else f" ({text})")
        return f"{subject}: expected {self.expected}, is {self.actual}"


def compare(expected: Catalog, actual: Catalog) -> tuple[Finding, ...]:
    """Everything that differs, what is missing first. Both catalogues must have passed `comparable`."""
    schemas = {name.schema for name in (*expected.tables, *expected.views)}
    schemas |= {function.name.schema for function in expected.functions}
    spoken = _speaks_of_rights(expected)
    order = {MISSING: 0, DIFFERS: 1, EXTRA: 2}
    found = [_finding(each, spoken) for each in difference(expected, actual)]
    near = (f for f in found if f.state != EXTRA or f.what or f.kind == "publication" or _schema(f.object) in schemas)
    return tuple(sorted(near, key=lambda f: (order[f.state], f)))


def _schema(shown: str) -> str:
    return shown.partition(".")[0].strip('"')


def _finding(found: Deviation, spoken: frozenset[str]) -> Finding:
    state = DIFFERS
    if found.what == "order of columns":
        state = EXTRA  # columns that were added later stand at the end
    elif found.before == ABSENT:
        # Where rights were given on purpose, one more is not what was meant.
        right = found.what.startswith("grants to") and f"{found.kind} {found.object}" in spoken
        state = DIFFERS if right else EXTRA
    elif found.after == ABSENT:
        state = MISSING
    return Finding(state, found.kind, found.object, found.what, found.before, found.after)


def _speaks_of_rights(catalog: Catalog) -> frozenset[str]:
    tables = {f"table {name}" for name, table in catalog.tables.items() if table.grants}
    views = {f"view {name}" for name, view in catalog.views.items() if view.grants}
    default = (Grant("", "EXECUTE"),)
    functions = {f"function {f.name}({f.arguments})" for f in catalog.functions if f.grants != default}
    return frozenset(tables | views | functions)


# --- what is compared -------------------------------------------------------------------------------


def comparable(catalog: Catalog) -> Catalog:
    """The catalogue without what may differ between two databases that serve an application alike."""
    return Catalog(
        "",
        0,
        Role("", superuser=False, bypass_rls=False),
        tables={name: _table(t) for name, t in catalog.tables.items() if not t.extension},
        views={name: _view(v) for name, v in catalog.views.items() if not v.extension},
        functions=tuple(_rights(replace(f, comment=None)) for f in catalog.functions if not f.extension),
        dependents=catalog.dependents,
        function_dependents=catalog.function_dependents,
        publications=tuple(replace(p, owner="") for p in catalog.publications),
        extensions=dict.fromkeys(catalog.extensions, ""),
        types=catalog.types,
        schemas=catalog.schemas,
        # Those of serial and identity columns are a part of their column.
        sequence_details={
            name: replace(s, owner="", comment=None, grants=())
            for name, s in catalog.sequence_details.items()
            if s.owned_by is None and not s.extension
        },
    )


def _rights(thing: _Bearer) -> _Bearer:
    """Rights without those of the owner, whoever that is; what is so by default is spelled out for a function."""
    grants = thing.grants
    if isinstance(thing, Function) and grants is None:
        grants = (Grant("", "EXECUTE"),)
    kept = tuple(g for g in grants or () if g.grantee != thing.owner and g.privilege != "MAINTAIN")
    return replace(thing, owner="", grants=kept)


def _table(table: Table) -> Table:
    plain: Mapping[str, Any] = {"comment": None, "storage": "", "compression": "", "statistics": None, "options": ()}
    return replace(
        _rights(table),
        columns=tuple(replace(column, **plain) for column in table.columns),
        # NOT NULL is told by its column; a constraint for it has a name in some versions only.
        constraints=tuple(replace(c, comment=None) for c in table.constraints if c.kind not in "nt"),
        indexes=_indexes(i for i in table.indexes if not i.name.startswith(_OURS)),
        triggers=tuple(replace(t, comment=None) for t in table.triggers if not t.name.startswith(_OURS)),
        policies=tuple(replace(p, comment=None, roles=tuple(sorted(p.roles))) for p in table.policies),
        statistics=(),
        access_method="",
        tablespace="",
        options=(),
        comment=None,
    )


def _indexes(indexes: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(replace(i, comment=None, clustered=False, statistics=(), uses=()) for i in indexes)


def _view(view: View) -> View:
    return replace(
        _rights(view),
        populated=True,
        indexes=_indexes(view.indexes),
        triggers=tuple(replace(t, comment=None) for t in view.triggers),
        options=tuple(sorted(option.lower() for option in view.options)),
        statistics=(),
        column_comments=(),
        access_method="",
        tablespace="",
        comment=None,
    )
