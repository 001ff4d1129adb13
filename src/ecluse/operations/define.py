"""define: functions, triggers and views from a script."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ecluse.model.plan import Define as DefineChange
from ecluse.model.plan import ObjectRef
from ecluse.operations.base import Operation
from ecluse.operations.definitions import object_ref
from ecluse.operations.expressions import parse
from ecluse.operations.work import Work


class Define(Operation):
    """Make functions, triggers, views and types by a script, within the switch.

    Objects of the same name that exist are kept and come back with a rollback. What `objects` does not name is
    undone by `down`.
    """

    kind: Literal["define"]
    title: str = Field(description="What the script makes, for the plan.")
    up: str = Field(description="The script, or the path of a `.sql` file.")
    objects: tuple[str, ...] = Field(
        default=(), description='What it makes, as in DROP: "function public.f(uuid, text)", "trigger t on public.m".'
    )
    verify: str = Field(
        default="", description="A script that raises when the objects do not work; what it does is rolled back."
    )
    down: str = Field(default="", description="Undoes what `objects` does not name.")

    def describe(self) -> str:
        return f"define {self.title}"

    def compile(self, work: Work) -> None:
        for word, script in (("up", self.up), ("verify", self.verify), ("down", self.down)):
            with work.sql_of(self, word):
                parse(script)
        objects: list[ObjectRef] = []
        for position, text in enumerate(self.objects):
            with work.sql_of(self, "objects", position):
                objects.append(object_ref(text))
        if self.up.strip() and not objects and not self.down:
            work.hazard(
                "no-way-back",
                "warn",
                self.title,
                f"'{self.title}' names no 'objects' and has no 'down', so a rollback leaves what it made",
            )
        work.changes.append(DefineChange(self.title, self.up, tuple(objects), self.verify, self.down))
