"""Private rows of the census table Adult: `python train.py --csv=adult.csv`."""

import pathlib
import sys

from absl import app
from absl import flags

sys.path[:0] = [str(pathlib.Path(__file__).parents[i]) for i in (0, 1)]

import quiet

quiet.start()

import train_lib

flags.DEFINE_string(
    "csv",
    None,
    "Adult (UCI), coded to integers, with a header: 48,842 rows of 14 columns.",
    required=True,
)
flags.DEFINE_float("epsilon", 1.0, "The budget.")
flags.DEFINE_float("delta", 1e-5, "Must be below one in the number of rows.")
flags.DEFINE_string("output_dir", "out/adult", "A folder to make.")
flags.DEFINE_integer("components", None, "Of the mixture. Default: 2000.")


def main(_):
    given = flags.FLAGS
    train_lib.train(
        given.csv, given.output_dir, given.epsilon, given.delta, given.components
    )


if __name__ == "__main__":
    app.run(main)
