"""Settings: variables that the project wants and nobody sets, or sets under another name that is known for them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from ecluse.checkup.check import Found, Project, Topic, Unseen, listed
from ecluse.errors import SettingsError
from ecluse.supabase.env_file import REPLACED, EnvFile, parse_env
from ecluse.supabase.key_audit import audit_keys
from ecluse.supabase.key_places import PUBLIC

SETTINGS = Topic("settings", "Settings of the project")

# Names of one thing: what the guides say, what the parts of Supabase and its clients say, what providers say.
FAMILIES: dict[str, tuple[str, ...]] = {
    "the address of the database": (
        *(
            "DATABASE_URL",
            "SUPABASE_DB_URL",
            "POSTGRES_URL",
            "POSTGRESQL_URL",
            "POSTGRES_URL_NON_POOLING",
            "DIRECT_URL",
        ),
        *("DB_URL", "PG_URL", "PGRST_DB_URI", "GOTRUE_DB_DATABASE_URL"),
    ),
    "the address of the API": ("SUPABASE_URL", "SUPABASE_PUBLIC_URL", "API_EXTERNAL_URL", "SUPABASE_API_URL"),
    "the key for browsers": (
        *(
            "SUPABASE_ANON_KEY",
            "SUPABASE_KEY",
            "ANON_KEY",
            "SUPABASE_PUBLISHABLE_KEY",
            "SUPABASE_PUBLISHABLE_DEFAULT_KEY",
        ),
        *("SUPABASE_API_KEY", "SUPABASE_PUBLIC_KEY"),
    ),
    "the key for servers": (
        *(
            "SUPABASE_SERVICE_ROLE_KEY",
            "SUPABASE_SERVICE_KEY",
            "SERVICE_ROLE_KEY",
            "SERVICE_KEY",
            "SUPABASE_SECRET_KEY",
        ),
        "SUPABASE_SERVICE_ROLE",
    ),
    "the JWT secret": (
        *("JWT_SECRET", "SUPABASE_JWT_SECRET", "GOTRUE_JWT_SECRET", "PGRST_JWT_SECRET", "AUTH_JWT_SECRET"),
        *("API_JWT_SECRET", "JWT_SECRET_KEY"),
    ),
    "the host of the database": ("POSTGRES_HOST", "PGHOST", "DB_HOST", "DATABASE_HOST"),
    "the port of the database": ("POSTGRES_PORT", "PGPORT", "DB_PORT", "DATABASE_PORT"),
    "the name of the database": ("POSTGRES_DB", "PGDATABASE", "DB_NAME", "DATABASE_NAME", "POSTGRES_DATABASE"),
    "the user of the database": ("POSTGRES_USER", "PGUSER", "DB_USER", "DATABASE_USER"),
    "the password of the database": (
        *("POSTGRES_PASSWORD", "PGPASSWORD", "DB_PASSWORD", "DATABASE_PASSWORD", "SUPABASE_POSTGRES_PASSWORD"),
        *("SUPABASE_DB_PASSWORD", "DB_PASS"),
    ),
}
_OF = {name: family for family, names in FAMILIES.items() for name in names}
# `SUPABASE_KEY` may be either key: what it holds decides, and that is not looked at.
_EITHER = {"SUPABASE_KEY": ("the key for browsers", "the key for servers")}

_SOURCE = frozenset(
    {".py", ".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx", ".vue", ".svelte", ".go", ".rb", ".php", ".rs"}
)
_READS = re.compile(
    r"(?:os\.environ(?:\.get\(\s*|\[\s*|\.setdefault\(\s*)|os\.getenv\(\s*|getenv\(\s*|Deno\.env\.get\(\s*|"
    r"ENV(?:\.fetch\(\s*|\[\s*)|os\.Getenv\(\s*|env!?\(\s*|env::var\(\s*|process\.env\[\s*)"
    r"['\"]([A-Z][A-Z0-9_]+)['\"]"
    r"|(?:process\.env|import\.meta\.env)\.([A-Z][A-Z0-9_]+)"
)
# What stands between two names of which the second is asked for where the first is not set.
_ELSE = re.compile(r"[\s)\]!\\]*(?:\bor\b|\|\||\?\?)[\s(\\]*|,\s*")
# What is given in the end; an empty text is nothing.
_DEFAULT = re.compile(r"(?:,|[\s)\]!\\]*(?:\bor\b|\|\||\?\?))\s*(?!\"\"|''|None\b|null\b|undefined\b|[)\]])\S")
_EXAMPLES = (".example", ".sample", ".template", ".dist")
_SKIPPED = frozenset(
    {"node_modules", "dist", "build", "venv", "__pycache__", "site-packages", "vendor", "target", "coverage", "tests"}
)
_DEPTH, _MOST_FOLDERS, _MOST_FILES, _LARGEST = 6, 5000, 4000, 300_000
_PLACEHOLDER = re.compile(
    r"<[^>]*>|\[[A-Z-]+\]|(?:your|votre|my)[-_ ].*|.*(?:your|votre)[-_](?:anon|service|project|key|secret|password).*|"
    r"change[-_ ]?me.*|replace[-_ ]?me.*|x{4,}|\.\.\.|todo|secret|placeholder",
    re.I,
)


def family_of(name: str) -> tuple[str, ...]:
    """The families of a name, whatever a front end's prefix; none where it is of none."""
    bare = bare_name(name)
    return _EITHER.get(bare) or ((_OF[bare],) if bare in _OF else ())


def bare_name(name: str) -> str:
    """The name without the prefix by which a bundler lets a browser see it."""
    return next((name.removeprefix(p) for p in PUBLIC if name.startswith(p) and name.removeprefix(p) in _OF), name)


@dataclass(frozen=True, slots=True)
class _Read:
    """A place where a variable is asked for.

    `others` are asked for where it is not set, as in `a or b`; `anyway` where something is given for it in the end.
    """

    name: str
    where: str
    others: frozenset[str] = frozenset()
    anyway: bool = False


@dataclass
class _Seen:
    """What a project asks for, and what it sets. Values are used for nothing but whether they are there, or equal."""

    reads: list[_Read] = field(default_factory=list)
    examples: list[_Read] = field(default_factory=list)
    files: dict[Path, EnvFile] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)

    def set_in_files(self) -> dict[str, str]:
        """Each variable that a `.env` sets to something, with the file."""
        return {n: str(f) for f, env in self.files.items() for n, value in env.values.items() if value}


@lru_cache(maxsize=1)
def look_around(folder: Path) -> _Seen:
    """Read the `.env` files of a folder and those below it, and the source beside them; no link is followed."""
    seen = _Seen()
    count = 0
    for walked, (here, folders, files) in enumerate(os.walk(folder)):
        if walked > _MOST_FOLDERS:
            seen.unread.append(f"more than {_MOST_FOLDERS:,} folders")
            return seen
        depth = len(Path(here).relative_to(folder).parts)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in _SKIPPED and depth < _DEPTH)
        for name in sorted(files):
            file = Path(here, name)
            source = file.suffix in _SOURCE
            if not (source or name.startswith(".env")) or REPLACED in name or file.is_symlink():
                continue
            count += 1
            if count > _MOST_FILES:
                seen.unread.append(f"more than {_MOST_FILES:,} files")
                return seen
            _read(seen, folder, file, source)
    return seen


def _read(seen: _Seen, folder: Path, file: Path, source: bool) -> None:
    shown = file.relative_to(folder)
    try:
        if file.stat().st_size > _LARGEST:
            return
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        if not source:
            seen.unread.append(str(shown))
        return
    if source:
        seen.reads += _asked_for(text, shown)
    elif file.name.endswith(_EXAMPLES):
        env = parse_env(text)
        seen.examples += [_Read(n, f"{shown}:{env.line_of(n)}") for n in env.values if family_of(n)]
    else:
        seen.files[shown] = parse_env(text)


def _asked_for(text: str, shown: Path) -> Iterator[_Read]:
    if "env" not in text and "ENV" not in text:
        return
    chain: list[re.Match[str]] = []
    for found in _READS.finditer(text):
        between = _ELSE.fullmatch(text, chain[-1].end(), found.start()) if chain else None
        if chain and (between is None or (between[0].startswith(",") and not chain[-1][1])):
            yield from _chain(chain, text, shown)
            chain = []
        chain.append(found)
    yield from _chain(chain, text, shown)


def _chain(chain: list[re.Match[str]], text: str, shown: Path) -> Iterator[_Read]:
    """One after the other is asked for until one is set."""
    names = frozenset(found[1] or found[2] for found in chain)
    rest = _DEFAULT.match(text, chain[-1].end()) if chain else None
    # A comma after `process.env.NAME` begins another argument.
    anyway = rest is not None and (bool(chain[-1][1]) or not rest[0].startswith(","))
    for found in chain:
        name, number = found[1] or found[2], text.count("\n", 0, found.start()) + 1
        if family_of(name):
            yield _Read(name, f"{shown}:{number}", names, anyway)


# --- the checks -------------------------------------------------------------------------------------


@SETTINGS.check_project(
    "setting-under-another-name",
    "wrong",
    "a setting stands under another name",
    means="The program asks for one name of a thing and the settings have another: it starts without it, or not at "
    "all. Guides, providers and the parts of Supabase call the same key differently.",
    fix="<NAME THAT IS ASKED FOR>=<the value of the other>   # in .env; or at the provider, under the name that is "
    "asked for",
)
def other_name(project: Project) -> Iterator[Found]:
    """What ecluse.toml, the source and the examples ask for, where only a name of the same family is set."""
    seen = look_around(project.folder)
    for read, others in _missing(project, seen):
        if read.name in others:
            told = f"{read.where} asks for {read.name}, which {others[read.name]} sets and this process does not have"
            yield Found(read.name, told, f"set -a; . ./{others[read.name]}; set +a")
        elif others:
            told = f"{read.where} asks for {read.name}, and what is set is {listed(sorted(others))}"
            fix = f"{read.name}=<the value of {min(others)}>   # beside it, in {others[min(others)]}"
            yield Found(read.name, told, fix)
    if seen.unread:
        raise Unseen(listed(seen.unread))


@SETTINGS.check_project(
    "setting-missing",
    "warning",
    "a setting is asked for, and nothing sets it",
    means="No variable of this process and no .env of the project has it, under this name or another that is known "
    "for it. It may be set where the program runs.",
    fix="<NAME>=<value>   # in .env, or at the provider",
)
def missing(project: Project) -> Iterator[Found]:
    """As above, where no name of the family is set. Without any settings here, nothing can be said."""
    seen = look_around(project.folder)
    some = any(family_of(name) for name in (*seen.set_in_files(), *project.environment))
    for read, others in _missing(project, seen):
        # What ecluse.toml asks for is the first thing that is missed when its database is looked at.
        if some and not others and read.name not in project.wanted:
            told = f"{read.where} asks for {read.name}, and nothing sets it"
            yield Found(read.name, told, f"{read.name}=<value>   # in .env, or where the program runs")
    if not some and (seen.reads or seen.examples):
        raise Unseen("the settings of the application are not here: no .env, and no such variable in this process")


def _missing(project: Project, seen: _Seen) -> Iterator[tuple[_Read, dict[str, str]]]:
    """What is asked for and not set, once for each name; with what is set in its place, and where."""
    there = seen.set_in_files() | {n: "this process" for n, value in project.environment.items() if value}
    wanted = [_Read(name, f"ecluse.toml (database '{of}')") for name, of in project.wanted.items()]
    told: set[str] = set()
    for read in (*wanted, *seen.reads, *seen.examples):
        own = project.environment if read in wanted else there
        if read.anyway or read.name in told or any(own.get(name) for name in (read.name, *read.others)):
            continue
        others = {name: where for name, where in there.items() if set(family_of(name)) & set(family_of(read.name))}
        others = {n: w for n, w in others.items() if _same_side(n, read.name)} if read not in wanted else others
        told |= {read.name, *read.others}
        yield read, others | ({read.name: there[read.name]} if read.name in there else {})


def _same_side(name: str, other: str) -> bool:
    """A name for browsers stands for one for browsers only: a bundler shows no others."""
    return name.startswith(PUBLIC) == other.startswith(PUBLIC)


@SETTINGS.check_project(
    "setting-placeholder",
    "wrong",
    "a setting still has the text of the example",
    means="The file was copied from an example, and the value was never put in: the service answers with 401, or the "
    "address is none.",
    fix="<NAME>=<the real value>   # in the file that is named",
)
def placeholders(project: Project) -> Iterator[Found]:
    """Values of `.env` files that are words of an example."""
    for file, env in look_around(project.folder).files.items():
        for name, value in env.values.items():
            if family_of(name) and value and _PLACEHOLDER.fullmatch(value.strip()):
                where = f"{file}:{env.line_of(name)}"
                yield Found(name, f"{where} {name} is not filled in", f"{name}=<value>   # in {where}")


@SETTINGS.check_project(
    "secrets-differ",
    "wrong",
    "the JWT secret is not the same everywhere",
    means="Who signs tokens and who checks them must have one secret. Else tokens are taken for forged or expired, "
    "and people are signed out: 'JWT expired', 'invalid signature', 401.",
    fix="copy the value of the stack's JWT_SECRET to all; then: ecluse supabase keys check",
)
def secrets_differ(project: Project) -> Iterator[Found]:
    """Secrets that bear the name of a part of Supabase, in files of the project and in this process."""
    names = ("SUPABASE_JWT_SECRET", "GOTRUE_JWT_SECRET", "PGRST_JWT_SECRET", "AUTH_JWT_SECRET", "API_JWT_SECRET")
    files = look_around(project.folder).files
    places = [(f"{file} {n}", env.values[n]) for file, env in files.items() for n in names if env.values.get(n)]
    places += [(f"this process's {n}", project.environment[n]) for n in names if project.environment.get(n)]
    places = [(where, value) for where, value in places if not _PLACEHOLDER.fullmatch(value) and "$" not in value]
    if len({value for _, value in places}) > 1:
        first = places[0][1]
        others = [where for where, value in places if value != first]
        yield Found("JWT secret", f"{places[0][0]} is another secret than {listed(others)}")


@SETTINGS.check_project(
    "keys-do-not-fit",
    "wrong",
    "the keys of a stack do not fit together",
    means="The project has the .env of a Supabase of its own. A key there, at its gateway or in an application was "
    "made from another secret, has ended, or gives away more than its place should.",
    fix="ecluse supabase keys check",
)
def keys(project: Project) -> Iterator[Found]:
    """The findings of `ecluse supabase keys check`, for each stack in the project."""
    for file, env in look_around(project.folder).files.items():
        stack = (project.folder / file).parent
        if file.name == ".env" and {"JWT_SECRET", "ANON_KEY", "SERVICE_ROLE_KEY"} <= env.values.keys():
            try:
                checked = audit_keys(stack, project.folder, (), datetime.now(UTC))
            except SettingsError as error:
                raise Unseen(error.message) from None
            for each in checked.findings:
                if each.level == "wrong":
                    told = f"{each.place}: {each.message}" + (f": {each.cause}" if each.cause else "")
                    yield Found(each.place, told, each.hint)
