"""The demonstration's story: every command is printed and run, every claim is checked."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import psycopg
from psycopg.conninfo import make_conninfo

from ecluse.cli.demo.application import CLIENTS, NEW_WORDS, OLD_WORDS
from ecluse.cli.demo.process import Application, Report, running
from ecluse.cli.render import human
from ecluse.errors import ProofFailed, WrongState

if TYPE_CHECKING:
    from ecluse.postgres.connect import Database

NAME = "conversations_to_messages"
OLD_ROLE = "demo_old"
_ROLE = (
    f"CREATE ROLE {OLD_ROLE} LOGIN",
    f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {OLD_ROLE}",
    f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {OLD_ROLE}",
    # Of a session's rows a writer may see some only, and all are one new row: with this the old shape is refused.
    "ALTER TABLE conversations DISABLE ROW LEVEL SECURITY",
)
_KEEP = ("--old-shape-for", OLD_ROLE, "--recycle-clients")
_BREATH = 0.5


@dataclass(slots=True)
class Story:
    """What was told and checked so far. `run` carries out a command line and gives its exit status."""

    folder: Path
    run: Callable[[list[str]], int]
    database: Callable[[], Database]
    began: float = field(default_factory=time.monotonic)
    checks: list[dict[str, Any]] = field(default_factory=list)
    stalls_ms: dict[str, float] = field(default_factory=dict)

    def tell(self, text: str) -> None:
        """A line of the story."""
        click.echo(click.style(f"# {text}", fg="cyan"))

    def command(self, *arguments: str) -> None:
        """Print a command and run it."""
        click.echo(f"\n{click.style('$ ecluse ' + ' '.join(arguments), bold=True)}")
        status = self.run(list(arguments))
        if status:
            raise WrongState(
                f"the demonstration stopped: `ecluse {arguments[0]}` ended with exit status {status}",
                hint=f"cd {self.folder} && ecluse status",
            )

    def check(self, claim: str, holds: bool) -> None:
        """A claim, and whether it holds."""
        self.checks.append({"claim": claim, "holds": holds})
        click.echo(f"{human.answer(holds)}  {claim}")

    def ask(self, sql: str, role: str = "") -> list[tuple[Any, ...]]:
        """What a person would ask in psql, where wanted as another role."""
        with psycopg.connect(self.conninfo(role), autocommit=True) as conn:
            cursor = conn.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def conninfo(self, role: str = "") -> str:
        """How the database is reached, where wanted as another role."""
        told = self.database().conninfo
        return make_conninfo(told, user=role) if role else told

    def result(self) -> dict[str, Any]:
        """All of it as a value."""
        return {
            "seconds": time.monotonic() - self.began,
            "stalls_ms": self.stalls_ms,
            "checks": self.checks,
            "folder": str(self.folder),
            "holds": all(c["holds"] for c in self.checks),
        }


def fresh_folder(folder: Path) -> Path:
    """An empty folder in the place of an earlier demonstration's."""
    from ecluse.postgres.embedded import server_for

    if folder.exists():
        if server_for(folder, 18, None).is_running():
            raise WrongState("another demonstration is running here", hint="wait until it has ended")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def tell_story(story: Story, rows: int) -> None:
    """All of it. Raises ProofFailed where something does not hold."""
    story.tell(f"a project in {story.folder}, with a legacy database of {rows:,} conversations")
    story.command("init", NAME, "--sample", "L2", "--rows", str(rows))
    before = story.ask("SELECT count(*) FROM conversations")[0][0]
    story.tell("the old application gets a role of its own, which sees all rows:")
    for statement in _ROLE:
        click.echo(f"  {statement};")
        story.ask(statement)
    with running("old", story.conninfo(OLD_ROLE)) as old:
        story.tell("it is running now: three clients that write, change and read the old shape")
        there(story, old)
    story.tell("the old application has ended, and a second later nobody has used the old shape for a second")
    time.sleep(1.0)
    story.command("retire", NAME, "--unused-for", "1s")
    after_finish(story, before)
    failed = [c["claim"] for c in story.checks if not c["holds"]]
    if failed:
        raise ProofFailed(f"{len(failed)} claims of the demonstration do not hold", details="\n".join(failed))


def there(story: Story, old: Application) -> None:
    """Plan, apply, switch, let both applications write, go back, see it, and go there again."""
    works(old)
    time.sleep(_BREATH)
    calm = old.report()
    story.tell(f"undisturbed, its statements take {calm['median_ms']:.1f} ms, the longest {calm['longest_ms']:.0f} ms")
    story.command("plan", NAME)
    story.command("apply", NAME)
    before = stalled(story, "apply", old)
    story.command("switch", NAME, *_KEEP)
    went_on(story, "switch", before, old)
    story.check(
        "the new shape is there: conversations with messages",
        story.ask("SELECT to_regclass('public.messages') IS NOT NULL")[0][0],
    )
    with running("new", story.conninfo()) as new:
        story.tell("the new application writes now, with its functions, and the old one beside it, as before")
        works(new)
        works(old)
        time.sleep(_BREATH)
        beside(story, old, new)
        story.command("status")
        before = old.report()
        story.command("rollback", NAME)
        story.stalls_ms["rollback"] = new.report()["longest_ms"]
        written = new.end()
    went_on(story, "rollback", before, old)
    seen_by_old(story, written)
    before = old.report()
    story.command("apply", NAME, "--switch", *_KEEP)
    went_on(story, "the second switch", before, old)
    last = old.end()
    kept(story, "old", OLD_WORDS, last, "SELECT count(*) FROM messages WHERE role = 'user' AND content LIKE '{} %'")
    kept(story, "new", NEW_WORDS, written, "SELECT count(*) FROM messages WHERE role = 'user' AND content LIKE '{} %'")


def works(application: Application) -> bool:
    """Wait until it commits something; False where it does not."""
    first = application.report()["committed"]
    for _ in range(300):
        time.sleep(0.1)
        if application.report()["committed"] > first:
            return True
    return False


def stalled(story: Story, when: str, application: Application) -> Report:
    """The longest that a client waited for one statement."""
    seen = application.report()
    story.stalls_ms[when] = seen["longest_ms"]
    story.tell(
        f"during {when} the longest stall that the application saw was {seen['longest_ms']:.0f} ms "
        f"(median {seen['median_ms']:.1f} ms, p99 {seen['p99_ms']:.0f} ms)"
    )
    return seen


def went_on(story: Story, when: str, before: Report, old: Application) -> None:
    """The old application wrote all the while; a client that was cut off did its work once more, and that went."""
    stalled(story, when, old)
    working = works(old)
    seen = old.report()
    number = {name: seen[name] - before[name] for name in ("statements", "reconnects", "refused", "turned_away")}
    story.check(
        f"of {number['statements']:,.0f} statements of the old application around {when} "
        f"{number['refused']:.0f} were refused; {number['reconnects']:.0f} were cut off, and done after one reconnect",
        working and not number["refused"] and not number["turned_away"],
    )


def beside(story: Story, old: Application, new: Application) -> None:
    """Each application reads what the other has written, in its own shape."""
    for kind, words, writer, role, query in (
        ("new", NEW_WORDS, new, OLD_ROLE, "SELECT count(*) FROM conversations WHERE question LIKE '{} %'"),
        ("old", OLD_WORDS, old, "", "SELECT count(*) FROM messages WHERE role = 'user' AND content LIKE '{} %'"),
    ):
        low = writer.report()["committed"]
        found = story.ask(query.format(words), role)[0][0]
        seen = writer.report()
        high = seen["committed"] + seen["uncertain"] + CLIENTS  # each may have written one that it does not know of yet
        reader = "old" if kind == "new" else "new"
        story.check(f"the {reader} application reads {found:,} questions of the {kind} one", low <= found <= high)


def seen_by_old(story: Story, written: Report) -> None:
    """What the new application wrote is in the old shape."""
    kept(story, "new", NEW_WORDS, written, "SELECT count(*) FROM conversations WHERE question LIKE '{} %'")
    story.tell("one conversation of the new application, as the old shape has it:")
    rows = story.ask(
        "SELECT session_id, question, response FROM conversations WHERE session_id = (SELECT session_id FROM "
        f"conversations WHERE question LIKE '{NEW_WORDS} %' ORDER BY created_at LIMIT 1) ORDER BY created_at, question"
    )
    for line in human.table([("session_id", "question", "response"), *rows]):
        click.echo(line)


def kept(story: Story, kind: str, words: str, written: Report, query: str) -> None:
    """Every question that an application committed is there, once."""
    found = story.ask(query.format(words))[0][0]
    low, high = written["committed"], written["committed"] + written["uncertain"]
    cut = f" ({written['uncertain']:.0f} more were cut off in the middle)" if written["uncertain"] else ""
    story.check(
        f"of {low:,.0f} questions that the {kind} application committed{cut}, {found:,} are there", low <= found <= high
    )


def after_finish(story: Story, before: int) -> None:
    """Finish, and the account of rows."""
    from ecluse.engine.status import proved_accounts, unfinished_plan

    begun = unfinished_plan(story.database(), NAME)
    if begun is None:
        raise WrongState("the run of the demonstration is gone")
    story.command("finish", NAME, "--confirm", begun[1].fingerprint)
    story.tell(
        f"the account of rows, as it was proved before the second switch ({before:,} were there in the beginning)"
    )
    head = ("old table", "rows in", "carried", "merged", "quarantined")
    accounts = proved_accounts(story.database(), begun[0])
    rows = [(a.table, *(human.count(n) for n in (a.rows_in, a.carried, a.merged, a.quarantined))) for a in accounts]
    for line in human.table([head, *rows], right=[1, 2, 3, 4]):
        click.echo(line)
    story.check("rows in = carried + merged + quarantined", bool(accounts) and all(a.balanced for a in accounts))
    story.check(
        "nothing of the old shape or of Écluse's own tables is left beside",
        not story.ask("SELECT 1 FROM pg_namespace WHERE nspname LIKE 'ecluse\\_%'"),
    )
