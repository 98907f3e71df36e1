import numpy as np
import pytest

from keras_dpgan.data import scale_to_range
from keras_dpgan.data import to_uint8

BYTES = np.arange(256, dtype="uint8").reshape(4, 8, 8)


@pytest.mark.parametrize("bounds", [(-1.0, 1.0), (0.0, 1.0), (0, 255), (-3, 0.5)])
def test_bytes_fill_the_range_and_come_back(bounds):
    scaled = scale_to_range(BYTES, bounds)
    assert scaled.dtype == np.float32
    assert (scaled.min(), scaled.max()) == bounds
    np.testing.assert_array_equal(to_uint8(scaled, bounds), BYTES)


def test_a_scale_is_not_fitted_to_the_data():
    whole, part = scale_to_range(BYTES), scale_to_range(BYTES[1:2])
    np.testing.assert_array_equal(whole[1:2], part)


def test_other_public_bounds_can_be_given():
    np.testing.assert_array_equal(
        scale_to_range([0.0, 8.0, 16.0], (0.0, 1.0), source_range=(0, 16)),
        [0.0, 0.5, 1.0],
    )


def test_pixels_to_show_are_clipped_and_nan_is_black():
    shown = to_uint8(np.array([-7.0, 7.0, np.nan, np.inf, -np.inf]))
    np.testing.assert_array_equal(shown, [0, 255, 0, 255, 0])


def test_floats_need_their_bounds_to_be_stated():
    with pytest.raises(ValueError, match="`source_range` must give.*float64"):
        scale_to_range([0.5])


def test_values_outside_the_stated_bounds_are_refused():
    with pytest.raises(ValueError, match="`images` must lie in `source_range`"):
        scale_to_range([0.0, 17.0], source_range=(0, 16))
    with pytest.raises(ValueError, match="`images` must lie in `source_range`"):
        scale_to_range([0.0, np.nan], source_range=(0, 16))


@pytest.mark.parametrize("bounds", [(1, -1), (0, 0), (0,), 1, None, (0, np.inf), "ab"])
def test_a_range_that_is_none_is_refused_by_name(bounds):
    with pytest.raises(ValueError, match="`pixel_range` must be.*Received: pixel"):
        scale_to_range(BYTES, bounds)
    with pytest.raises(ValueError, match="`pixel_range` must be.*Received: pixel"):
        to_uint8(BYTES, bounds)
