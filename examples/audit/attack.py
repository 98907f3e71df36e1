"""Attacks what a training run publishes: `python attack.py --help`."""

import dataclasses
import pathlib
import sys

from absl import app
from absl import flags

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import attack_lib

_DEFINE = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
}
for _field in dataclasses.fields(attack_lib.Settings):
    _DEFINE[_field.type](_field.name, _field.default, "See attack_lib.Settings.")


def main(_):
    names = [field.name for field in dataclasses.fields(attack_lib.Settings)]
    settings = {name: flags.FLAGS[name].value for name in names}
    for attack in attack_lib.run(attack_lib.Settings(**settings)):
        print(attack, end="\n\n")


if __name__ == "__main__":
    app.run(main)
