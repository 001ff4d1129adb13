"""The types, as the catalogue prints them, under which legacy databases keep one kind of value."""

from __future__ import annotations

import re

TEXT = re.compile(r"text|character varying(\(\d+\))?")
TEXT_OR_UUID = re.compile(rf"{TEXT.pattern}|uuid")
WHEN = re.compile(r"timestamp(\(\d\))? with(out)? time zone")
WHOLE = re.compile(r"smallint|integer|bigint")
FRACTION = re.compile(r"double precision|real|numeric(\(\d+,-?\d+\))?")
