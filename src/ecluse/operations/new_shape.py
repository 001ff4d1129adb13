"""The table that a draft makes: the old one with other columns, and all that hangs on it, in the new types."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from ecluse.model.catalog import Column, Constraint, Index, Policy, Published, Table, Trigger
from ecluse.model.names import Name, ident
from ecluse.operations import definitions
from ecluse.operations.draft import Draft
from ecluse.operations.index_elements import retyped_elements
from ecluse.operations.retyped import Retyped, Retyper
from ecluse.operations.work import Work, anonymous

_Thing = TypeVar("_Thing", Policy, Constraint, Index)


def new_table(work: Work, draft: Draft) -> Table:
    """The table as it will be."""
    gone = frozenset(draft.leaving) - frozenset(draft.targets)
    kept = replace(
        anonymous(draft.table),
        columns=tuple(target.column for target in draft.targets.values()),
        constraints=(*(c for c in draft.table.constraints if not gone.intersection(c.columns)), *draft.keys),
        indexes=(*(i for i in draft.table.indexes if not _uses(i, gone)), *draft.indexes),
        grants=tuple(g for g in draft.table.grants if g.column not in gone),
    )
    return _Reshaping(work, draft, Retyper(work.drafts, work.catalog)).table(kept)


def _uses(index: Index, gone: frozenset[str]) -> bool:
    return bool(gone.intersection(index.uses) or gone.intersection(index.columns))


@dataclass
class _Reshaping:
    work: Work
    draft: Draft
    retyper: Retyper

    def table(self, table: Table) -> Table:
        return replace(
            table,
            columns=tuple(map(self._column, table.columns)),
            constraints=tuple(self._each("constraints", table.constraints)),
            indexes=tuple(self._each("indexes", table.indexes)),
            policies=tuple(self._each("policies", table.policies)),
            triggers=tuple(map(self._trigger, table.triggers)),
            published=tuple(map(self._published, table.published)),
        )

    def _each(self, word: str, things: Iterable[_Thing]) -> Iterable[_Thing]:
        for thing in things:
            if (word, thing.name) not in self.draft.redeclared:
                yield self._again(thing)
                continue
            told = self.draft.redeclared[word, thing.name]
            becomes = "is made as the migration says" if told is not None else "is left out, as the migration says"
            self._note("redeclared", f"{_kind(thing)} '{thing.name}'", f"{becomes}; a rollback gives back the old one")
            if isinstance(told, type(thing)):
                yield replace(told, comment=thing.comment)

    def _again(self, thing: _Thing) -> _Thing:
        if isinstance(thing, Policy):
            return self._policy(thing)
        if isinstance(thing, Constraint):
            return self._constraint(thing)
        return self._index(thing)

    # --- one by one ------------------------------------------------------------------------------

    def _policy(self, policy: Policy) -> Policy:
        by_text: set[str] = set()

        def again(text: str | None) -> str | None:
            if text is None:
                return None
            found = self.retyper(text, self.draft.table.name)
            self._tell(f"policy '{policy.name}'", text, found)
            by_text.update(f"{table}.{column}" for table, column in found.by_text if self._indexed(table, column))
            return found.text

        new = replace(policy, using=again(policy.using), check=again(policy.check))
        if by_text:
            self.work.hazard(
                "compared-as-text",
                "warn",
                self.draft.table.name,
                f"policy '{policy.name}' of '{self.draft.table.name}' reads {', '.join(sorted(by_text))} as text, so "
                "no index on it serves the policy any more",
                f'compare it as what it is:\n[[operation.redeclare]]\ntable = "{self.draft.table.name}"\n'
                f"policies = {{ {_toml(policy.name)} = {_toml(_as_written(new))} }}",
            )
        return new

    def _indexed(self, table: Name, column: str) -> bool:
        known = self.work.catalog.tables.get(table)
        return known is not None and any(index.columns[:1] == (column,) for index in known.indexes)

    def _constraint(self, constraint: Constraint) -> Constraint:
        if constraint.kind not in "cx":
            return constraint
        found = self.retyper(constraint.definition, self.draft.table.name, "ALTER TABLE t ADD CONSTRAINT c ", "")
        self._tell(f"constraint '{constraint.name}'", constraint.definition, found)
        return replace(constraint, definition=found.text)

    def _index(self, index: Index) -> Index:
        if index.constraint:
            return index
        own = self.draft.table.name
        inner = self.retyper(index.tail, own, "CREATE INDEX i ON t ", "")
        tail = retyped_elements(inner.text, index.unique, self._leading_type)
        self._tell(f"index '{index.name}'", index.tail, replace(inner, text=tail))
        return index if tail == index.tail else replace(index, tail=tail, columns=_columns(index, tail))

    def _leading_type(self, column: str) -> str:
        """The old type of a converted column; empty for any other."""
        found = self.retyper.conversion(self.draft.table.name, column)
        return "" if found is None else found.column.type

    def _column(self, column: Column) -> Column:
        if not column.generated or column.default is None or column != self.draft.table.column(column.name):
            return column
        found = self.retyper(column.default, self.draft.table.name)
        self._tell(f"generated column '{column.name}'", column.default, found)
        return replace(column, default=found.text)

    def _trigger(self, trigger: Trigger) -> Trigger:
        found = self.retyper(trigger.definition, self.draft.table.name, "", "")
        self._tell(f"trigger '{trigger.name}'", trigger.definition, found)
        return replace(trigger, definition=found.text)

    def _published(self, published: Published) -> Published:
        if published.where is None:
            return published
        found = self.retyper(published.where, self.draft.table.name)
        if found.by_text:
            columns = ", ".join(sorted(column for _, column in found.by_text))
            # The server takes no cast through text here, and would say so in the switch.
            self.work.hazard(
                "publication-filter",
                "refuse",
                self.draft.table.name,
                f"the row filter of publication '{published.publication}' on '{self.draft.table.name}' reads "
                f"{columns} as text: ({published.where})",
                f"take the filter off before the migration: ALTER PUBLICATION {ident(published.publication)} "
                f"SET TABLE {self.draft.table.name.sql}",
            )
        self._tell(f"the row filter of publication '{published.publication}'", published.where, found)
        return replace(published, where=found.text)

    # --- what is said of it ----------------------------------------------------------------------

    def _tell(self, what: str, before: str, found: Retyped) -> None:
        if found.text != before:
            self._note("expression-retyped", what, f"is made with: {found.text}")
        if found.regenerated:
            self.work.hazard(
                "new-value-compared",
                "warn",
                self.draft.table.name,
                f"{what} of '{self.draft.table.name}' compares the new values of converted columns; those that were "
                "no UUIDs, or are labels now, are other ones",
                "look whether it still means what it should, and say it in [[operation.redeclare]] where not",
            )

    def _note(self, id_: str, what: str, message: str) -> None:
        self.work.hazard(id_, "note", self.draft.table.name, f"{what} of '{self.draft.table.name}' {message}")


def _kind(thing: Policy | Constraint | Index) -> str:
    return type(thing).__name__.lower()


def _columns(index: Index, tail: str) -> tuple[str, ...]:
    return definitions.index(index.name, tail).columns


def _toml(text: str) -> str:
    """A TOML string."""
    return f"'{text}'" if "'" not in text and "\n" not in text else f"'''{text}'''"


def _as_written(policy: Policy) -> str:
    """What follows ON table."""
    roles = ", ".join("public" if role == "public" else ident(role) for role in policy.roles)
    text = f"{'' if policy.permissive else 'as restrictive '}for {policy.command.lower()} to {roles}"
    text += f" using ({policy.using})" if policy.using is not None else ""
    return text + (f" with check ({policy.check})" if policy.check is not None else "")
