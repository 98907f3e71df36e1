"""Old paths of modules, which work for one more version."""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import warnings

PACKAGE = "keras_dpgan"

# Where each module of 0.1 is now.
MOVED = {
    "arbiter": "gan.arbiter",
    "checkpoint": "gan.checkpoint",
    "chief": "gan.fit_session",
    "class_head": "gan.networks",
    "compile_arguments": "gan.compile_config",
    "conditions": "sampling.conditions",
    "discriminator_schedule": "gan.discriminator_steps",
    "dpgan": "gan.dpgan",
    "fit_arguments": "gan.keras_methods",
    "generation": "gan.networks",
    "keras_methods": "gan.keras_methods",
    "label_path": "gan.network_inputs",
    "lipschitz": "losses",
    "network_inputs": "gan.network_inputs",
    "networks": "gan.networks",
    "origins": "privacy.origins",
    "privacy_record": "privacy.privacy_record",
    "randomness": "sampling.randomness",
    "read_only": "_utils.validate",
    "reservations": "gan.fit_session",
    "sampler": "sampling.sampler",
    "score_gradients": "gan.networks",
    "statement_notes": "gan.statement_notes",
    "training_data": "gan.fit_data",
    "training_limits": "gan.fit_session",
    "training_step": "gan.train_step",
    "validated": "gan.validated",
    "workers": "distribution.workers",
}

# The modules that `python -m keras_dpgan.NAME` runs, without a warning.
COMMANDS = {"evaluate": "cli.evaluate", "sample": "cli.sample"}


class OldPaths(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a module at its old path and warns of the new path."""

    def find_spec(self, fullname, path=None, target=None):
        package, _, name = fullname.partition(".")
        if package != PACKAGE:
            return None
        if name in COMMANDS:
            command = importlib.util.find_spec(f"{PACKAGE}.{COMMANDS[name]}")
            origin = None if command is None else command.origin
            return importlib.util.spec_from_file_location(fullname, origin)
        if name in MOVED:
            return importlib.machinery.ModuleSpec(fullname, self)
        return None

    def exec_module(self, module):
        name = module.__name__
        sys.modules[name] = load(name.removeprefix(f"{PACKAGE}."))


def load(name):
    """The module that had an old path, with a warning.

    Args:
        name: String, the old path inside the package.
    """
    new = f"{PACKAGE}.{MOVED[name]}"
    warnings.warn(
        f"`{PACKAGE}.{name}` has moved to `{new}`. The old path will go with the next "
        "version.",
        DeprecationWarning,
        stacklevel=3,
    )
    return importlib.import_module(new)


def install() -> None:
    """Lets `import` find modules at their old paths."""
    if not any(isinstance(finder, OldPaths) for finder in sys.meta_path):
        sys.meta_path.append(OldPaths())
