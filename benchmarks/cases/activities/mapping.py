"""Labels of the new enums, what the old texts become, and the same as SQL of people over an old activity."""

from __future__ import annotations

PROVIDERS = ("strava", "garmin", "polar", "coros", "wahoo", "fitbit")
SPORTS = ("run", "ride", "swim", "walk", "hike", "workout", "yoga", "crossfit", "other")
OTHER = "other"

WORDS = {
    "running": "run",
    "trailrun": "run",
    "virtualrun": "run",
    "cycling": "ride",
    "bike": "ride",
    "virtualride": "ride",
    "gravelride": "ride",
    "mountainbikeride": "ride",
    "ebikeride": "ride",
    "swimming": "swim",
    "training": "workout",
    "weighttraining": "workout",
}
"""Texts in lower case, besides the labels themselves. All others are OTHER."""


def enum(name: str, labels: tuple[str, ...]) -> str:
    """The statement that makes an enum."""
    quoted = ", ".join(f"'{label}'" for label in labels)
    return f"CREATE TYPE {name} AS ENUM ({quoted})"


def sport(column: str) -> str:
    """The label of a text."""
    known = {label: label for label in SPORTS} | WORDS
    whens = "".join(f" WHEN '{word}' THEN '{label}'::activity_type" for word, label in known.items())
    return f"CASE lower({column}){whens} ELSE '{OTHER}'::activity_type END"


def connection(row: str, found: str) -> str:
    """The connection of an activity, where it came by one; `found` is that of its person."""
    return f"CASE WHEN {row}.strava_activity_id IS NOT NULL THEN {found} END"


def external(row: str) -> str:
    """What the provider calls it."""
    return f"{row}.strava_activity_id::varchar(255)"


def data(row: str) -> str:
    """What only Strava has."""
    upload = f"{row}.strava_upload_id"
    made = f"jsonb_build_object('strava_upload_id', {upload})"
    return f"CASE WHEN {upload} IS NULL THEN '{{}}'::jsonb ELSE {made} END"
