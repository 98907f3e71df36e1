"""Shows an example's own lines alone; `start` comes before other imports.

It loads `keras_dpgan._utils.quiet` as a file, since the package loads TensorFlow.
"""

import importlib.util
import pathlib

_package = importlib.util.find_spec("keras_dpgan")
_spec = importlib.util.spec_from_file_location(
    "keras_dpgan_quiet", pathlib.Path(_package.origin).parent / "_utils" / "quiet.py"
)
_quiet = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_quiet)

start = _quiet.start
verbose = _quiet.verbose
