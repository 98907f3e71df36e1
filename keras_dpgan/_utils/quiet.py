"""Hides lines that other libraries print when our own commands and examples run.

Only these use it, before TensorFlow is loaded. Users decide themselves what their own
programs show.
"""

import logging
import os
import re
import sys
import tempfile

_COMMANDS = ("keras_dpgan.evaluate", "keras_dpgan.sample")

# TensorFlow prints these lines while it is loaded on a machine without a GPU. No
# environment variable suppresses them.
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
    # While Python looks for the module after `-m`, `sys.argv[0]` is "-m".
    if sys.argv[:1] != ["-m"]:
        return False
    arguments = sys.orig_argv
    return any(
        pair in zip(arguments, arguments[1:], strict=False)
        for pair in (("-m", command) for command in _COMMANDS)
    )


def start() -> None:
    """Loads TensorFlow without its usual messages, and makes it quiet from then on.

    Other messages are shown. If TensorFlow cannot be loaded, all messages are shown.
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
