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
    sub.set_defaults(run=_reproduce, sub=sub)

    about = "make slides of the lessons, which need no network"
    sub = commands.add_parser(
        "slides",
        help=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f"{about.capitalize()}: a folder with one page for each lesson,\n"
        "to be opened in a browser (double-click index.html). It can be copied as a whole.",
        epilog=_SLIDES_EPILOG,
    )
    sub.add_argument(
        "lessons", nargs="*", metavar="LESSON",
        help="a number (3), a name or a part of it (beech), or a notebook of your own "
        "(path/to/notebook.ipynb); by default all lessons",
    )  # fmt: skip
    sub.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("slides"),
        help="the folder (default: slides, in the current folder)",
    )  # fmt: skip
    sub.add_argument("--open", action="store_true", help="open the slides in the browser")
    sub.set_defaults(run=_slides, sub=sub)

    about = "open the lessons in JupyterLab, in a copy of your own"
    sub = commands.add_parser(
        "lab",
        help=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="mixedteach lab [--dir DIR] [--fresh] [--no-browser] [--copy-only] [-- ...]",
        description=f"{about[0].upper()}{about[1:]}. Press Ctrl-C here to stop it.",
        epilog=_LAB_EPILOG,
    )
    sub.add_argument(
        "--dir", metavar="DIR", type=Path,
        help="where your copy is kept (default: the folder mixedteach-course in your home)",
    )  # fmt: skip
    sub.add_argument(
        "--fresh", action="store_true",
        help="make a new, complete copy in a new folder (mixedteach-course-2, say)",
    )  # fmt: skip
    sub.add_argument(
        "--no-browser", action="store_true",
        help="do not open a browser; open the address that is printed yourself",
    )  # fmt: skip
    sub.add_argument(
        "--copy-only", action="store_true", help="make or update the copy, and stop there"
    )
    sub.set_defaults(run=_lab, sub=sub)
    return top


_SLIDES_EPILOG = """\
examples:
  mixedteach slides                  all lessons, to the folder 'slides'
  mixedteach slides 3 beech --open   two lessons, shown in the browser
  mixedteach slides my.ipynb --out talk

Lessons come from the folder 'lessons' of the current folder if there is one (your
own copy, perhaps changed), else from mixedteach; the command says which. A notebook
is not run: the slides show the results that it holds.

Which cell goes where is its slide type, set in JupyterLab (right sidebar, Property
Inspector): 'slide' begins a slide, '-' continues it, 'fragment' appears on a key
press, 'skip' is not shown, 'notes' is for the speaker. Skipped text, too, becomes
notes, seen in the speaker's view (key S). Where no cell has a type, headings begin
slides.

For paper or PDF, write ?print-pdf after .html in the browser's address, then print:
  .../slides/03_random_tablets.slides.html?print-pdf
"""

_LAB_EPILOG = """\
Your copy is yours. When a newer version of mixedteach brings other lessons,
  - files you have not changed are replaced by the new ones. A notebook that you
    have only run counts as not changed: run it again to see its results;
  - files you have changed stay as they are, and the new one is put beside yours,
    as in '03_random_tablets (new).ipynb';
  - files you have deleted stay away. --fresh gets you everything again, in a new
    folder.

What follows two dashes is handed to JupyterLab: mixedteach lab -- --port 9000
"""


def _reproduce(args: argparse.Namespace) -> int:
    from mixedteach import reproduce

    groups = reproduce.reproduce(args.section, args.numbers)
    print(reproduce.to_json(groups) if args.json else reproduce.report(groups, args.quiet))
    return 0 if all(c.agrees for group in groups for c in group.comparisons) else DIFFERS


def _slides(args: argparse.Namespace) -> int:
    from mixedteach import slides

    notebooks = slides.chosen(args.lessons)
    index = slides.make(notebooks, args.out)
    folders = dict.fromkeys(path.parent for path in notebooks)
    packaged = {path.parent for path in slides.lessons()}
    own = {path.parent for path in slides.own_lessons()}
    for folder in folders:
        installed = folder in packaged - own
        print(f"{'Lessons of mixedteach itself' if installed else 'Notebooks'} from {folder}")
    if not packaged.isdisjoint(set(folders) - own):
        print("(For your own copy, run this in the folder that holds its folder 'lessons'.)")
    decks = "1 deck" if len(notebooks) == 1 else f"{len(notebooks)} decks"
    for path in notebooks:
        count = slides.not_run(path)
        if count:
            cells = "1 code cell has" if count == 1 else f"{count} code cells have"
            print(f"Warning: {path.name}: {cells} no output; run the notebook first.")
    print(f"{decks} made. Open this file in a browser: {index}")
    if args.open:
        import webbrowser

        if not webbrowser.open(index.as_uri()):
            print("No browser was found on this machine.")
    return 0


def _lab(args: argparse.Namespace) -> int:
    from mixedteach import lab

    folder = args.dir or lab.default_folder()
    if args.fresh:
        folder = lab.fresh_folder(folder)
    done = lab.copy(folder)
    print("\n".join(done.report()), flush=True)
    if args.fresh:
        print(f'To open this copy again: mixedteach lab --dir "{done.folder}"', flush=True)
    if args.copy_only:
        return 0
    print("JupyterLab is starting; press Ctrl-C here to stop it.", flush=True)
    return lab.start(done.folder, browser=not args.no_browser, extra=args.extra)


def _refuse(top: argparse.ArgumentParser, args: argparse.Namespace, unknown: list[str]) -> None:
    """Leave, with a sentence on words that mean nothing here."""
    words = " ".join(unknown)
    if args.command == "lab":
        args.sub.error(
            f"it does not know: {words}\n"
            "It opens all lessons; choose one there. Words for JupyterLab itself follow two "
            f"dashes: mixedteach lab -- {words if words.startswith('-') else '--port 9000'}"
        )
    parser = args.sub if args.command else top
    parser.error(f"it does not know: {words}\n'{parser.prog} --help' says what it takes.")


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
    words = list(sys.argv[1:] if argv is None else argv)
    # split here: versions of argparse differ in what they make of two dashes in a subcommand
    cut = words.index("--") if "--" in words else len(words)
    args, unknown = top.parse_known_args(words[:cut])
    if unknown:
        _refuse(top, args, unknown)
    args.extra = words[cut + 1 :]
    if args.extra and args.command != "lab":
        top.error("only 'mixedteach lab' takes words after two dashes")
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
