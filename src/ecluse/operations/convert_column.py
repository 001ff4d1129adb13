"""convert_column: another type for a column, and for everything that refers to it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal

from pydantic import Field, model_validator

from ecluse.model.catalog import Column, Table
from ecluse.model.flow import InputTable, Reject
from ecluse.model.migration import Settings
from ecluse.model.names import Name
from ecluse.model.uuid_sql import parse_uuid
from ecluse.operations import census, to_labels
from ecluse.operations.base import Operation
from ecluse.operations.definitions import type_name
from ecluse.operations.draft import Conversion, Draft, Target, in_type
from ecluse.operations.expressions import check_mapping, literal_text, rewrite
from ecluse.operations.following import follow
from ecluse.operations.inputs import MAP_COLUMNS, map_name, read_map
from ecluse.operations.inside import Documents, Elements, Inside, Path
from ecluse.operations.labels import Labels
from ecluse.operations.redeclare import RedeclareSpec, redeclare
from ecluse.operations.rules import NO_TEXTS, RANDOM_TEXT, IdMap, Lookup, Mapping, Rule, col
from ecluse.operations.work import Work

_TEXTS = re.compile(r"(text|character varying(\(\d+\))?|character\(\d+\)|(\w+\.)?citext)\Z")
_UNFIT = {Rule: "is not a UUID", Labels: "has no label", Elements: "has other values"}
_ARRAYS = re.compile(r"(text|character varying(\(\d+\))?)\[\]\Z")


class Reference(Settings):
    """A column that refers to the converted one without a foreign key."""

    table: str = Field(description="Its table.")
    column: str = Field(description="The column: a text, an array of texts (each element refers), or jsonb.")
    path: str = Field(
        default="",
        description="In jsonb, where the references are: `conversation_id`, `items[*].conversation_id`. The column "
        "stays jsonb; what is no convertible text there stays as it is, and the plan counts it.",
    )


class ConvertColumn(Operation):
    """Give a column another type, and with it every column that refers to it.

    Columns with a foreign key to it follow by themselves, through any number of tables; columns that only look
    like references follow when `references` names them. How a value was written before is kept aside, so that a
    rollback gives back the very text.
    """

    kind: Literal["convert_column"]
    table: str = Field(description="The table, `schema.name`.")
    column: str = Field(description="The column.")
    to: str = Field(default="uuid", description="The new type.")
    invalid: Literal["refuse", "quarantine", "regenerate"] = Field(
        default="refuse",
        description="What happens to a value that is not a UUID, or has no label: the plan refuses; the row goes to "
        "quarantine; or it gets a new UUID made of `namespace` and the old value, always the same.",
    )
    map: str = Field(
        default="",
        description="A CSV file `old_value,uuid`: what values that are not UUIDs become. `invalid` is for the rest.",
    )
    namespace: str = Field(default="", description="For `regenerate`; default is the table and column.")
    using: str = Field(default="", description="For another type: an expression over the column.")
    back: str = Field(default="", description="For another type: the expression back, over the column.")
    values: dict[str, str] = Field(
        default={},
        description="For an enum: texts and the labels that they become, without regard to case. A label is itself.",
    )
    other: str = Field(default="", description="For an enum: the label of all other texts; else `invalid` is for them.")
    raw: str = Field(
        default="", description="For an enum: a new column that keeps what was written, also after finish."
    )
    default: str | None = Field(default=None, description="The new default.")
    references: tuple[Reference, ...] = Field(default=(), description="Columns that refer to it without a key.")
    redeclare: tuple[RedeclareSpec, ...] = Field(
        default=(),
        description="Policies, checks and indexes of the converted tables. Without a word here, those that read a "
        "converted column are made with its old text, or compare in the new type where both sides are of it.",
    )

    @model_validator(mode="after")
    def _fits(self) -> ConvertColumn:
        if bool(self.using) != bool(self.back):
            raise ValueError("'using' needs its inverse 'back', and 'back' needs 'using'")
        if (word := self._of_labels()) and (self.using or self.map or self.namespace or self.references):
            raise ValueError(f"'{word}' is for conversions to an enum, which have none of using, map and references")
        if word and self.invalid == "regenerate":
            raise ValueError(
                "a label cannot be made up: invalid is refuse or quarantine, or give the rest a label: other"
            )
        if self.using and (self.invalid != "refuse" or self.map):
            word = "map" if self.map else "invalid"
            raise ValueError(f"'{word}' is for conversions to uuid without 'using'")
        if self.namespace and self.invalid != "regenerate":
            raise ValueError("'namespace' is for invalid = \"regenerate\"")
        return self

    def _of_labels(self) -> str:
        """The first of the words that only conversions to an enum have."""
        return next((word for word in ("values", "other", "raw") if getattr(self, word)), "")

    def describe(self) -> str:
        return f"convert {self.table}.{self.column} to {self.to}"

    def compile(self, work: Work) -> None:
        table = work.table(self, self.table, "table")
        column = work.column(self, table, self.column, "column")
        rule = self._rule(work, table, column)
        if rule.to == column.type:
            work.hazard("already-converted", "note", table.name, f"'{table.name}.{column.name}' is {rule.to} already")
            return
        self._convert(work, table, column, rule, ())
        if self.default is not None:
            with work.sql_of(self, "default"):
                rewrite(self.default, lambda found: "")
            target = work.draft(table).targets[column.name]
            target.column = replace(target.column, default=self.default)
        for position, reference in enumerate(self.references):
            assert isinstance(rule, Rule)  # the file was refused otherwise
            self._refer(work, work.draft(table), column.name, rule, reference, ("references", position))
        for position, spec in enumerate(self.redeclare):
            redeclare(work, self, self.table, spec, "redeclare", position)
        if isinstance(rule, Labels):
            to_labels.surround(work, work.draft(table), column, rule)

    def _refer(
        self, work: Work, draft: Draft, column: str, rule: Rule, spec: Reference, where: tuple[str | int, ...]
    ) -> None:
        """Convert a column, or what is inside it, that refers to `column` of `draft` without a foreign key."""
        theirs = work.table(self, spec.table, *where, "table")
        soft = work.column(self, theirs, spec.column, *where, "column")
        draft.link((column,))
        pairs = ((column, soft.name),)
        lookups = (Lookup(draft.table.name, column, pairs, soft=True),) if rule.invalid == "regenerate" else ()
        document, array = soft.type == "jsonb", bool(_ARRAYS.match(soft.type))
        if document != bool(spec.path):
            text = "is jsonb: say where in it the references are" if document else f"is {soft.type}: it has no 'path'"
            hint = 'path = "conversation_id", or path = "items[*].conversation_id"' if document else ""
            raise work.wrong(self, f"'{theirs.name}.{soft.name}' {text}", *where, "column", hint=hint)
        if (document or array) and rule.using:
            raise work.wrong(self, "inside arrays and documents, only UUIDs are converted", *where, "column")
        if soft.type in (rule.to, f"{rule.to}[]"):
            message = f"'{theirs.name}.{soft.name}' is {soft.type} already"
            work.hazard("already-converted", "note", theirs.name, message)
        elif document:
            self._convert_inside(work, theirs, soft, spec.path, rule, lookups, where)
        elif array:
            if self._add(work, theirs, soft, Elements(rule), lookups):
                work.census.append(census.of_elements(theirs, soft, rule))
        else:
            self._convert(work, theirs, soft, rule, lookups)

    def _convert_inside(
        self,
        work: Work,
        table: Table,
        column: Column,
        path: str,
        rule: Rule,
        lookups: tuple[Lookup, ...],
        where: tuple[str | int, ...],
    ) -> None:
        """Convert what stands at a path of a document, beside what is converted in it already."""
        with work.sql_of(self, *where, "path"):
            inside = Inside.of(Path.parse(path), rule, lookups)
        draft = work.draft(table)
        known = draft.conversions.get(column.name)
        others = known.rule.insides if known is not None and isinstance(known.rule, Documents) else ()
        if any(other.path == inside.path for other in others):
            raise work.wrong(self, f"'{path}' in '{table.name}.{column.name}' is converted twice", *where, "path")
        rule_ = Documents((*others, inside))
        draft.in_place = False
        draft.conversions[column.name] = Conversion(column, rule_)
        draft.targets[column.name] = Target(column, rule_.forward(col(column.name), column.type))
        work.census.append(census.of_document(table, column, path, inside))

    def _rule(self, work: Work, table: Table, column: Column) -> Rule | Labels:
        with work.sql_of(self, "to"):
            to = type_name(self.to)
        if not self.using and (labels := to_labels.labels_of(work, to)) is not None:
            return to_labels.rule(work, self, table, column, labels)
        if to != "uuid" and not self.using:
            hint = f'make the enum in an operation above this one: kind = "create_enum", name = "{to}"'
            raise work.wrong(
                self, f"a conversion to '{to}' needs 'using' and 'back', or an enum that is there", "to", hint=hint
            )
        if not self.using:
            if to != column.type and not _TEXTS.match(column.type):
                raise work.wrong(self, f"a column of type '{column.type}' needs 'using' and 'back'", "to")
            known = self._map(work, table.name, column.name) if self.map else None
            return Rule(to, self.invalid, self.namespace or f"{self.table}.{self.column}", map=known)
        using, back = (self._over_one(work, text, key) for text, key in ((self.using, "using"), (self.back, "back")))
        return Rule(to, using=using, back=back)

    def _map(self, work: Work, table: Name, column: str) -> IdMap:
        try:
            pairs = read_map(work.migration.files[self.map])
        except ValueError as problem:
            hint = f"{','.join(MAP_COLUMNS)}\nme@example.org,3f0c5a52-…"
            raise work.wrong(self, f"'{self.map}', {problem}", "map", hint=hint) from None
        types = dict(zip(MAP_COLUMNS, ('text COLLATE "C"', "uuid"), strict=True))
        alias = work.alias(f"{table.name}_{column}_map")
        stored = map_name(work.migration.name, table, column)
        old, new = MAP_COLUMNS
        work.changes.append(InputTable(alias, stored, tuple(types.items()), (old,), pairs, unique=(new,)))
        return IdMap(alias, tuple((text, uuid) for text, uuid in pairs))

    def _over_one(self, work: Work, text: str, key: str) -> str:
        with work.sql_of(self, key):
            check_mapping(text)
        work.mapping(self, text, [self.column], key)
        return rewrite(text, lambda _: "x")

    def _convert(
        self, work: Work, table: Table, column: Column, rule: Rule | Labels, lookups: tuple[Lookup, ...]
    ) -> None:
        """Convert one column and, through foreign keys, those that refer to it."""

        def change(table: Table, column: Column, lookups: tuple[Lookup, ...]) -> bool:
            if not self._add(work, table, column, rule, lookups):
                return False
            self._count(work, table, column, rule)
            if isinstance(rule, Rule) and any(
                column.name in key.referenced_columns for _, key in work.catalog.referencing(table.name)
            ):
                _require_one_text(work, table, column, rule)
            return True

        follow(work, self, table, column, lookups, change)

    def _count(self, work: Work, table: Table, column: Column, rule: Rule | Labels) -> None:
        if isinstance(rule, Rule):
            work.census.append(census.of_column(table, column, rule))
        else:
            work.census.append(census.of_labels(table, column, rule))
            work.findings.append(census.by_label(table, column, rule))

    def _add(
        self, work: Work, table: Table, column: Column, rule: Rule | Labels | Elements, lookups: tuple[Lookup, ...]
    ) -> bool:
        """Add a conversion to the table's draft; False where it is there already."""
        draft = work.draft(table)
        known = draft.conversions.get(column.name)
        if known is not None and known.rule != rule:
            raise work.wrong(self, f"'{table.name}.{column.name}' is converted twice, in different ways", "column")
        if known is not None:
            known.lookups += [lookup for lookup in lookups if lookup not in known.lookups]
            return False
        self._refuse_strange(work, table, column)
        draft.in_place = False
        draft.conversions[column.name] = Conversion(column, rule, list(lookups))
        self._retype(work, draft, column, rule)
        rejected = rule.rejected(col(column.name), column.type)
        if self.invalid == "quarantine" and rejected:
            draft.rejects.append(Reject(rejected, f"'{column.name}' {_UNFIT[type(rule)]}", column.name))
        return True

    def _refuse_strange(self, work: Work, table: Table, column: Column) -> None:
        if column.generated:
            work.hazard(
                "generated-column",
                "refuse",
                table.name,
                f"'{table.name}.{column.name}' is a generated column; its type follows from its expression",
            )
        texts = _TEXTS.match(column.type) or _ARRAYS.match(column.type) or to_labels.is_enum(work, column)
        if not texts and not self.using:
            # A reference of another type than what it refers to, through a cross-type equality.
            work.hazard(
                "strange-reference",
                "refuse",
                table.name,
                f"'{table.name}.{column.name}' refers to '{self.table}.{self.column}' but has type '{column.type}'",
            )

    def _retype(self, work: Work, draft: Draft, column: Column, rule: Mapping) -> None:
        default = column.default
        if default is not None and not column.generated:
            default = self._default(work, draft, column, rule, default)
        draft.targets[column.name] = Target(
            in_type(column, rule.to, default),
            rule.forward(col(column.name), column.type),
        )

    def _default(self, work: Work, draft: Draft, column: Column, rule: Mapping, default: str) -> str | None:
        if isinstance(rule, Labels):
            return to_labels.default(work, draft.table, column, rule, default, told=self.default is not None)
        if rule.to == "uuid" and RANDOM_TEXT.match(default):
            return "gen_random_uuid()"
        text = literal_text(default)
        if rule.to == "uuid" and not self.using and text is not None and not parse_uuid(text):
            own = draft.table.name == Name.parse(self.table) and column.name == self.column
            if not (own and self.default is not None):
                message = f"the default of '{draft.table.name}.{column.name}' is not a UUID; the new column has none"
                work.hazard("default-dropped", "warn", draft.table.name, message, 'default = "…"' if own else "")
            return None
        return f"'{{}}'::{rule.to}" if NO_TEXTS.match(default) else f"({default})::{rule.to}"


def _require_one_text(work: Work, table: Table, column: Column, rule: Rule) -> None:
    """Refuse to make values out of the texts of a key where a reference may be another text that counts as equal."""
    if rule.invalid == "regenerate" and not column.deterministic:
        work.hazard(
            "nondeterministic-collation",
            "refuse",
            f"{table.name}.{column.name}",
            f"{column.name} of {table.name} takes different texts for equal, and a reference that is written otherwise "
            "than its key would get another new value than the key",
            'invalid = "quarantine"',
        )
