"""Trains a private GAN on several machines: `python train.py --help`.

Each worker runs this same program, with its own place in `TF_CONFIG`. `launch.py`
starts workers on one machine.
"""

import pathlib
import sys

from absl import app
from absl import flags

sys.path[:0] = [str(pathlib.Path(__file__).parents[i]) for i in (0, 1)]

import quiet

quiet.start()

import settings_flags
import train_lib

settings_flags.define(train_lib.Settings(), train_lib.HELP.get)
flags.adopt_module_key_flags(settings_flags)


def main(_):
    train_lib.train(settings_flags.read(train_lib.Settings), quiet.verbose())


if __name__ == "__main__":
    app.run(main)
