"""Audits this implementation in one run of its own: `python audit.py --help`."""

import pathlib
import sys

from absl import app
from absl import flags

sys.path[:0] = [str(pathlib.Path(__file__).parents[i]) for i in (0, 1)]

import quiet

quiet.start()

import audit_lib
import settings_flags

settings_flags.define(audit_lib.Settings(), lambda name: "See audit_lib.Settings.")
flags.adopt_module_key_flags(settings_flags)


def main(_):
    print(audit_lib.run(settings_flags.read(audit_lib.Settings)))


if __name__ == "__main__":
    app.run(main)
