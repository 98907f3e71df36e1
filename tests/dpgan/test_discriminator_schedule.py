"""Discriminator updates per generator step that follow training."""

import helpers
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan import DPGAN
from keras_dpgan import AdaptiveDiscriminatorSteps


def observe(schedule, shares):
    """Generator steps, one after the other; gives the numbers that then hold."""
    values = []
    for share in shares:
        is_told = tf.constant(np.arange(100) < 100 * share)
        schedule.observe(is_told, tf.constant(0, tf.int64))
        values.append(schedule.value)
    return values


def test_it_goes_to_the_next_option_where_the_average_is_low_and_waits_in_between():
    schedule = AdaptiveDiscriminatorSteps(0.6, (1, 2, 5), decay=0.5, patience=3)
    # Averages: 0.6, 0.4, 0.3, then 0.25 and less; the first change is the third's.
    assert observe(schedule, [0.2] * 7) == [1, 1, 2, 2, 2, 5, 5]
    assert observe(schedule, [0.2] * 4) == [5] * 4


def test_it_stays_where_the_discriminator_keeps_up():
    schedule = AdaptiveDiscriminatorSteps(0.6, (1, 2, 5), decay=0.9, patience=1)
    assert observe(schedule, [0.7] * 50) == [1] * 50


def gan_with(schedule, **arguments):
    return helpers.make_gan(
        loss="non_saturating", discriminator_steps=schedule, **arguments
    )


@pytest.mark.parametrize("steps_per_execution", [1, 5])
def test_generator_steps_in_fit_are_those_of_the_options(steps_per_execution):
    # Always behind: 2 updates, 2, then 3 each.
    schedule = AdaptiveDiscriminatorSteps(1.0, (2, 3), patience=2)
    gan = gan_with(schedule, steps_per_execution=steps_per_execution)
    gan.fit(*helpers.make_data(), batch_size=12, epochs=1, verbose=0)
    # Of ten updates the second, the fourth, the seventh and the tenth.
    assert int(gan.g_optimizer.iterations) == 4
    assert schedule.value == 3


def test_a_saved_model_goes_on_where_the_schedule_was(tmp_path):
    gan = gan_with(AdaptiveDiscriminatorSteps(1.0, (2, 3, 7), patience=2))
    gan.fit(*helpers.make_data(), batch_size=12, epochs=1, verbose=0)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    schedule = loaded.discriminator_steps
    assert schedule.get_config() == gan.discriminator_steps.get_config()
    for ours, theirs in zip(
        schedule.variables, gan.discriminator_steps.variables, strict=True
    ):
        assert ours.numpy() == theirs.numpy()
    assert schedule.value == 7


def test_probabilities_have_their_own_boundary():
    discriminator = helpers.make_discriminator()
    told = keras.layers.Activation("sigmoid")(discriminator.output)
    discriminator = keras.Model(discriminator.inputs, told)
    # It tells none of them: above one half.
    discriminator.layers[-2].bias.assign([5.0])
    schedule = AdaptiveDiscriminatorSteps(0.9, (1, 2), patience=12)
    gan = DPGAN(discriminator, helpers.make_generator())
    gan.compile(
        **{
            **helpers.compile_defaults(),
            "d_optimizer": helpers.make_d_optimizer(learning_rate=0.0),
            "loss": "non_saturating",
            "discriminator_steps": schedule,
        }
    )
    gan.fit(*helpers.make_data(), batch_size=6, epochs=1, verbose=0)
    assert schedule.value == 2


def test_a_loss_without_a_boundary_is_refused():
    with pytest.raises(ValueError, match="Received: loss=Wasserstein"):
        helpers.make_gan(discriminator_steps=AdaptiveDiscriminatorSteps())


@pytest.mark.parametrize(
    "change",
    [{"threshold": 0.0}, {"options": ()}, {"options": (2, 1)}, {"patience": 0}],
)
def test_bad_arguments_name_themselves(change):
    with pytest.raises(ValueError, match=f"`{next(iter(change))}` must be"):
        AdaptiveDiscriminatorSteps(**change)
