"""The console script: the root command, and the border where errors become exit statuses."""

from __future__ import annotations

import keyword
import signal
import sys
import traceback
from collections.abc import Sequence

import click

from ecluse import __version__
from ecluse.cli.invocation import Invocation, unheard
from ecluse.cli.options import LazyGroup
from ecluse.cli.render.human import error as error_lines
from ecluse.cli.render.json import line
from ecluse.errors import EcluseError, Interrupted, OurBug, WrongUsage

# In the order of the work. Each names its module in commands/, and the command in it.
COMMANDS = {
    name: f"{name}_" if keyword.iskeyword(name) else name
    for name in (
        "init",
        "doctor",
        "inspect",
        "compare",
        "backup",
        "backups",
        "restore",
        "plan",
        "explain",
        "export",
        "rehearse",
        "apply",
        "status",
        "verify",
        "report",
        "switch",
        "rollback",
        "retire",
        "finish",
        "quarantine",
        "supabase",
        "identity",
        "import",
        "demo",
        "operations",
        "recipes",
        "errors",
        "config",
        "completion",
    )
}


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        click.echo(f"ecluse {__version__}")
        context.exit()


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status: 0 done · 1 refused or failed · 2 wrong usage · 3 checked, and the answer is no · "
    "4 stopped half way · 70 our bug · 130 interrupted, safely.",
)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_print_version, help="The version."
)
def cli() -> None:
    """Move a live PostgreSQL application to a new data architecture, prove it, and be able to take it back."""


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line; returns the exit status. Everything that was raised is told here."""
    invocation = Invocation(json="--json" in arguments, verbose="--verbose" in arguments)
    stdout = sys.stdout
    try:
        result = cli.main(list(arguments), prog_name="ecluse", standalone_mode=False, obj=invocation)
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as shown:
        click.echo(shown.format_message(), err=True)
        return 2
    except SystemExit:
        # What click makes of a reader that has seen enough (`ecluse explain | head`); to us that is no failure.
        if sys.stdout is stdout:
            raise
        unheard(sys.stdout)
        return 0
    except (KeyboardInterrupt, click.Abort):
        return _tell(invocation, Interrupted("interrupted", state="nothing was changed by this command"))
    except Exception as error:  # noqa: BLE001 - the outermost border: whatever comes here must become an exit status
        return _tell(invocation, _known(error), error)


def _known(error: Exception) -> EcluseError:
    """The error of ours that stands for it; whatever nobody foresaw is our bug."""
    if isinstance(error, EcluseError):
        return error
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "ecluse"
        return WrongUsage(error.format_message().rstrip("."), hint=f"{command} --help")
    if isinstance(error, click.ClickException):
        return WrongUsage(error.format_message())
    if "psycopg" in sys.modules:
        import psycopg

        from ecluse.postgres.failures import translate

        if isinstance(error, psycopg.Error):
            return translate(error, "`ecluse status` tells what the database is now")
    return OurBug(
        f"something went wrong in Écluse {__version__} that should not be possible ({type(error).__name__})",
        hint="please report it, with what you ran; --verbose shows where it happened",
        state="`ecluse status` tells what the database is now",
    )


def _tell(invocation: Invocation, error: EcluseError, cause: Exception | None = None) -> int:
    if invocation.verbose and isinstance(error, OurBug) and cause is not None:
        traceback.print_exception(cause)
    if invocation.json:
        click.echo(line(error.as_dict()), err=True)
    else:
        for text in error_lines(error.as_dict()):
            click.echo(text, err=True, color=invocation.color)
    # 4 says that something stands half way; some errors of the database know that nothing does.
    return 1 if error.exit_status == 4 and error.state == "nothing was changed" else error.exit_status


def main() -> None:
    """The command `ecluse`."""
    # Being told to end is like Ctrl-C: servers that we started are let go, applications that we started are ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    status = run(sys.argv[1:])
    # All is said and done: a signal while the interpreter winds up must not take the exit status away.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(status)
