"""Measure mixedteach and its peers side by side: `python benchmarks/run.py --help`.

Every program runs in a process of its own, on one thread, and all take turns in rounds, so that
whatever else the machine does hits all alike. README.md in this folder says how to read the tables.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
from models import model

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
THREADS = ("OMP", "OPENBLAS", "MKL", "RAYON")
ENVIRONMENT = os.environ | {f"{name}_NUM_THREADS": "1" for name in THREADS}
ENVIRONMENT |= {"POLARS_MAX_THREADS": "1", "PYTHONPATH": str(ROOT)}

OURS, R = "mixedteach", "lme4"
PEERS = ("glmm", "lme_python", "mixedlm", "statsmodels")
ALL = (OURS, *PEERS, R)
DATA = ("tablets", "planks", "sleepstudy")
TASKS = [(task, name) for name in DATA for task in ("cold", "pandas", "table", "warm")]
TASKS += [("kr", "planks"), ("refit", "tablets"), ("refit", "planks")]
SIZES = ("nested_1000", "nested_10000", "nested_100000")
CROSSED = ("crossed_50", "crossed_500", "crossed_5000")
LARGE = ("insteval_73421", "ratings_500", "ratings_2000")  # crossed, many levels in both
BIG = ("nested_1000000",)
MANY = 10_000  # responses that are fitted in one call; R reads fewer
FOR_R = 400
UNBALANCED, LOST = "planks_lost", [3, 17, 40, 77, 121]  # the planks without these rows
IMPORTS = {
    "import pandas": "import pandas",
    "import mixedteach": "import mixedteach",
    "... and lmer ready": "import mixedteach; mixedteach.lmer",
    "import statsmodels.api": "import statsmodels.api",
    "import mixedlm, lmer ready": "import mixedlm; mixedlm.lmer",
    "import lme_python": "import lme_python",
    "import glmm": "import glmm",
}
START, END = "<!-- benchmarks:start -->", "<!-- benchmarks:end -->"


# -- data --------------------------------------------------------------------------------------


def write_data(folder: Path, replicates: int, sizes: Iterable[str]) -> None:
    """Write every table, and simulated responses (a row each), for all programs to read."""
    sys.path.insert(0, str(ROOT))
    import mixedteach as mt

    for name in DATA:
        data = getattr(mt, f"load_{name}")()
        data.to_csv(folder / f"{name}.csv", index=False)
        count = max(replicates, MANY) if name == "planks" else replicates
        draws = mt.lmer(model(name).formula, data).simulate(count, seed=2026)
        write_responses(folder, name, draws.to_numpy().T)
        if name == "planks":
            kept = np.setdiff1d(np.arange(len(data)), LOST)
            data.iloc[kept].to_csv(folder / f"{UNBALANCED}.csv", index=False)
            write_responses(folder, UNBALANCED, draws.to_numpy()[kept].T)
    tables = {"nested": nested, "crossed": crossed, "ratings": ratings}
    for name in sizes:
        kind, size = name.split("_")
        if kind == "insteval":
            export_insteval(folder / f"{name}.csv")
        else:
            tables[kind](int(size)).to_csv(folder / f"{name}.csv", index=False)


def write_responses(folder: Path, name: str, Y: np.ndarray) -> None:
    """Write simulated responses, a row each, for Python, and the first of them for R."""
    np.save(folder / f"{name}_responses.npy", Y)
    np.savetxt(folder / f"{name}_responses.csv", Y[:FOR_R], delimiter=",")


def nested(n: int) -> pd.DataFrame:
    """Return n rows: n/100 groups of 10 subgroups of 10 rows."""
    rng, i = np.random.default_rng(n), np.arange(n)
    a, b, x = i // 100, i // 10 % 10, rng.normal(size=n)
    y = 1 + x + rng.normal(size=n // 100)[a] + rng.normal(size=n // 10)[i // 10]
    return pd.DataFrame({"y": y + rng.normal(size=n), "x": x, "a": a, "b": b})


def crossed(subjects: int, items: int = 40) -> pd.DataFrame:
    """Return one row for every subject and item."""
    rng, n = np.random.default_rng(subjects), subjects * items
    subject, item, x = np.arange(n) // items, np.arange(n) % items, rng.normal(size=n)
    y = 1 + x + rng.normal(size=subjects)[subject] + rng.normal(size=items)[item]
    return pd.DataFrame({"y": y + rng.normal(size=n), "x": x, "subject": subject, "item": item})


def ratings(rated: int, each: int = 40) -> pd.DataFrame:
    """Return about 40 ratings for each of those rated, by four times as many raters, at random."""
    rng, n = np.random.default_rng(rated), rated * each
    rater, x = rng.integers(0, 4 * rated, n), rng.normal(size=n)
    popular = rng.dirichlet(np.full(rated, 2.0))
    whom = np.concatenate([np.arange(rated), rng.choice(rated, n - rated, p=popular)])
    y = 1 + x + 0.6 * rng.normal(size=4 * rated)[rater] + 0.4 * rng.normal(size=rated)[whom]
    return pd.DataFrame({"y": y + rng.normal(size=n), "x": x, "rater": rater, "rated": whom})


def export_insteval(path: Path) -> bool:
    """Let R write lme4's InstEval (73,421 ratings of lecturers by students), if R is there."""
    code = "write.csv(lme4::InstEval, commandArgs(TRUE)[1], row.names = FALSE)"
    try:
        done = subprocess.run(["Rscript", "--vanilla", "-e", code, str(path)], capture_output=True)
    except FileNotFoundError:
        return False
    return done.returncode == 0


def n_rows(name: str) -> int:
    """Return the number of rows of a table such as 'crossed_500'."""
    kind, size = name.split("_")
    return int(size) * (40 if kind in ("crossed", "ratings") else 1)


# -- asking the programs -----------------------------------------------------------------------


def command(program: str, folder: Path, python: str) -> list[str]:
    if program == R:
        return ["Rscript", "--vanilla", str(HERE / "worker.R"), str(folder)]
    interpreter = sys.executable if program == OURS else python
    return [interpreter, str(HERE / "worker.py"), program, str(folder)]


class Peer:
    """A program that waits for requests."""

    def __init__(self, program: str, folder: Path, python: str) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command(program, folder, python), stdin=pipe, stdout=pipe, text=True, bufsize=1,
            env=ENVIRONMENT,
        )  # fmt: skip

    def ask(self, task: str, name: str, repeats: int) -> str:
        try:
            self.process.stdin.write(f"{task} {name} {repeats}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return "absent"
        return self.process.stdout.readline().strip() or "absent"

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()


class Result:
    """What one program said to one task: a value, the peak memory, and times of all rounds."""

    def __init__(self) -> None:
        self.value = self.memory = np.nan
        self.numbers: list[float] = []
        self.note = ""
        self.found = np.empty(0)

    def add(self, reply: str) -> None:
        try:
            self.value, memory, *numbers = map(float, reply.split())
        except ValueError:  # 'none', or nothing in time
            return
        self.memory = max(memory, self.memory) if self.memory == self.memory else memory
        self.numbers += numbers

    def __bool__(self) -> bool:
        return bool(self.numbers)

    @property
    def ms(self) -> float:
        return 1000 * median(self.numbers)

    @property
    def least(self) -> float:
        return 1000 * min(self.numbers)


Results = dict[tuple[str, str, str], Result]


def start(folder: Path, python: str) -> tuple[dict[str, Peer], dict[str, str]]:
    """Start every program that is there; return them and their versions."""
    peers, versions = {}, {}
    for program in ALL:
        try:
            peer = Peer(program, folder, python)
        except FileNotFoundError:  # no Rscript
            continue
        reply = peer.ask("version", "tablets", 1)
        if reply in ("absent", "none"):
            peer.close()
        else:
            peers[program], versions[program] = peer, reply
    return peers, versions


def measure(peers: dict[str, Peer], rounds: int, replicates: int, slow: int, many: int) -> Results:
    results: Results = defaultdict(Result)
    for number in range(rounds + 1):
        print(f"round {number} of {rounds}", file=sys.stderr)
        for task, name in TASKS:
            for program, peer in peers.items():
                reply = peer.ask(task, name, 10)
                if number:  # round 0 warms up
                    results[task, name, program].add(reply)
    for _ in range(min(rounds, 3)):
        for task, name in MANY_LABELS:
            for program, peer in peers.items():
                print(f"{task}, {name}: {program}", file=sys.stderr)
                reply = peer.ask(task, name, many).split()
                if len(reply) > 2:  # the rate stands first, what was found last
                    result = results[task, name, program]
                    result.numbers.append(float(reply[0]))
                    result.found = np.array(reply[2:], float)
    for program, peer in peers.items():
        print(f"optimum: {program}", file=sys.stderr)
        count = min(replicates, slow) if program == "statsmodels" else replicates
        results["optimum", "planks", program].add(peer.ask("optimum", "planks", count))
    return results


def measure_sizes(
    programs: Iterable[str], folder: Path, python: str, names: Sequence[str], seconds: float,
    rounds: int,
) -> Results:  # fmt: skip
    """Give every program a fresh process for every size; one that is too slow stops growing."""
    results: Results = defaultdict(Result)
    late: set[tuple[str, str]] = set()
    for number in range(rounds):
        for name in names:
            kind = name.split("_")[0]
            for program in programs:
                result = results["size", name, program]
                if (kind, program) in late or result.note:
                    result.note = result.note or "not tried"
                    continue
                print(f"size, round {number + 1}: {name} {program}", file=sys.stderr)
                try:
                    done = subprocess.run(
                        command(program, folder, python), input=f"size {name} 5\n",
                        capture_output=True, text=True, timeout=seconds, env=ENVIRONMENT,
                    )  # fmt: skip
                    result.add(done.stdout.strip())
                    if not result:
                        result.note = "–"
                except subprocess.TimeoutExpired:
                    result.note = f"> {seconds:g} s"
                    late.add((kind, program))
    return results


def measure_imports(python: str, rounds: int) -> dict[str, list[float]]:
    """Time the imports, each in a fresh process; an import that fails is left out."""
    out: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, code in IMPORTS.items():
            ours = "mixedteach" in code or "pandas" in code
            timed = f"import time; t = time.perf_counter(); {code}; print(time.perf_counter() - t)"
            done = subprocess.run(
                [sys.executable if ours else python, "-c", timed], capture_output=True, text=True,
                env=ENVIRONMENT,
            )  # fmt: skip
            if done.returncode == 0:
                out.setdefault(name, []).append(float(done.stdout))
    return out


# -- tables ------------------------------------------------------------------------------------


def number(x: float) -> str:
    """Write with three digits."""
    if x != x:
        return "–"
    return f"{x:.0f}" if abs(x) >= 100 else f"{x:.3g}"


def ratio(x: float) -> str:
    return f"×{x:.0f}" if x >= 10 else f"×{x:.2g}"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(line).replace("(1|", r"(1\|").replace("(x|", r"(x\|") + " |"
        for line in lines
    )


def timing(results: Results, task: str, name: str, programs: Sequence[str], least: bool) -> list:
    """Return a cell for each program: median ms (times ours), and the minimum if asked for."""
    ours = results[task, name, OURS]
    cells = []
    for program in programs:
        result = results[task, name, program]
        if not result:
            cells.append(result.note or "–")
            continue
        cell = number(result.ms)
        if least:
            cell += f" [{number(result.least)}]"
        cells.append(cell if program == OURS else f"{cell} {ratio(result.ms / ours.ms)}")
    return cells


def shortfall(results: Results, task: str, name: str, programs: Sequence[str]) -> list[str]:
    """Return by how much each log-likelihood stays below the best."""
    values = [results[task, name, program].value for program in programs]
    best = np.nanmax(values)
    return ["–" if v != v else _small(best - v) for v in values]


def _small(x: float) -> str:
    return "0" if abs(x) < 5e-9 else f"{x:.1g}"


def optimum_rows(results: Results, programs: Sequence[str]) -> tuple[list[list[str]], str]:
    """Return the shares of responses for which each program stops below the best."""
    logliks = [np.array(results["optimum", "planks", p].numbers) for p in programs]
    found = dict(zip(programs, _padded(logliks), strict=True))
    best = np.nanmax(list(found.values()), axis=0)
    rows = []
    for limit in (1e-3, 1e-6):
        row = [f"stops more than {limit:g} below the best"]
        for values in found.values():
            done = np.isfinite(values)
            short = (best - values)[done] > limit
            row.append(f"{short.sum()} of {done.sum()}" if done.any() else "–")
        rows.append(row)
    row = ["largest shortfall"]
    for values in found.values():
        gap = best - values
        row.append(_small(float(np.nanmax(gap))) if np.isfinite(gap).any() else "–")
    rows.append(row)
    edge = int(results["optimum", "planks", OURS].value)
    return rows, f"In {edge} of the {len(best)} the optimum has a variance of zero."


def many_rows(results: Results, programs: Sequence[str]) -> list[list[str]]:
    """Return responses a second, and how far they are from the best of all programs."""
    rows = []
    for (task, name), label in MANY_LABELS.items():
        row = [label]
        for program in programs:
            rates = results[task, name, program].numbers
            row.append(f"{number(median(rates))} /s" if rates else "–")
        rows.append(row)
        if task == "many":
            rows.append(_missed(results, name, programs))
    return rows


def _missed(results: Results, name: str, programs: Sequence[str]) -> list[str]:
    """Return for how many responses each program stops below the best of all."""
    found = {p: results["many", name, p].found for p in programs}
    found = {p: v for p, v in found.items() if len(v)}
    best = np.nanmax(_padded(list(found.values())), axis=0)
    row = ["of these, more than 1e-6 below the best"]
    for program in programs:
        values = found.get(program, np.empty(0))
        short = (best[: len(values)] - values > 1e-6).sum()
        row.append(f"{short} of {len(values)}" if len(values) else "–")
    return row


def _padded(arrays: Sequence[np.ndarray]) -> np.ndarray:
    size = max(map(len, arrays))
    return np.array([np.pad(a, (0, size - len(a)), constant_values=np.nan) for a in arrays])


def caption(versions: dict[str, str], load: Sequence[float]) -> str:
    names = [f"{p} {v}" for p, v in versions.items()]
    absent = [p for p in ALL if p not in versions]
    packages = ", ".join(f"{p.__name__} {p.__version__}" for p in (np, pd))
    text = (
        f"Measured on {date.today():%Y-%m-%d}; {cpu()}, one thread; load average "
        f"{load[0]:.1f} before, {load[1]:.1f} after; Python {platform.python_version()}, "
        f"{packages}; {', '.join(names)}."
    )
    return text + (f" Not installed here: {', '.join(absent)}." if absent else "")


def cpu() -> str:
    try:
        info = Path("/proc/cpuinfo").read_text()
        name = re.search(r"model name\s*:\s*(.*)", info).group(1)
    except (OSError, AttributeError):
        name = platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores"


MANY_LABELS = {
    ("many", "planks"): "planks, many responses",
    ("manyp", "planks"): "the same, with Satterthwaite's and Kenward-Roger's p-values of width",
    ("many", UNBALANCED): "planks with 5 rows lost, many responses",
}
LABEL = {
    "cold": "new formula", "pandas": "new formula, pandas table with text",
    "table": "formula seen before, new table",
    "warm": "formula and design seen before", "refit": "another response",
    "kr": "Kenward-Roger df of all coefficients",
}  # fmt: skip


def full_report(
    results: Results, sizes: Results, imports: dict[str, list[float]], programs: Sequence[str],
    text: str,
) -> str:  # fmt: skip
    """Return all tables: medians, minima, ratios, log-likelihoods."""
    head = ["", *programs]
    parts = ["# Results", text, "Milliseconds: median [minimum] ×median relative to ours."]
    parts += ["## From formula and table to the REML fit"]
    rows = []
    for name in DATA:
        for task in ("cold", "pandas", "table", "warm"):
            cells = timing(results, task, name, programs, True)
            rows.append([f"{name}, {LABEL[task]}", *cells])
        values = [results["warm", name, p].value for p in programs]
        rows.append([f"{name}, log-likelihood", *(f"{v:.7f}" for v in values)])
        rows.append([f"{name}, below the best by", *shortfall(results, "warm", name, programs)])
    parts += [markdown(head, rows), "## Kenward-Roger, and another response"]
    rows = [["planks, " + LABEL["kr"], *timing(results, "kr", "planks", programs, True)]]
    df = [results["kr", "planks", p].value for p in programs]
    rows.append(["planks, df of the last coefficient", *(number(v) for v in df)])
    for name in ("planks", "tablets"):
        rows.append([f"{name}, another response", *timing(results, "refit", name, programs, True)])
        values = [results["refit", name, p].value for p in programs]
        cells = ["–" if v != v else f"{v:.7f}" for v in values]
        rows.append([f"{name}, log-likelihood of the first one", *cells])
        if name == "planks":
            fresh = [results["optimum", name, p].numbers for p in programs]
            cells = [f"{v[0]:.7f}" if v else "–" for v in fresh]
            rows.append(["planks, the same by a fresh fit", *cells])
    parts += [markdown(head, rows), "## Many responses of one design: fits a second"]
    rows = many_rows(results, programs)
    parts += [markdown(head, rows), "## The optimum: simulated responses of the planks model"]
    rows, edge = optimum_rows(results, programs)
    parts += [markdown(head, rows), edge, "## Size: seconds; peak memory in MB"]
    parts += [markdown(head, size_rows(sizes, programs)), "## Imports, in fresh processes"]
    rows = [[name, number(1000 * median(v)), number(1000 * min(v))] for name, v in imports.items()]
    parts += [markdown(["", "median, ms", "minimum, ms"], rows)]
    return "\n\n".join(parts) + "\n"


def size_rows(sizes: Results, programs: Sequence[str]) -> list[list[str]]:
    rows = []
    for name in dict.fromkeys(name for _, name, _ in sizes):
        n = n_rows(name)
        row = [f"`{model(name).formula}`, {n:,} rows"]
        for program in programs:
            result = sizes["size", name, program]
            if result:
                memory = number(max(result.memory, 0))
                row.append(f"{number(result.ms / 1000)} s; {memory} MB")
            else:
                row.append(result.note)
        rows.append(row)
        rows.append([f"{n:,} rows, below the best by", *shortfall(sizes, "size", name, programs)])
    return rows


def polars_line(results: Results) -> list[str]:
    """Say what lme_python takes from the table that everybody else is given."""
    found = [results["pandas", name, "lme_python"] for name in DATA]
    if not all(found):
        return []
    times = ", ".join(f"{number(r.ms)} ({name})" for name, r in zip(DATA, found, strict=True))
    return [
        "lme_python reads tables of polars, and is given them; from a table of pandas with text, "
        f"as `pandas.read_csv` returns it, its first fit takes {times} ms."
    ]


def refit_cells(results: Results, programs: Sequence[str]) -> tuple[list[str], str]:
    """Return the times of refits; mark programs whose refit is not what a fresh fit gives."""
    cells, remark = timing(results, "refit", "planks", programs, False), ""
    for i, program in enumerate(programs):
        refit, fresh = (results[task, "planks", program] for task in ("refit", "optimum"))
        if refit and fresh and abs(refit.value - fresh.numbers[0]) > 1e-3:
            cells[i] += "²"
            remark = (
                f"² {program}'s refit returns a log-likelihood of {refit.value:.3f} for the first "
                f"response; its own fresh fit, and all others, say {fresh.numbers[0]:.3f}."
            )
    return cells, remark


def readme_block(
    results: Results, sizes: Results, imports: dict[str, list[float]], programs: Sequence[str],
    text: str,
) -> str:  # fmt: skip
    """Return the short table of the README."""
    rows = []
    for task, label in (("cold", "first fit, ms"), ("warm", "fit, the design seen before, ms")):
        for name in DATA:
            rows.append([f"{name}: {label}", *timing(results, task, name, programs, False)])
    cells, remark = refit_cells(results, programs)
    rows.append(
        ["tablets: another response, ms", *timing(results, "refit", "tablets", programs, False)]
    )
    rows.append(["planks: another response, ms", *cells])
    rows.append(["planks: Kenward-Roger, ms", *timing(results, "kr", "planks", programs, False)])
    many = many_rows(results, programs)
    rows.append(["planks: many responses, fits a second", *many[0][1:]])
    rows.append(["... with Satterthwaite's and Kenward-Roger's p-values", *many[2][1:]])
    rows.append(["... with 5 of the 300 rows lost", *many[3][1:]])
    words = {"nested_100000": "nested", "crossed_5000": "crossed", LARGE[0]: "InstEval"}
    for name in (name for name in words if ("size", name, OURS) in sizes):
        label = f"{n_rows(name):,} rows, {words[name]}: fit, ms"
        rows.append([label, *timing(sizes, "size", name, programs, False)])
    shares, edge = optimum_rows(results, programs)
    rows.append(["planks, simulated: misses the optimum¹", *shares[0][1:]])
    worst = max(
        np.nanmax(values) - np.nanmin(values)
        for values in ([results["warm", name, p].value for p in programs] for name in DATA)
    )
    ready, pandas = imports.get("... and lmer ready"), imports.get("import pandas")
    lines = [
        "From a formula and a table to the REML fit, and what follows it, in milliseconds (median; "
        "× ours). Every program has one thread, and all take turns.",
        markdown(["", *programs], rows),
        *polars_line(results),
        f"The log-likelihoods of the first three rows agree within {worst:.0e}.",
        f"¹ The log-likelihood reached is more than 0.001 below the best found by any of these "
        f"programs, for responses simulated from the planks model. {edge}",
    ]
    lines += [remark] if remark else []
    if ready and pandas:
        lines.append(
            f"Until `lmer` is ready after a fresh start: {1000 * median(ready):.0f} ms, of which "
            f"`import pandas` takes {1000 * median(pandas):.0f}."
        )
    lines.append(
        f"{text} `python benchmarks/run.py` measures all this, and more, again; see "
        "`benchmarks/README.md` and `benchmarks/results.md`."
    )
    return "\n\n".join(lines)


def write_block(readme: Path, block: str) -> None:
    """Replace what stands between the two markers."""
    before, rest = readme.read_text(encoding="utf-8").split(START)
    after = rest.split(END)[1]
    readme.write_text(f"{before}{START}\n{block}\n{END}{after}", encoding="utf-8")


# -- the command -------------------------------------------------------------------------------


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure mixedteach and its peers.")
    add = parser.add_argument
    add("--peers-python", default=sys.executable, metavar="PATH", help="interpreter of the peers")
    add("--rounds", type=int, default=9)
    add("--replicates", type=int, default=200, help="simulated responses for the optimum")
    add("--slow", type=int, default=50, help="of these, how many for statsmodels")
    add("--many", type=int, default=MANY, help="simulated responses fitted in one call")
    add("--timeout", type=float, default=60, help="seconds a program may take for one size")
    add("--big", action="store_true", help="also a million rows")
    add("--quick", action="store_true", help="one round, few replicates, small sizes")
    add("--out", type=Path, default=HERE / "results.md", help="where the tables go")
    add("--readme", action="store_true", help="also rewrite the block in README.md")
    args = parser.parse_args(argv)
    if args.quick:
        args.rounds, args.replicates, args.slow, args.many = 1, 5, 5, 50
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = arguments(argv)
    names = [*SIZES, *CROSSED, *LARGE, *(BIG if args.big else ())]
    names = [SIZES[0], CROSSED[0]] if args.quick else names
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_data(folder, args.replicates, names)
        names = [name for name in names if (folder / f"{name}.csv").exists()]  # no R, no InstEval
        peers, versions = start(folder, args.peers_python)
        results = measure(peers, args.rounds, args.replicates, args.slow, args.many)
        for peer in peers.values():
            peer.close()
        sizes = measure_sizes(
            peers, folder, args.peers_python, names, args.timeout, 1 if args.quick else 3
        )
    imports = measure_imports(args.peers_python, 1 if args.quick else 7)
    after = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    text = caption(versions, (load, after))
    report = full_report(results, sizes, imports, list(versions), text)
    print(report)
    args.out.write_text(report, encoding="utf-8")
    if args.readme:
        block = readme_block(results, sizes, imports, list(versions), text)
        write_block(ROOT / "README.md", block)


if __name__ == "__main__":
    main()
