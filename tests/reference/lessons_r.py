"""Run the R code that the lessons show, and store code and output in ``lessons_r.json``.

    python tests/reference/lessons_r.py

Needs R with lme4, nlme, lmerTest, pbkrtest and emmeans (Debian: ``r-cran-*``). Each block runs by
itself, in ``datasets/``. Blocks whose output is not what the lesson shows are listed; the tests
compare the lessons with the file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from notebooks import LESSONS, ROOT, blocks, tidy


def run(code: str) -> str:
    """Return what R prints."""
    done = subprocess.run(
        ["Rscript", "-"], input=code, cwd=ROOT / "datasets", capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{code}\n\n{done.stderr}")
    return tidy(done.stdout)


def main() -> int:
    """Run all blocks."""
    record, differs = {}, 0
    for path in LESSONS:
        record[path.stem] = []
        for block in blocks(path, "r"):
            output = run(block.code)
            record[path.stem].append({"code": block.code, "output": output})
            if output != block.output:
                differs += 1
                print(f"--- {path.stem}", block.code, "--- prints", output, sep="\n")
                print("--- shown", block.output, sep="\n")
    target = Path(__file__).with_suffix(".json")
    target.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{sum(map(len, record.values()))} blocks, {differs} not shown as R prints them")
    return 1 if differs else 0


if __name__ == "__main__":
    sys.exit(main())
