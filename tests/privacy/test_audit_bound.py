"""The bound of Steinke, Nasr and Jagielski 2023, against independent figures."""

import fractions
import itertools
import math

import numpy as np
import pytest

from keras_dpgan.privacy import audit


def test_the_largest_bound_is_that_of_every_guess_right():
    bound = audit.epsilon_lower_bound(1000, 1000, 1000, 1e-12, 0.95)
    assert bound == pytest.approx(5.8, abs=0.02)
    assert bound == pytest.approx(-math.log(0.05 ** (-1 / 1000) - 1), rel=1e-6)


def test_the_bound_grows_with_right_guesses_and_falls_with_delta_and_confidence():
    bounds = [audit.epsilon_lower_bound(400, 200, v, 1e-6, 0.99) for v in range(201)]
    assert bounds == sorted(bounds)
    assert bounds[100] == 0 < bounds[150] < bounds[200]
    assert audit.epsilon_lower_bound(400, 200, 180, 1e-3, 0.99) < bounds[180]
    assert audit.epsilon_lower_bound(400, 200, 180, 1e-6, 0.999) < bounds[180]


@pytest.mark.parametrize("epsilon", [0.5, 2.0])
def test_the_tightest_mechanism_is_refuted_as_rarely_as_the_confidence_says(epsilon):
    """Randomised response gives away exactly epsilon: it is the worst case."""
    rng = np.random.default_rng(0)
    right = rng.binomial(100, 1 / (1 + math.exp(-epsilon)), 4000)
    bounds = {
        v: audit.epsilon_lower_bound(100, 100, int(v), 1e-9, 0.9) for v in set(right)
    }
    wrong = np.mean([bounds[v] > epsilon for v in right])
    assert 0.02 < wrong < 0.1 + 4 * math.sqrt(0.09 / 4000)


def p_value_by_enumeration(num_canaries, num_guesses, num_correct, epsilon, delta):
    """Theorem 5.2 word for word, over every outcome of the guesses, exactly."""
    right = fractions.Fraction(1 / (1 + math.exp(-epsilon)))
    probabilities = [fractions.Fraction(0)] * (num_guesses + 1)
    for outcome in itertools.product((0, 1), repeat=num_guesses):
        count = sum(outcome)
        probabilities[count] += right**count * (1 - right) ** (num_guesses - count)
    as_many = sum(probabilities[num_correct:])
    worst = max(
        sum(probabilities[num_correct - i : num_correct]) / i
        for i in range(1, num_correct + 1)
    )
    return float(as_many + 2 * num_canaries * fractions.Fraction(delta) * worst)


@pytest.mark.parametrize("delta", [1e-12, 1e-4, 3e-3])
@pytest.mark.parametrize("numbers", [(8, 8, 8), (12, 9, 8), (11, 10, 9)])
def test_the_bound_is_where_the_theorem_puts_it(numbers, delta):
    for confidence in (0.5, 0.8):
        bound = audit.epsilon_lower_bound(*numbers, delta, confidence)
        assert bound > 0
        p_value = p_value_by_enumeration(*numbers, bound, delta)
        assert p_value == pytest.approx(1 - confidence, rel=1e-6)


def probability_of_refuting(distribution, num_canaries, epsilon, delta, confidence):
    """How often guesses of this distribution refute `epsilon`, exactly."""
    return sum(
        probability
        for correct, probability in enumerate(distribution)
        if audit.epsilon_lower_bound(
            num_canaries, len(distribution) - 1, correct, delta, confidence
        )
        > epsilon
    )


def randomised_response(num_guesses, right):
    return [
        math.comb(num_guesses, i) * right**i * (1 - right) ** (num_guesses - i)
        for i in range(num_guesses + 1)
    ]


@pytest.mark.parametrize("delta", [1e-6, 0.01, 0.04])
def test_what_delta_lets_a_mechanism_give_away_refutes_nothing(delta):
    """Two mechanisms that use up all of epsilon and all of delta."""
    size, epsilon, confidence = 40, 1.0, 0.95
    right = 1 / (1 + math.exp(-epsilon))
    # Each coin is shown with probability delta.
    each = randomised_response(size, right + delta * (1 - right))
    # With probability delta all coins are shown.
    every = [(1 - delta) * p for p in randomised_response(size, right)]
    every[-1] += delta
    for distribution in (each, every):
        wrong = probability_of_refuting(distribution, size, epsilon, delta, confidence)
        assert wrong <= 1 - confidence
