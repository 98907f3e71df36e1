"""Short ways to write privacy histories in tests."""

from keras_dpgan.privacy import HistoryEntry
from keras_dpgan.privacy import PrivacyHistory
from keras_dpgan.privacy import epsilon

DELTA = 1e-5

# Batches of 128 of 60,000 rows.
Q = 128 / 60000


def poisson(noise_multiplier, sampling_probability, count=0, **options):
    return HistoryEntry(
        mechanism="gaussian",
        noise_multiplier=noise_multiplier,
        sampling_probability=sampling_probability,
        count=count,
        **options,
    )


def not_poisson(noise_multiplier, count=0, max_participations=None):
    return HistoryEntry(
        mechanism="gaussian",
        noise_multiplier=noise_multiplier,
        max_participations=max_participations,
        count=count,
    )


def adaptive(noise_multiplier, clipped_count_stddev, sampling_probability, count=0):
    return HistoryEntry(
        mechanism="adaptive_clip_gaussian",
        noise_multiplier=noise_multiplier,
        clipped_count_stddev=clipped_count_stddev,
        sampling_probability=sampling_probability,
        count=count,
    )


def epsilon_of(*entries, delta=DELTA, accountant="pld"):
    return epsilon(PrivacyHistory(entries), delta, accountant)
