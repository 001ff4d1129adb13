"""The table of profiles as it is promised: its columns, who may write which of them, and what an account gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ecluse.model.catalog import Table
from ecluse.model.names import Name, ident
from ecluse.operations.definitions import column
from ecluse.operations.row_policies import Rights

ACCOUNTS = Name("auth", "users")
PROFILES = Name("public", "users")

COLUMNS: Mapping[str, str] = {
    "id": "uuid not null",
    "email": "text not null",
    "first_name": "text",
    "last_name": "text",
    "full_name": (
        "text generated always as (case when first_name is not null and last_name is not null "
        "then first_name || ' ' || last_name else coalesce(first_name, last_name, email) end) stored"
    ),
    "user_type": "text default 'user'",
    "plan": "text default 'free'",
    "language": "text default 'fr'",
    "timezone": "text default 'America/Montreal'",
    "avatar_url": "text",
    "phone": "text",
    "company": "text",
    "is_active": "boolean default true",
    "email_verified": "boolean default false",
    "created_at": "timestamptz default now()",
    "updated_at": "timestamptz default now()",
    "last_login_at": "timestamptz",
}
CONSTRAINTS: Mapping[str, str] = {
    "users_pkey": "primary key (id)",
    "users_email_key": "unique (email)",
    "users_id_fkey": "foreign key (id) references auth.users (id) on delete cascade",
}
INDEXES: Mapping[str, str] = {
    "idx_users_email": "(lower(email))",
    "idx_users_user_type": "(user_type)",
    "idx_users_plan": "(plan)",
    "idx_users_is_active": "(is_active) where is_active",
}
# What people say of themselves. Every other column says what they are or may: only service_role writes it.
OPEN = frozenset(
    {
        *("first_name", "last_name", "full_name", "language", "timezone", "avatar_url", "phone", "company"),
        *("country", "country_code", "area_code", "phone_number", "whatsapp_number", "linkedin_profile"),
        *("facebook_profile", "company_name", "company_website", "linkedin_corporate", "preferences"),
        *("consent_given", "consent_date", "production_type", "category", "category_other"),
    }
)
ADMIN = ("app_metadata", "role")
ADMINS = ("admin", "super_admin")


@dataclass(frozen=True, slots=True)
class Profiles:
    """The table as this database will have it."""

    columns: Mapping[str, str]  # name, definition

    @property
    def table(self) -> Table:
        """The table's columns as values; nothing hangs on it yet."""
        return Table(PROFILES, tuple(column(name, text) for name, text in self.columns.items()))

    @property
    def rights(self) -> Rights:
        """Everybody reads their own row and writes what is open in it; an admin, by claim, reads every row."""
        may = {"owner": ("select", "update"), "admin": ("select",)}
        guarded = tuple(name for name in self.table.written if name not in OPEN)
        return Rights(self.table, "id", may, guarded, ADMIN, ADMINS)

    def from_account(self, account: str) -> dict[str, str]:
        """Column and expression over a row of auth.users. Metadata is the user's own word: no type, no plan."""
        said = {
            "first_name": "first_name",
            "last_name": "last_name",
            "full_name": "full_name",
            "phone": "phone",
            "company": "company",
            "company_name": "company",
            "country": "country",
        }
        values = {
            "id": f"{account}.id",
            "email": f"{account}.email",
            "email_verified": f"{account}.email_confirmed_at is not null",
            "language": f"coalesce({_said(account, 'preferred_language')}, 'fr')",
        } | {name: _said(account, key) for name, key in said.items()}
        return {name: values[name] for name in self.table.written if name in values}


def _said(account: str, key: str) -> str:
    return f"nullif({account}.raw_user_meta_data ->> '{key}', '')"


def listed(names: Mapping[str, str]) -> str:
    """The columns, quoted, for an INSERT."""
    return ", ".join(map(ident, names))
