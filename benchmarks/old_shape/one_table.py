"""A peer made by hand: the old shape as a view of one table that holds both columns, kept in step by triggers.

It is what pgroll makes of an `alter_column`: a column beside the old one, an up and a down trigger for each, which go
by the session's search_path, a mark for the backfill, and a schema of views for either version. The statements are
those of its templates; the program itself did not run. It cannot complete this change where a foreign key points at the
column (xataio/pgroll#375), and it gives the new column no foreign key to one of another type. Here there is one, and
the indexes too: else the new application would have less than it asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

BEFORE, AFTER = "version_before", "version_after"


@dataclass(frozen=True, slots=True)
class Converted:
    """A column of text that gets one of uuid beside it; `refers` is that one's foreign key."""

    column: str
    refers: str = ""


def kept_in_step(tables: Mapping[str, tuple[Converted, ...]], indexes: str) -> str:
    """The script that makes it of the legacy tables; those that are referred to come first."""
    statements = [f"CREATE SCHEMA {BEFORE};", f"GRANT USAGE ON SCHEMA {BEFORE} TO PUBLIC;"]
    for table, columns in tables.items():
        view = f"CREATE VIEW {BEFORE}.{table} WITH (security_invoker = true)"
        statements += [f"{view} AS SELECT * FROM public.{table};", f"GRANT ALL ON {BEFORE}.{table} TO PUBLIC;"]
        statements += _columns(table, columns)
        for each in columns:
            statements += [_trigger(table, each.column, way) for way in ("up", "down")]
    return "\n".join([*statements, indexes])


def _columns(table: str, columns: tuple[Converted, ...]) -> Iterator[str]:
    yield f"ALTER TABLE {table} ADD _pgroll_needs_backfill boolean DEFAULT true;"
    for each in columns:
        yield f"ALTER TABLE {table} ADD {each.column}_new uuid;"
    sets = ", ".join(f"{each.column}_new = {each.column}::uuid" for each in columns)
    yield f"UPDATE {table} SET _pgroll_needs_backfill = false, {sets};"
    for each in columns:
        yield f"ALTER TABLE {table} ALTER {each.column}_new SET NOT NULL;"
        if each.column == "id":
            yield f"ALTER TABLE {table} ADD UNIQUE (id_new);"
        if each.refers:
            yield f"ALTER TABLE {table} ADD FOREIGN KEY ({each.column}_new) {each.refers};"


def _trigger(table: str, column: str, way: str) -> str:
    """As its templates write them: all columns are declared, and the session's search_path says which way."""
    name = f"_pgroll_trigger_{table}_{column}_{way}"
    into, value = (f"{column}_new", f'"{column}"::uuid') if way == "up" else (column, f'"{column}_new"::text')
    newer = "!=" if way == "up" else "="
    return f"""
DO $made$
BEGIN
  EXECUTE format($text$
    CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
      %s
      latest_schema text;
      search_path text;
    BEGIN
      SELECT current_setting INTO search_path FROM current_setting('search_path');
      IF search_path {newer} '{AFTER}' THEN
        NEW."{into}" = {value};
        NEW._pgroll_needs_backfill = false;
      END IF;
      RETURN NEW;
    END $$
  $text$, (SELECT string_agg(format('%I public.{table}.%I%%TYPE := NEW.%I;', attname, attname, attname), ' ')
           FROM pg_attribute WHERE attrelid = 'public.{table}'::regclass AND attnum > 0));
END $made$;
CREATE TRIGGER {name} BEFORE UPDATE OR INSERT ON {table} FOR EACH ROW EXECUTE PROCEDURE {name}();
"""
