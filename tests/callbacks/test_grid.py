"""Grids of images."""

import sys

import numpy as np
import pytest

from keras_dpgan.callbacks import sample_grid


def constant_images(values, shape=(4, 4, 1)):
    values = np.asarray(values, np.float32)
    return np.broadcast_to(values[:, None, None, None], (len(values), *shape))


def test_rows_are_labels_and_columns_are_their_images_in_order():
    images = constant_images([-1.0, 1.0, 0.0, 0.6, -0.5])
    grid = np.asarray(sample_grid(images, np.array([1, 0, 1, 0, 1])))
    assert grid.dtype == np.uint8
    assert grid.shape[2] == 3
    # Cells of 32 pixels and gaps of 2, right of the names.
    left = grid.shape[1] - 3 * 34
    middles = [
        [
            int(grid[2 + 34 * row + 16, left + 34 * column + 16, 0])
            for column in range(3)
        ]
        for row in range(2)
    ]
    assert middles == [[255, 204, 255], [0, 128, 64]]
    assert grid[:34, : left - 2].min() < 128  # There is ink in the names.


def test_more_images_than_columns_are_left_out():
    images = constant_images(np.zeros(7))
    wide = np.asarray(sample_grid(images, np.zeros(7, np.int32), columns=7))
    narrow = np.asarray(sample_grid(images, np.zeros(7, np.int32), columns=3))
    assert wide.shape[1] - narrow.shape[1] == 4 * 34


def test_without_labels_rows_are_filled_in_order():
    grid = sample_grid(constant_images(np.zeros(7)), columns=3)
    assert grid.size == (3 * 34 + 2, 3 * 34 + 2)


def test_colours_and_the_range_of_a_sigmoid_are_kept():
    images = np.zeros((1, 32, 32, 3), np.float32)
    images[..., 1] = 1.0
    grid = np.asarray(sample_grid(images, pixel_range=(0.0, 1.0)))
    assert grid[16, 16].tolist() == [0, 255, 0]


def test_large_images_are_not_enlarged():
    assert sample_grid(constant_images([0.0], (40, 50, 1))).size == (54, 44)


def test_names_widen_the_grid():
    images, labels = constant_images([0.0, 0.0]), np.array([0, 1])
    numbers = sample_grid(images, labels)
    names = sample_grid(images, labels, label_names=["Ankle boot", "Bag"])
    assert names.size[0] > numbers.size[0]


@pytest.mark.parametrize(
    ("changes", "argument"),
    [
        ({"images": np.zeros((2, 4, 4))}, "images"),
        ({"images": np.zeros((2, 4, 4, 2))}, "images"),
        ({"images": np.zeros((0, 4, 4, 1))}, "images"),
        ({"labels": [0]}, "labels"),
        ({"labels": [0, -1]}, "labels"),
        ({"labels": [0.0, 1.0]}, "labels"),
        ({"labels": [0, 1], "label_names": ["zero"]}, "label_names"),
        ({"columns": 0}, "columns"),
        ({"pixel_range": (1.0, -1.0)}, "pixel_range"),
    ],
)
def test_what_does_not_fit_is_refused(changes, argument):
    with pytest.raises(ValueError, match=f"`{argument}`"):
        sample_grid(**{"images": np.zeros((2, 4, 4, 1)), **changes})


def test_without_pillow_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"keras-dpgan\[plots\]"):
        sample_grid(np.zeros((1, 4, 4, 1)))
