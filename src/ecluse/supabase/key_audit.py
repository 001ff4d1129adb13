"""`ecluse supabase keys check`: reading what `key_check` judges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from ecluse.supabase.env_file import read_env
from ecluse.supabase.key_check import Finding, KeyCheck, check_keys
from ecluse.supabase.key_places import front_ends, places_in

ENV = ".env"
# Ours, and where the official stack has it.
GATEWAYS = ("gateway/kong.yml", "volumes/api/kong.yml")


def audit_keys(stack: Path, project: Path, given: Sequence[Path], now: datetime) -> KeyCheck:
    """Check the stack's `.env`, its gateway, and the files that are given, else all settings in the project."""
    env = stack / ENV
    values = read_env(env).values
    gateways = [file for name in GATEWAYS if (file := stack / name).is_file()][:1]
    found = given or list(front_ends(project, env))
    places = [place for file in (*gateways, *found) for place in places_in(file, _shown(file, project))]
    checked = check_keys(values, _shown(env, project), places, now)
    return replace(checked, findings=(*_readable(env, _shown(env, project)), *checked.findings))


def _readable(file: Path, shown: str) -> list[Finding]:
    mode = file.stat().st_mode & 0o777
    if not mode & 0o077:
        return []
    message = f"others on this machine can read it (mode {mode:04o})"
    return [Finding(shown, "wrong", "readable", message, "who reads it can sign in as anybody", f"chmod 600 {shown}")]


def _shown(file: Path, project: Path) -> str:
    try:
        return str(file.resolve().relative_to(project.resolve()))
    except ValueError:
        return str(file)
