"""What `.keras` files, weight files and second compilations carry."""

import io
import json
import zipfile

import h5py
import helpers
import keras
import numpy as np
import pytest

from keras_dpgan import optimizers
from keras_dpgan import privacy


@pytest.fixture
def trained():
    gan = helpers.make_gan()
    gan.fit(*helpers.make_data(), batch_size=12, epochs=2, verbose=0)
    return gan


def adam():
    return optimizers.DPKerasAdamOptimizer(1.0, 1.5, learning_rate=1e-3)


def test_a_keras_file_brings_back_everything_without_custom_objects(trained, tmp_path):
    trained.compile(**{**helpers.compile_defaults(), "d_optimizer": adam()})
    trained.fit(*helpers.make_data(), batch_size=12, epochs=1, verbose=0)
    trained.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    assert helpers.same(trained.get_weights(), loaded.get_weights())
    for before, after in (
        (trained.d_optimizer, loaded.d_optimizer),
        (trained.g_optimizer, loaded.g_optimizer),
    ):
        assert int(before.iterations) == int(after.iterations) > 0
        for a, b in zip(before.variables, after.variables, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert loaded.privacy_history == trained.privacy_history
    assert loaded.epsilon(1e-5) == trained.epsilon(1e-5)
    assert loaded.get_compile_config() == trained.get_compile_config()
    latents = np.ones((2, helpers.LATENT_DIM), np.float32)
    labels = np.array([0, 1], np.int32)
    np.testing.assert_array_equal(
        trained.predict([latents, labels], verbose=0),
        loaded.predict([latents, labels], verbose=0),
    )


def test_a_loaded_model_goes_on_counting(trained, tmp_path):
    trained.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    loaded.fit(*helpers.make_data(), batch_size=12, epochs=1, verbose=0)
    assert loaded.num_discriminator_updates == 30
    assert loaded.privacy_history.total_updates == 30
    assert len(loaded.privacy_history.entries) == 1


def test_a_weight_file_carries_the_history(trained, tmp_path):
    trained.save_weights(tmp_path / "gan.weights.h5")
    fresh = helpers.make_gan()
    fresh.load_weights(tmp_path / "gan.weights.h5")
    assert fresh.privacy_history == trained.privacy_history
    assert int(fresh.d_optimizer.iterations) == 20


def test_a_second_compile_with_other_noise_composes_with_the_first(trained):
    optimizer = helpers.make_d_optimizer(noise_multiplier=2.5)
    trained.compile(**{**helpers.compile_defaults(), "d_optimizer": optimizer})
    trained.fit(*helpers.make_data(), batch_size=24, epochs=2, verbose=0)
    entries = trained.privacy_history.entries
    assert [(e.noise_multiplier, e.sampling_probability, e.count) for e in entries] == [
        (1.0, 0.1, 20),
        (2.5, 0.2, 10),
    ]
    alone = privacy.epsilon(privacy.PrivacyHistory(entries[:1]), 1e-5)
    assert trained.epsilon(1e-5) > alone


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_a_file_carries_the_number_of_rows_and_with_it_the_delta(
    trained, tmp_path, suffix
):
    path = tmp_path / f"gan{suffix}"
    if suffix == ".keras":
        trained.save(path)
        loaded = keras.models.load_model(path)
    else:
        trained.save_weights(path)
        loaded = helpers.make_gan()
        loaded.load_weights(path)
    assert loaded.num_examples == trained.num_examples == 120
    assert loaded.delta == trained.delta == 1e-3
    assert loaded.epsilon() == trained.epsilon()


def test_weights_that_come_without_their_history_are_refused(trained):
    fresh = helpers.make_gan()
    fresh.set_weights(trained.get_weights())
    with pytest.raises(ValueError, match="save_weights"):
        fresh.epsilon()
    with pytest.raises(ValueError, match="save_weights"):
        fresh.fit(*helpers.make_data(), batch_size=12, verbose=0)


def test_a_counter_set_back_is_refused(trained):
    other = helpers.make_gan()
    other.fit(*helpers.make_data(), batch_size=24, epochs=1, verbose=0)
    trained.set_weights(other.get_weights())
    with pytest.raises(ValueError, match="do not belong"):
        trained.epsilon()


def test_an_optimizer_file_of_another_optimizer_is_refused(trained, tmp_path):
    trained.save_weights(tmp_path / "gan.weights.h5")
    other = helpers.make_gan(d_optimizer=adam())
    with pytest.raises(ValueError, match="variables of an optimizer"):
        other.load_weights(tmp_path / "gan.weights.h5")


def test_no_file_holds_the_state_of_a_random_generator(trained, tmp_path):
    trained.save(tmp_path / "gan.keras")
    with zipfile.ZipFile(tmp_path / "gan.keras") as archive:
        config = json.loads(archive.read("config.json"))
        weights = h5py.File(io.BytesIO(archive.read("model.weights.h5")))
    names = []
    weights.visit(names.append)
    text = json.dumps(config) + " ".join(names)
    assert "seed_generator" not in text
    assert "noise_state" not in text
    # The noise stream's state is three int64 words; the counters are scalars.
    assert not any(
        isinstance(weights[n], h5py.Dataset)
        and weights[n].dtype == np.int64
        and weights[n].size == 3
        for n in names
    )


def test_a_file_without_a_history_is_refused(trained, tmp_path):
    path = tmp_path / "gan.weights.h5"
    trained.save_weights(path)
    with h5py.File(path, "a") as file:
        names = []
        file.visit(names.append)
        del file[next(name for name in names if name.endswith("vars/history"))]
    with pytest.raises(ValueError, match="no privacy history"):
        helpers.make_gan().load_weights(path)
