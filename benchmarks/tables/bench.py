"""Private tables, measured: `python benchmarks/tables/bench.py --csv=adult.csv`.

Each run learns a generator from four fifths of a table, draws as many rows as it has,
or is estimated to have, and compares them. Peers run on the same cells, each in an
environment of its own (`make bench-peers`). The figures go to `results.jsonl`, a line
for each run, and as a table into `README.md`.
"""

import json
import pathlib
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
from absl import app
from absl import flags

HERE = pathlib.Path(__file__).resolve().parent
PEERS = HERE.parent / "peers"
sys.path.insert(0, str(HERE))
RESULTS = HERE / "results.jsonl"
PAGE = HERE / "README.md"
DELTA = 1e-5
OURS = "keras_dpgan"
# Name, environment, and command without files and budget.
CONTENDERS = {
    OURS: None,
    "AIM, mbi 2": ("mbi", "mbi_aim.py"),
    "AIM, dpmm 0.1.9": ("dpmm", "dpmm_table.py", "--mechanism=aim"),
    "MST, dpmm 0.1.9": ("dpmm", "dpmm_table.py", "--mechanism=mst"),
    "AIM, SmartNoise": ("smartnoise", "smartnoise_table.py", "--mechanism=aim"),
    "MST, SmartNoise": ("smartnoise", "smartnoise_table.py", "--mechanism=mst"),
}

FLAGS = flags.FLAGS


def define_flags():
    """Defines the flags of the command."""
    flags.DEFINE_string("csv", None, "Adult, coded to integers; none: without it.")
    flags.DEFINE_multi_string("table", None, "Tables by name. Default: all.")
    flags.DEFINE_multi_float("epsilon", [1.0], "Budgets.")
    flags.DEFINE_integer("runs", 3, "Runs of ours, with noise of their own.")
    flags.DEFINE_multi_enum(
        "contender", None, list(CONTENDERS), "Who takes part. Default: all."
    )
    flags.DEFINE_integer(
        "peer_seconds", 3600, "CPU seconds after which a run of a peer is ended."
    )


def run(contender, table, epsilon):
    """One run of a contender: a dict of figures, or of an error."""
    train, test = table.split()
    learn = _ours if contender == OURS else _peer
    rows, figures = learn(contender, table, train, epsilon)
    facts = {
        "contender": contender,
        "epsilon": epsilon,
        "delta": DELTA,
        "rows": len(train),
        "columns": len(table.schema.names),
        "machine": platform.machine(),
        **figures,
    }
    if rows is None:
        return facts
    import keras_dpgan as dpgan

    scores = dpgan.evaluation.evaluate_table(
        rows, train, test, table.schema, table.target
    )
    return {**facts, **scores}


def _ours(contender, table, train, epsilon):
    """Rows of ours, and what they took; `_peer` gives the same."""
    del contender
    import keras_dpgan as dpgan

    begun, used = time.monotonic(), time.process_time()
    generator = dpgan.recipes.table(
        train, table.schema, table.target, epsilon=epsilon, delta=DELTA
    )
    rows = generator.sample()
    return rows, {
        "seconds": round(time.monotonic() - begun, 1),
        "cpu_seconds": round(time.process_time() - used, 1),
    }


def _peer(contender, table, train, epsilon):
    environment, script, *options = CONTENDERS[contender]
    python = HERE.parent / f".venv-{environment}" / "bin" / "python"
    with tempfile.TemporaryDirectory() as folder:
        cells, out = pathlib.Path(folder, "cells.npz"), pathlib.Path(folder, "out.npz")
        np.savez(
            cells,
            cells=table.schema.encode(train),
            sizes=np.array(table.schema.num_cells),
            target=table.schema.index(table.target),
        )
        command = [python, PEERS / script, cells, out, *options]
        command += [f"--epsilon={epsilon}", f"--delta={DELTA}"]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                preexec_fn=_limit_time,
            )
        except OSError as error:
            return None, {"error": f"its environment is missing: {error}"}
        if done.returncode == -signal.SIGXCPU:
            return None, {"error": f"not done in {FLAGS.peer_seconds:,} CPU seconds"}
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["it said nothing"]
            return None, {"error": f"exit status {done.returncode}: {said[-1]:.300}"}
        made = np.load(out)
        figures = {
            "seconds": round(float(made["seconds"]), 1),
            "cpu_seconds": round(float(made["cpu_seconds"]), 1),
        }
        return _rows(table.schema, made["cells"]), figures


def _limit_time():
    resource.setrlimit(
        resource.RLIMIT_CPU, (FLAGS.peer_seconds, FLAGS.peer_seconds + 10)
    )


def _rows(schema, cells):
    """A table of cells: inside of a bin values are drawn evenly, as ours are."""
    places = np.random.default_rng().random(cells.shape)
    return schema.to_frame(schema.decode(cells, places))


HEAD = (
    "| table (rows, columns), epsilon | who | runs | AUC or R2, boosting | AUC or R2, "
    "linear | 2-way | 3-way | seconds | CPU seconds |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def write_page():
    """Writes the table of all runs into the page."""
    groups = {}
    for line in RESULTS.read_text("utf-8").splitlines():
        result = json.loads(line)
        of_table = groups.setdefault((result["table"], result["epsilon"]), {})
        of_table.setdefault(result["contender"], []).append(result)
    rows = [HEAD]
    for (_, epsilon), contenders in sorted(groups.items()):
        done = [r for results in contenders.values() for r in results]
        first = next((r for r in done if "error" not in r), done[0])
        name = f"{first['table']} ({first['rows']:,}, {first['columns']}), {epsilon:g}"
        if "error" not in first:
            rows.append(
                _row(name, "real rows", _figures([first], "real"), ["", "", ""])
            )
        for contender, results in contenders.items():
            rows.append(_contender(name, contender, results))
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    table = "\n".join(rows)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", "utf-8")


def _contender(name, contender, results):
    errors = [result["error"] for result in results if "error" in result]
    if errors:
        return f"| {name} | {contender} | {len(results)} | {errors[0]} | | | | | |"
    times = []
    for kind in ("seconds", "cpu_seconds"):
        known = [result[kind] for result in results if kind in result]
        times.append(f"{np.mean(known):.0f}" if known else "")
    figures = _figures(results, "synthetic")
    return _row(name, contender, figures, [len(results), *times])


def _row(name, contender, figures, counts):
    runs, *times = counts
    return f"| {' | '.join(map(str, [name, contender, runs, *figures, *times]))} |"


def _figures(results, side):
    """Scores of classifiers trained on these rows, and distances of marginals."""
    found = []
    for kind in ("boosting", "linear"):
        scores = [result["prediction"][side][kind] for result in results]
        found.append(_mean([s.get("auc", s.get("r2")) for s in scores], 3))
    for order in (2, 3):
        found.append(_mean([r[f"total_variation_{order}"][side] for r in results], 4))
    return found


def _mean(values, digits):
    """The mean, and the range where there is one."""
    mean = f"{np.mean(values):.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main(argv):
    """Runs the benchmark."""
    del argv
    import real_tables

    tables = dict(real_tables.TABLES)
    if FLAGS.csv:
        tables["Adult"] = lambda: real_tables.adult(FLAGS.csv)
    for name in FLAGS.table or sorted(tables):
        table = tables[name]()
        for epsilon in FLAGS.epsilon:
            for contender in FLAGS.contender or CONTENDERS:
                for number in range(FLAGS.runs if contender == OURS else 1):
                    result = run(contender, table, epsilon)
                    result = {"table": name, "run": number, **result}
                    with RESULTS.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(result) + "\n")
                    shown = ("error", "seconds", "total_variation_2")
                    print(
                        *(name, epsilon, contender),
                        *(result[key] for key in shown if key in result),
                        flush=True,
                    )
    write_page()


if __name__ == "__main__":
    define_flags()
    app.run(main)
