"""What is wrong with the arguments around `fit` is said, and nothing is left behind."""

import helpers
import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan import data
from keras_dpgan import export


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """Exports of an unconditional and of a conditional generator, by `conditional`."""
    folder = tmp_path_factory.mktemp("exports")
    for conditional in (False, True):
        gan = helpers.make_gan(num_classes=helpers.NUM_CLASSES if conditional else None)
        gan.export(folder / str(conditional))
    return {c: folder / str(c) for c in (False, True)}


def test_labels_for_an_unconditional_model_are_refused(exports):
    gan = helpers.make_gan(num_classes=None)
    many = np.zeros(5000, np.int32)
    for source in (gan, export.load(exports[False])):
        with pytest.raises(ValueError, match="`labels` must be None.*Received") as info:
            source.sample(len(many), labels=many)
        assert len(str(info.value)) < 200
    with pytest.raises(ValueError, match="`y` must be None, because the model takes"):
        gan.fit(*helpers.make_data(), batch_size=12, verbose=0)


def test_a_conditional_model_says_that_it_needs_labels():
    x, _ = helpers.make_data()
    with pytest.raises(ValueError, match="`y` must|needs labels"):
        helpers.make_gan().fit(x, batch_size=12, verbose=0)


@pytest.mark.parametrize("n", [-1, 2.5, "3", None])
def test_a_number_of_rows_that_is_none_is_named(exports, n):
    for source in (helpers.make_gan(), export.load(exports[True])):
        with pytest.raises((TypeError, ValueError), match="`n` must be an integer"):
            source.sample(n)


def test_no_rows_have_the_shape_of_some(exports):
    for source in (helpers.make_gan(), export.load(exports[True])):
        rows, labels = source.sample(0)
        assert rows.shape == (0, *helpers.SHAPE)
        assert labels.shape == (0,)


def test_more_rows_than_memory_holds_come_in_chunks(exports):
    generator = export.load(exports[True])
    rows, labels = next(iter(generator.batches(10**13, labels=1, seed=0)))
    assert len(rows) == len(labels) == 1024


def test_latents_of_a_wrong_width_are_refused():
    with pytest.raises(ValueError, match=r"shape=\(2, 9\)"):
        helpers.make_gan(num_classes=None)(tf.zeros((2, 9)))


def test_what_is_no_export_stores_no_data_set(exports, tmp_path):
    with pytest.raises(FileNotFoundError, match="`path` must be.*Received: path="):
        data.write_tfds(tmp_path / "nowhere", "synthetic", 3, tmp_path / "tfds")
    assert not (tmp_path / "tfds").exists()


def test_batches_that_compiled_or_replicated_steps_cannot_share_are_refused():
    """Several replicas ask for the same: parts of even size."""
    gan = helpers.make_gan(jit_compile=True)
    batches = tf.data.Dataset.from_tensor_slices(helpers.make_data()).batch(12)
    with pytest.raises(ValueError, match="Several replicas and XLA need batches of"):
        gan.fit(batches, expected_batch_size=12, verbose=0)


def test_a_folder_that_exists_is_kept_and_the_remedy_said(exports, tmp_path):
    folder = tmp_path / "generator"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    gan = helpers.make_gan()
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match="Received: filepath="):
            gan.export(folder, overwrite=overwrite)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError, match="Received: filepath="):
        gan.export(tmp_path / "file", overwrite=True)
    assert {path.name for path in tmp_path.rglob("*")} == {
        *("generator", "thesis.txt", "file")
    }
