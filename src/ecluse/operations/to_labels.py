"""Conversions to an enum: the rule, and what it means for the table around the column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ecluse.model.catalog import Column, Table
from ecluse.model.names import Name, literal
from ecluse.operations import census
from ecluse.operations.draft import Draft, Target
from ecluse.operations.expressions import literal_text
from ecluse.operations.labels import Labels, fold
from ecluse.operations.rules import as_text, col
from ecluse.operations.work import Work, nearest

if TYPE_CHECKING:
    from ecluse.operations.convert_column import ConvertColumn


def labels_of(work: Work, to: str) -> tuple[str, ...] | None:
    """The labels of the type `to`, None where it is no enum."""
    try:
        return work.labels(Name.parse(to))
    except ValueError:
        return None


def is_enum(work: Work, column: Column) -> bool:
    """Whether the column is of an enum already."""
    return labels_of(work, column.type) is not None


def rule(work: Work, operation: ConvertColumn, table: Table, column: Column, labels: tuple[str, ...]) -> Labels:
    """The rule that the operation says. Raises MigrationFileError for labels that the enum does not have."""
    folded: dict[str, str] = {}
    for label in labels:
        if fold(label) in folded:
            text = f"'{operation.to}' has labels that differ only in case: '{folded[fold(label)]}' and '{label}'"
            raise work.wrong(operation, text, "to", hint="convert with 'using' and 'back' instead")
        folded[fold(label)] = label
    for text, label in operation.values.items():
        _known(work, operation, labels, label, "values", text)
        if folded.setdefault(fold(text), label) != label:
            problem = f"'{text}' becomes '{label}', and is '{folded[fold(text)]}' besides"
            raise work.wrong(operation, problem, "values", text)
    if operation.other:
        _known(work, operation, labels, operation.other, "other")
    if operation.raw in work.draft(table).targets:
        raise work.wrong(operation, f"table '{table.name}' has a column '{operation.raw}' already", "raw")
    return Labels(
        str(Name.parse(operation.to)),
        tuple(sorted(folded.items())),
        other=operation.other,
        invalid=operation.invalid,
        raw=operation.raw,
        before=labels_of(work, column.type) or (),
    )


def _known(work: Work, operation: ConvertColumn, labels: tuple[str, ...], label: str, *path: str) -> None:
    if label not in labels:
        hint = nearest(label, labels) or f"one of {', '.join(labels)}"
        raise work.wrong(operation, f"'{operation.to}' has no label '{label}'", *path, hint=hint)


def default(work: Work, table: Table, column: Column, rule: Labels, said: str, *, told: bool) -> str | None:
    """The default in the new type; none where it is no constant, or a text without a label."""
    text = literal_text(said)
    label = dict(rule.pairs).get(fold(text), rule.other) if text is not None else ""
    if label:
        return f"{literal(label)}::{rule.to}"
    if not told:
        message = f"the default of '{table.name}.{column.name}' is no text with a label; the new column has none"
        work.hazard("default-dropped", "warn", table.name, message, 'default = "…"')
    return None


def surround(work: Work, draft: Draft, column: Column, rule: Labels) -> None:
    """Add the column that keeps what was written; leave out checks that only say what the type says."""
    if rule.raw:
        type_ = "text" if is_enum(work, column) else column.type
        kept = Column(rule.raw, type_, comment=f"{column.name} as it was written")
        draft.targets[rule.raw] = Target(kept, f"({as_text(col(column.name), 'text')})::{type_}")
        draft.alike[rule.raw] = rule.alike(column.name)
    for check in draft.table.constraints:
        if check.kind == "c" and check.columns == (column.name,):
            draft.redeclared.setdefault(("constraints", check.name), None)
            message = (
                f"check '{check.name}' reads '{column.name}' as a text; it goes, since the type says what may be there"
            )
            work.hazard("check-by-type", "note", draft.table.name, message)
    for word, name, columns in _keys(draft.table):
        if column.name in columns and draft.redeclared.get((word, name), rule) is not None:
            work.findings.append(census.of_labelled_key(draft.table, column, rule, name, columns))
    if rule.raw or rule.other:
        return
    message = f"how '{column.name}' was written is kept aside until finish, and then gone"
    work.hazard("raw-not-kept", "note", f"{draft.table.name}.{column.name}", message, f'raw = "{column.name}_raw"')


def _keys(table: Table) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """What is unique by several columns: the word for it in a migration, its name, its columns."""
    yield from (("constraints", c.name, c.columns) for c in table.constraints if c.kind in "pu" and len(c.columns) > 1)
    for index in table.indexes:
        if index.unique and index.valid and index.whole and not index.constraint and all(index.columns):
            yield "indexes", index.name, index.columns
