import keras
import numpy as np
import pytest

from keras_dpgan import data
from keras_dpgan import recipes
from keras_dpgan.models.mixture_generator import ClassMixtureLayer

BUDGET = {"epsilon": 5.0, "delta": 1e-4}
QUICK = ("dp_wgan_gp",)
SLOW = ("dpgan", "dp_cgan", "revisited", "large_batch", "best")


@pytest.fixture(scope="module")
def digits():
    return data.load_digits()[0]


def make(name, digits, updates=2):
    x, y = digits
    if name == "best":
        sizes = {"components": 2, "rank": 8, "width": 4, "batch_size": 32}
        return recipes.best(x, y, 10, updates=updates, **sizes, **BUDGET)
    recipe = getattr(recipes, name)
    return recipe(
        x.shape[1:], 10, len(x), updates=updates, batch_size=32, width=4, **BUDGET
    )


@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_each_makes_its_updates_within_the_budget(name, digits):
    recipe = make(name, digits)
    gan = recipe.fit(*digits, verbose=0)
    assert gan.num_discriminator_updates == 2
    assert 0.95 * BUDGET["epsilon"] < gan.epsilon(BUDGET["delta"]) <= BUDGET["epsilon"]
    images, _ = gan.sample(3, np.arange(3))
    assert images.shape == (3, 8, 8, 1)


def test_epochs_that_do_not_divide_the_updates_make_no_more_of_them(digits):
    gan = make("revisited", digits, updates=3).fit(*digits, epochs=2, verbose=0)
    assert gan.num_discriminator_updates == 3
    assert gan.epsilon(BUDGET["delta"]) <= BUDGET["epsilon"]


def test_without_updates_the_mixture_has_the_whole_budget(digits, tmp_path):
    gan = make("best", digits, updates=0).fit(*digits)
    spent = gan.epsilon(BUDGET["delta"])
    assert 0.99 * BUDGET["epsilon"] < spent <= BUDGET["epsilon"]
    assert "noisy sums over all rows" in str(gan.privacy_statement(BUDGET["delta"]))
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert loaded.epsilon(BUDGET["delta"]) == spent
    samples = [g.sample(5, np.arange(5), seed=0)[0] for g in (gan, loaded)]
    np.testing.assert_array_equal(*samples)


@pytest.mark.parametrize("updates", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_released_critic_is_part_of_the_budget(digits, updates):
    x, y = digits
    sizes = {"components": 2, "rank": 8, "width": 4, "batch_size": 32}
    recipe = recipes.best(x, y, 10, critic_steps=4, updates=updates, **sizes, **BUDGET)
    before = recipe.gan.sample(5, np.arange(5), seed=0)[0]
    gan = recipe.fit(x, y, epochs=2, verbose=0)
    assert 0.95 * BUDGET["epsilon"] < gan.epsilon(BUDGET["delta"]) <= BUDGET["epsilon"]
    assert gan.num_discriminator_updates == updates
    assert np.abs(gan.sample(5, np.arange(5), seed=0)[0] - before).max() > 0
    noise = [entry.noise_multiplier for entry in gan.privacy_history.entries[:2]]
    # 60% of the budget for the mixture, which adds up by the inverse square.
    assert noise[0] ** -2 / noise[1] ** -2 == pytest.approx(0.6 / 0.4)


def test_a_mixture_that_is_dearer_than_the_budget_is_refused():
    from keras_dpgan import privacy
    from keras_dpgan.recipes import recipe

    entry = privacy.HistoryEntry(
        mechanism="gaussian", noise_multiplier=0.5, sampling_probability=1.0, count=3
    )
    with pytest.raises(ValueError, match="`epsilon` must be more than what is"):
        recipe.planned_noise(1000, 10, 100, 1.0, 1e-5, [entry])


def test_count_release_refuses_what_is_no_entry(digits):
    with pytest.raises(ValueError, match="`entry` must be"):
        make("revisited", digits).gan.count_release(3)


def test_the_less_noise_the_more_gaussians_for_each_label(digits):
    x, y = digits
    components = []
    for epsilon in (1.0, 100.0):
        gan = recipes.best(x, y, 10, epsilon=epsilon, delta=1e-4, rank=8, width=4).gan
        components += [
            layer.components
            for layer in gan.generator.layers
            if isinstance(layer, ClassMixtureLayer)
        ]
    assert components[0] == 1
    assert 1 < components[1] <= 8
