"""How each contender is called, and how the keys that it reports are read out of what it says."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.verify.client import Ran, run
from benchmarks.verify.ground import Where

SERVERS = Path(__file__).parents[2] / ".servers"
_THREADS = "4"


@dataclass(frozen=True, slots=True)
class Tables:
    """Two tables to compare: the key, and all columns with their types."""

    first: str
    second: str
    key: str
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Contender:
    """`cannot` are types whose columns the program cannot read: it is run without them, and the report says so."""

    title: str
    words: Callable[[Where, Tables, Path], Sequence[str]]
    read: Callable[[str], set[str]]
    cannot: frozenset[str] = frozenset()
    before: Callable[[Where, Path], None] = field(default=lambda _, __: None)
    variables: Callable[[Path], Mapping[str, str]] = field(default=lambda _: {})
    statuses: frozenset[int] = frozenset({0})


def installed(name: str) -> bool:
    """Whether the program of a contender is there."""
    return name not in _PROGRAMS or _PROGRAMS[name].is_file()


def failure(name: str) -> str:
    """What was said when it was installed and did not work."""
    log = SERVERS / f"verify-{_ENVIRONMENTS[name]}.log"
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()] if log.is_file() else []
    errors = [line for line in lines if line.startswith("ERROR")]
    return f"not installed: {(errors or lines or ['`make bench-verify` installs it'])[-1]}"


# --- Écluse and SQL -----------------------------------------------------------------------------------


def _ecluse(where: Where, tables: Tables, folder: Path) -> Sequence[str]:
    settings = folder / "ecluse.toml"
    settings.write_text(f"[databases]\napp = {json.dumps(where.url)}\n")
    words = (
        sys.executable,
        "-m",
        "ecluse",
        "compare",
        tables.first,
        tables.second,
        "--json",
        "--config",
        str(settings),
    )
    return (*words, "--workers", _THREADS, "--limit", "1000")


def _read_ecluse(out: str) -> set[str]:
    return {found["key"] or "a row" for found in json.loads(out)["differences"]}


def _except(where: Where, tables: Tables, _: Path) -> Sequence[str]:
    program = (sys.executable, "-m", "benchmarks.verify.except_both")
    return (*program, where.url, tables.first, tables.second, tables.key, *tables.columns)


# --- data-diff, and reladiff which came of it ---------------------------------------------------------


def _diff(name: str, *more: str) -> Callable[[Where, Tables, Path], Sequence[str]]:
    def words(where: Where, tables: Tables, _: Path) -> Sequence[str]:
        columns = [word for column in tables.columns if column != tables.key for word in ("-c", column)]
        program = (str(_PROGRAMS[name]), where.url, tables.first, where.url, tables.second, "-k", tables.key)
        return (*program, *columns, "--json", *more)

    return words


def _read_lines(out: str) -> set[str]:
    """One row a line: the sign, and the values, the key's first."""
    rows = [json.loads(line) for line in out.splitlines() if line.startswith("[")]
    return {str(values[0]) for _, values in rows}


def _plain(_: Path) -> Mapping[str, str]:
    return {"COLUMNS": "100000", "DATA_DIFF_TRACKING": "0"}  # or lines are broken at the width of a terminal


# --- Google's data validator --------------------------------------------------------------------------


def _validator(where: Where, tables: Tables, _: Path) -> Sequence[str]:
    names = f"public.{tables.first}=public.{tables.second}"
    hashed = ",".join(column for column in tables.columns if column != tables.key)
    what = (
        "-tbls",
        names,
        "--primary-keys",
        tables.key,
        "--hash",
        hashed,
        "--format",
        "json",
        "--filter-status",
        "fail",
    )
    program = (str(_PROGRAMS["validator"]), "validate", "row")
    return (*program, "-sc", where.database, "-tc", where.database, *what)


def _connect_validator(where: Where, folder: Path) -> None:
    address = ("--host", where.host, "--port", str(where.port), "--user", where.user, "--password", "none")
    add = (str(_PROGRAMS["validator"]), "connections", "add", "-c", where.database, "Postgres")
    run((*add, *address, "--database", where.database), 120, _validator_home(folder))


def _validator_home(folder: Path) -> Mapping[str, str]:
    return {"PSO_DV_CONN_HOME": str(folder), "PSO_DV_CONFIG_HOME": str(folder)}


def _read_validator(out: str) -> set[str]:
    found = json.loads(out[out.index("{") :]) if "{" in out else {}
    return {str(next(iter(json.loads(row["group_by_columns"]).values()))) for row in found.values()}


_ENVIRONMENTS = {"reladiff": "reladiff", "joindiff": "reladiff", "data-diff": "data-diff", "validator": "dvt"}
_FILES = {"reladiff": "reladiff", "data-diff": "data-diff", "dvt": "data-validation"}
_PROGRAMS = {name: SERVERS / f"verify-{own}" / "bin" / _FILES[own] for name, own in _ENVIRONMENTS.items()}

CONTENDERS: dict[str, Contender] = {
    "ecluse": Contender("**`ecluse compare`**", _ecluse, _read_ecluse, statuses=frozenset({0, 3})),
    "except": Contender("`EXCEPT` both ways", _except, lambda out: set(json.loads(out)), statuses=frozenset({0, 3})),
    "reladiff": Contender(
        "`reladiff -a hashdiff -j 4`",
        _diff("reladiff", "-a", "hashdiff", "-j", _THREADS),
        _read_lines,
        variables=_plain,
    ),
    "joindiff": Contender("`reladiff`, as it chooses itself", _diff("joindiff"), _read_lines, variables=_plain),
    "data-diff": Contender(
        "`data-diff -a hashdiff -j 4`",
        _diff("data-diff", "-a", "hashdiff", "-j", _THREADS, "--no-tracking"),
        _read_lines,
        cannot=frozenset({"numeric"}),
        variables=_plain,
    ),
    "validator": Contender(
        "`data-validation validate row`",
        _validator,
        _read_validator,
        cannot=frozenset({"mood"}),
        before=_connect_validator,
        variables=_validator_home,
    ),
}


def compare(name: str, where: Where, tables: Tables, folder: Path, limit: float) -> Ran:
    """Let a contender compare two tables."""
    chosen = CONTENDERS[name]
    columns = {column: kind for column, kind in tables.columns.items() if kind not in chosen.cannot}
    able = Tables(tables.first, tables.second, tables.key, columns)
    return run(chosen.words(where, able, folder), limit, chosen.variables(folder))
