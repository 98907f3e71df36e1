"""`python -m keras_dpgan.sample`: from an export to a file."""

import os
import pathlib
import subprocess
import sys

import helpers
import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_dpgan
from keras_dpgan import DPGAN
from keras_dpgan import export
from keras_dpgan import models
from keras_dpgan.cli import sample

SIDE = 8


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """Exports of a conditional generator of images and of one of vectors."""
    folder = tmp_path_factory.mktemp("exports")
    shape = (SIDE, SIDE, 1)
    images = DPGAN(
        models.image_discriminator(shape, num_classes=3, width=2),
        models.image_generator(
            shape, 4, num_classes=3, width=2, output_activation="sigmoid"
        ),
    )
    images.export(folder / "images")
    helpers.make_gan(None).export(folder / "vectors")
    return folder


def test_npz_holds_rows_and_labels(exports, tmp_path):
    sample.draw(exports / "images", 1500, tmp_path / "data.npz", seed=3)
    with np.load(tmp_path / "data.npz") as data:
        x, y = data["x"], data["y"]
    expected_x, expected_y = export.load(exports / "images").sample(1500, seed=3)
    assert x.dtype == np.float32
    assert y.dtype == np.int32
    np.testing.assert_array_equal(x, expected_x)
    np.testing.assert_array_equal(y, expected_y)


def test_the_chunks_of_a_seeded_draw_differ(exports, tmp_path):
    sample.draw(exports / "vectors", 2100, tmp_path / "data.npz", seed=3)
    with np.load(tmp_path / "data.npz") as data:
        # A saturated tanh may make two rows equal; equal chunks would halve them.
        assert len(np.unique(data["x"], axis=0)) > 2000


def test_npz_of_an_unconditional_generator_has_no_labels(exports, tmp_path):
    sample.draw(exports / "vectors", 5, tmp_path / "data.npz")
    with np.load(tmp_path / "data.npz") as data:
        assert data.files == ["x"]
        assert data["x"].shape == (5, *helpers.SHAPE)


def read_examples(path, features):
    records = tf.data.TFRecordDataset(str(path))
    return [tf.io.parse_single_example(r, features) for r in records]


def test_tfrecord_holds_images_and_labels(exports, tmp_path):
    sample.draw(exports / "images", 4, tmp_path / "data.tfrecord", seed=3, label=2)
    features = {
        "image": tf.io.FixedLenFeature((), tf.string),
        "label": tf.io.FixedLenFeature((), tf.int64),
    }
    examples = read_examples(tmp_path / "data.tfrecord", features)
    drawn, _ = export.load(exports / "images").sample(4, 2, seed=3)
    assert len(examples) == 4
    for example, row in zip(examples, drawn, strict=True):
        image = tf.io.decode_png(example["image"]).numpy()
        np.testing.assert_array_equal(image, np.rint(row * 255))
        assert int(example["label"]) == 2


def test_tfrecord_of_vectors_holds_floats(exports, tmp_path):
    sample.draw(exports / "vectors", 3, tmp_path / "data.tfrecord", seed=3)
    features = {"x": tf.io.FixedLenFeature(helpers.SHAPE, tf.float32)}
    examples = read_examples(tmp_path / "data.tfrecord", features)
    drawn = export.load(exports / "vectors").sample(3, seed=3)
    np.testing.assert_array_equal([e["x"] for e in examples], drawn)


def test_png_shows_every_sample_by_label(exports, tmp_path):
    sample.draw(exports / "images", 5, tmp_path / "grid.png", seed=3)
    picture = tf.io.decode_png((tmp_path / "grid.png").read_bytes()).numpy()
    assert picture.shape == (2 * SIDE, 3 * SIDE, 1)
    rows, labels = export.load(exports / "images").sample(5, seed=3)
    expected = np.rint(rows[np.argsort(labels, kind="stable")] * 255)
    np.testing.assert_array_equal(picture[:SIDE, SIDE : 2 * SIDE], expected[1])
    np.testing.assert_array_equal(picture[SIDE:, :SIDE], expected[3])


def test_draws_differ_without_a_seed(exports, tmp_path):
    for name in ("a.npz", "b.npz"):
        keras.utils.set_random_seed(0)
        sample.draw(exports / "vectors", 3, tmp_path / name)
    with np.load(tmp_path / "a.npz") as a, np.load(tmp_path / "b.npz") as b:
        assert not np.allclose(a["x"], b["x"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "`n` must be an integer of at least 1. Received: n=0"),
        ({"n": -3}, "`n` must be an integer of at least 1. Received: n=-3"),
        ({"out": "data.csv"}, r"must end in .npz, .tfrecord, .png. Received"),
        ({"label": 1}, "`labels` must be None, because the generator is not"),
        ({"seed": -1}, "`seed` must be an integer of at least 0"),
        ({"out": "grid.png"}, "A `.png` picture needs rows that are images"),
    ],
)
def test_bad_arguments_are_named_and_leave_no_file(
    exports, tmp_path, arguments, message
):
    out = tmp_path / arguments.pop("out", "data.npz")
    given = {"n": 3, **arguments}
    with pytest.raises(ValueError, match=message):
        sample.draw(exports / "vectors", out=out, **given)
    assert list(tmp_path.iterdir()) == []


def test_labels_out_of_range_and_pictures_too_large_are_refused(exports, tmp_path):
    with pytest.raises(ValueError, match=r"`labels` must lie in \[0, 3\)"):
        sample.draw(exports / "images", 3, tmp_path / "data.npz", label=3)
    with pytest.raises(ValueError, match="at most 1048576 images.*n=2000000"):
        sample.draw(exports / "images", 2_000_000, tmp_path / "grid.png")


def run(*arguments, **kwargs):
    root = pathlib.Path(keras_dpgan.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        **kwargs,
    )


def test_the_command_writes_the_file_and_says_the_guarantee(exports, tmp_path):
    out = tmp_path / "data.npz"
    done = run("-m", "keras_dpgan.sample", exports / "vectors", "--n=3", f"--out={out}")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # Nothing of what TensorFlow says of itself.
    assert f"Wrote 3 samples to {out}." in done.stdout
    assert "There is no privacy guarantee" in done.stdout
    assert out.exists()


def test_the_command_ends_in_one_line_where_there_is_no_export(tmp_path):
    done = run(
        "-m", "keras_dpgan.sample", tmp_path, "--n=3", "--out=data.npz", cwd=tmp_path
    )
    assert done.returncode == 1
    assert "`path` must be a folder that `DPGAN.export` wrote" in done.stderr
    assert "Traceback" not in done.stderr


_WITHOUT_TRAINING_CODE = """
import pathlib, sys, types
package = types.ModuleType("keras_dpgan")
package.__path__ = [sys.argv[3]]
sys.modules["keras_dpgan"] = package
from keras_dpgan.cli import sample
sample.draw(sys.argv[1], 3, sys.argv[2])
loaded = {m.split(".")[1] for m in sys.modules if m.startswith("keras_dpgan.")}
assert not loaded & {"dpgan", "callbacks", "clipping", "generation", "lipschitz",
                     "losses", "models", "networks", "optimizers", "training_step"}
"""


def test_the_training_code_is_not_needed(exports, tmp_path):
    package = str(pathlib.Path(keras_dpgan.__file__).parent)
    out = tmp_path / "data.npz"
    done = run("-c", _WITHOUT_TRAINING_CODE, exports / "images", out, package)
    assert done.returncode == 0, done.stderr
    assert out.exists()


_PEAK = """
import resource, sys
from keras_dpgan.cli import sample
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
sample.draw(sys.argv[1], 2000, sys.argv[2])
before = peak()
sample.draw(sys.argv[1], 400_000, sys.argv[2])
print(before, peak())
"""


def test_memory_does_not_grow_with_the_number_of_samples(exports, tmp_path):
    out = tmp_path / "data.npz"
    done = run("-c", _PEAK, exports / "images", out)
    assert done.returncode == 0, done.stderr
    before, after = map(int, done.stdout.split())
    assert out.stat().st_size > 400_000 * SIDE * SIDE * 4
    # In MiB; the rows are 98.
    assert after - before < 40
