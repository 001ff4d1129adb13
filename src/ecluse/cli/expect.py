"""What `inspect --expect` asks: are databases as they are expected to be, and what would bring them there?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecluse.cli.project import Project
from ecluse.cli.render import human
from ecluse.cli.render.json import plain
from ecluse.errors import ExpectationError, UnknownDatabase, WrongUsage
from ecluse.model.settings import did_you_mean

if TYPE_CHECKING:
    from ecluse.model.catalog import Catalog
    from ecluse.planning.expectation import Finding
    from ecluse.postgres.connect import Database

_NAME = re.compile(r"[\w-]+")


def wanted(project: Project, text: str) -> tuple[Database, str]:
    """The database that is meant by `DATABASE=FILE`, or by a file or recipe alone, and what is expected of it."""
    name, equals, rest = text.partition("=")
    # A file may have an equals sign in its name; a database may not be called like a path.
    if not equals or Path(text).exists() or not _NAME.fullmatch(name):
        return project.database(), text
    known = project.settings.databases
    if name not in known:
        listed = f"the databases are: {', '.join(known) or 'none'}"
        raise UnknownDatabase(f"'{name}' is not a database of ecluse.toml{did_you_mean(name, known)}", hint=listed)
    if project.wanted not in (None, name):
        raise WrongUsage(f"--database {project.wanted} and --expect {text} name two databases")
    return project.database(name), rest


def compared(project: Project, database: Database, wanted: str) -> dict[str, Any]:
    """The document: what is missing, what differs, what is also there, and the migration that would bring it."""
    from ecluse.planning.bring import bring
    from ecluse.planning.expectation import EXTRA, comparable, compare
    from ecluse.postgres.catalog import read_catalog
    from ecluse.postgres.connect import open_session
    from ecluse.recipes.registry import RECIPES

    with open_session(database, role="inspect") as conn:
        actual = read_catalog(conn, measure=False)
        roles = {str(row[0]) for row in conn.execute("SELECT rolname FROM pg_roles")}
    expected = comparable(_expected(project, wanted, actual))
    here = comparable(actual)
    found = (*_roles(expected, roles), *compare(expected, here))
    fits = all(each.state == EXTRA for each in found)
    if wanted in RECIPES:
        lines = "" if fits else f"# ecluse init {wanted}\n"
    else:
        lines = bring("as_expected", database.name, found, expected, here)
    return {
        "database": str(database),
        "expected": wanted,
        "fits": fits,
        "findings": [plain(each) | {"text": str(each)} for each in found],
        "migration": lines,
    }


def _expected(project: Project, wanted: str, actual: Catalog) -> Catalog:
    from ecluse.postgres.expected import expected_of
    from ecluse.postgres.saved_catalog import load
    from ecluse.recipes.registry import RECIPES

    if wanted in RECIPES:
        return expected_of(RECIPES[wanted].shape(actual), f"recipe {wanted}", actual, project.folder)
    file = Path(wanted)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ExpectationError(
            f"cannot read '{wanted}': {reason}",
            hint=f"a .sql file, a file that `ecluse inspect --save` wrote, or a recipe: {', '.join(RECIPES)}",
        ) from error
    if file.suffix == ".json":
        return load(text, wanted)
    return expected_of(text, wanted, actual, project.folder)


def _roles(expected: Catalog, there: set[str]) -> Iterator[Finding]:
    """Roles that rights and policies name, and this server has not."""
    from ecluse.planning.expectation import MISSING, Finding

    tables = expected.tables.values()
    rights = [table.grants for table in tables] + [view.grants for view in expected.views.values()]
    rights += [function.grants or () for function in expected.functions]
    named = {grant.grantee for grants in rights for grant in grants}
    named |= {role for table in tables for policy in table.policies for role in policy.roles} - {"public"}
    for role in sorted(named - there - {""}):
        yield Finding(MISSING, "role", role, "", "present", "absent")


def all_lines(value: dict[str, Any]) -> Iterator[str]:
    """The documents of several databases, one after the other."""
    for number, one in enumerate(value["databases"]):
        yield from ("",) if number else ()
        yield from lines(one)


def lines(value: dict[str, Any]) -> Iterator[str]:
    """The document for people: what matters first, then what is also there, then the migration."""
    if value["fits"]:
        yield f"{value['database']} is as {value['expected']} expects it: {human.answer(True)}"
    else:
        yield f"{value['database']} is not as {value['expected']} expects it: {human.answer(False)}"
    for state in ("missing", "differs", "also there"):
        found = [each["text"] for each in value["findings"] if each["state"] == state]
        if found:
            yield human.heading(state)
            for text in found:
                yield from human.labelled("  ", text)
    if value["migration"]:
        yield human.heading("a migration that would bring it")
        yield from value["migration"].splitlines()
