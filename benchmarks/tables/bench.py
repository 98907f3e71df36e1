"""Private tables, measured: `python benchmarks/tables/bench.py --csv=adult.csv`.

Each run learns a generator from four fifths of a table, draws as many rows as it was
estimated to have, and compares them. The figures go to `results.json`, a line for each
run; `README.md` has them as a table.
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
RESULTS = HERE / "results.json"
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


if __name__ == "__main__":
    define_flags()
    app.run(main)
