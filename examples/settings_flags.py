"""Flags of a program, from the fields of a dataclass."""

import dataclasses

from absl import flags

_DEFINE = {
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    bool: flags.DEFINE_bool,
}


def define(defaults, help_of):
    """Defines a flag for each field.

    `--help` shows them after `flags.adopt_module_key_flags(settings_flags)`.

    Args:
        defaults: Instance of a dataclass; its values are the flags' defaults. A
            field that may be `None` is a float.
        help_of: Function of a field's name that gives the flag's help.
    """
    for field in dataclasses.fields(defaults):
        kind = field.type if isinstance(field.type, type) else float
        _DEFINE[kind](field.name, getattr(defaults, field.name), help_of(field.name))


def read(settings_class):
    """The dataclass that the command line asks for."""
    names = [field.name for field in dataclasses.fields(settings_class)]
    return settings_class(**{name: flags.FLAGS[name].value for name in names})
