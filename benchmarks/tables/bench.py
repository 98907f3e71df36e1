"""Private tables, measured: `python benchmarks/tables/bench.py --csv=adult.csv`.

Each run learns a generator from four fifths of a table, draws as many rows as it was
estimated to have, and compares them. The figures go to `results.jsonl`, a line for each
run, and as a table into `README.md`.
"""

import json
import pathlib
import platform
import sys
import time

from absl import app
from absl import flags

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
RESULTS = HERE / "results.jsonl"
PAGE = HERE / "README.md"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
DELTA = 1e-5

FLAGS = flags.FLAGS


def define_flags():
    """Defines the flags of the command."""
    flags.DEFINE_string("csv", None, "Adult, coded to integers; none: without it.")
    flags.DEFINE_multi_string("table", None, "Tables by name. Default: all.")
    flags.DEFINE_multi_float("epsilon", [1.0], "Budgets.")
    flags.DEFINE_integer("runs", 3, "Runs of each, with noise of their own.")


def run(table, epsilon):
    """One run: a dict of figures."""
    import keras_dpgan as dpgan

    train, test = table.split()
    begun = time.monotonic()
    generator = dpgan.recipes.table(
        train, table.schema, table.target, epsilon=epsilon, delta=DELTA
    )
    fitted = time.monotonic()
    rows = generator.sample()
    drawn = time.monotonic()
    scores = dpgan.evaluation.evaluate_table(
        rows, train, test, table.schema, table.target
    )
    return {
        "epsilon": epsilon,
        "delta": DELTA,
        "rows": len(train),
        "columns": len(table.schema.names),
        "fit_seconds": round(fitted - begun, 1),
        "sample_seconds": round(drawn - fitted, 1),
        "machine": platform.machine(),
        **scores,
    }


def write_page():
    """Writes the table of all runs into the page."""
    lines = RESULTS.read_text("utf-8").splitlines()
    groups = {}
    for line in lines:
        result = json.loads(line)
        groups.setdefault((result["table"], result["epsilon"]), []).append(result)
    rows = [
        "| table (rows, columns) | epsilon | runs | AUC, boosting | AUC, logistic | "
        "2-way | 3-way |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (name, epsilon), results in sorted(groups.items()):
        first = results[0]
        cells = [f"{name} ({first['rows']:,}, {first['columns']})", f"{epsilon:g}"]
        cells.append(str(len(results)))
        for kind in ("boosting", "linear"):
            cells.append(
                _mean(results, lambda r, k=kind: [p[k]["auc"] for p in _sides(r)], 3)
            )
        for order in (2, 3):
            key = f"total_variation_{order}"
            cells.append(_mean(results, lambda r, k=key: list(r[k].values()), 4))
        rows.append(f"| {' | '.join(cells)} |")
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    table = "\n".join(rows)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", "utf-8")


def _sides(result):
    """Scores of classifiers trained on synthetic rows, and on real ones."""
    return [result["prediction"][side] for side in ("synthetic", "real")]


def _mean(results, figures, digits):
    """Mean and range of synthetic rows, and what real ones have."""
    pairs = [figures(result) for result in results]
    made = [pair[0] for pair in pairs]
    mean = sum(made) / len(made)
    return (
        f"{mean:.{digits}f} ({min(made):.{digits}f} to {max(made):.{digits}f}); "
        f"real {pairs[0][1]:.{digits}f}"
    )


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
            for number in range(FLAGS.runs):
                result = {"table": name, "run": number, **run(table, epsilon)}
                with RESULTS.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(result) + "\n")
                made = result["prediction"]["synthetic"]["boosting"]
                print(name, epsilon, made, result["total_variation_2"], flush=True)
    write_page()


if __name__ == "__main__":
    define_flags()
    app.run(main)
