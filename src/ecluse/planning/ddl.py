"""DDL from catalog values. Nothing here is ever run: it is text for a plan to show and for the engine to run.

Definitions were printed by PostgreSQL with qualified names, so what they refer to is looked up anew when they
are run: build tables with `create_table` beside the old ones, but run whatever reads another object (policies,
rules, triggers, views, functions, foreign keys) only when every name has its final bearer.
"""

from __future__ import annotations

from ecluse.planning.ddl_objects import (
    function_sql,
    grants_sql,
    publication_add,
    publication_drop,
    sequence_extras,
    statistics_moves,
    trigger_sql,
    view_sql,
)
from ecluse.planning.ddl_table import (
    add_column,
    bound_objects,
    constraint_sql,
    create_table,
    index_sql,
    later_constraints,
    plain_indexes,
    table_extras,
    table_settings,
)
from ecluse.planning.ddl_text import restored_states

__all__ = [
    "add_column",
    "bound_objects",
    "constraint_sql",
    "create_table",
    "function_sql",
    "grants_sql",
    "index_sql",
    "later_constraints",
    "plain_indexes",
    "publication_add",
    "publication_drop",
    "restored_states",
    "sequence_extras",
    "statistics_moves",
    "table_extras",
    "table_settings",
    "trigger_sql",
    "view_sql",
]
