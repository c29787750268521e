"""The command line: knows every command by name and loads only the one that was asked for."""

from __future__ import annotations

import atexit
import errno
import gc
import importlib
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import typer

from rocketaudit import __version__
from rocketaudit.cli.exit_code import ExitCode
from rocketaudit.errors import RocketauditError, UsageError
from rocketaudit.model.records import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """Where a command lives: `attribute` of `module` is a function, or a Typer application with subcommands."""

    name: str
    module: str
    attribute: str
    help: str
    panel: str
    is_group: bool = False


INTERRUPTED = 130  # as shells say it: 128 + SIGINT
UNHEARD = 141  # 128 + SIGPIPE: whoever read our output left before the end, so there is no verdict
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}

AUDIT = "Audit"
LOOK = "Look inside"
TRUST = "Trust"
RULES = "Rules and reports"

COMMANDS: tuple[Command, ...] = (
    Command("scan", "scan", "scan", "Audit an image or a folder.", AUDIT),
    Command("node", "node", "node", "Audit the running node from where you are on it.", AUDIT),
    Command("watch", "watch", "watch", "Audit this node again and again; keep the last reports.", AUDIT),
    Command("demo", "demo", "demo", "Audit the embedded demo image.", AUDIT),
    Command("collect", "collect", "collect", "Only look: write the evidence of a target.", AUDIT),
    Command("judge", "judge", "judge", "Judge evidence from an earlier look.", AUDIT),
    Command("drift", "drift", "drift", "What changed between two sides, and whether it may.", AUDIT),
    Command("advisories", "advisories", "advisories", "Packages behind a fixed version, offline.", AUDIT),
    Command("history", "history", "history", "What a store knows of a target over time.", AUDIT),
    Command("elf", "elf", "elf", "Language, hardening and contents of binaries.", LOOK),
    Command("sbom", "sbom", "sbom", "Bill of materials in CycloneDX; compare two.", LOOK),
    Command("inspect", "inspect", "inspect", "What an image holds.", LOOK),
    Command("ls", "ls", "ls", "List files in an image.", LOOK),
    Command("cat", "cat", "cat", "Print a file of an image.", LOOK),
    Command("verity", "verity", "verity", "Recompute dm-verity trees; list bad blocks.", TRUST),
    Command("manifest", "manifest", "manifest_app", "Make, sign and check a signed manifest.", TRUST, is_group=True),
    Command("baseline", "baseline", "baseline_app", "Make, sign and check baselines.", TRUST, is_group=True),
    Command("banks", "banks", "banks", "The A/B banks: what boots, what rolls back.", TRUST),
    Command("rules", "rules", "rules_app", "List, show, check and test the rules.", RULES, is_group=True),
    Command("policy", "policy", "policy_app", "Check a policy file.", RULES, is_group=True),
    Command("report", "report", "report", "Render a JSON report again, sign it, verify its signature.", RULES),
    Command(
        "compare-apiclient",
        "compare_apiclient",
        "compare_apiclient",
        "Explain where `apiclient report` differs.",
        RULES,
    ),
)


def build_app(argv: list[str]) -> typer.Typer:
    """The application; commands that `argv` does not ask for are listed but not loaded."""
    app = typer.Typer(
        name="rocketaudit",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        help="Security compliance and drift audit of Bottlerocket images and nodes. Reads only; needs no root.",
        epilog="Exit codes: 0 meets the policy, 1 does not, 2 wrong usage, 3 not everything could be read, "
        "4 internal error.",
    )
    app.callback()(_global_options)
    asked = next((word for word in argv if not word.startswith("-")), None)
    completing = any(name.startswith("_ROCKETAUDIT") for name in os.environ)
    for command in COMMANDS:
        if command.name == asked or completing:
            _add_loaded(app, command)
        else:
            _add_listed(app, command)
    return app


def _add_loaded(app: typer.Typer, command: Command) -> None:
    loaded = getattr(importlib.import_module(f"rocketaudit.cli.{command.module}"), command.attribute)
    if command.is_group:
        app.add_typer(loaded, name=command.name, help=command.help, rich_help_panel=command.panel)
    else:
        app.command(command.name, help=_help_of(loaded, command), rich_help_panel=command.panel)(loaded)


def _help_of(function: Callable[..., Any], command: Command) -> str:
    return function.__doc__ or command.help


def _add_listed(app: typer.Typer, command: Command) -> None:
    def listed() -> None:
        """Stands for a command that was not asked for."""

    app.command(command.name, help=command.help, rich_help_panel=command.panel)(listed)


def _print_version(value: bool) -> None:
    if value:
        print(f"rocketaudit {__version__}")  # noqa: T201
        raise typer.Exit


def _global_options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    del version


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code of `cli/exit_code.py` and prints errors to standard error."""
    # a scan keeps nearly all it makes: looking for cycles among them takes a tenth of its time
    gc.set_threshold(500_000, 20, 20)
    words = sys.argv[1:] if argv is None else argv
    try:
        code = build_app(words)(args=words, prog_name="rocketaudit", standalone_mode=False)
    except UsageError as error:
        return _complain(error, ExitCode.USAGE)
    except RocketauditError as error:
        return _complain(error, ExitCode.UNREAD)
    except typer.Exit as leave:
        return leave.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        return _unheard()
    except SystemExit as leave:
        if isinstance(leave.__context__, BrokenPipeError):  # typer leaves by itself
            return _unheard()
        raise
    except OSError as error:
        if error.errno not in _NO_ROOM or error.filename is not None:
            return _unexpected(error)
        _drop_output()  # what is still held back fails no second time at the end
        return _complain(RocketauditError(f"output cannot be written: {error.strerror}"), ExitCode.UNREAD)
    except Exception as error:  # noqa: BLE001 - the last one to know
        return _unexpected(error)
    return int(code) if isinstance(code, int) else ExitCode.MEETS_POLICY


def _unheard() -> int:
    _drop_output()
    return UNHEARD


def _drop_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _unexpected(error: Exception) -> int:
    show = getattr(error, "show", None)
    if callable(show) and hasattr(error, "exit_code"):  # the command line could not be parsed
        show(file=sys.stderr)
        return ExitCode.USAGE
    import traceback  # only a bug needs it

    traceback.print_exception(error, file=sys.stderr)
    print("rocketaudit: internal error: this is a defect, please report it", file=sys.stderr)  # noqa: T201
    return ExitCode.INTERNAL


def _complain(error: RocketauditError, code: ExitCode) -> int:
    from rocketaudit.report.escape import terminal

    print(f"rocketaudit: {terminal(error.message)}", file=sys.stderr)  # noqa: T201
    if error.hint:
        print(f"  hint: {terminal(error.hint)}", file=sys.stderr)  # noqa: T201
    return code


def run() -> NoReturn:
    """Run one command and end the process without taking apart what it holds: after a scan that takes 0.1 s."""
    code = main()
    try:
        atexit._run_exitfuncs()  # noqa: SLF001 - what others asked for at the end
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except BrokenPipeError:  # whoever read our output has seen enough
        pass
    except OSError as error:  # what was said is lost: never a pass
        code = _complain(RocketauditError(f"output cannot be written: {error.strerror}"), ExitCode.UNREAD)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os._exit(code)


if __name__ == "__main__":
    run()
