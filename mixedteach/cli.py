"""The command ``mixedteach``.

Each subcommand is a function ``args -> exit code`` and an entry in :func:`parser`. What they need
is imported when they run, so that ``mixedteach --version`` answers at once. The output is plain
ASCII: a Windows console need not be able to print more.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mixedteach import __version__

DIFFERS = 1
MISUSED = 2
PIPE_CLOSED = 141  # what a shell reports for a program that nobody listens to any more


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(
        prog="mixedteach",
        description="A course on linear mixed models.",
        epilog="'mixedteach COMMAND --help' says more about a command.",
    )
    top.add_argument("--version", action="version", version=f"mixedteach {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", title="commands")

    about = "recompute the numbers printed in the lecture and compare"
    sub = commands.add_parser(
        "reproduce",
        help=about,
        description=f"{about.capitalize()}. Each group of numbers is headed by the lines of Python "
        "that were run. The exit code is 0 if all numbers agree and 1 if one differs.",
    )
    sub.add_argument(
        "--section",
        metavar="NAME",
        help="one section only: 'paired t-test', 'blocked ANOVA', 'mixed model' or "
        "'missing values' (the beginning of the name is enough)",
    )
    how = sub.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print JSON, for other programs")
    how.add_argument(
        "--quiet", action="store_true", help="print only what differs, and the summary line"
    )
    sub.add_argument(
        "--numbers",
        metavar="FILE",
        type=Path,
        help="compare with the numbers of this file, in the form of course/slide_numbers.json",
    )
    sub.set_defaults(run=_reproduce)
    return top


def _reproduce(args: argparse.Namespace) -> int:
    from mixedteach import reproduce

    groups = reproduce.reproduce(args.section, args.numbers)
    print(reproduce.to_json(groups) if args.json else reproduce.report(groups, args.quiet))
    return 0 if all(c.agrees for group in groups for c in group.comparisons) else DIFFERS


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after ``mixedteach``; by default those of the command line.

    Returns
    -------
    int
        0: all is well; 1: the answer is no (a number differs); 2: the command was misused.
    """
    for stream in (sys.stdout, sys.stderr):
        # A path with accents in a message must not end in an encoding error.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    top = parser()
    args = top.parse_args(argv)
    if args.command is None:
        top.print_help()
        return 0
    from mixedteach.errors import MixedTeachError

    try:
        code = args.run(args)
        sys.stdout.flush()
    except MixedTeachError as error:
        print(f"mixedteach: {error}", file=sys.stderr)
        return MISUSED
    except BrokenPipeError:
        # The reader (`| head`, a pager) has seen enough: leave without a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    return code


if __name__ == "__main__":
    sys.exit(main())
