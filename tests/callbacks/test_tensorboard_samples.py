"""What TensorBoard reads of a private training, read back from its files."""

import helpers
import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan.callbacks import TensorBoardSamples

pytest.importorskip("tensorboard")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model and the folder of its logs."""
    gan = helpers.make_gan()
    folder = tmp_path_factory.mktemp("logs") / "run"
    gan.fit(
        *helpers.make_data(),
        batch_size=12,
        callbacks=[TensorBoardSamples(folder, num_samples=20, seed=3)],
        verbose=0,
    )
    return gan, folder


def test_the_text_is_the_privacy_statement_of_all_updates(trained):
    gan, folder = trained
    (path,) = folder.glob("events*")
    (event,) = [
        e for e in tf.compat.v1.train.summary_iterator(str(path)) if e.summary.value
    ]
    (value,) = event.summary.value
    text = value.tensor.string_val[0].decode()
    assert (value.tag, event.step) == ("privacy_statement", 10)
    assert value.metadata.plugin_data.plugin_name == "text"
    shown = [line.removeprefix("    ") for line in text.splitlines()]
    assert shown == str(gan.privacy_statement()).splitlines()


def test_the_projector_finds_the_samples_and_their_labels(trained):
    from google.protobuf import text_format
    from tensorboard.plugins import projector

    gan, folder = trained
    config = text_format.Parse(
        (folder / "projector_config.pbtxt").read_text(), projector.ProjectorConfig()
    )
    (embedding,) = config.embeddings
    rows, labels = gan.sample(20, seed=3)
    stored = np.loadtxt(folder / embedding.tensor_path, delimiter="\t")
    np.testing.assert_allclose(stored, rows, atol=1e-5)
    stored_labels = np.loadtxt(folder / embedding.metadata_path, dtype=int)
    assert stored_labels.tolist() == np.asarray(labels).tolist()


def test_bad_arguments_are_named(tmp_path):
    with pytest.raises(ValueError, match="`num_samples`.*Received: num_samples=0"):
        TensorBoardSamples(tmp_path, num_samples=0)
