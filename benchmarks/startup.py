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

_GAN = """
import keras
import keras_dpgan as dpgan
gan = dpgan.DPGAN(
    dpgan.models.image_discriminator((28, 28, 1), num_classes=10),
    dpgan.models.image_generator((28, 28, 1), latent_dim=64, num_classes=10))
d_optimizer = dpgan.optimizers.DPKerasAdamOptimizer(
    l2_norm_clip=1.0, noise_multiplier=0.6)
g_optimizer = keras.optimizers.Adam()
"""

_HISTORY = """
from keras_dpgan import privacy
from keras_dpgan.privacy.rdp import EpsilonCurve
entry = privacy.HistoryEntry(
    mechanism="gaussian", noise_multiplier=0.6,
    sampling_probability=256 / 60_000, count=10_000)
history = privacy.PrivacyHistory([entry])
"""

# Per measure: what runs before the clock starts, what is timed, and how often.
MEASURES = {
    "import keras": ("", "import keras", 1),
    "import keras_dpgan, after keras": ("import keras", "import keras_dpgan", 1),
    "compile() of a conditional image GAN with a penalty": (
        _GAN,
        "gan.compile(d_optimizer, g_optimizer, 'wasserstein', gradient_penalty=10.0)",
        1,
    ),
    "the same, without a penalty": (_GAN, "gan.compile(d_optimizer, g_optimizer)", 1),
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
