"""The old name of a table that became a kind of another: a view that is written to as the old table was. Pure text.

What the old shape does not know of a row stays as it is when the row is updated through the view.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ecluse.model.catalog import Column, Table
from ecluse.model.names import Name, ident, literal, short
from ecluse.model.plan import Define, ObjectRef
from ecluse.operations.expressions import Reference, rewrite
from ecluse.operations.move_columns import Mapping
from ecluse.operations.rules import col
from ecluse.operations.work import Work

_INVOKER = 150000  # since when a view can be read with the rights of its reader
_EVERYBODY = frozenset({"", "anon", "authenticated"})


class View:
    """The view of the rows of `new` of one kind: the discriminator, and its value as SQL."""

    def __init__(
        self, work: Work, old: Table, new: Table, mapping: Mapping, kind: tuple[str, str], profile: str
    ) -> None:
        self.work, self.old, self.new, self.mapping = work, old, new, mapping
        self.discriminator, self.kind = kind
        self.home = f"{col(self.discriminator)} = {self.kind}"
        self.profile = profile
        self.writer = Name(old.name.schema, short(f"{old.name.name}_write"))
        self.key = [(name, mapping.same[name]) for name in mapping.old if mapping.same.get(name) in new.primary_key]

    def define(self) -> Define:
        """The change that makes it."""
        view, function = self.old.name, self.writer
        return Define(
            f"{view}, as a view that can be written to",
            ";\n".join(self._script()),
            (
                ObjectRef("function", function, f"{function.sql}()"),
                ObjectRef("view", view, view.sql),
            ),
            verify=self._probe(),
        )

    def _script(self) -> Iterator[str]:
        view = self.old.name.sql
        invoker = " WITH (security_invoker = true)" if self.work.catalog.server_version >= _INVOKER else ""
        items = ",\n  ".join(f"{self._shown(column)} AS {ident(column.name)}" for column in self.old.columns)
        yield f"CREATE VIEW {view}{invoker} AS\nSELECT {items}\nFROM {self.new.name.sql} m\nWHERE {self.home}"
        yield from (
            f"ALTER VIEW {view} ALTER COLUMN {ident(column.name)} SET DEFAULT {column.default}"
            for column in self.old.columns
            if column.written and column.default is not None and column.sequence is None
        )
        yield self._function()
        yield f"REVOKE ALL ON FUNCTION {self.writer.sql}() FROM PUBLIC"
        yield (
            f"CREATE TRIGGER {ident(self.writer.name)} INSTEAD OF INSERT OR UPDATE OR DELETE ON {view} "
            f"FOR EACH ROW EXECUTE FUNCTION {self.writer.sql}()"
        )
        yield from self._rights()

    def _shown(self, column: Column) -> str:
        """The old column, from the new row."""
        if column.written:
            return self.mapping.old[column.name]
        return self._generated(column, lambda found: f"({self.mapping.old[found.column]})")

    def _given(self, column: Column) -> str:
        """The old column, from what is written to the view."""
        if column.written:
            return col(column.name, "NEW")
        return self._generated(column, lambda found: col(found.column, "NEW"))

    def _generated(self, column: Column, place: Callable[[Reference], str]) -> str:
        return f"({rewrite(column.default or 'NULL', place)})"

    def _rights(self) -> Iterator[str]:
        view, me = self.old.name.sql, self.work.catalog.role.name
        nobody = ", ".join(["PUBLIC", *(ident(role) for role in self.work.catalog.default_grantees if role != me)])
        yield f"REVOKE ALL ON {view} FROM {nobody}"
        for grant in self.old.grants:
            if grant.grantee not in _EVERYBODY | {self.old.owner} and grant.privilege and not grant.column:
                yield f"GRANT {grant.privilege} ON {view} TO {ident(grant.grantee)}"
        if self.old.owner not in ("", me):
            yield f"ALTER VIEW {view} OWNER TO {ident(self.old.owner)}"

    def _function(self) -> str:
        new = self.new.name.sql
        written = {name: text for name, text in self.mapping.new.items() if not self._made(name)}
        rows = ", ".join(f"{text} AS {ident(name)}" for name, text in self.mapping.new.items())
        mine = " AND ".join(f"n.{ident(now)} = OLD.{ident(was)}" for was, now in self.key)
        mine += f" AND n.{ident(self.discriminator)} = {self.kind}"
        columns, values = _lists(self.mapping.new)
        without, rest = _lists(written)
        given = ", ".join(f"{self._given(column)} AS {ident(column.name)}" for column in self.old.columns)
        made = [(was, now) for was, now in self.key if self._made(now)]
        insert = f"INSERT INTO {new} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({values});"
        if made:
            [(was, now)] = made
            insert = (
                f"IF NEW.{ident(was)} IS NULL THEN\n      INSERT INTO {new} AS n ({without}) VALUES ({rest}) "
                f"RETURNING n.{ident(now)} INTO NEW.{ident(was)};\n    ELSE\n      {insert}\n    END IF;"
            )
        return f"""CREATE FUNCTION {self.writer.sql}() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $write$
DECLARE
  was record;
  becomes record;
BEGIN
  IF TG_OP = 'DELETE' THEN
    DELETE FROM {new} n WHERE {mine};
    IF NOT FOUND THEN RETURN NULL; END IF;
    RETURN OLD;
  END IF;
  SELECT {rows} INTO becomes FROM (SELECT {given}) m;
  IF TG_OP = 'INSERT' THEN
    {insert}
    RETURN NEW;
  END IF;
  SELECT {rows} INTO was FROM (SELECT OLD.*) m;
{self._refusal()}  UPDATE {new} n SET {", ".join(self._set(name) for name in self._settable)}
  WHERE {mine};
  IF NOT FOUND THEN RETURN NULL; END IF;
  RETURN NEW;
END $write$"""

    @property
    def _settable(self) -> list[str]:
        return [name for name in self.mapping.new if name not in (self.discriminator, *self._fixed)]

    @property
    def _fixed(self) -> list[str]:
        """Columns that the server lets nobody set."""
        return [column.name for column in self.new.columns if column.identity == "a"]

    def _refusal(self) -> str:
        return "".join(
            f"  IF {col(name, 'becomes')} IS DISTINCT FROM {col(name, 'was')} THEN\n"
            f"    RAISE generated_always USING MESSAGE = {literal(f'{name} is generated, and stays as it is')};\n"
            "  END IF;\n"
            for name in self._fixed
        )

    def _set(self, name: str) -> str:
        column = ident(name)
        new = f"coalesce(n.{column}, '{{}}') || becomes.{column}" if name == self.profile else f"becomes.{column}"
        changed = f"becomes.{column}::text IS DISTINCT FROM was.{column}::text"
        return f"{column} = CASE WHEN {changed} THEN {new} ELSE n.{column} END"

    def _made(self, name: str) -> bool:
        """Whether the new table gives the column a value of its own where none is said, and it is the key."""
        column: Column | None = self.new.column(name)
        return (
            column is not None and name in self.new.primary_key and bool(column.identity or column.default is not None)
        )

    def _probe(self) -> str:
        view, new = self.old.name.sql, self.new.name.sql
        key = ident(self.key[0][0])
        # All columns: those that are plain ones can be written to by any view.
        again = ", ".join(f"{ident(name)} = {col(name, 'v')}" for name in self.mapping.old)
        return f"""DO $$
DECLARE found bigint; there bigint;
BEGIN
  SELECT count(*) INTO there FROM {new} m WHERE {self.home};
  SELECT count(*) INTO found FROM {view};
  IF found <> there THEN
    RAISE EXCEPTION '% rows in %, and % in the table', found, {literal(str(self.old.name))}, there;
  END IF;
  UPDATE {view} v SET {again} WHERE v.{key} = (SELECT v.{key} FROM {view} v LIMIT 1);
  GET DIAGNOSTICS found = ROW_COUNT;
  IF found <> least(there, 1) THEN
    RAISE EXCEPTION '% cannot be written to', {literal(str(self.old.name))};
  END IF;
END $$"""


def _lists(values: Iterable[str]) -> tuple[str, str]:
    """The columns, and their values in the record."""
    names = [ident(name) for name in values]
    return ", ".join(names), ", ".join(f"becomes.{name}" for name in names)
