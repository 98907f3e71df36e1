"""A history belongs to the weights, also when they are copied, shared or released."""

import helpers
import keras
import numpy as np
import pytest

from keras_dpgan import DPGAN
from keras_dpgan import losses
from keras_dpgan import models
from keras_dpgan import privacy
from keras_dpgan.data import private_label_prior
from keras_dpgan.mixture import private_class_mixture
from keras_dpgan.privacy import origins


def fit(gan, epochs=1, **arguments):
    """Ten updates an epoch."""
    gan.fit(*helpers.make_data(), batch_size=12, epochs=epochs, verbose=0, **arguments)
    return gan


def compiled(discriminator, generator, **arguments):
    gan = DPGAN(discriminator, generator)
    gan.compile(**{**helpers.compile_defaults(), **arguments})
    return gan


@pytest.fixture(scope="module", name="first")
def trained_gan():
    """Fifty updates. Nobody trains it, or its networks, further."""
    return fit(helpers.make_gan(), epochs=5)


def total(gan):
    return gan.privacy_history.total_updates


def said(gan):
    return " ".join(gan.privacy_statement(1e-3, accountant="rdp").caveats)


# Under-reports.


def copy_by_set_weights(network, tmp_path):
    copy = helpers.make_discriminator()
    copy.set_weights(network.get_weights())
    return copy


def copy_by_clone(network, tmp_path):
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    return copy


def copy_by_file(network, tmp_path):
    network.save(tmp_path / "network.keras")
    return keras.models.load_model(tmp_path / "network.keras")


def copy_by_weight_file(network, tmp_path):
    network.save_weights(tmp_path / "network.weights.h5")
    copy = helpers.make_discriminator()
    copy.load_weights(tmp_path / "network.weights.h5")
    return copy


def copy_by_arrays_of_another_precision(network, tmp_path):
    copy = helpers.make_discriminator()
    copy.set_weights([np.float64(w) for w in network.get_weights()])
    return copy


def copy_of_one_layer(network, tmp_path):
    copy = helpers.make_discriminator()
    copy.layers[-1].set_weights(network.layers[-1].get_weights())
    return copy


def layers_under_a_new_head(network, tmp_path):
    scores = keras.layers.Dense(1)(network.layers[-2].output)
    return keras.Model(network.inputs, scores)


def frozen_in_part(network, tmp_path):
    copy = copy_by_clone(network, tmp_path)
    copy.layers[-2].trainable = False
    return copy


@pytest.mark.parametrize(
    "copied",
    [
        copy_by_set_weights,
        copy_by_clone,
        copy_by_file,
        copy_by_weight_file,
        copy_by_arrays_of_another_precision,
        copy_of_one_layer,
        layers_under_a_new_head,
        frozen_in_part,
    ],
)
def test_what_was_spent_on_a_copied_discriminator_is_counted(first, copied, tmp_path):
    second = compiled(copied(first.discriminator, tmp_path), helpers.make_generator())
    assert total(second) == 50
    assert "REUSED WEIGHTS: 50 of the updates" in said(second)
    assert second.epsilon(1e-3) == first.epsilon(1e-3)


def test_a_discriminator_that_another_model_has_trained_costs_what_both_made():
    first = fit(helpers.make_gan(), epochs=2)
    second = fit(compiled(first.discriminator, helpers.make_generator()))
    assert total(second) == 30
    # The weights of the first are those that the second has gone on with.
    assert total(first) == 30
    assert "REUSED WEIGHTS: 10 of the updates" in said(first)
    first.compile(**helpers.compile_defaults())
    assert total(fit(first)) == 40 == total(second)


def test_a_generator_that_a_private_discriminator_has_taught_carries_its_cost(first):
    second = compiled(helpers.make_discriminator(), first.generator)
    assert total(second) == 50
    second.delta = 1e-3
    assert second.privacy_card()["guarantee"]["epsilon"] == first.epsilon(1e-3)


def test_weights_copied_in_after_compile_are_counted_by_the_next_fit(first):
    second = helpers.make_gan()
    second.discriminator.set_weights(first.discriminator.get_weights())
    assert total(fit(second)) == 60


def test_a_copy_taken_while_fit_runs_is_known():
    copies = []

    def copy(epoch, logs):
        copies.append(copy_by_clone(gan.discriminator, None))

    gan = helpers.make_gan()
    fit(gan, 3, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=copy)])
    seconds = [compiled(c, helpers.make_generator()) for c in copies]
    assert [total(second) for second in seconds] == [10, 20, 30]


def test_a_fit_that_was_broken_off_is_known():
    def interrupt(batch, logs):
        if batch == 6:
            raise KeyboardInterrupt

    gan = helpers.make_gan()
    with pytest.raises(KeyboardInterrupt):
        fit(
            gan,
            callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=interrupt)],
        )
    assert total(compiled(gan.discriminator, helpers.make_generator())) == 7


def test_a_budget_counts_what_came_with_the_weights(first):
    from keras_dpgan.callbacks import EpsilonTracker

    second = compiled(
        copy_by_set_weights(first.discriminator, None), helpers.make_generator()
    )
    tracker = EpsilonTracker(delta=1e-3, target_epsilon=first.epsilon(1e-3))
    with pytest.raises(ValueError, match="Not one more update fits"):
        fit(second, callbacks=[tracker])


def test_a_best_checkpoint_that_is_loaded_costs_what_it_was_chosen_from(tmp_path):
    path = str(tmp_path / "best.weights.h5")
    best = keras.callbacks.ModelCheckpoint(
        path, monitor="epsilon", mode="min", save_best_only=True, save_weights_only=True
    )
    gan = fit(helpers.make_gan(), epochs=4, callbacks=[best])
    spent = gan.epsilon(1e-3)
    gan.load_weights(path)
    assert total(gan) == 40
    assert gan.epsilon(1e-3) == spent
    assert total(fit(gan)) == 50
    # In the hands of another model these weights are still chosen out of 40 updates.
    other = helpers.make_gan()
    other.load_weights(path)
    assert total(other) >= 40


def test_a_file_of_another_model_adds_to_what_was_made_before(tmp_path):
    path = tmp_path / "other.weights.h5"
    fit(helpers.make_gan(), epochs=2).save_weights(path)
    gan = fit(helpers.make_gan())
    gan.load_weights(path)
    assert total(gan) == 30
    gan.load_weights(path)
    assert total(gan) == 30


def test_weights_that_join_a_model_of_a_ledger_are_entered_there(tmp_path):
    other = fit(helpers.make_gan(), epochs=2)
    with privacy.Ledger(tmp_path / "ledger", "toys", 4) as ledger:
        gan = fit(helpers.make_gan(), ledger=ledger)
        gan.discriminator.set_weights(other.discriminator.get_weights())
        assert total(gan) == 30
        ledger.spend(gan.privacy_history.entries[0].with_count(5), "another run")
        fit(gan, ledger=ledger)
        assert total(gan) == 45 == ledger.total_updates


def test_a_file_in_a_fresh_model_is_a_resumed_run(first, tmp_path):
    first.save_weights(tmp_path / "first.weights.h5")
    gan = helpers.make_gan()
    gan.load_weights(tmp_path / "first.weights.h5")
    assert total(gan) == 50
    assert said(gan) == ""
    assert "RESUMED RUN" in said(fit(gan))
    assert total(gan) == 60
    first.save(tmp_path / "first.keras")
    assert total(keras.models.load_model(tmp_path / "first.keras")) == 50


def test_a_saved_model_carries_what_it_has_inherited(first, tmp_path):
    second = compiled(first.discriminator, helpers.make_generator())
    second.save(tmp_path / "second.keras")
    loaded = keras.models.load_model(tmp_path / "second.keras")
    assert total(loaded) == 50
    assert "REUSED WEIGHTS: 50" in said(loaded)


def test_a_ledger_that_has_the_updates_counts_them_once(tmp_path):
    with privacy.Ledger(tmp_path / "ledger", "toys", 4) as ledger:
        first = fit(helpers.make_gan(), ledger=ledger)
        second = compiled(first.discriminator, helpers.make_generator())
        assert total(second) == 10
        with pytest.raises(ValueError, match="counted in a ledger"):
            fit(second)
        fit(second, ledger=ledger)
        assert total(second) == 20 == ledger.total_updates
        third = compiled(copy_by_clone(first.discriminator, None), second.generator)
        assert total(fit(third, ledger=ledger)) == ledger.total_updates


# What must not be taken for a copy.


def test_a_model_of_its_own_inherits_nothing():
    for _ in range(2):
        keras.utils.set_random_seed(0)
        gan = fit(helpers.make_gan())
        assert total(gan) == 10
        assert said(gan) == ""


def load_untrained(gan, untrained, folder):
    untrained.save_weights(folder / "untrained.weights.h5")
    gan.load_weights(folder / "untrained.weights.h5")
    return gan


def load_untrained_model(gan, untrained, folder):
    untrained.save(folder / "untrained.keras")
    return keras.saving.load_model(folder / "untrained.keras")


def set_untrained(gan, untrained, folder):
    gan.set_weights(untrained.get_weights())
    return gan


def set_untrained_networks(gan, untrained, folder):
    gan.discriminator.set_weights(untrained.discriminator.get_weights())
    gan.generator.set_weights(untrained.generator.get_weights())
    return gan


BEGINNINGS = [load_untrained, load_untrained_model, set_untrained]
BEGINNINGS += [set_untrained_networks]


@pytest.mark.parametrize("begin", BEGINNINGS)
def test_models_that_begin_at_the_same_untrained_weights_are_no_copies(begin, tmp_path):
    untrained = helpers.make_gan(discriminator_steps=100)
    for _ in range(2):
        # The generator is not trained yet: its weights stay what they were.
        gan = begin(helpers.make_gan(discriminator_steps=100), untrained, tmp_path)
        assert total(fit(gan)) == 10


def test_weights_of_a_trained_file_are_known_wherever_they_go(tmp_path):
    fit(helpers.make_gan(discriminator_steps=100)).save(tmp_path / "gan.keras")
    # As in another process, which knows nothing but the file and its networks.
    origins.forget()
    networks = keras.saving.load_model(tmp_path / "gan.keras")
    origins.forget()
    gan = compiled(networks.discriminator, networks.generator)
    assert total(gan) == 0
    gan.load_weights(tmp_path / "gan.keras")
    assert total(gan) == 10
    copy = helpers.make_generator()
    copy.set_weights(gan.generator.get_weights())
    assert total(compiled(helpers.make_discriminator(), copy)) == 10


def test_layers_that_training_has_left_as_they_were_carry_nothing():
    backbone = keras.layers.Dense(8, activation="tanh", trainable=False)

    def discriminator():
        rows = keras.Input(helpers.SHAPE)
        return keras.Model(rows, keras.layers.Dense(1)(backbone(rows)))

    for _ in range(2):
        gan = compiled(discriminator(), helpers.make_generator(None))
        gan.fit(helpers.make_data()[0], batch_size=12, verbose=0)
        assert total(gan) == 10


def test_clipped_weights_that_are_alike_by_chance_carry_nothing():
    for _ in range(2):
        rows = keras.Input(helpers.SHAPE)
        discriminator = keras.Model(rows, keras.layers.Dense(1)(rows))
        gan = compiled(
            discriminator,
            helpers.make_generator(None),
            weight_clip=1e-6,
            loss=losses.get("wasserstein"),
        )
        gan.fit(helpers.make_data()[0], batch_size=12, verbose=0)
        assert total(gan) == 10


# Releases.


@pytest.fixture(scope="module", name="images")
def small_images():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (60, 4, 4, 1)).astype(np.float32)
    return x, rng.integers(0, 3, 60).astype(np.int32)


def release_mixture(images, **arguments):
    return private_class_mixture(*images, 3, noise_multiplier=5.0, rank=3, **arguments)


def gan_of(mixture, **arguments):
    return compiled(
        models.image_discriminator((4, 4, 1), 3, width=2),
        models.mixture_generator((4, 4, 1), mixture, width=2),
        **arguments,
    )


def test_a_mixture_is_counted_by_the_models_made_from_it_and_once(images, tmp_path):
    mixture, entry = release_mixture(images)
    gan = gan_of(mixture)
    assert gan.privacy_history.entries == (entry,)
    assert "noisy sums over all rows" in said(gan)
    gan.count_release(entry)
    assert total(gan) == 1
    gan.save(tmp_path / "gan.keras")
    assert total(keras.models.load_model(tmp_path / "gan.keras")) == 1
    again = compiled(
        models.image_discriminator((4, 4, 1), 3, width=2),
        keras.models.load_model(copy_to(tmp_path, gan.generator)),
    )
    assert total(again) == 1
    # Another release costs as much again.
    assert total(gan_of(release_mixture(images)[0])) == 1
    gan.count_release(release_mixture(images)[1])
    assert total(gan) == 2


def copy_to(tmp_path, network):
    network.save(tmp_path / "network.keras")
    return tmp_path / "network.keras"


def test_a_mixture_that_a_ledger_has_is_counted_once(images, tmp_path):
    with privacy.Ledger(tmp_path / "ledger", "toys") as ledger:
        mixture, entry = release_mixture(images, ledger=ledger)
        gan = gan_of(mixture)
        gan.save(tmp_path / "gan.keras")
        gan.fit(*images, batch_size=30, verbose=0, ledger=ledger)
        gan.count_release(entry)
        assert total(gan) == 3 == ledger.total_updates
        loaded = keras.models.load_model(tmp_path / "gan.keras")
        loaded.fit(*images, batch_size=30, verbose=0, ledger=ledger)
        assert total(loaded) == 5 == ledger.total_updates
        assert [run.purpose for run in ledger.runs].count("class mixture") == 1


@pytest.mark.parametrize("form", [np.asarray, list, np.ndarray.tolist, np.float32])
def test_a_label_prior_is_counted_by_the_model_that_is_compiled_with_it(form):
    _, y = helpers.make_data()
    prior, entry = private_label_prior(y, 3, epsilon=0.5, delta=1e-5)
    gan = helpers.make_gan(label_prior=form(prior))
    assert gan.privacy_history.entries == (entry,)
    gan.count_release(entry)
    gan.compile(**{**helpers.compile_defaults(), "label_prior": form(prior)})
    assert total(gan) == 1


def test_a_label_prior_is_counted_once_by_files_and_ledgers(tmp_path):
    x, y = helpers.make_data()
    with privacy.Ledger(tmp_path / "ledger", "toys") as ledger:
        prior, entry = private_label_prior(y, 3, epsilon=1, delta=1e-5, ledger=ledger)
        gan = helpers.make_gan(label_prior=prior)
        gan.save(tmp_path / "gan.keras")
        fit(gan, ledger=ledger)
        assert total(gan) == 11 == ledger.total_updates
        gan.count_release(entry)
        gan.compile(**{**helpers.compile_defaults(), "label_prior": prior})
        assert total(fit(gan, ledger=ledger)) == 21 == ledger.total_updates
        # A model that knows the ledger already, and then gets what it has released.
        other, entry = private_label_prior(y, 3, epsilon=1, delta=1e-5, ledger=ledger)
        gan.compile(**{**helpers.compile_defaults(), "label_prior": other})
        assert total(gan) == 22
        assert total(fit(gan, ledger=ledger)) == 32 == ledger.total_updates
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    assert total(loaded) == 1


def test_a_prior_of_the_users_own_costs_nothing():
    assert total(helpers.make_gan(label_prior=[0.2, 0.3, 0.5])) == 0
