import numpy as np
import pytest

from keras_dpgan._utils import validate


@pytest.mark.parametrize("value", [0, -1, 0.0, float("nan"), float("inf"), "1", True])
def test_a_positive_number_is_finite_and_above_zero(value):
    with pytest.raises(ValueError, match=r"`clip` .* above 0\. Received: clip="):
        validate.check_positive("clip", value)


@pytest.mark.parametrize("value", [-1e-9, float("nan"), float("inf"), None, [1.0]])
def test_a_non_negative_number_is_finite_and_not_below_zero(value):
    with pytest.raises(ValueError, match=r"`noise` .* at least 0\. Received: noise="):
        validate.check_non_negative("noise", value)


@pytest.mark.parametrize("value", [0, -0.1, 1.0001, float("nan"), "0.5", 10**400])
def test_a_probability_is_above_zero_and_at_most_one(value):
    with pytest.raises(ValueError, match=r"`q` must be in \(0, 1\]\. Received: q="):
        validate.check_probability("q", value)


@pytest.mark.parametrize("value", [1.0, True, "3", 2, 9])
def test_an_int_is_whole_and_within_its_limits(value):
    with pytest.raises(
        ValueError, match=r"an integer of at least 3 and at most 8\. Received: steps="
    ):
        validate.check_int("steps", value, minimum=3, maximum=8)


def test_a_choice_lists_what_is_allowed():
    with pytest.raises(ValueError, match="one of 'pld', 'rdp'. Received: a='prv'"):
        validate.check_choice("a", "prv", ("pld", "rdp"))


def test_a_bool_is_no_number():
    assert validate.check_bool("seeded", True) is True
    with pytest.raises(ValueError, match="True or False. Received: seeded=1"):
        validate.check_bool("seeded", 1)


def test_numpy_scalars_come_back_as_python_numbers():
    for number in (
        validate.check_positive("a", np.float32(0.5)),
        validate.check_non_negative("a", np.int64(0)),
        validate.check_probability("a", np.float64(1)),
        validate.check_delta(np.float64(0.1)),
    ):
        assert type(number) is float
    assert type(validate.check_int("a", np.int32(3))) is int


@pytest.mark.parametrize("delta", [0, 1, -0.1, 2, float("nan"), "1e-5", None])
def test_delta_is_between_zero_and_one(delta):
    with pytest.raises(
        ValueError, match=r"`delta` must be in \(0, 1\)\. Received: delta="
    ):
        validate.check_delta(delta)


def test_delta_of_one_in_n_or_more_warns():
    with pytest.warns(UserWarning, match="delta=0.001, num_examples=1000"):
        validate.check_delta(1e-3, num_examples=1000)
    assert validate.check_delta(9e-4, num_examples=1000) == 9e-4
