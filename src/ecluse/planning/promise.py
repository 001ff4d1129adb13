"""What a plan promises of the catalogue, from a reading of its trial; and where a real catalogue deviates. Pure.

The trial made the new shape in the next schema, by the statements of the run itself, and the server printed it. With
its names put home that is what must stand there, word for word: nothing here knows how PostgreSQL writes a
default or a policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from ecluse.model.catalog import Catalog, Function, Grant, Role, Sequence, Table, Trigger, View
from ecluse.model.names import Name
from ecluse.model.plan import Plan, Structure
from ecluse.planning.homes import Homes
from ecluse.planning.key_text import same_words
from ecluse.planning.structure import ABSENT, PRESENT, Deviation, difference
from ecluse.planning.switch_sql import altered, free_sequences, old_tables, visible

_OURS = ("zz_ecluse_capture", "ecluse_unit_", "ecluse_before_")
_CAPTURE = ("zz_ecluse_capture", "zz_ecluse_capture_t")
_ATOMIC = "BEGIN ATOMIC"

_Owned = TypeVar("_Owned", Table, View, Function, Sequence)


# --- the promise ------------------------------------------------------------------------------------


def promise(plan: Plan, catalog: Catalog, bare: Catalog, whole: Catalog) -> Structure:
    """What must stand there. `bare` was read when the trial had made the tables, `whole` when it had made all.

    `catalog` is the database as it is: what the plan carries by moving the very object is described there.
    """
    homes = Homes(plan)
    return Structure(
        tables=tuple(_tables(plan, homes, whole)),
        built=tuple(_before_the_switch(table) for table in _placed(plan, homes, bare)),
        parts=tuple(_parts(plan, homes, whole)),
        views=tuple(_views(plan, homes, whole)),
        functions=tuple(_functions(plan, homes, whole)),
        sequences=(*_identities(plan, homes, whole), *_serials(plan, catalog)),
    )


def _placed(plan: Plan, homes: Homes, tried: Catalog) -> Iterator[Table]:
    for flow in plan.builds:
        for member in flow.new.members:
            found = tried.tables[member.table.name.within(plan.next_schema)]
            table = found if not member.placed else homes.settle(found, member.table.name.schema)
            yield table if member.table.owner else _nobodys(table)


def _nobodys(thing: _Owned) -> _Owned:
    """What belongs to whoever carries the plan out: his own rights are not part of the promise.

    Rights that were never changed are spelled out, as default rights in a schema make the server spell them out.
    """
    grants = (Grant("", "EXECUTE"),) if thing.grants is None else thing.grants
    return replace(thing, owner="", grants=tuple(g for g in grants if g.grantee != thing.owner))


def _tables(plan: Plan, homes: Homes, tried: Catalog) -> Iterator[Table]:
    members = {m.table.name: m.table for m in visible(plan)}
    owned = {(table.name, column): sequence for table, column, sequence in _free(plan)}
    for table in _placed(plan, homes, tried):
        if table.name not in members:
            yield table
            continue
        keys = tuple(k.now for k in plan.foreign_keys if k.now and k.table == table.name)
        yield replace(
            table,
            columns=tuple(replace(c, sequence=owned.get((table.name, c.name), c.sequence)) for c in table.columns),
            constraints=(*table.constraints, *keys),
            published=members[table.name].published,
        )


def _before_the_switch(table: Table) -> Table:
    return replace(table, policies=(), rules=(), rule_states=(), triggers=())


def _free(plan: Plan) -> Iterator[tuple[Table, str, Name]]:
    for table in old_tables(plan):
        yield from ((table, column, sequence) for column, sequence in free_sequences(plan, table))


def _parts(plan: Plan, homes: Homes, tried: Catalog) -> Iterator[Table]:
    parts: dict[Name, Table] = {}
    for key in plan.outside_keys:
        part = parts.setdefault(key.table, Table(key.table, ()))
        parts[key.table] = replace(part, constraints=(*part.constraints, *([key.now] if key.now else [])))
    for added in plan.added:
        part = parts.setdefault(added.table, Table(added.table, ()))
        found = homes.settle(tried.tables[added.table.within(plan.next_schema)], added.table.schema)
        new = {column.name for column in added.columns}
        parts[added.table] = replace(part, columns=tuple(c for c in found.columns if c.name in new))
    for thing in (o for d in plan.defines for o in d.objects):
        if thing.kind == "trigger" and thing.name in altered(plan):
            part = parts.setdefault(thing.name, Table(thing.name, ()))
            made = homes.settle(tried.tables[thing.name.within(plan.next_schema)], thing.name.schema).triggers
            found_triggers = tuple(t for t in made if thing.signature.startswith(f"{_quoted(t.name)} ON "))
            parts[thing.name] = replace(part, triggers=(*part.triggers, *found_triggers))
    yield from parts.values()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _views(plan: Plan, homes: Homes, tried: Catalog) -> Iterator[View]:
    carried = {view.name: view for view in plan.views}
    for found in tried.views.values():
        if found.name.schema != plan.next_schema:
            continue
        view = homes.settle(found, plan.next_schema)
        if view.name in carried:
            # A type that changed may be printed with other casts; the rest is made from the recorded view.
            yield replace(carried[view.name], definition=view.definition)
        else:
            yield _nobodys(view)


def _functions(plan: Plan, homes: Homes, tried: Catalog) -> Iterator[Function]:
    """The body of a carried `BEGIN ATOMIC` function is not tried, so how it will be printed is not known."""
    for function in plan.functions:
        head, atomic, _ = function.definition.partition(_ATOMIC)
        yield replace(function, definition=head + atomic) if function.atomic else function
    for function in tried.functions:
        if function.name.schema == plan.next_schema:
            yield _nobodys(homes.settle(function, plan.next_schema))


def _identities(plan: Plan, homes: Homes, tried: Catalog) -> Iterator[Sequence]:
    owners = {member.table.name: member.table.owner for member in visible(plan)}
    for sequence in tried.sequence_details.values():
        if sequence.owned_by and sequence.identity and sequence.name.schema == plan.next_schema:
            placed = homes.settle(sequence, homes.of(sequence.owned_by[0]))
            if placed.owned_by and placed.owned_by[0] in owners:
                yield placed if owners[placed.owned_by[0]] else _nobodys(placed)


def _serials(plan: Plan, catalog: Catalog) -> Iterator[Sequence]:
    for table, column, name in _free(plan):
        if name in catalog.sequence_details:
            yield replace(catalog.sequence_details[name], owned_by=(table.name, column))


# --- how the database deviates ------------------------------------------------------------------------


def deviations(
    plan: Plan, promised: Structure, now: Catalog, *, switched: bool, finished: bool = False
) -> tuple[Deviation, ...]:
    """Where the catalogue is not as promised; empty where it is. What the plan does not concern is not looked at.

    `now` has the schemas of `concerned`. Of a run that is `finished`, which was switched before, nothing of the old
    shape is there any more, and nothing that captures.
    """
    homes = Homes(plan)
    place = _Place(plan, homes, switched, watched=switched and not finished)
    wanted = promised.tables if switched else promised.built
    wanted = tuple(t for t in wanted if not (finished and place.is_aside(t.name)))
    tables = {t.name: place.table(t, now) for t in wanted}
    views = {v.name: place.view(v, now) for v in promised.views if switched or v.name in plan.prebuilt}
    sequences = {s.name: place.sequence(s, now) for s in promised.sequences if switched or s.identity}
    functions = [place.function(f, now) for f in promised.functions] if switched else []
    parts = {t.name: _part(t, now.tables.get(t.name)) for t in promised.parts} if switched else {}
    pairs = (*tables.values(), *parts.values())
    found = difference(
        _catalog([p[0] for p in pairs], [p[0] for p in views.values()], sequences.values(), functions, 0),
        _catalog([p[1] for p in pairs], [p[1] for p in views.values()], sequences.values(), functions, 1),
    )
    return (*found, *_enums(plan, now), *(_moved(plan, promised, now) if switched and not finished else ()))


def concerned(plan: Plan) -> tuple[str, ...]:
    """The schemas in which the plan has anything."""
    names = {m.table.name for m in visible(plan)} | {t.name for t in old_tables(plan)} | {m.name for m in plan.moved}
    names |= {v.name for v in plan.views} | {f.name for f in plan.functions} | {a.table for a in plan.added}
    names |= {k.table for k in plan.outside_keys} | {o.name for d in plan.defines for o in d.objects}
    names |= {enum.name for enum in plan.enums}
    return (*sorted({name.schema for name in names}), plan.next_schema, plan.kept_schema)


_Pair = tuple[_Owned, _Owned | None]


class _Place:
    """Finds what is promised where it stands now, and puts it into the words of the promise."""

    def __init__(self, plan: Plan, homes: Homes, switched: bool, *, watched: bool) -> None:
        self._plan, self._homes, self._switched, self._watched = plan, homes, switched, watched
        self._visible = {m.table.name for m in visible(plan)}
        asides = (m for flow in plan.flows for m in flow.new.members if m.role == "aside")
        self._aside = {m.table.name.within(plan.next_schema) for m in asides}
        self._joining = {m.table.name.within(plan.next_schema) for m in plan.joining}

    def is_aside(self, name: Name) -> bool:
        """Whether it is a table that only the engine sees."""
        return name in self._aside

    def _at(self, name: Name) -> Name:
        return name if self._switched else name.within(self._plan.next_schema)

    def _settled(self, want: _Owned, found: _Owned | None) -> _Pair[_Owned]:
        if found is None:
            return want, None
        have = self._homes.settle(found, want.name.schema)
        return _alike(want, have, self._plan.default_grantees) if not want.owner else (want, have)

    def table(self, want: Table, now: Catalog) -> _Pair[Table]:
        want, have = self._settled(want, now.tables.get(self._at(want.name)))
        if have is None:
            return want, None
        if want.name in self._aside:
            # Whoever reads the old shape with his own rights may read there what the new columns cannot tell.
            want, have = replace(want, grants=()), replace(have, grants=())
        if want.name in self._joining:
            # Captured from the attempt to switch on; where that failed, it stays so until the next.
            have = replace(have, triggers=tuple(t for t in have.triggers if t.name not in _CAPTURE))
        watched = self._watched and want.name in self._visible
        ours = tuple(Trigger(name, "", want.name, "A") for name in _CAPTURE) if watched else ()
        want = same_words(replace(want, triggers=(*want.triggers, *ours)))
        return want, same_words(_bare(have))

    def view(self, want: View, now: Catalog) -> _Pair[View]:
        return self._settled(want, now.views.get(self._at(want.name)))

    def sequence(self, want: Sequence, now: Catalog) -> _Pair[Sequence]:
        return self._settled(want, now.sequence_details.get(self._at(want.name)))

    def function(self, want: Function, now: Catalog) -> _Pair[Function]:
        key = (want.name, want.arguments)
        want, have = self._settled(want, next((f for f in now.functions if (f.name, f.arguments) == key), None))
        if have is not None and want.definition.endswith(_ATOMIC):
            head, atomic, _ = have.definition.partition(_ATOMIC)
            have = replace(have, definition=head + atomic)
        return want, have


def _alike(want: _Owned, have: _Owned, default_grantees: tuple[str, ...]) -> _Pair[_Owned]:
    """Both without what depends on who carried the plan out, and on default rights in the schema it came into."""
    have = _nobodys(have)

    def kept(grants: tuple[Grant, ...] | None) -> tuple[Grant, ...]:
        return tuple(g for g in grants or () if g.grantee not in default_grantees)

    if default_grantees:
        return replace(want, grants=kept(want.grants)), replace(have, grants=kept(have.grants))
    return want, have


def _bare(table: Table) -> Table:
    """The table without the run's own index; of its triggers, only whether they fire."""
    triggers = tuple(Trigger(t.name, "", table.name, t.enabled) if t.name in _CAPTURE else t for t in table.triggers)
    return replace(
        table,
        triggers=triggers,
        indexes=tuple(i for i in table.indexes if not i.name.startswith(_OURS)),
        constraints=tuple(c for c in table.constraints if not c.name.startswith(_OURS)),
    )


def _part(want: Table, have: Table | None) -> _Pair[Table]:
    if have is None:
        return want, None
    mine = replace(
        want,
        columns=tuple(c for c in have.columns if c.name in {w.name for w in want.columns}),
        constraints=tuple(c for c in have.constraints if c.name in {w.name for w in want.constraints}),
        triggers=tuple(t for t in have.triggers if t.name in {w.name for w in want.triggers}),
    )
    return same_words(want), same_words(mine)


def _catalog(
    tables: Iterable[Table | None],
    views: Iterable[View | None],
    sequences: Iterable[_Pair[Sequence]],
    functions: Iterable[_Pair[Function]],
    side: int,
) -> Catalog:
    return Catalog(
        "",
        0,
        Role("", superuser=False, bypass_rls=False),
        tables=_named(tables),
        views=_named(views),
        sequence_details=_named(pair[side] for pair in sequences),
        functions=tuple(f for pair in functions if (f := pair[side]) is not None),
    )


def _named(things: Iterable[_Owned | None]) -> Mapping[Name, _Owned]:
    return {thing.name: thing for thing in things if thing is not None}


def _enums(plan: Plan, now: Catalog) -> Iterator[Deviation]:
    """Their labels in order: they are there from the beginning of the run on."""
    for enum in plan.enums:
        found = now.types.get(enum.name)
        if found != enum.labels:
            have = ABSENT if found is None else ", ".join(found)
            yield Deviation("type", str(enum.name), "", ", ".join(enum.labels), have)


def _moved(plan: Plan, promised: Structure, now: Catalog) -> Iterator[Deviation]:
    """What left must be in the kept schema, for the way back, and nothing else may have taken its name."""
    made = {t.name for t in promised.tables} | {v.name for v in promised.views}
    there = {
        "table": set(now.tables),
        "view": set(now.views),
        "materialized view": set(now.views),
        "function": {f.name for f in now.functions},
        "procedure": {f.name for f in now.functions},
    }
    for moved in plan.moved:
        names = there.get(moved.kind)
        if names is None:
            continue
        kept = moved.name.within(plan.kept_schema)
        if kept not in names:
            yield Deviation(moved.kind, str(kept), "", PRESENT, ABSENT)
        if moved.kind not in ("function", "procedure") and moved.name in names and moved.name not in made:
            yield Deviation(moved.kind, str(moved.name), "", ABSENT, PRESENT)
