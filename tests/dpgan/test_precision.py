"""The same training in every precision, compiled or not."""

import helpers
import keras
import numpy as np
import pytest

from keras_dpgan import GradientPenalty
from keras_dpgan.data import PoissonDataset

pytestmark = pytest.mark.slow

# How far weights may go from those in float32, as a share of their way: some units
# in the last place of what the networks compute in.
TOLERANCES = {
    "mixed_float16": 0.02,
    "mixed_bfloat16": 0.1,
    "float64": 1e-4,
    "eager": 1e-4,
    "compiled": 1e-4,
}


def train(kind, weights=None):
    """Weights before and after, and the model, of ten updates without noise."""
    policy = kind if "float" in kind else "float32"
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        keras.utils.set_random_seed(0)
        gan = helpers.make_gan(
            d_optimizer=helpers.make_d_optimizer(0.0, 0.5, learning_rate=0.3),
            # Fakes of one label are all the same, so that it does not matter which.
            gradient_penalty=GradientPenalty(on="fakes"),
            discriminator_steps=10**6,
            run_eagerly=kind == "eager",
            jit_compile=kind == "compiled",
        )
        if weights is not None:
            gan.discriminator.set_weights(weights["discriminator"])
            gan.generator.set_weights(weights["generator"])
        helpers.ignore_latents(gan.generator)
        before = {
            "discriminator": gan.discriminator.get_weights(),
            "generator": gan.generator.get_weights(),
        }
        data = PoissonDataset(*helpers.make_data(), expected_batch_size=12, seed=1)
        gan.fit(data, verbose=0)
    finally:
        keras.config.set_dtype_policy(previous)
    return before, gan


def way(before, gan):
    pairs = zip(before["discriminator"], gan.discriminator.get_weights(), strict=True)
    return np.concatenate([np.ravel(b.astype(float) - a) for a, b in pairs])


@pytest.fixture(scope="module")
def reference():
    before, gan = train("float32")
    return before, way(before, gan), gan.privacy_history


@pytest.mark.parametrize("kind", TOLERANCES)
def test_training_is_that_in_float32_within_the_precision(reference, kind):
    before, expected, history = reference
    _, gan = train(kind, before)
    assert gan.num_discriminator_updates == 10
    assert gan.privacy_history == history
    error = np.linalg.norm(way(before, gan) - expected) / np.linalg.norm(expected)
    assert error < TOLERANCES[kind]
    # The noise is as large as in float32: of what keeps the weights.
    variables = gan.discriminator.trainable_variables
    assert {v.dtype for v in variables} == {
        "float64" if kind == "float64" else "float32"
    }
