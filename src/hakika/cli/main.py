"""The command line as an index: what each word runs; and where everything that fails ends up.

A command's module is imported when its word is said, so that no command pays for another's imports.
"""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from hakika.cli.failure import EXIT_FAILED, EXIT_MISASKED, CommandFailed
from hakika.domain.errors import (
    HakikaError,
    Invalid,
    NotFound,
    StatementEncrypted,
    StatementOfAnother,
    StatementUnreadable,
    Unavailable,
)

COMMANDS = {
    "dev": ("hakika.cli.dev:dev", "Run everything on this machine, beside a simulated Daraja."),
    "serve": ("hakika.cli.serve:serve", "Run the API and the worker."),
    "api": ("hakika.cli.serve:api", "Run the API alone."),
    "worker": ("hakika.cli.serve:worker", "Run a worker alone."),
    "simulate": ("hakika.cli.simulate:simulate", "Run a simulated Daraja alone."),
    "migrate": ("hakika.cli.migrate:migrate", "Bring the database to this version's schema."),
    "merchants": ("hakika.cli.merchants:app", "Create and list merchants."),
    "keys": ("hakika.cli.keys:app", "Create, list, rotate and revoke API keys."),
    "collections": ("hakika.cli.collections:app", "Stop new live payments, and resume them."),
    "float": ("hakika.cli.floats:floats", "Say what lies at M-Pesa for payouts."),
    "vault": ("hakika.cli.vault:app", "Make and rotate the master key."),
    "requests": ("hakika.cli.requests:requests", "List what was asked of the API lately."),
    "pay": ("hakika.cli.pay:pay", "Ask a phone for money, and wait for the end."),
    "payouts": ("hakika.cli.payouts:app", "Send money out, one payout or a file of them."),
    "refunds": ("hakika.cli.refunds:app", "Give payments back."),
    "statements": ("hakika.cli.statements:app", "Import M-Pesa's statements."),
    "close": ("hakika.cli.close:close", "Close a day, and say what differs."),
    "verify-report": ("hakika.cli.verify_report:verify_report", "Prove a day's report, offline."),
    "export": ("hakika.cli.export:export", "Write payments or the books to a file."),
    "evidence": ("hakika.cli.evidence:evidence", "Write all that proves a payment, as a PDF."),
    "verify": ("hakika.cli.verify:verify", "Check that every shilling is accounted for."),
}

# What is for the program behind `simulate` passes through, its --help too.
_PASSED_THROUGH: dict[str, Any] = {
    "add_help_option": False,
    "context_settings": {"allow_extra_args": True, "ignore_unknown_options": True},
}
_PLAIN: dict[str, Any] = {
    "no_args_is_help": False, "add_completion": False, "pretty_exceptions_enable": False,
}
_DEBUG = "--debug"

# What a person at the command line does next, where the API's own hint speaks to a program.
WAYS_OUT: dict[type[HakikaError], str] = {
    StatementEncrypted: "Say --locked, and it asks for the password of the PDF.",
    StatementOfAnother: "--merchant and --live say whose it is, --shortcode what it does not say.",
    Invalid: "Say it again with another value; --help tells what each word takes.",
    NotFound: "`hakika merchants list` and `hakika keys list` show what there is.",
    Unavailable: "Look whether the database runs, then say it again.",
}


class _Index(TyperGroup):
    """A group that imports a command when it is asked for."""

    def format_help(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """Write the index, without importing what it names."""
        self._fill_with_words()
        super().format_help(ctx, formatter)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        """Return the command that `cmd_name` says, or None."""
        if cmd_name not in COMMANDS:
            self._fill_with_words()  # so that the nearest one is suggested
        elif cmd_name not in self.commands:
            self.commands[cmd_name] = _command(cmd_name)
        return self.commands.get(cmd_name)

    def _fill_with_words(self) -> None:
        for name, (_, sentence) in COMMANDS.items():
            self.commands[name] = TyperCommand(name, help=sentence)


def _command(name: str) -> Any:
    module, _, attribute = COMMANDS[name][0].partition(":")
    found = getattr(import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(**_PLAIN)
        alone.command(name, **(_PASSED_THROUGH if name == "simulate" else {}))(found)
        found = alone
    command = typer.main.get_command(found)
    command.name = name
    return command


app = typer.Typer(cls=_Index, **(_PLAIN | {"no_args_is_help": True}))


@app.callback()
def hakika(
    debug: Annotated[
        bool, typer.Option(_DEBUG, help="Show where in the program an error came from."),
    ] = False,
) -> None:
    """Hakika: M-Pesa payments that a business runs itself. Start with `hakika dev`."""


def run() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 misasked, 3 unpaid, 4 red."""
    try:
        typer.main.get_command(app).main(prog_name="hakika")
    except (CommandFailed, HakikaError) as failure:
        _debug()
        sentence = failure.sentence if isinstance(failure, CommandFailed) else failure.message
        _say(sentence, _way_out(failure))
        sys.exit(_exit_code(failure))
    except Exception as error:
        _debug()
        _say(
            f"Hakika met something it does not know: {type(error).__name__}.",
            f"Say it again with {_DEBUG} to see where: hakika {_DEBUG} {' '.join(sys.argv[1:2])} …",
        )
        sys.exit(EXIT_FAILED)


def _exit_code(failure: CommandFailed | HakikaError) -> int:
    if isinstance(failure, CommandFailed):
        return failure.exit_code
    return EXIT_MISASKED if isinstance(failure, Invalid) else EXIT_FAILED


def _way_out(failure: CommandFailed | HakikaError) -> str:
    """Return a failure's hint, but not one that speaks to any caller of the API."""
    speaks_to_people = isinstance(failure, CommandFailed | StatementUnreadable)
    if "hint" in vars(failure) or (speaks_to_people and type(failure) not in WAYS_OUT):
        return failure.hint
    for kind, hint in WAYS_OUT.items():
        if isinstance(failure, kind):
            return hint
    return failure.hint


def _debug() -> None:
    """Show the traceback of what is being caught, when --debug was said."""
    if _DEBUG in sys.argv[1:]:
        traceback.print_exc()


def _say(sentence: str, hint: str) -> None:
    lines = [f"hakika: {sentence}"] + ([f"  {hint}"] if hint else [])
    sys.stderr.write("\n".join(lines) + "\n")
