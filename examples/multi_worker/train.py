"""Trains a private GAN on several machines: `python train.py --help`.

Each worker runs this same program, with its own place in `TF_CONFIG`. `launch.py`
starts workers on one machine.
"""

import pathlib
import sys

from absl import app
from absl import flags
from absl import logging

sys.path[:0] = [str(pathlib.Path(__file__).parents[i]) for i in (0, 1)]

import settings_flags
import train_lib

settings_flags.define(train_lib.Settings(), train_lib.HELP.get)
flags.adopt_module_key_flags(settings_flags)


def main(_):
    logging.set_verbosity(logging.WARNING)  # TensorFlow tells of each all-reduce.
    train_lib.train(settings_flags.read(train_lib.Settings))


if __name__ == "__main__":
    app.run(main)
