"""The writer of a view of the old shape: what a row becomes, by the forward mapping. Pure text.

A write is the difference between two mappings: of the row as it was, and of the row as it shall be. What is in both and
equal is not touched, so what the new application made of it stays, and what the old shape cannot say stays too.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from ecluse.model.flow import Flow, Member, places
from ecluse.model.names import Name, ident, short
from ecluse.model.plan import Plan
from ecluse.planning import flow_sql
from ecluse.planning.old_shape import keys, races
from ecluse.planning.old_shape.differs import becomes, differs
from ecluse.planning.old_shape.given import Given, refuse
from ecluse.planning.old_shape.images import Images
from ecluse.planning.old_shape.links import Links
from ecluse.planning.old_shape.place import INVOKER, as_invoker, view_name
from ecluse.planning.old_shape.place import places as old_places
from ecluse.planning.old_shape.together import Together


class Writer:
    """The trigger functions of one view.

    `run` is the number of the run, whose log is told of changes that only the aside tables see.
    """

    def __init__(self, plan: Plan, flow: Flow, member: Member, run: int) -> None:
        self.plan, self.flow, self.member, self.run = plan, flow, member, run
        self.table = member.table
        self.view = view_name(plan, member.table)
        self.at = old_places(plan)
        self.images = Images(plan, flow, member, run)
        self.invoker = as_invoker(member.table) and plan.server_version >= INVOKER
        self.given = Given(plan, run, member, self.images)
        self.links = Links(plan, run, member)
        self.together = Together(self.images, self._misplaced)
        # What joins a table that stays is referred to by what is placed.
        ordered = sorted(flow.new.members, key=lambda m: m.role != "joins")
        self.concerned = [m for m in ordered if self.images.concerns(m)]

    # --- the functions ----------------------------------------------------------------------------

    def statements(self) -> Iterator[str]:
        """Functions and triggers; two of them where the visible rows are written with the writer's own rights."""
        everything = list(self.concerned)
        ours = [m for m in everything if not m.placed] if self.invoker else everything
        yield races.trigger(self.plan, self.view)
        if self.invoker:
            yield from self._reach()
        yield from self._function("ecluse_a", ours, first=True, last=not self.invoker, definer=True)
        if self.invoker:
            for member in everything:
                if member.placed and self._looks_up(member):
                    yield from self._rows_function(member)
            rest = [m for m in everything if m.placed]
            yield from self._function("ecluse_b", rest, first=False, last=True, definer=False)

    @property
    def names(self) -> tuple[Name, ...]:
        """The trigger functions."""
        return tuple(self._name(prefix) for prefix in (("ecluse_a", "ecluse_b") if self.invoker else ("ecluse_a",)))

    def _name(self, prefix: str) -> Name:
        return Name(self.plan.before_schema, short(f"{prefix}_{self.member.alias}"))

    def _function(self, prefix: str, members: list[Member], *, first: bool, last: bool, definer: bool) -> Iterator[str]:
        name = self._name(prefix)
        body = "\n".join(self._body(members, first=first, last=last))
        several = (part.declarations() for part in (self.images, self.links, self.together))
        declared = " ".join(["touched bigint;", keys.DECLARATION, *chain.from_iterable(several)])
        rights = "SECURITY DEFINER " if definer else ""
        yield (
            f"CREATE FUNCTION {name.sql}() RETURNS trigger LANGUAGE plpgsql {rights}SET search_path = '' AS $write$\n"
            f"#variable_conflict use_column\nDECLARE {declared}\nBEGIN\n{body}\nEND $write$"
        )
        yield f"REVOKE ALL ON FUNCTION {name.sql}() FROM PUBLIC"
        yield (
            f"CREATE TRIGGER {ident(prefix)} INSTEAD OF INSERT OR UPDATE OR DELETE ON {self.view.sql} "
            f"FOR EACH ROW EXECUTE FUNCTION {name.sql}()"
        )

    def _body(self, members: list[Member], *, first: bool, last: bool) -> Iterator[str]:
        if first:
            yield "IF TG_OP <> 'DELETE' THEN"
            yield from self.given.complete()
            yield "END IF;"
            yield from self.given.judged()
        yield "IF TG_OP = 'INSERT' THEN"
        yield from self._prepared("INSERT", first=first)
        yield from self._unit(members) if self.images.unit else chain.from_iterable(map(self._insert, members))
        yield from self._proved(last, "INSERT")
        yield "RETURN NEW;\nELSIF TG_OP = 'UPDATE' THEN"
        yield from self._prepared("UPDATE", first=first)
        if first and not self._simple:
            yield from self._waited()
        yield from self._unit(members) if self.images.unit else self._row(members)
        yield from self._proved(last, "UPDATE")
        yield from self.links.link() if last else ()
        yield "RETURN NEW;\nELSE"
        yield from self._prepared("DELETE", first=first)
        if first and not self._simple:
            yield from self._waited()
        yield from self.links.link() if last else ()
        yield from self._unit(members) if self.images.unit else self._row_gone(members)
        yield from self._proved(last, "DELETE")
        yield "RETURN OLD;\nEND IF;"

    def _unit(self, members: list[Member]) -> Iterator[str]:
        """Change a unit as a whole: what is made of its old rows before the write, and after it."""
        yield from self.together.save()
        for member in reversed(members):
            yield from self._gone(member) if member.role != "aside" else self._not_aside(member, self.images.news())
        for member in members:
            if member.role == "aside":
                yield from self._kept_aside(member)
                continue
            yield from self._overruled(member)
            yield from self._update(member)
            yield from self.together.restore(member)

    def _overruled(self, member: Member) -> Iterator[str]:
        """Refuse to write over a value of which the old rows tell another one: what they are changed to, it is not.

        A sum that the new application has changed is no sum of the old rows any more, and adding to one of them says
        nothing of it. Of documents only the keys that change are written.
        """
        alike = {name for name, _ in member.alike}
        columns = [
            c
            for c in member.table.columns
            if c.written and c.name not in {*member.key, *alike} and c.type != "jsonb" and c.identity != "a"
        ]
        lost = [
            f"({differs(c, f'o.{ident(c.name)}', f'n.{ident(c.name)}')} "
            f"AND {differs(c, f't.{ident(c.name)}', f'o.{ident(c.name)}')} "
            f"AND {differs(c, f't.{ident(c.name)}', f'n.{ident(c.name)}')})"
            for c in columns
        ]
        if lost:
            old, new = self._there(member, self._mapped(member, "OLD")), self._mapped(member, "NEW")
            yield self._misplaced(
                f"EXISTS (SELECT FROM {self.at.sql(member.alias)} t JOIN {old} o ON {self._actual(member)} "
                f"JOIN {new} n ON {self._same_key(member, 'o', 'n')} WHERE {' OR '.join(lost)})"
            )

    def _row(self, members: list[Member]) -> Iterator[str]:
        for member in reversed(members):
            yield from self._where_changed(member, self._gone(member))
        for member in members:
            yield from self._where_changed(member, self._update(member))

    def _row_gone(self, members: list[Member]) -> Iterator[str]:
        for member in members:
            yield from keys.withhold(self.plan, member, self.images, self.links.columns)
        for member in reversed(members):
            yield from self._delete(member)
            if member is self.flow.new.anchor:
                yield "GET DIAGNOSTICS touched = ROW_COUNT;"
                if sum(m.placed for m in members) > 1:  # the others went already, and a trigger or a policy kept it
                    yield self._misplaced("touched = 0")
                yield "IF touched = 0 THEN RETURN NULL; END IF;"  # gone meanwhile

    @property
    def _simple(self) -> bool:
        """Whether all that the application sees of a row is one new row."""
        seen = [m for m in self.concerned if m.role != "aside"]
        return not self.invoker and not self.images.unit and seen == [self.flow.new.anchor]

    def _waited(self) -> Iterator[str]:
        """Wait for whoever writes the new rows, and see that they are what the statement saw.

        A unit has been waited for when it was gathered.
        """
        if self.images.unit:
            written = self.images.written_since(races.since(self.plan))
            yield from races.look_again(self.table, self.images.shown("OLD"), written)
            return
        concerned = [m for m in self.concerned if m.role != "aside"]
        found = [(m, self._there(m, self.images.mapped(m, "OLD")), self._actual(m)) for m in concerned]
        yield from (races.wait(self.at, *each) for each in found)
        written = " OR ".join(races.written_since(self.plan, self.at, *each) for each in found)
        yield from races.look_again(self.table, self.images.shown("OLD"), written)

    def _reach(self) -> Iterator[str]:
        """A function that lets nobody write what stands aside of a row that he may see and not change.

        To wait for a row asks for the policies of an UPDATE, as that does.
        """
        name, anchor = self._name("ecluse_1"), self.flow.new.anchor
        rows = self._there(anchor, self._mapped(anchor, "OLD"))
        body = races.wait(self.at, anchor, rows, self._actual(anchor))
        yield (
            f"CREATE FUNCTION {name.sql}() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $reach$\n"
            f"#variable_conflict use_column\nBEGIN\n{body}\nIF FOUND THEN RETURN NEW; END IF;\nRETURN NULL;\n"
            "END $reach$"
        )
        yield f"REVOKE ALL ON FUNCTION {name.sql}() FROM PUBLIC"
        yield (
            f"CREATE TRIGGER {ident('ecluse_1')} INSTEAD OF UPDATE ON {self.view.sql} "
            f"FOR EACH ROW EXECUTE FUNCTION {name.sql}()"
        )

    def _prepared(self, operation: str, *, first: bool) -> Iterator[str]:
        """What is to be read before anything is written."""
        yield from self.images.gather(operation)
        yield from self.links.gather(operation)
        if not first:
            return
        if operation != "DELETE":
            yield from keys.check(self.plan, self.flow, self.member, self.images, operation)
        if operation == "UPDATE":
            yield from keys.follow(self.plan, self.flow, self.member, self.images)
        asides = [m for m in self.concerned if m.role == "aside"]
        only = self._changes_of(asides) if operation == "UPDATE" and not self.images.unit else ""
        yield from self._only_where(only, self.images.told(operation))

    # --- the difference ---------------------------------------------------------------------------

    def _looks_up(self, member: Member) -> bool:
        return set(places(member.select)) != {self.member.alias}

    def _mapped(self, member: Member, record: str) -> str:
        if self.invoker and member.placed and self._looks_up(member):
            return f"(SELECT * FROM {self._rows_name(member).sql}({record}))"
        return self.images.mapped(member, record)

    def _rows_name(self, member: Member) -> Name:
        return Name(self.plan.before_schema, short(f"ecluse_rows_{self.member.alias}_{member.alias}"))

    def _rows_function(self, member: Member) -> Iterator[str]:
        """The rows of a mapping that reads what the writer may not."""
        name = self._rows_name(member)
        types = {c.name: c.type for c in member.table.columns}
        returned = ", ".join(f"{ident(c)} {types[c]}" for c in member.columns)
        query = self.images.mapped(member, "given")
        listed = flow_sql.column_list(member.columns, "q.")
        yield (
            f"CREATE FUNCTION {name.sql}(given {self.view.sql}) RETURNS TABLE ({returned}) LANGUAGE plpgsql STABLE "
            f"SECURITY DEFINER SET search_path = '' AS $rows$\n#variable_conflict use_column\n"
            f"BEGIN RETURN QUERY SELECT {listed} FROM {query} q; END $rows$"
        )

    def _one_to_one(self, member: Member) -> bool:
        return not self.images.unit and (member is self.flow.new.anchor or member.role == "aside")

    def _apart(self, member: Member) -> bool:
        """Whether a member holds what the new columns cannot tell of this row alone."""
        return member.role == "aside" and not self.images.unit and self.images.concerns(self.flow.new.anchor)

    def _put_aside(self, member: Member) -> Iterator[str]:
        """Keep aside of the row's key what is to be kept now, whatever was left there of a row that is gone.

        Of a key that the row had before, it stays: rows refer to it, and the log is read with it.
        """
        table, new = self.at.sql(member.alias), self._mapped(member, "NEW")
        anchors = self._mapped(self.flow.new.anchor, "NEW")
        left = f"EXISTS (SELECT FROM {table} m JOIN {anchors} a ON {member.join})"
        yield f"IF EXISTS (SELECT FROM {new} n) OR {left} THEN"
        yield from self._not_aside(member, anchors)
        yield from self._kept_aside(member)
        yield "END IF;"

    def _not_aside(self, member: Member, anchors: str) -> Iterator[str]:
        """Delete what stands aside of these anchors and is not to be kept."""
        new, same = self._mapped(member, "NEW"), self._same_key(member, "n", "m")
        yield (
            f"DELETE FROM {self.at.sql(member.alias)} m USING {anchors} a WHERE {member.join} "
            f"AND NOT EXISTS (SELECT FROM {new} n WHERE {same});"
        )

    def _kept_aside(self, member: Member) -> Iterator[str]:
        """Make what stands aside what it is to be: nobody but the engine has written there."""
        table, new = self.at.sql(member.alias), self._mapped(member, "NEW")
        rest = [c for c in member.table.columns if c.written and c.name not in member.key]
        same = self._same_key(member, "n", "m")
        changed = " OR ".join(differs(c, f"m.{ident(c.name)}", f"n.{ident(c.name)}") for c in rest)
        sets = ", ".join(f"{ident(c.name)} = n.{ident(c.name)}" for c in rest)
        if sets:
            yield f"UPDATE {table} m SET {sets} FROM {new} n WHERE {same} AND ({changed});"
        columns = flow_sql.column_list(member.columns)
        yield (
            f"INSERT INTO {table} ({columns}) SELECT {flow_sql.column_list(member.columns, 'n.')} FROM {new} n "
            f"WHERE NOT EXISTS (SELECT FROM {table} m WHERE {same});"
        )

    def _same_key(self, member: Member, one: str, other: str) -> str:
        return " AND ".join(f"{one}.{ident(key)} = {other}.{ident(key)}" for key in member.key)

    def _there(self, member: Member, rows: str) -> str:
        """Mapped rows, with the keys of the rows that are there for them."""
        if not member.counterpart:
            return rows
        like = " AND ".join(f"s.{ident(c)} = q.{ident(c)}" for c in member.counterpart)
        named = ", ".join(f"s.{ident(key)} AS {_found(n)}" for n, key in enumerate(member.key))
        order = flow_sql.column_list(member.key, "s.")
        found = f"SELECT {named} FROM {self.at.sql(member.alias)} s WHERE {like} ORDER BY {order} LIMIT 1"
        return f"(SELECT q.*, f.* FROM {rows} q CROSS JOIN LATERAL ({found}) f)"

    def _actual(self, member: Member) -> str:
        """The condition between `t`, a row that is there, and `o`, one of `_there`."""
        if not member.counterpart:
            return self._same_key(member, "t", "o")
        return " AND ".join(f"t.{ident(key)} = o.{_found(n)}" for n, key in enumerate(member.key))

    def _insert(self, member: Member) -> Iterator[str]:
        if self._apart(member):
            yield from self._put_aside(member)
            return
        yield from self._joined(member)
        new = self._mapped(member, "NEW")
        known = ""
        if self.images.unit or not self._one_to_one(member):
            known = self._without_old(member, "INSERT")
        fixed = dict(member.fixed)
        columns = flow_sql.column_list(member.columns + tuple(fixed))
        values = ", ".join([flow_sql.column_list(member.columns, "n."), *fixed.values()])
        yield (
            f"INSERT INTO {self.at.sql(member.alias)} ({columns}) OVERRIDING SYSTEM VALUE "
            f"SELECT {values} FROM {new} n{known};"
        )
        if member is self.flow.new.anchor and not self.images.unit:
            yield "GET DIAGNOSTICS touched = ROW_COUNT;"
            yield refuse(
                self.table,
                "touched = 0",
                "check_violation",
                f'the new shape has no place for this row of "{self.table.name.name}"',
            )

    def _joined(self, member: Member) -> Iterator[str]:
        """Note beside what joins a table that stays: a rollback takes just that away again."""
        if member.role == "joins":
            beside, columns = member.table.name.within(self.plan.next_schema), flow_sql.column_list(member.columns)
            rows = f"SELECT {columns} FROM {self._mapped(member, 'NEW')} n"
            yield f"INSERT INTO {beside.sql} ({columns}) {rows} ON CONFLICT DO NOTHING;"

    def _without_old(self, member: Member, operation: str) -> str:
        if operation == "INSERT" and not self.images.unit:
            return ""
        old = self._mapped(member, "OLD")
        return f" WHERE NOT EXISTS (SELECT FROM {old} o WHERE {self._same_key(member, 'o', 'n')})"

    def _where_changed(self, member: Member, statements: Iterator[str]) -> Iterator[str]:
        """What stands aside is looked at only where a column that it is made of changes."""
        changed = "" if member.placed or self.images.unit else self._changes_of([member])
        yield from self._only_where(changed, statements)

    def _changes_of(self, members: list[Member]) -> str:
        """Whether a column changes of which these are made; empty where that is not known."""
        read = [c for c in self.table.columns if any(f"m.{ident(c.name)}" in member.select for member in members)]
        return " OR ".join(differs(c, f"OLD.{ident(c.name)}", f"NEW.{ident(c.name)}") for c in read)

    def _only_where(self, condition: str, statements: Iterator[str]) -> Iterator[str]:
        yield from [f"IF {condition} THEN", *statements, "END IF;"] if condition else statements

    def _gone(self, member: Member) -> Iterator[str]:
        """Rows that the row made and makes no more."""
        if self._apart(member) or (self._one_to_one(member) and member.role != "aside"):
            return
        old, new = self._there(member, self._mapped(member, "OLD")), self._mapped(member, "NEW")
        yield (
            f"DELETE FROM {self.at.sql(member.alias)} t USING {old} o WHERE {self._actual(member)} "
            f"AND NOT EXISTS (SELECT FROM {new} n WHERE {self._same_key(member, 'n', 'o')});"
        )

    def _update(self, member: Member) -> Iterator[str]:
        if self._apart(member):
            yield from self._put_aside(member)
            return
        old, new = self._there(member, self._mapped(member, "OLD")), self._mapped(member, "NEW")
        one = self._one_to_one(member) and member.role != "aside"
        both = "true" if one else self._same_key(member, "o", "n")
        columns = [c for c in member.table.columns if c.written and c.identity != "a"]
        if not one:
            columns = [c for c in columns if c.name not in member.key]
        changed = {c.name: differs(c, f"o.{ident(c.name)}", f"n.{ident(c.name)}") for c in columns}
        sets = ", ".join(f"{ident(c.name)} = {becomes(c)}" for c in columns)
        any_ = " OR ".join(changed.values())
        # Its triggers fire for each row of an UPDATE, also where nothing of it changes.
        fires = one and any(t.row and "update" in t.events for t in member.table.triggers)
        if sets:
            update = (
                # Each value is worked out once: it is compared, and then perhaps written.
                f"WITH o AS MATERIALIZED (SELECT * FROM {old} q), n AS MATERIALIZED (SELECT * FROM {new} q) "
                f"UPDATE {self.at.sql(member.alias)} t SET {sets} FROM o JOIN n ON {both} "
                f"WHERE {self._actual(member)}{'' if fires else f' AND ({any_})'}"
            )
            yield from self._raced(member, update) if one and self._simple else [f"{update};"]
            if one:
                yield from self._unwritten(f"EXISTS (SELECT FROM {old} o, {new} n WHERE {any_})")
        yield from self._joined(member)
        if not one:
            columns_ = flow_sql.column_list(member.columns + tuple(dict(member.fixed)))
            values = ", ".join([flow_sql.column_list(member.columns, "n."), *dict(member.fixed).values()])
            yield (
                f"INSERT INTO {self.at.sql(member.alias)} ({columns_}) OVERRIDING SYSTEM VALUE "
                f"SELECT {values} FROM {new} n{self._without_old(member, 'UPDATE')};"
            )

    def _raced(self, member: Member, update: str) -> Iterator[str]:
        """Write at once where the row is what the statement saw, which is the rule; else look closer first."""
        yield f"{update} AND {races.still(c for c in member.table.columns if c.written)};"
        yield "GET DIAGNOSTICS touched = ROW_COUNT;\nIF touched = 0 THEN"
        yield from self._waited()
        yield f"{update};\nGET DIAGNOSTICS touched = ROW_COUNT;\nEND IF;"

    def _unwritten(self, changes: str) -> Iterator[str]:
        """A trigger may keep the anchor as it was, and the row with it; else the row that is seen has no anchor."""
        if not self._simple:
            yield "GET DIAGNOSTICS touched = ROW_COUNT;"
        anchor = self.flow.new.anchor
        beside = self._changes_of([m for m in self.concerned if m is not anchor])
        if any(m.placed for m in self.concerned if m is not anchor) or not _kept_by_triggers(anchor):
            beside = "true"
        yield f"IF touched = 0 THEN IF {changes} THEN"
        if beside:
            yield self._misplaced(beside)
        yield "RETURN NULL;\nEND IF; END IF;"

    def _delete(self, member: Member) -> Iterator[str]:
        if self._apart(member):
            return  # as where the new application deletes a row
        table, anchor = self.at.sql(member.alias), self.flow.new.anchor
        whole = member.role in ("new", "aside") and member is not anchor and self.member is self.flow.old.anchor
        if whole and not self.images.unit:
            old = self._mapped(anchor, "OLD")
            mine = f"(SELECT t.* FROM {self.at.sql(anchor.alias)} t JOIN {old} o ON {self._same_key(anchor, 't', 'o')})"
            yield f"DELETE FROM {table} m USING {mine} a WHERE {member.join};"
            return
        left = ""
        if self.images.unit:
            new = self._mapped(member, "NEW")
            left = f" AND NOT EXISTS (SELECT FROM {new} n WHERE {self._same_key(member, 'n', 'o')})"
        there = self._there(member, self._mapped(member, "OLD"))
        delete = f"DELETE FROM {table} t USING {there} o WHERE {self._actual(member)}{left}"
        raced = self._simple and member is anchor
        yield from self._raced(member, delete) if raced else [f"{delete};"]

    # --- afterwards -------------------------------------------------------------------------------

    def _misplaced(self, condition: str) -> str:
        message = f'the new shape has no place for this change of a row of "{self.table.name.name}"'
        return refuse(self.table, condition, "check_violation", message)

    def _proved(self, last: bool, operation: str) -> Iterator[str]:
        """See that the old shape shows what was written, and give RETURNING what triggers made of it."""
        if not last:
            return
        placed = [m for m in self.flow.new.members if m.placed]
        if self.images.unit:
            yield self._misplaced(self.together.missing())
        if operation == "DELETE":
            return
        shown = self._shown()
        if self.images.unit or len(placed) > 1:
            missed = f"NOT EXISTS ({shown})"
            if operation == "UPDATE":
                kept = [
                    f"(NOT ({differs(c, f'OLD.{ident(c.name)}', f'NEW.{ident(c.name)}')}) "
                    f"OR {differs(c, f'v.{ident(c.name)}', f'OLD.{ident(c.name)}')})"
                    for c in self.table.columns
                    if c.written
                ]
                missed = f"NOT EXISTS ({shown} AND {' AND '.join(kept)})"
            elif self.images.unit and not self.together.triggers:
                given = [
                    f"(NEW.{ident(c.name)} IS NULL OR NOT ({differs(c, f'v.{ident(c.name)}', f'NEW.{ident(c.name)}')}))"
                    for c in self.table.columns
                    if c.written
                ]
                missed = f"NOT EXISTS ({shown} AND {' AND '.join(given)})"
            yield self._misplaced(missed)
        if any(t.row and t.before for m in placed for t in m.table.triggers):
            items = ", ".join(f"NEW.{ident(c.name)}" for c in self.table.columns)
            yield f"SELECT * INTO {items} FROM ({shown}) s;"
            if not self.invoker:  # who may not see what he wrote asks for nothing back
                message = (
                    f'a trigger gave a row of "{self.table.name.name}" another key, by which it is not found again'
                )
                yield refuse(self.table, "NOT FOUND", "triggered_data_change_violation", message)

    def _shown(self) -> str:
        """The row as it can be read now; with the writer's own rights by the view, which reads what stands aside."""
        if not self.invoker:
            return self.images.shown()
        same = " AND ".join(f"v.{ident(key)} = NEW.{ident(key)}" for key in self.member.key)
        return f"SELECT v.* FROM {self.view.sql} v WHERE {same}"


def _kept_by_triggers(member: Member) -> bool:
    return any(t.row and t.before and "update" in t.events for t in member.table.triggers)


def _found(number: int) -> str:
    return f"ecluse_{number}"
