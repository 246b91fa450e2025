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

    about = "open lessons and exercises in JupyterLab, in a copy of your own"
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

    about = "make exercises from the instructor's notebooks, or a course folder for nbgrader"
    sub = commands.add_parser(
        "exercises",
        help=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="mixedteach exercises [--check]\n"
        "       mixedteach exercises --course DIR [EXERCISE ...] [--seed N [--students FILE]]\n"
        "                            [--force]",
        description="Make exercises from the instructor's notebooks: the folder 'exercises' of a "
        "clone,\nor, with --course, a folder in which nbgrader assigns, collects and grades them.",
        epilog=_EXERCISES_EPILOG,
    )
    sub.add_argument(
        "exercises", nargs="*", metavar="EXERCISE",
        help="with --course: a number (7), a name or a part of it (beech); by default all",
    )  # fmt: skip
    sub.add_argument(
        "--check", action="store_true",
        help="write nothing; exit with 1 if the folder 'exercises' is not what it should be",
    )  # fmt: skip
    sub.add_argument(
        "--course", metavar="DIR", type=Path, help="the course folder; made if it is not there"
    )
    sub.add_argument(
        "--seed", metavar="N", type=int,
        help="a graded variant: data simulated anew, the same for the same N (keep it secret)",
    )  # fmt: skip
    sub.add_argument(
        "--students", metavar="FILE", type=Path,
        help="other data for each student: a CSV file with a column 'id'",
    )  # fmt: skip
    sub.add_argument(
        "--force", action="store_true", help="replace files of the course folder that differ"
    )
    sub.set_defaults(run=_exercises, sub=sub)

    about = "grade what students handed in, each submission in a box"
    sub = commands.add_parser(
        "grade",
        help=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f"{about.capitalize()}.\nThe scores go to nbgrader's gradebook.",
        epilog=_GRADE_EPILOG,
    )
    sub.add_argument(
        "assignment", metavar="ASSIGNMENT",
        help="its name, its number (7) or a part of its name (beech)",
    )  # fmt: skip
    sub.add_argument(
        "--course", metavar="DIR", type=Path, default=Path(),
        help="the course folder (default: the current folder)",
    )  # fmt: skip
    sub.add_argument(
        "--student", metavar="ID", nargs="+", action="extend", default=[],
        help="these students only",
    )  # fmt: skip
    sub.add_argument(
        "--seconds", metavar="S", type=float, default=120,
        help="how long a submission may run (default: 120)",
    )  # fmt: skip
    sub.add_argument(
        "--no-box", action="store_true",
        help="run submissions as yourself, with your files and your network: only if you trust "
        "every one of them",
    )  # fmt: skip
    sub.set_defaults(run=_grade, sub=sub)

    about = "show and export the marks as they are now, points given by hand included"
    sub = commands.add_parser(
        "marks",
        help=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f"{about.capitalize()}.\nNothing is run again.",
        epilog=_MARKS_EPILOG,
    )
    sub.add_argument(
        "assignments", nargs="*", metavar="ASSIGNMENT",
        help="its name, its number (7) or a part of its name (beech); by default all",
    )  # fmt: skip
    sub.add_argument(
        "--course", metavar="DIR", type=Path, default=Path(),
        help="the course folder (default: the current folder)",
    )  # fmt: skip
    sub.add_argument(
        "--out", metavar="FILE", type=Path,
        help="the table of marks (default: marks.csv in the course folder)",
    )  # fmt: skip
    sub.set_defaults(run=_marks, sub=sub)
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


_EXERCISES_EPILOG = """\
examples:
  mixedteach exercises                             in a clone: the folder 'exercises'
  mixedteach exercises --course stat               all, with the public data
  mixedteach exercises --course stat 7 --seed 2718 one, with data of your class
  mixedteach exercises --course stat 7 --seed 2718 --students students.csv

The course folder gets
  nbgrader_config.py             nbgrader's configuration; yours to change
  source/ASSIGNMENT/             the notebook with solutions, and the data if simulated
  answer_keys/ASSIGNMENT.json    right answers and known mistakes, for 'mixedteach grade'
and, with --students, handout/ID/ASSIGNMENT/ with what to give to each student.

Then, in that folder:
  nbgrader generate_assignment ASSIGNMENT    what students get, in release/ASSIGNMENT
  (students work, and submitted/ID/ASSIGNMENT/ASSIGNMENT.ipynb is what they hand in)
  mixedteach grade ASSIGNMENT                the scores
  (grade sentences by hand in nbgrader's formgrader)
  mixedteach marks                           all points and totals, in marks.csv
  nbgrader generate_feedback ASSIGNMENT      a page for each student, in feedback/ID
"""

_GRADE_EPILOG = """\
Read are submitted/ID/ASSIGNMENT/ in the course folder, where nbgrader collects them,
and the key in answer_keys. Written are nbgrader's gradebook, autograded/ID/ASSIGNMENT
(from which 'nbgrader generate_feedback' makes the page for the student), and for you
reports/ASSIGNMENT.csv and reports/ASSIGNMENT/ID.txt.

Sentences wait for a person ('?' in the table): use nbgrader's formgrader. Points that
a person gave ('*') are kept when you grade again. Then 'mixedteach marks' shows and
writes all points and totals, and 'nbgrader generate_feedback ASSIGNMENT --force'
renews the feedback.

The exit code is 0 if all were graded and 1 if a submission could not be read.
"""


_MARKS_EPILOG = """\
In the table, '*' are points that a person gave and '?' waits for a person (0 points
until then); the total has the penalty for late work taken off.

Written are marks.csv (a row for each student, a column for each assignment: what
learning platforms read), reports/ASSIGNMENT.csv (points of each question) and
reports/ASSIGNMENT/ID.txt. Penalties are computed anew from the points as they are,
and from extensions.csv (columns: id, assignment, and hours or until).
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


def _exercises(args: argparse.Namespace) -> int:
    if args.course is None:
        for given, word in ((args.exercises, "EXERCISE"), (args.seed is not None, "--seed"),
                            (args.students, "--students"), (args.force, "--force")):  # fmt: skip
            if given:
                args.sub.error(f"{word} goes with --course DIR only")
        return _all_exercises(args.check)
    if args.check:
        args.sub.error("--check is for the folder 'exercises'; leave out --course")
    if args.seed is not None and args.seed < 0:
        args.sub.error("--seed takes a whole number of at least 0")
    from mixedteach.grading import course

    students = course.read_roster(args.students) if args.students else []
    done = course.fill(args.course, args.exercises, args.seed, students, args.force)
    for path in done.written:
        print(f"written: {path}")
    if done.same:
        print("1 file was there already." if done.same == 1 else
              f"{done.same} files were there already.")  # fmt: skip
    if done.kept_config:
        print(f"{course.CONFIG} is not ours any more: kept as it is.")
    return 0


def _all_exercises(check: bool) -> int:
    from mixedteach.grading import generate

    changed, orphans = generate.changed(), generate.orphans()
    for path, content in changed.items():
        if not check:
            generate.write(content, path)
        print(f"{'differs' if check else 'written'}: {path}")
    for path in orphans:
        print(f"belongs to no solution: {path}")
    if not changed and not orphans:
        print("All exercises are what the solutions give.")
    return DIFFERS if orphans or (check and changed) else 0


def _grade(args: argparse.Namespace) -> int:
    if not 1 <= args.seconds <= 86_400:
        args.sub.error("--seconds takes a number from 1 to 86400")
    from mixedteach.grading import box, grade

    limits = box.Limits(seconds=args.seconds, cell_seconds=min(40, args.seconds))
    grading = grade.Grading(args.course, args.assignment, limits, boxed=not args.no_box)
    if args.no_box:
        print("Warning: without a box, submissions run as you, with your files and network.")
    students = grading.students(args.student)
    print("\n".join(grading.table()), flush=True)
    results = grading.run(
        students, each=lambda result: print("\n".join(grading.row(result)), flush=True)
    )
    unread = sum(not result.readable for result in results)
    count = "1 submission" if len(results) == 1 else f"{len(results)} submissions"
    print(f"\n{count}, of which {unread} could not be read" if unread else f"\n{count} graded")
    if missing := grading.missing():
        print(f"handed in nothing: {', '.join(missing)}")
    if any(grading.reports.waiting(result.standing) for result in results):
        print("? is for a person to grade (nbgrader's formgrader); then: mixedteach marks")
    print(f"Feedback: nbgrader generate_feedback {grading.assignment} --force")
    return DIFFERS if unread else 0


def _marks(args: argparse.Namespace) -> int:
    from mixedteach.grading import grade

    for line in grade.marks(args.course, args.assignments, args.out):
        print(line)
    return 0


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
