"""Things of the next schema, as they will be called at home. Pure."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from ecluse.model.names import Name
from ecluse.model.plan import Plan
from ecluse.planning.switch_sql import altered, visible

_T = TypeVar("_T")


class Homes:
    """Knows where each thing that is built or tried in the next schema belongs."""

    def __init__(self, plan: Plan) -> None:
        names = [m.table.name for m in visible(plan)] + [v.name for v in plan.views]
        names += altered(plan)
        names += [o.name for d in plan.defines for o in d.objects if o.kind != "trigger"]
        self._next = plan.next_schema
        self._schemas = {name.name: name.schema for name in names}
        # The next schema's own name never needs quotes; what follows it may.
        self._text = re.compile(rf'\b{re.escape(self._next)}\.("(?:[^"]|"")+"|[a-z_][a-z0-9_]*)')

    def of(self, name: Name) -> str:
        """The schema that a thing of the next schema goes to; the next schema itself where it stays."""
        return self._schemas.get(name.name, self._next)

    def settle(self, thing: _T, default: str) -> _T:
        """A catalogue value with all its names and definitions put home; those that are not known go to `default`."""
        settled: _T = self._settled(thing, default)
        return settled

    def _settled(self, value: Any, default: str) -> Any:
        if isinstance(value, Name):
            return value.within(self._schemas.get(value.name, default)) if value.schema == self._next else value
        if isinstance(value, str):
            return self._text.sub(lambda found: self._at_home(found[1], default), value)
        if isinstance(value, tuple):
            return tuple(self._settled(each, default) for each in value)
        if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{f.name: self._settled(getattr(value, f.name), default) for f in fields(value)})
        return value

    def _at_home(self, printed: str, default: str) -> str:
        name = printed[1:-1].replace('""', '"') if printed.startswith('"') else printed
        schema = str(Name(self._schemas.get(name, default), "x")).removesuffix(".x")
        return f"{schema}.{printed}"
