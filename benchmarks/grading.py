"""How long grading takes: ``python benchmarks/grading.py [students]``.

Exercise 7 (the planks) is handed in by students who have all of it right, and by as many who have
opened it only. Both graders are timed from the start of the command to its end.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from course_folder import answered, hand_in, nbgrader, read, solved

from mixedteach.grading import course

NAME = "07_beech_planks"


def main() -> None:
    """Print seconds per submission."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with TemporaryDirectory() as place:
        for kind in ("solved", "untouched"):
            folder = Path(place, kind)
            course.fill(folder, ["7"], seed=1)
            nbgrader(folder, "generate_assignment", NAME)
            release = folder / "release" / NAME / f"{NAME}.ipynb"
            answers = solved(read(folder / "source" / NAME / f"{NAME}.ipynb"))
            for number in range(count):
                notebook = read(release)
                done = answered(notebook, answers) if kind == "solved" else notebook
                hand_in(done, folder, f"s{number}", NAME)
            for words in (
                ["mixedteach", "grade", "7"],
                ["nbgrader", "generate_feedback", NAME],
                ["nbgrader", "autograde", NAME, "--force"],
            ):
                begin = time.perf_counter()
                subprocess.run(
                    [sys.executable, "-m", *words], cwd=folder, check=True, capture_output=True
                )
                seconds = time.perf_counter() - begin
                print(f"{kind:10} {' '.join(words):45} {seconds / count:6.1f} s per submission")


if __name__ == "__main__":
    main()
