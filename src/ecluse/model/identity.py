"""Where people are known, and which columns hold their ids: the `[identity]` part of `ecluse.toml`."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ecluse.model.names import Name


class Kind(StrEnum):
    """The four ids that one person may have."""

    LEGACY = "legacy"
    PROFILE = "profile"
    AUTH = "auth"
    EMAIL = "email"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    database: str = Field(min_length=1)
    table: str = Field(min_length=1)

    @field_validator("table")
    @classmethod
    def _a_name(cls, table: str) -> str:
        Name.parse(table)
        return table

    @property
    def name(self) -> Name:
        """The table's name."""
        return Name.parse(self.table)


class Source(_Part):
    """One `[[identity.source]]`: a table with a row for each person, and its id columns.

    `deleted` is a column that marks people as deleted: a time, or true.
    """

    legacy: str | None = None
    profile: str | None = None
    auth: str | None = None
    email: str | None = None
    deleted: str | None = None

    @model_validator(mode="after")
    def _has_ids(self) -> Source:
        if not self.ids:
            raise ValueError(f"a source needs one of {', '.join(Kind)}")
        return self

    @property
    def ids(self) -> dict[Kind, str]:
        """The id columns, by what they hold."""
        return {kind: column for kind in Kind if (column := getattr(self, kind.value)) is not None}

    def place(self, kind: Kind) -> str:
        """An id column for people: `supabase: auth.users.id`."""
        return f"{self.database}: {self.name}.{self.ids[kind]}"

    def __str__(self) -> str:
        return f"{self.database}: {self.name}"


class Holder(_Part):
    """One `[[identity.column]]`: a column that refers to people, in jsonb with a path, and the id it should hold."""

    column: str = Field(min_length=1)
    path: str = ""
    holds: Kind | None = None

    def __str__(self) -> str:
        return f"{self.database}: {self.name}.{self.column}" + (f" -> {self.path}" if self.path else "")


class Identity(BaseModel):
    """Who is who: the sources, and the columns that are declared to hold ids of people."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    source: tuple[Source, ...] = ()
    column: tuple[Holder, ...] = ()
