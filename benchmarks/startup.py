"""How long imports, plans and epsilons take, each in a process of its own."""

import statistics
import subprocess
import sys

_TIMED = """
import time
{before}
start = time.perf_counter()
for _ in range({times}):
    {statement}
print((time.perf_counter() - start) / {times})
"""

_HISTORY = """
from keras_dpgan import privacy
from keras_dpgan.privacy.curve import EpsilonCurve
entry = privacy.HistoryEntry(
    mechanism="gaussian", noise_multiplier=0.6,
    sampling_probability=256 / 60_000, count=10_000)
history = privacy.PrivacyHistory([entry])
"""

# Per measure: what runs before the clock starts, what is timed, and how often.
MEASURES = {
    "import keras": ("", "import keras", 1),
    "import keras_dpgan, after keras": ("import keras", "import keras_dpgan", 1),
    "privacy.plan(), noise from epsilon": (
        "from keras_dpgan import privacy",
        "privacy.plan(60_000, 256, epochs=40, epsilon=10.0, delta=1e-5)",
        1,
    ),
    "epsilon in the progress bar": (
        _HISTORY + "curve = EpsilonCurve(privacy.PrivacyHistory(), entry, 1e-5)",
        "curve.epsilon(10_000)",
        200,
    ),
    "epsilon at the end of an epoch": (_HISTORY, "privacy.epsilon(history, 1e-5)", 1),
}


def measure(repeats):
    """The median seconds of each measure.

    Args:
        repeats: Int, the number of processes.

    Returns:
        Dict of floats.
    """
    return {
        name: statistics.median(_seconds(*code) for _ in range(repeats))
        for name, code in MEASURES.items()
    }


def _seconds(before, statement, times):
    program = _TIMED.format(before=before, statement=statement, times=times)
    result = subprocess.run(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return float(result.stdout.split()[-1])
