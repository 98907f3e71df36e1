"""Keeps other libraries' lines off the screen of our own commands and examples.

Used by them alone, before TensorFlow is loaded: what a user's own program shows is
the user's to choose.
"""

import logging
import os
import re
import sys
import tempfile

_COMMANDS = ("keras_dpgan.evaluate", "keras_dpgan.sample")

# What TensorFlow says while it is loaded, on each machine without a GPU. No
# environment variable keeps these lines off.
_NOISE = re.compile(
    r"WARNING: All log messages before absl::InitializeLog"
    r"|I\d{4} "
    r"|\d{4}-\d\d-\d\d \S+ I tensorflow"
    r"|To enable the following instructions"
    r"|E\d{4} .*failed call to cuInit"
    r"|E\d{4} .*Unable to register cu"
)


def is_command() -> bool:
    """Whether Python was started as one of our commands, with `-m`."""
    # While Python looks for the module of `-m`, that stands in its place.
    if sys.argv[:1] != ["-m"]:
        return False
    arguments = sys.orig_argv
    return any(
        pair in zip(arguments, arguments[1:], strict=False)
        for pair in (("-m", command) for command in _COMMANDS)
    )


def start() -> None:
    """Loads TensorFlow without what it says of itself, and quiets it from then on.

    Whatever else it says is shown, and everything if it cannot be loaded.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from absl import flags
    from absl import logging as absl_logging

    # `app.run` would raise it to INFO.
    flags.FLAGS.verbosity = absl_logging.WARNING
    logging.getLogger("tensorflow").setLevel(logging.WARNING)
    with tempfile.TemporaryFile() as said:
        is_loaded = False
        sys.stderr.flush()
        shown = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()
            is_loaded = True
        finally:
            os.dup2(shown, 2)
            os.close(shown)
            said.seek(0)
            for line in said.read().decode(errors="replace").splitlines():
                if not (is_loaded and _NOISE.match(line)):
                    print(line, file=sys.stderr)


def verbose():
    """`fit`'s `verbose`: a progress bar in a terminal, a line per epoch elsewhere."""
    return "auto" if sys.stdout.isatty() else 2
