"""From drafts to flows: one flow a table, and its referencing tables within it where they share its fate."""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.model.catalog import Constraint, Table
from ecluse.model.flow import Flow, Follow, Member, Side
from ecluse.model.names import ident
from ecluse.model.plan import AddColumns
from ecluse.operations.draft import Draft, Parent, Part
from ecluse.operations.new_shape import new_table
from ecluse.operations.owned import Owner
from ecluse.operations.rules import col
from ecluse.operations.shown import shown
from ecluse.operations.stand_in import StandIn
from ecluse.operations.work import Work


def assemble(work: Work) -> list[Flow | AddColumns]:
    """The changes that the drafts of `work` make, referenced tables first."""
    _check_upward(work)
    _share_fate(work)
    changes: list[Flow | AddColumns] = []
    for draft in sorted(work.drafts.values(), key=lambda draft: _depth(work, draft, ())):
        if draft.parent is not None:
            continue
        if draft.in_place:
            changes.append(AddColumns(draft.table.name, tuple(draft.added)))
        else:
            changes.append(_flow(work, draft))
    return changes


def _depth(work: Work, draft: Draft, seen: tuple[str, ...]) -> int:
    """How many drafts this one refers to, one after another: the longest way up."""
    if str(draft.table.name) in seen:
        return 0
    keys = (*draft.table.foreign_keys, *draft.keys)
    above = [work.drafts[k.references] for k in keys if k.references in work.drafts]
    path = (*seen, str(draft.table.name))
    return max((1 + _depth(work, parent, path) for parent in above if parent is not draft), default=0)


# --- what hangs together ----------------------------------------------------------------------


def _check_upward(work: Work) -> None:
    """A converted column that refers to one that stays would leave a foreign key that cannot be made."""
    for draft in work.drafts.values():
        for key in draft.table.foreign_keys:
            parent = work.drafts.get(key.references) if key.references else None
            for ours, theirs in zip(key.columns, key.referenced_columns, strict=False):
                if _owned(draft, ours):
                    continue  # it refers to the account instead
                if not _converted(draft, ours):
                    continue
                if parent is None or theirs not in parent.conversions:
                    work.hazard(
                        "reference-stays",
                        "refuse",
                        draft.table.name,
                        f"'{draft.table.name}.{ours}' is converted, but '{key.references}.{theirs}', "
                        "to which it refers, is not",
                        f"convert the column referred to instead; those that refer to it follow: table = "
                        f'"{key.references}", column = "{theirs}"',
                    )


def _converted(draft: Draft, column: str) -> bool:
    """Whether a column gets values that its key must get too; a stand-in is a key that is there."""
    return column in draft.conversions and not isinstance(draft.conversions[column].rule, StandIn)


def _owned(draft: Draft, column: str) -> bool:
    return column in draft.conversions and isinstance(draft.conversions[column].rule, Owner)


def _share_fate(work: Work) -> None:
    """Rows that refer to a row in quarantine must go there too: put their tables into the flow of that table."""
    for draft in list(work.drafts.values()):
        for name, key in work.catalog.referencing(draft.table.name):
            rejects = (reject for reject in draft.rejects if not reject.refuse)
            beyond = [reject for reject in rejects if reject.column not in key.referenced_columns]
            if beyond:
                _adopt(work, draft, work.catalog.tables[name], key, beyond[0].column)


def _adopt(work: Work, parent: Draft, table: Table, key: Constraint, column: str) -> None:
    child = work.draft(table)
    child.in_place = False
    nullable = [name for name in key.columns if not (c := table.column(name)) or not c.not_null]
    deeper = [str(name) for name, _ in work.catalog.referencing(table.name) if name != table.name]
    reason = ""
    if table.name == parent.table.name:
        reason = "the table refers to itself"
    elif parent.parent is not None or deeper:
        reason = f"more tables hang on it ({', '.join(deeper) or parent.table.name})"
    elif child.parent is not None:
        reason = "it refers to two tables of which this is true"
    elif child.parts:
        reason = "it is split itself"
    elif nullable:
        reason = f"'{nullable[0]}' may be NULL, and such a row belongs to no row of '{parent.table.name}'"
    if not reason:
        child.parent = Parent(parent.table.name, key, parent.old, parent.new)
        child.link(key.columns)
        return
    work.hazard(
        "quarantine-reaches-far",
        "refuse",
        table.name,
        f"rows of '{parent.table.name}' may go to quarantine for their '{column}', and rows of "
        f"'{table.name}' that refer to them would have to follow; {reason}",
        'set invalid = "regenerate", or reshape both tables with reshape_table',
    )


# --- flows ------------------------------------------------------------------------------------


def _flow(work: Work, draft: Draft) -> Flow:
    children = [child for child in work.drafts.values() if child.parent and child.parent.table == draft.table.name]
    old = [_old_member(work, draft)]
    new = [_new_member(work, draft)]
    new += [_part_member(draft, part) for part in draft.parts]
    new += [_aside_member(draft)] if draft.has_residue else []
    for child in children:
        old.append(_old_member(work, child))
        new.append(_new_member(work, child))
        new += [_aside_member(child)] if child.has_residue else []
    return Flow(
        name=draft.new,
        old=Side(tuple(old), unit=draft.old_unit(), find=draft.find(new=False)),
        new=Side(
            tuple(new),
            unit=draft.new_unit(work.drafts),
            find=draft.find(new=True),
            recheck=any(name in draft.conversions for name in draft.key),
        ),
        follows=tuple(follow for each in (draft, *children) for follow in _follows(each)),
    )


def _follows(draft: Draft) -> Iterator[Follow]:
    for name, conversion in draft.conversions.items():
        if isinstance(conversion.rule, Owner):
            yield Follow(conversion.rule.roster, draft.old, name)
    yield from draft.follows


def _source(draft: Draft, *, new: bool) -> str:
    """The FROM clause in which `m` is the row of the draft; a child's anchor is joined, so that it bounds the rows."""
    own = f"{{{{{draft.new if new else draft.old}}}}} m"
    if draft.parent is None:
        return own
    anchor = draft.parent.new if new else draft.parent.old
    return f"{own}\nJOIN {{{{{anchor}}}}} a ON {_link(draft.parent.key)}"


def _link(key: Constraint) -> str:
    pairs = zip(key.columns, key.referenced_columns, strict=True)
    return " AND ".join(f"{col(ours)} = {col(theirs, 'a')}" for ours, theirs in pairs)


def _old_member(work: Work, draft: Draft) -> Member:
    source = _source(draft, new=True)
    if draft.has_residue:
        on = " AND ".join(f"{col(name, 'r')} = {col(name)}" for name in draft.key)
        source += f"\nLEFT JOIN {{{{{draft.aside}}}}} r ON {on}"
    items = ",\n  ".join(f"{draft.inverse(name, work.drafts)} AS {ident(name)}" for name in draft.table.written)
    return Member(
        alias=draft.old,
        table=draft.table,
        select=f"SELECT {items}\nFROM {source}" + (f"\nWHERE {' AND '.join(draft.at_home)}" if draft.at_home else ""),
        key=draft.key,
        join=_link(draft.parent.key) if draft.parent else "",
        logged=(*_logged(draft), *(name for name in draft.watched if name not in _logged(draft))),
        rejects=(*draft.rejects, *draft.twice),
        shown=shown(work.drafts, draft, _source(draft, new=True)),
    )


def _new_member(work: Work, draft: Draft) -> Member:
    return Member(
        alias=draft.new,
        table=new_table(work, draft),
        select=draft.select(_source(draft, new=False)),
        key=draft.key,
        join=_link(draft.parent.key) if draft.parent else "",
        logged=_logged(draft),
        alike=tuple(draft.alike.items()),
    )


def _part_member(draft: Draft, part: Part) -> Member:
    return Member(
        alias=part.alias,
        table=part.table,
        select=part.select.replace("{source}", _source(draft, new=False)),
        key=part.key,
        role="new",
        join=" AND ".join(f"{col(ours)} = {col(theirs, 'a')}" for ours, theirs in part.links),
        logged=tuple(dict.fromkeys([*part.key, *(ours for ours, _ in part.links)])),
        counterpart=part.counterpart,
    )


def _aside_member(draft: Draft) -> Member:
    own = " AND ".join(f"{col(name)} = {col(name, 'a')}" for name in draft.key)
    return Member(
        alias=draft.aside,
        table=draft.residue_table(),
        select=draft.residue_select(_source(draft, new=False)),
        key=draft.key,
        role="aside",
        join=_link(draft.parent.key) if draft.parent else own,
        logged=draft.residue_columns(),
    )


def _logged(draft: Draft) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*draft.key, *(draft.parent.key.columns if draft.parent else ())]))
