"""Makes private handwritten digits: `python train.py --help`."""

import pathlib
import sys

from absl import app
from absl import flags

sys.path[:0] = [str(pathlib.Path(__file__).parents[i]) for i in (0, 1)]

import quiet

quiet.start()

import experiment
import settings_flags
import train_lib

experiment.define_flags(train_lib.DEFAULTS)
flags.adopt_module_key_flags(settings_flags)


def main(_):
    train_lib.train(settings_flags.read(experiment.Settings), quiet.verbose())


if __name__ == "__main__":
    app.run(main)
