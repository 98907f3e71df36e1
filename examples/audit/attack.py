"""Attacks what a training run publishes: `python attack.py --help`."""

import pathlib
import sys

from absl import app
from absl import flags

sys.path[:0] = [str(pathlib.Path(__file__).parents[i]) for i in (0, 1)]

import quiet

quiet.start()

import attack_lib
import settings_flags

settings_flags.define(attack_lib.Settings(), lambda name: "See attack_lib.Settings.")
flags.adopt_module_key_flags(settings_flags)


def main(_):
    for attack in attack_lib.run(settings_flags.read(attack_lib.Settings)):
        print(attack, end="\n\n")


if __name__ == "__main__":
    app.run(main)
