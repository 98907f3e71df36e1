"""Audits this implementation in one run of its own: `python audit.py --help`."""

import dataclasses
import pathlib
import sys

from absl import app
from absl import flags

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import audit_lib

_DEFINE = {
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}
for _field in dataclasses.fields(audit_lib.Settings):
    _DEFINE[_field.type](_field.name, _field.default, "See audit_lib.Settings.")


def main(_):
    names = [field.name for field in dataclasses.fields(audit_lib.Settings)]
    settings = {name: flags.FLAGS[name].value for name in names}
    print(audit_lib.run(audit_lib.Settings(**settings)))


if __name__ == "__main__":
    app.run(main)
