"""Compares a synthetic CSV with real ones.

`keras-dpgan report synthetic.csv --schema=schema.json --train=private.csv
--test=held_out.csv --target=income`
"""

import pathlib
import sys

from absl import app
from absl import flags

from keras_dpgan import evaluation
from keras_dpgan.tables.reading import read_all
from keras_dpgan.tables.schema import TableSchema


def define_flags():
    """Defines the flags of the command."""
    flags.DEFINE_string("schema", None, "JSON file of the schema.", required=True)
    flags.DEFINE_string(
        "train", None, "File of the private rows that were learned.", required=True
    )
    flags.DEFINE_string(
        "test", None, "File of real rows that nothing was learned from.", required=True
    )
    flags.DEFINE_string("target", None, "The column to predict, if there is one.")
    flags.DEFINE_string("out", "report", "Folder for the page and the numbers.")


def main(argv):
    """Runs the command."""
    if len(argv) != 2:
        raise app.UsageError(f"Give one file, the synthetic CSV. Received: {argv[1:]}")
    given = flags.FLAGS
    synthetic = pathlib.Path(argv[1])
    proof = synthetic.with_name(f"{synthetic.stem}_privacy.txt")
    try:
        schema = TableSchema.load(given.schema)
        scores = evaluation.report_table(
            read_all(synthetic, schema),
            read_all(given.train, schema),
            read_all(given.test, schema),
            schema,
            given.out,
            given.target,
            statement=proof.read_text("utf-8") if proof.is_file() else None,
        )
    except (ImportError, OSError, ValueError) as error:
        sys.exit(str(error))
    print(f"{scores['warning']}\nWrote {given.out}/report.html and .json.")


if __name__ == "__main__":
    define_flags()
    app.run(main)
