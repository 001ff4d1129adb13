"""Which columns of a legacy table of users say what: by the names that such tables have, or as the migration says."""

from __future__ import annotations

from collections.abc import Mapping

from ecluse.model.catalog import Column, Table
from ecluse.operations.people_sql import People

NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "user_id", "uuid"),
    "email": ("email", "email_address", "mail"),
    "password": ("password_hash", "hashed_password", "encrypted_password", "password", "passwd"),
    "name": ("full_name", "fullname", "display_name", "name"),
    "role": ("role",),
    "active": ("is_active", "active", "enabled"),
    "created_at": ("created_at", "date_joined", "created", "registered_at"),
    "last_sign_in_at": ("last_sign_in_at", "last_login", "last_login_at"),
}
"""What a column may be called, the likeliest name first."""

_TYPES = {
    "active": ("boolean",),
    "created_at": ("timestamp", "date"),
    "last_sign_in_at": ("timestamp", "date"),
}


def recognise(table: Table, said: Mapping[str, str | bool | None], zone: str) -> People:
    """The people of a table. `said`: the column for a meaning; False where there is none; None or "" to look for it.

    Raises KeyError with the meaning for which a column is needed or named, and is not there, or is of another type.
    """
    found = {meaning: _column(table, meaning, said.get(meaning)) for meaning in NAMES}
    own, email = found.pop("id"), found.pop("email")
    if own is None or email is None:
        raise KeyError("id" if own is None else "email")
    return People(table.name, own, email, **found, zone=zone)


def _column(table: Table, meaning: str, said: str | bool | None) -> Column | None:
    if said is False:
        return None
    if isinstance(said, str) and said:
        column = table.column(said)
        if column is None or not _fits(column, meaning):
            raise KeyError(meaning)
        return column
    known = (table.column(name) for name in NAMES[meaning])
    return next((column for column in known if column and _fits(column, meaning)), None)


def _fits(column: Column, meaning: str) -> bool:
    return column.type.startswith(_TYPES.get(meaning, ""))
