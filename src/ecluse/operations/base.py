"""The contract that every operation keeps. Operations are values; they never touch a connection.

The docstring of a class is its summary in the reference, the descriptions of its fields are its manual.
"""

from __future__ import annotations

from typing import get_args

from ecluse.model.migration import OperationSettings
from ecluse.operations.work import Work


class Operation(OperationSettings):
    """One change of architecture in the user's words."""

    @classmethod
    def kind_of(cls) -> str:
        """The word for this operation in a migration file."""
        return str(get_args(cls.model_fields["kind"].annotation)[0])

    def describe(self) -> str:
        """The change in one line, in the imperative."""
        raise NotImplementedError

    def origins(self) -> tuple[str, ...]:
        """The other databases of ecluse.toml that it reads; their catalogues are in `work.origins`."""
        return ()

    def compile(self, work: Work) -> None:
        """Add what this operation means on the catalog of `work` to it. Raises errors of families 2xx."""
        raise NotImplementedError
