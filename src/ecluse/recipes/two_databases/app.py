"""The migration of the application's database: the view of questions, made where it is not as promised."""

from __future__ import annotations

from ecluse.model.toml_text import string, strings
from ecluse.recipes.two_databases.recognise import CONVERSATIONS, QUESTIONS, Application
from ecluse.recipes.two_databases.texts import text
from ecluse.recipes.views import again, comments, grants, standing

NAME = "two_databases_app"


def write(found: Application, database: str) -> dict[str, str]:
    """The files by their paths; none where the view is there and the same."""
    if found.view_fits:
        return {}
    above = standing(found.catalog, QUESTIONS)
    objects = [f"view {QUESTIONS}"]
    objects += [f"{'materialized ' if v.materialised else ''}view {v.name}" for v in above]
    migration = text(
        "app/migration.toml",
        name=string(NAME),
        database=string(database),
        objects=strings(objects),
        replaced=f"# The view that stands there has {len(found.view.columns)} columns; a rollback gives it back.\n"
        if found.view
        else "",
    )
    extras = [*grants(found.view), *comments(found.view)] if found.view else []
    made = "\n".join([view(found), *extras, *map(again, above)]).rstrip() + "\n"
    return {"migration.toml": migration, "define/view.sql": made, "define/view_probe.sql": text("app/view_probe.sql")}


def view(found: Application) -> str:
    """The script that makes the view. Over guarded rows it shows what its reader may see, from PostgreSQL 15 on."""
    kept = found.view.options if found.view else ()
    guarded = found.conversations.rls and found.catalog.server_version >= 150000
    options = kept or (("security_invoker=true",) if guarded and not found.view else ())
    return text(
        "app/view.sql",
        view=QUESTIONS.sql,
        conversations=CONVERSATIONS.sql,
        options=f" with ({', '.join(options)})" if options else "",
    ).rstrip()
