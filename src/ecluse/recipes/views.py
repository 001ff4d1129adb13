"""Views that a recipe makes anew, and those that stand on them."""

from __future__ import annotations

from dataclasses import replace
from graphlib import TopologicalSorter

from ecluse.model.catalog import Catalog, View
from ecluse.model.names import Name, ident
from ecluse.planning.ddl_objects import view_sql
from ecluse.planning.ddl_text import comment


def standing(catalog: Catalog, view: Name) -> tuple[View, ...]:
    """The views that stand on the view, directly or through others, each after what it stands on."""
    edges = sorted((d.name, d.table) for d in catalog.dependents if d.kind in ("view", "matview") and d.name)
    reached = [view]
    for name in reached:  # it grows while we walk
        reached += [upper for upper in dict.fromkeys(u for u, below in edges if below == name) if upper not in reached]
    upon = {name: [low for up, low in edges if up == name != low and low in reached] for name in reached}
    order = TopologicalSorter(upon).static_order()
    return tuple(catalog.views[name] for name in order if name != view and name in catalog.views)


def again(found: View) -> str:
    """The statements that make a view as it was, with its rights and its comment."""
    made = view_sql(replace(found, owner="", grants=(), comment=None))
    return "\n".join(["", *(f"{statement};" for statement in made), *grants(found), *comments(found)])


def grants(found: View) -> list[str]:
    """The rights on a view, but for its owner's."""
    return [
        f"grant {grant.privilege.lower()}{_in_brackets(grant.column)} on {found.name.sql} "
        f"to {ident(grant.grantee) if grant.grantee else 'public'}{' with grant option' if grant.grantable else ''};"
        for grant in found.grants
        if grant.grantee != found.owner and grant.privilege
    ]


def comments(found: View) -> list[str]:
    """The statement for its comment, where it has one."""
    return [f"{text};" for text in comment(f"VIEW {found.name.sql}", found.comment)]


def _in_brackets(column: str) -> str:
    return f" ({ident(column)})" if column else ""
