"""import_users: an application's own users become accounts of Supabase, each with an id, a map and an account of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ecluse.model.catalog import Table
from ecluse.operations.base import Operation
from ecluse.operations.people import NAMES, recognise
from ecluse.operations.people_sql import People
from ecluse.operations.work import Work

Said = str | Literal[False]


class ImportUsers(Operation):
    """Make accounts of Supabase of the users in a table of the application's own.

    Each user becomes an account with an e-mail identity, or is mapped to the account that has the e-mail address
    already, whose password and profile stay as they are. Passwords that Supabase can verify go along: bcrypt, argon2i,
    argon2id and Firebase's scrypt. Who has any other is imported without one, and listed. Two users whose addresses
    differ only in case, and those without a valid one, go to quarantine.

    A valid UUID stays a user's id; any other id becomes the same UUID at each run. Which became which is written to a
    table that the application can read. Columns that hold old ids follow with `remap_ids`, where `users` names the
    table. Columns are found by their usual names; where one is not, it is named here, and `false` leaves it out.
    """

    kind: Literal["import_users"]
    table: str = Field(description="The table of users, `schema.name`. It leaves the application at the switch.")
    id: str = Field(default="", description="Its column with the id: an integer, a text or a uuid.")
    email: str = Field(default="", description="The e-mail address.")
    password: Said = Field(default="", description="The stored password.")
    name: Said = Field(default="", description="The name; goes to `raw_user_meta_data.full_name`.")
    role: Said = Field(default="", description="The role; goes to `raw_app_meta_data.role`.")
    active: Said = Field(default="", description="A boolean; who has false is banned for a century.")
    created_at: Said = Field(default="", description="Since when the user is there.")
    last_sign_in_at: Said = Field(default="", description="The last sign-in.")
    time_zone: str = Field(default="UTC", description="That of timestamps that have none.")
    mapping: str = Field(
        default="public.user_id_mapping",
        description="The table of `old_user_id`, `supabase_user_id`, `email` and `migrated_at` that is made.",
    )
    triggers: Literal["suppress", "fire"] = Field(
        default="suppress",
        description="Whether triggers of the application on `auth.users` fire for those who are imported.",
    )

    def describe(self) -> str:
        return f"make accounts of Supabase of the users in {self.table}"

    def people(self, work: Work) -> tuple[Table, People]:
        """The table, and which of its columns say what. Raises NotInDatabase, MigrationFileError."""
        table = work.table(self, self.table, "table")
        said = {meaning: getattr(self, meaning) for meaning in NAMES}
        try:
            return table, recognise(table, said, self.time_zone)
        except KeyError as error:
            meaning = str(error.args[0])
            if said[meaning]:
                text = f"'{self.table}' has no column '{said[meaning]}' that could be '{meaning}'"
            else:
                text = f"'{self.table}' has no column that is called like '{meaning}'"
            raise work.wrong(self, text, meaning, hint=f'{meaning} = "column"') from error
