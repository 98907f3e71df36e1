import math
import time

import helpers
import keras
import mpmath
import numpy as np
import pytest
import tensorflow as tf
from scipy import special
from scipy import stats

from keras_dpgan import optimizers
from keras_dpgan.clipping import ClippedSum
from keras_dpgan.mechanisms import secure_noise

pytest.importorskip("cryptography")

CLIP, NOISE_MULTIPLIER, SIZE = 0.7, 1.3, 20_000


def has_the_right_scale(noise, stddev):
    """Fails once in a million when it holds."""
    squares = np.mean((noise / stddev) ** 2)
    return abs(squares - 1) < 5 * math.sqrt(2 / len(noise))


@pytest.mark.parametrize(
    ("factor", "accepted"), [(1, True), (2 / 3, False), (3 / 2, False)]
)
def test_noise_has_the_scale_of_multiplier_times_enlarged_clip(factor, accepted):
    noised = secure_noise.noised_on_grid(
        np.zeros(SIZE), CLIP, factor * NOISE_MULTIPLIER
    )
    clip = secure_noise.enlarged_clip(CLIP, SIZE)
    assert has_the_right_scale(noised, NOISE_MULTIPLIER * clip) == accepted
    assert abs(np.mean(noised)) < 5 * factor * NOISE_MULTIPLIER * clip / math.sqrt(SIZE)


def test_the_noise_pays_for_the_rounding_too(monkeypatch):
    """One percent, which no test of the scale could tell."""
    drawn = []
    monkeypatch.setattr(
        secure_noise,
        "rounded_gaussian",
        lambda size, sigma: drawn.append(sigma) or np.zeros(size),
    )
    secure_noise.noised_on_grid(np.zeros(100), CLIP, NOISE_MULTIPLIER)
    step = secure_noise.grid_step(CLIP, 100)
    assert drawn == [pytest.approx(NOISE_MULTIPLIER * (CLIP + 10 * step) / step)]


def exact_probabilities(sigma, largest):
    """Of each integer up to `largest` in size, and of all beyond."""
    with mpmath.workdps(30):
        tails = [
            mpmath.erfc((k + mpmath.mpf("0.5")) / (sigma * mpmath.sqrt(2))) / 2
            for k in range(-largest - 1, largest + 1)
        ]
    inside = [float(a - b) for a, b in zip(tails, tails[1:], strict=False)]
    return np.array([*inside, float(2 * tails[-1])])


@pytest.mark.parametrize("sigma", [0.4, 1.0, 3.7])
def test_draws_have_the_exact_probabilities_of_a_rounded_gaussian(sigma):
    largest = math.ceil(3 * sigma)
    drawn = secure_noise.rounded_gaussian(200_000, sigma)
    assert np.array_equal(drawn, np.rint(drawn))
    inside = drawn[np.abs(drawn) <= largest].astype(int)
    counts = np.bincount(inside + largest, minlength=2 * largest + 1)
    counts = np.append(counts, drawn.size - inside.size)
    expected = drawn.size * exact_probabilities(sigma, largest)
    assert stats.chisquare(counts, expected).pvalue > 1e-6
    assert (
        stats.chisquare(counts, drawn.size * exact_wrong(sigma, largest)).pvalue < 1e-6
    )


def exact_wrong(sigma, largest):
    return exact_probabilities(1.03 * sigma, largest)


def test_what_comes_out_is_on_the_public_grid():
    step = secure_noise.grid_step(CLIP, 50)
    assert math.frexp(step)[0] == 0.5  # A power of two.
    values = np.random.default_rng(0).normal(size=50)
    noised = secure_noise.noised_on_grid(values, CLIP, NOISE_MULTIPLIER)
    assert np.array_equal(noised / step, np.rint(noised / step))
    assert (
        np.max(np.abs(values - secure_noise.noised_on_grid(values, CLIP, 0.0)))
        <= step / 2
    )


@pytest.mark.parametrize("size", [1, 7, 5000])
def test_neighbouring_sums_stay_within_the_enlarged_clip_on_the_grid(size):
    step = secure_noise.grid_step(CLIP, size)
    enlarged = secure_noise.enlarged_clip(CLIP, size)
    assert CLIP < enlarged <= 1.01 * CLIP
    rng = np.random.default_rng(1)
    worst = 0.0
    for _ in range(20):
        # Just below a rounding boundary: each coordinate moves by the whole of it.
        values = step * (rng.integers(-50, 50, size) + 0.5) * (1 - 1e-9)
        record = rng.choice([-1, 1], size) * CLIP / math.sqrt(size)
        ends = [
            secure_noise.noised_on_grid(v, CLIP, 0.0) for v in (values, values + record)
        ]
        worst = max(worst, np.linalg.norm(ends[1] - ends[0]))
    assert worst <= enlarged


def test_the_quantile_is_as_accurate_as_the_margin_takes_it_to_be():
    words = np.random.default_rng(0).integers(2**44, 2**63, 200)
    tails = [*words.tolist(), 2**44, 2**50, 2**62, 2**63 - 1]
    with mpmath.workdps(60):
        for tail in tails:
            computed = -special.ndtri((float(tail) + 0.5) * 2.0**-64)
            low, high = (
                mpmath.sqrt(2) * mpmath.erfinv(1 - 2 * mpmath.mpf(t) / 2**64)
                for t in (tail + 1, tail)
            )
            assert low - 2.0**-43 <= computed <= high + 2.0**-43


@pytest.mark.parametrize("sigma", [0.7, 46_000.0])
def test_where_float64_cannot_decide_a_hundred_digits_do(sigma):
    with mpmath.workdps(80):
        for k in (0, 3):
            boundary = (
                mpmath.erfc((k + mpmath.mpf("0.5")) / (sigma * mpmath.sqrt(2))) / 2
            )
            tail = int(boundary * 2**256)
            # One unit of 2^-256 apart, far below what a float64 can tell.
            assert secure_noise.resolve(tail - 2, k, sigma) == k + 1
            assert secure_noise.resolve(tail + 2, k + 1, sigma) == k


def optimizer(**changes):
    return optimizers.DPKerasSGDOptimizer(
        CLIP, NOISE_MULTIPLIER, learning_rate=1.0, noise_source="secure", **changes
    )


def test_the_optimizer_adds_it_inside_a_traced_function_once_and_afresh():
    variables = [
        keras.Variable(np.zeros(SIZE, np.float32)),
        keras.Variable(np.zeros((2, 3))),
    ]
    secure = optimizer()
    secure.build(variables)
    zeros = ClippedSum(
        [tf.zeros(v.shape) for v in variables], tf.constant(4), tf.constant(4)
    )

    @tf.function
    def step():
        secure.apply_clipped_sum(zeros, variables, 16.0)

    step()
    first = variables[0].numpy()
    step()
    second = variables[0].numpy() - first
    clip = secure_noise.enlarged_clip(CLIP, SIZE + 6)
    assert has_the_right_scale(16 * first, NOISE_MULTIPLIER * clip)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05
    # The last bits of float32, after the division, aside.
    step_size = secure_noise.grid_step(CLIP, SIZE + 6)
    on_grid = 16 * first.astype(np.float64) / step_size
    assert np.max(np.abs(on_grid - np.rint(on_grid))) < 0.02


def test_a_gan_trains_with_it_and_xla_is_refused():
    x, y = helpers.make_data(40)
    gan = helpers.make_gan(d_optimizer=optimizer())
    gan.fit(x, y, batch_size=10, epochs=1, verbose=0)
    assert gan.num_discriminator_updates == 4
    with pytest.raises(ValueError, match="jit_compile"):
        helpers.make_gan(d_optimizer=optimizer(), jit_compile=True)


def test_config_round_trip():
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(optimizer())
    )
    assert copy.noise_source == "secure"
    assert copy.get_config() == optimizer().get_config() | {"name": copy.name}


def test_a_missing_package_is_named_with_its_pip_line(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install"):
        secure_noise.check_installed()


@pytest.mark.parametrize(
    "changes", [{"insecure_noise_seed": 1}, {"noise_source": "best"}]
)
def test_arguments_that_do_not_fit_are_refused(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        optimizers.DPKerasSGDOptimizer(
            CLIP, NOISE_MULTIPLIER, **{"noise_source": "secure", **changes}
        )


def test_it_costs_milliseconds():
    values = np.zeros(212_000)
    secure_noise.noised_on_grid(values, CLIP, NOISE_MULTIPLIER)
    start = time.process_time()
    secure_noise.noised_on_grid(values, CLIP, NOISE_MULTIPLIER)
    assert time.process_time() - start < 0.2
