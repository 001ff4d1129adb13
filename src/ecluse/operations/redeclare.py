"""What a migration says of policies, constraints and indexes that a conversion cannot say again by itself."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field, model_validator

from ecluse.model.catalog import Constraint, Index, Policy, Table
from ecluse.model.migration import Settings
from ecluse.operations import definitions
from ecluse.operations.base import Operation
from ecluse.operations.work import Work, nearest

_WORDS = ("policies", "constraints", "indexes")


class RedeclareSpec(Settings):
    """What takes the place of a table's objects of the same names. An empty definition leaves the object out."""

    table: str = Field(default="", description="The table; default is the operation's own.")
    policies: dict[str, str] = Field(default={}, description="Name and what follows ON table: for all using (…).")
    constraints: dict[str, str] = Field(default={}, description="Name of a check or exclusion, and its definition.")
    indexes: dict[str, str] = Field(default={}, description="Name and what follows ON table; may begin with unique.")

    @model_validator(mode="after")
    def _something(self) -> RedeclareSpec:
        if not (self.policies or self.constraints or self.indexes):
            raise ValueError(f"at least one of {', '.join(_WORDS)} is needed")
        return self


def redeclare(work: Work, operation: Operation, own: str, spec: RedeclareSpec, *path: str | int) -> None:
    """Note what a spec says in the draft of its table."""
    table = work.table(operation, spec.table or own, *path, "table")
    draft = work.drafts.get(table.name)
    if draft is None or not draft.conversions:
        raise work.wrong(operation, f"'{table.name}' keeps its columns' types; nothing is to be redeclared", *path)
    for word in _WORDS:
        there = _there(table, word)
        for name, definition in getattr(spec, word).items():
            where = (*path, word, name)
            if name not in there:
                text = f"table '{table.name}' has no {_one(word)} '{name}' that can be redeclared"
                raise work.wrong(operation, text, *where, hint=nearest(name, there))
            if (word, name) in draft.redeclared:
                raise work.wrong(operation, f"'{name}' of '{table.name}' is redeclared twice", *where)
            with work.sql_of(operation, *where):
                draft.redeclared[word, name] = _definition(word, name, definition) if definition.strip() else None


def _there(table: Table, word: str) -> list[str]:
    named: dict[str, Iterable[Policy | Constraint | Index]] = {
        "policies": table.policies,
        "constraints": (c for c in table.constraints if c.kind in "cx"),  # keys follow the conversion
        "indexes": (i for i in table.indexes if not i.constraint),
    }
    return [each.name for each in named[word]]


def _one(word: str) -> str:
    return {"policies": "policy", "constraints": "check or exclusion constraint", "indexes": "index"}[word]


def _definition(word: str, name: str, definition: str) -> Policy | Constraint | Index:
    if word == "policies":
        return definitions.policy(name, definition)
    return definitions.index(name, definition) if word == "indexes" else definitions.constraint(name, definition)
