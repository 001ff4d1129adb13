"""link_rows: a foreign key, filled by lookup."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, model_validator

from ecluse.model.catalog import Column, Constraint, Table
from ecluse.model.flow import Follow, Reject
from ecluse.model.names import Name, ident
from ecluse.model.plan import Define
from ecluse.operations import linking
from ecluse.operations.base import Operation
from ecluse.operations.draft import Draft, Target
from ecluse.operations.duplicates import single
from ecluse.operations.linking import Links, Second
from ecluse.operations.reshape_columns import add_indexes
from ecluse.operations.rules import INTEGERS, col
from ecluse.operations.stand_in import StandIn, refer_to_first
from ecluse.operations.work import ONE_AFTER_THE_OTHER, Referred, Work, row_key

_CAST = re.compile(r"::[a-z ]+(\(\d+\))?\)?")
_RULES = {"cascade": "c", "set null": "n", "restrict": "r", "no action": "a"}


class LinkRows(Operation):
    """Give a table a foreign key, and fill it: each row refers to the one row that matches it.

    Rows for which `when` does not hold stay unlinked by rule. The plan counts who is linked, who is not and why. What
    matches is looked up again whenever a row that is referred to comes, goes or changes. A probe asks after the switch
    whether rows refer to what matches them.
    """

    kind: Literal["link_rows"]
    table: str = Field(description="The table whose rows are linked, `schema.name`.")
    column: str = Field(description="The new column. It gets the type of the key that it refers to, and may be NULL.")
    references: str = Field(
        description="The table referred to: one that is there, or that `generalize_table` above makes."
    )
    match: dict[str, str] = Field(
        description="A column of the table, and the column with which it must agree: of the table referred to, as it "
        "is before the migration."
    )
    when: str = Field(default="", description="A condition over the old row: which rows are linked; default is all.")
    missing: Literal["unlinked", "refuse", "quarantine"] = Field(
        default="unlinked",
        description="What happens to a row that nothing matches: it stays unlinked, the plan refuses, or it goes to "
        "quarantine.",
    )
    ambiguous: Literal["refuse", "unlinked", "quarantine"] = Field(
        default="refuse", description="What happens to a row that several match."
    )
    on_delete: Literal["set null", "cascade", "restrict", "no action"] = Field(
        default="set null", description="What happens to it when the row is deleted that it refers to."
    )
    unique: tuple[str, ...] = Field(
        default=(), description="Columns of the new table that are unique among the rows that refer to one row."
    )
    duplicates: Literal["refuse", "quarantine"] = Field(
        default="refuse", description="Second rows by `unique`: the plan refuses, or they go to quarantine."
    )
    indexes: dict[str, str] = Field(
        default={}, description="New indexes, name and what follows ON table; may begin with unique."
    )
    first: str = Field(
        default="", description="Who is first: an expression over the old row; equal ones go by the key."
    )

    @model_validator(mode="after")
    def _one_match(self) -> LinkRows:
        if len(self.match) != 1:
            raise ValueError("'match' is one column and the one that it must agree with: { user_id = \"user_id\" }")
        return self

    def describe(self) -> str:
        return f"link {self.table} to {self.references} by {self.column}"

    def compile(self, work: Work) -> None:
        table = work.table(self, self.table, "table")
        draft = work.draft(table)
        target = self._target(work)
        draft.in_place = False
        if self.column in draft.targets:
            raise work.wrong(self, f"table '{table.name}' has a column '{self.column}' already", "column")
        links = self._links(work, table, target)
        roster = linking.add(work, links, target)
        draft.follows.append(Follow(roster, draft.old, links.ours))
        type_ = links.becomes.type
        draft.targets[self.column] = Target(Column(self.column, type_), f"({links.forward})::{type_}")
        draft.joins.append(links.join(roster))
        for policy, reject in links.rejects(roster, self.missing, self.ambiguous):
            if policy != "unlinked":
                draft.rejects.append(Reject(*reject, self.column, policy == "refuse"))
        self._key(work, draft, links)
        if target.kind:
            draft.at_home.append(links.at_home(col(self.column), target))
        if self.unique:
            self._unique(work, draft, links)
        add_indexes(self, work, draft, self.indexes)
        work.findings.append(linking.account(links, target, self.missing, self.ambiguous))
        work.log(target.old, links.theirs.name)
        work.afterwards.append(lambda: self._settled(work, draft, links, target))

    def _target(self, work: Work) -> Referred:
        name = work.name(self, self.references, "references")
        found = work.referred.get(name) or self._as_it_is(work)
        if len(found.key) != 1:
            raise work.wrong(self, f"the rows of '{name}' have a key of {len(found.key)} columns", "references")
        return found

    def _as_it_is(self, work: Work) -> Referred:
        """A table that is there. It is built anew like all tables of flows: so its writes are known."""
        table = work.table(self, self.references, "references")
        draft = work.draft(table)
        if table.name == Name.parse(self.table):
            raise work.wrong(
                self, f"the rows of '{table.name}' cannot be linked to rows of the same table", "references"
            )
        draft.in_place = False
        same = tuple((column.name, column.name) for column in table.columns)
        key = tuple((name, name) for name in draft.key)
        return Referred(table, draft.old, draft.new, key, same, single=single(table))

    def _settled(self, work: Work, draft: Draft, links: Links, target: Referred) -> None:
        """What can be said when all operations on both tables are known."""
        other = work.drafts.get(target.table.name)
        if other and (other.rejects or other.twice or any(name in other.conversions for name in other.key)):
            text = f"'{target.table.name}' is changed by another operation so that its rows cannot be referred to"
            raise work.wrong(self, text, "references", hint=ONE_AFTER_THE_OTHER)
        if not (other and links.theirs.name in {*other.leaving, *other.conversions}):
            self._probe(work, draft, links, target)

    def _links(self, work: Work, table: Table, target: Referred) -> Links:
        [(ours, theirs)] = self.match.items()
        mine = work.column(self, table, ours, "match", ours)
        other = work.column(self, target.table, theirs, "match", ours)
        if mine.type != other.type:
            text = f"'{ours}' is {mine.type}, and '{theirs}' of '{target.table.name}' is {other.type}"
            raise work.wrong(self, text, "match", ours)
        names = [column.name for column in table.columns]
        when = work.mapping(self, self.when, names, "when") if self.when else ""
        was, now = target.key[0]
        key = work.column(self, target.table, was, "references")
        references = work.name(self, self.references, "references")
        accounts = tuple(value for value in target.accounts if value != col(theirs))
        return Links(table, mine.name, other, key, references, now, when, accounts, theirs in target.single)

    def _key(self, work: Work, draft: Draft, links: Links) -> None:
        name = f"{draft.table.name.name}_{self.column}_fkey"
        text = f"FOREIGN KEY ({ident(self.column)}) REFERENCES {links.references.sql} ({ident(links.key)})"
        if self.on_delete != "no action":
            text += f" ON DELETE {self.on_delete.upper()}"
        rule = _RULES[self.on_delete]
        draft.keys.append(Constraint(name, "f", text, (self.column,), links.references, (links.key,), rule))

    # --- unique among those that refer to one row ------------------------------------------------

    def _unique(self, work: Work, draft: Draft, links: Links) -> None:
        columns = (self.column, *self.unique)
        for position, name in enumerate(self.unique):
            if name not in draft.targets:
                text = f"the new '{draft.table.name}' has no column '{name}'; make it in an operation above this one"
                raise work.wrong(self, text, "unique", position)
        name = f"{draft.table.name.name}_{'_'.join(columns)}_key"
        draft.keys.append(Constraint(name, "u", f"UNIQUE ({', '.join(map(ident, columns))})", columns))
        second = self._second(work, draft, links)
        if second.impossible:
            return
        roster = linking.add_second(work, second, draft.old)
        draft.follows.append(Follow(roster, draft.old, second.key))
        draft.watched.append(second.column)
        said = f"another row has the same {', '.join((links.ours, *self.unique))}"
        rule = StandIn(roster, "")
        draft.twice.append(Reject(rule.is_second(col(second.key)), said, self.unique[0], self.duplicates == "refuse"))
        if self.duplicates == "quarantine":
            refer_to_first(work, self, draft.table, second.key, roster)
        work.findings.append(second.finding(refuse=self.duplicates == "refuse"))

    def _second(self, work: Work, draft: Draft, links: Links) -> Second:
        key = row_key(draft.table)
        values = tuple(draft.targets[name].forward for name in self.unique)
        read = [c.name for c in draft.table.columns if any(col(c.name) in value for value in values)]
        if len(read) != 1 or len(key) != 1:
            text = f"'{', '.join(self.unique)}' must come from one old column, and the rows need a key of one column"
            raise work.wrong(self, text, "unique")
        names = [column.name for column in draft.table.columns]
        first = work.mapping(self, self.first, names, "first") if self.first else ""
        apart = work.column(self, draft.table, read[0], "unique").type in (*INTEGERS, "uuid")
        apart = apart and all(_CAST.sub("", value).strip("()") == col(read[0]) for value in values)
        return Second(draft.table, key[0], read[0], values, links, first, apart)

    def _probe(self, work: Work, draft: Draft, links: Links, target: Referred) -> None:
        """Ask after the switch whether rows refer to what matches them, where both columns are what they were."""
        now = dict(target.same).get(links.theirs.name)
        if now is None or links.ours in draft.leaving or links.ours in draft.conversions:
            return
        ours, theirs, table = col(links.ours), col(now, "p"), draft.table
        script = f"""DO $$
DECLARE strangers bigint;
BEGIN
  SELECT count(*) INTO strangers FROM {table.name.sql} m JOIN {links.references.sql} p
  ON {col(links.key, "p")} = {col(self.column)} WHERE {ours} IS DISTINCT FROM {theirs};
  IF strangers > 0 THEN
    RAISE EXCEPTION '% rows refer to a row that does not match them', strangers;
  END IF;
END $$"""
        title = f"{table.name}.{self.column} refers to what matches"
        work.changes.append(Define(title, "", (), verify=script))
