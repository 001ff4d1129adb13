"""What hangs on the old tables, and what becomes of it: carried, moved, or refused by name. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ecluse.model.catalog import Catalog, Dependent, Function, Table, View
from ecluse.model.names import Name
from ecluse.model.plan import Define, Hazard, Moved, ObjectRef

# Dependents that are part of the table's own definition: they go with it and are in the new one where it has them.
_OWN = frozenset({"default", "generated", "constraint", "index", "statistics", "sequence", "trigger", "rule", "policy"})


@dataclass(slots=True)
class Inventory:
    """What is being gathered on the way to a plan."""

    catalog: Catalog
    old: Mapping[Name, Table]
    new: Mapping[Name, Table]
    given_up: frozenset[Name]  # dropped or redefined by the migration
    # Old tables whose place one of another name takes, and the new name of each column that is one of the old.
    successors: Mapping[Name, tuple[Name, Mapping[str, str]]] = field(default_factory=dict)
    hazards: list[Hazard] = field(default_factory=list)
    moved_views: list[View] = field(default_factory=list)
    carried_views: list[View] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    dropped_functions: list[Function] = field(default_factory=list)
    late_functions: list[int] = field(default_factory=list)

    def refuse(self, id_: str, thing: object, message: str, hint: str = "") -> None:
        self.hazards.append(Hazard(id_, "refuse", str(thing), message, hint))

    def tell(self, id_: str, thing: object, message: str) -> None:
        self.hazards.append(Hazard(id_, "note", str(thing), message))


# --- views ------------------------------------------------------------------------------------------


def views(inv: Inventory) -> None:
    """Views that stand on old tables, directly or through other views, the ones stood upon first.

    A view that the migration gives up or makes anew is one of them: what stands on it would go on reading the old one.
    """
    standing: dict[Name, list[Dependent]] = {}
    found = sorted(name for name in inv.given_up if name in inv.catalog.views)
    affected: set[Name] = {*inv.old, *found}
    edges = [d for d in inv.catalog.dependents if d.kind in ("view", "matview") and d.name is not None]
    while True:
        layer = sorted({d.name for d in edges if d.table in affected and d.name and d.name not in found})
        if not layer:
            break
        found += layer
        affected |= set(layer)
    for edge in edges:
        if edge.name in found:
            standing.setdefault(edge.name, []).append(edge)
    for name in _upon_first(found, standing):
        view = inv.catalog.views.get(name)
        if view is None:  # the catalogue leaves out the schemas of sessions
            _refuse_temporary(inv, name, standing[name])
            continue
        inv.moved_views.append(view)
        if name in inv.given_up:
            inv.tell("dependent-given-up", name, "goes to the kept schema at the switch, back with a rollback")
        elif _fits(inv, view, standing[name]):
            inv.carried_views.append(view)


def _upon_first(names: list[Name], standing: Mapping[Name, list[Dependent]]) -> list[Name]:
    ordered: list[Name] = []

    def visit(name: Name) -> None:
        if name in ordered or name not in names:
            return
        for edge in standing.get(name, []):
            if edge.table != name:
                visit(edge.table)
        ordered.append(name)

    for name in names:
        visit(name)
    return ordered


def _fits(inv: Inventory, view: View, edges: list[Dependent]) -> bool:
    """Whether the view's text can be run again on the new tables; refuses by name where it cannot."""
    for edge in edges:
        if why := _lost(inv, edge):
            _refuse_view(inv, view, why)
            return False
    inv.tell("dependent-carried", view.name, "is made again on the new tables, with its rights and comments")
    return True


def prebuilt(inv: Inventory) -> tuple[Name, ...]:
    """Materialised views that stand on tables only: they can be filled before the switch instead of in it."""
    found = []
    moved = {v.name for v in inv.moved_views}
    for view in inv.carried_views:
        upon = {d.table for d in inv.catalog.dependents if d.name == view.name}
        if view.materialised and not (upon & moved) and not view.statistics:
            found.append(view.name)
        elif view.materialised:
            inv.tell("matview-in-switch", view.name, "stands on another view, so it is filled inside the switch")
    return tuple(found)


def _refuse_temporary(inv: Inventory, name: Name, edges: list[Dependent]) -> None:
    upon = ", ".join(sorted({str(edge.table) for edge in edges}))
    inv.refuse(
        "temporary-view",
        name,
        f"view {name} on {upon} is temporary: only its own session could make it again",
        f"DROP VIEW {name.sql}, or end that session",
    )


def _refuse_view(inv: Inventory, view: View, why: str) -> None:
    kind = "materialized view" if view.materialised else "view"
    inv.refuse(
        "dependent-view",
        view.name,
        f"{kind} {view.name} {why}",
        f'add above the first [[operation]]: drop = ["{view.name}"]\n'
        'or make it anew in an [[operation]] of kind = "define" with '
        f'title = "{view.name.name} again", objects = ["{kind} {view.name}"], up = "{view.name.name}.sql"',
    )


# --- functions and the rest -------------------------------------------------------------------------


def functions(inv: Inventory) -> None:
    """Functions that stand on an old table, its row type, or a view that is made anew."""
    by_oid = {f.oid: f for f in inv.catalog.functions}
    views = {v.name for v in inv.moved_views}
    edges: dict[int, list[Dependent]] = {}
    for edge in inv.catalog.dependents:
        if edge.kind == "function" and (edge.table in inv.old or edge.table in views):
            edges.setdefault(edge.oid, []).append(edge)
    for oid, mine in sorted(edges.items()):
        function, thing = by_oid.get(oid), mine[0].object
        if function is not None and function.kind in "fp" and function.name in inv.given_up:
            inv.dropped_functions.append(function)
            continue
        if function is None or function.kind not in "fp":
            inv.refuse("dependent-function", thing, f"{thing} stands on {mine[0].table}, and cannot be carried")
            continue
        lost = [why for edge in mine if (why := _lost(inv, edge))]
        if lost:
            inv.refuse(
                "dependent-function",
                thing,
                f"{thing} {'; '.join(lost)}",
                f'add above the first [[operation]]: drop = ["{function.name}"], or define it anew',
            )
            continue
        inv.functions.append(function)
        if any(edge.table in views for edge in mine):
            inv.late_functions.append(oid)
        inv.tell("dependent-carried", thing, "is made again on the new tables")


def _lost(inv: Inventory, edge: Dependent) -> str:
    """Why a dependent does not fit the new shape; empty where it does."""
    if edge.table in inv.given_up:
        return f"stands on {edge.table}, which the migration gives up"
    if edge.table not in inv.old:
        return ""
    new = inv.new.get(edge.table)
    if new is None:
        return f"stands on {edge.table}, which goes away"
    gone = [c for c in edge.columns if new.column(c) is None]
    return f"reads {', '.join(gone)} of {edge.table}, which the new table has not" if gone else ""


def callers(inv: Inventory, moved: Iterable[Function]) -> None:
    """Refuse what would stay bound to a function that goes to the kept schema."""
    names = {f.name for f in moved}
    carried = {v.name for v in inv.moved_views} | {f.name for f in (*inv.functions, *inv.dropped_functions)}
    for edge in inv.catalog.function_dependents:
        if edge.table not in names or edge.name in carried or edge.owner in inv.old:
            continue
        inv.refuse(
            "function-dependent",
            edge.object,
            f"{edge.object} calls {edge.table}, which is made anew, and would go on calling the old one",
            "drop it before the migration and make it again afterwards, in `sql` operations with `up` and `down`",
        )


def others(inv: Inventory) -> None:
    """Refuse, by name, whatever hangs on an old table and is of no known kind."""
    for edge in inv.catalog.dependents:
        if edge.table not in inv.old or edge.kind in ("view", "matview", "function", "publication"):
            continue
        if edge.kind == "constraint":
            continue  # foreign keys of other tables are looked at by name
        if edge.kind in _OWN and (edge.owner in (None, edge.table) or (edge.owner in inv.old and not _lost(inv, edge))):
            continue
        inv.refuse(
            f"dependent-{edge.kind}",
            edge.object,
            f"{edge.object} hangs on {edge.table}, and Écluse does not know how to carry it",
            "drop it before the migration and make it again afterwards, in `sql` operations with `up` and `down`",
        )


def mentions(inv: Inventory) -> list[Hazard]:
    """Functions whose text names an old table: PostgreSQL records no dependency, so people must look."""
    found = []
    for function in inv.catalog.functions:
        if function.atomic or function.extension or function.name in inv.given_up:
            continue
        # The head is what PostgreSQL does record; a body of text is carried as it is.
        _, _, body = function.definition.partition("\nAS ")
        named = sorted(str(t) for t in inv.old if word_in(t.name, body))
        if named:
            found.append(
                Hazard(
                    "function-mentions",
                    "warn",
                    str(function.name),
                    f"function {function.name} names {', '.join(named)} in its text; it will meet the new shape",
                    "look whether it still fits, and define it anew in the migration where it does not",
                )
            )
    return found


def word_in(word: str, text: str) -> bool:
    """Whether a text has the word, and not only as a part of another."""
    at = text.find(word)
    while at >= 0:
        before, after = text[at - 1 : at], text[at + len(word) : at + len(word) + 1]
        if not (before.isalnum() or before == "_") and not (after.isalnum() or after == "_"):
            return True
        at = text.find(word, at + 1)
    return False


def new_names_taken(inv: Inventory) -> list[Hazard]:
    return [
        Hazard(
            "name-taken",
            "refuse",
            str(name),
            f"the migration makes {name}, and the database has a table or view of that name",
            f'archive the old one ([[operation]] kind = "archive_table", table = "{name}") or choose another name',
        )
        for name in inv.new
        if name not in inv.old and (name in inv.catalog.tables or name in inv.catalog.views)
    ]


# --- what moves -------------------------------------------------------------------------------------


def moved(inv: Inventory, defines: tuple[Define, ...]) -> tuple[Moved, ...]:
    """Everything that leaves, in an order in which each thing leaves before what it stands on."""
    moved: dict[str, Moved] = {}

    def add(kind: str, signature: str, name: Name) -> None:
        moved.setdefault(f"{kind} {signature}", Moved(kind, signature, name))

    for view in reversed(inv.moved_views):
        add("materialized view" if view.materialised else "view", view.name.sql, view.name)
    for function in reversed([*inv.functions, *inv.dropped_functions]):
        add("procedure" if function.kind == "p" else "function", function.signature, function.name)
    for define in defines:
        for thing in define.objects:
            _existing(inv, thing, add)
    for table in inv.old.values():
        add("table", table.name.sql, table.name)
    return tuple(moved.values())


def _existing(inv: Inventory, thing: ObjectRef, add: object) -> None:
    assert callable(add)
    if thing.kind in ("view", "materialized view") and thing.name in inv.catalog.views:
        here = inv.catalog.views[thing.name]
        add("materialized view" if here.materialised else "view", here.name.sql, here.name)
    if thing.kind in ("function", "procedure"):
        for function in inv.catalog.functions:
            if function.name == thing.name and _same_arguments(thing, function):
                add("procedure" if function.kind == "p" else "function", function.signature, function.name)


def _same_arguments(thing: ObjectRef, function: Function) -> bool:
    wanted = thing.signature[thing.signature.rfind("(") + 1 : thing.signature.rfind(")")]
    types = [part.strip().split(" ")[-1] for part in function.arguments.split(",") if part.strip()]
    return [part.strip().split(" ")[-1] for part in wanted.split(",") if part.strip()] == types
