"""What a run did that weakens its guarantee stands above the guarantee."""

import helpers
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan import optimizers
from keras_dpgan import privacy
from keras_dpgan.callbacks import ResumableFit
from keras_dpgan.data import PoissonDataset

BATCH = 12


def fit(gan, *callbacks, data=None, epochs=1, **arguments):
    if data is None:
        data = PoissonDataset(*helpers.make_data(), expected_batch_size=BATCH)
    gan.fit(data, epochs=epochs, callbacks=list(callbacks), verbose=0, **arguments)
    return gan


def first_lines(gan):
    """All that is said before the guarantee, without line breaks."""
    text = str(gan.privacy_statement(delta=1e-3, accountant="rdp"))
    lines = " ".join(text.split()).split("Differentially private with epsilon")
    assert len(lines) == 2
    return lines[0]


def batches():
    dataset = tf.data.Dataset.from_tensor_slices(helpers.make_data())
    return dataset.shuffle(120).batch(BATCH, drop_remainder=True)


class ReusedBatch(keras.utils.PyDataset):
    """What a GAN loop does that takes several steps on each batch it has read."""

    def __init__(self, reuses):
        super().__init__()
        self.x, self.y = helpers.make_data()
        self.reuses = reuses

    def __len__(self):
        return self.reuses * (len(self.x) // BATCH)

    def __getitem__(self, index):
        start = index // self.reuses * BATCH
        return self.x[start : start + BATCH], self.y[start : start + BATCH]


class ReusedDraw(PoissonDataset):
    """A Poisson sample that serves several updates."""

    def __getitem__(self, index):
        if index % 5 == 0:
            self.kept = super().__getitem__(index)
        return self.kept


def test_a_sound_run_says_nothing_first():
    assert first_lines(fit(helpers.make_gan())) == ""


def test_two_fits_of_one_model_in_one_process_are_one_run():
    gan = fit(fit(helpers.make_gan()))
    assert first_lines(gan) == ""
    assert gan.num_discriminator_updates == 20


def test_shuffled_batches():
    gan = fit(helpers.make_gan(), data=batches())
    assert first_lines(gan).startswith("! UNKNOWN SAMPLING, NOT POISSON")
    declared = fit(helpers.make_gan(), data=batches(), max_participations=1)
    assert first_lines(declared).startswith("! SAMPLING IS NOT POISSON")


def test_rows_that_may_be_twice_in_a_batch():
    dataset = tf.data.Dataset.from_tensor_slices(helpers.make_data())
    twice = dataset.shuffle(120).repeat().batch(BATCH, drop_remainder=True).prefetch(1)
    once = dataset.shuffle(120).batch(BATCH, drop_remainder=True).repeat()
    mixed = tf.data.Dataset.sample_from_datasets([dataset, dataset]).batch(
        BATCH, drop_remainder=True
    )
    for data, is_said in ((twice, True), (mixed, True), (once, False)):
        gan = fit(helpers.make_gan(), data=data, steps_per_epoch=2)
        assert ("A ROW MAY BE TWICE IN A BATCH" in first_lines(gan)) == is_said
        assert "no row is twice in one batch" in assumed(gan)
    assert "twice in one batch" not in assumed(fit(helpers.make_gan()))


def assumed(gan):
    return " ".join(gan.privacy_statement(1e-3, accountant="rdp").assumptions)


def test_a_reused_batch():
    gan = fit(helpers.make_gan(), data=ReusedBatch(5), expected_batch_size=BATCH)
    assert first_lines(gan).startswith("! UNKNOWN SAMPLING, NOT POISSON")
    (entry,) = gan.privacy_history.entries
    assert entry.participations == entry.count == 50


def test_a_reused_poisson_draw():
    data = ReusedDraw(*helpers.make_data(), expected_batch_size=BATCH)
    gan = fit(helpers.make_gan(), data=data)
    assert first_lines(gan).startswith("! UNKNOWN SAMPLING, NOT POISSON")
    assert not gan.privacy_history.entries[0].is_amplified


def test_a_batch_of_the_users_cannot_pass_for_a_poisson_draw():
    gan = fit(helpers.make_gan())
    x, y = helpers.make_data()
    with pytest.raises(ValueError, match="no known sampling"):
        gan.train_on_batch(x[:BATCH], y[:BATCH])
    assert gan.num_discriminator_updates == 10


@pytest.fixture
def ledger(tmp_path):
    with privacy.Ledger(tmp_path / "ledger", "toys", block_size=4) as ledger:
        yield ledger


def test_several_runs_on_the_same_data(ledger):
    first, second = helpers.make_gan(), helpers.make_gan()
    fit(first, ledger=ledger)
    assert first_lines(first) == ""
    fit(second, ledger=ledger)
    said = first_lines(second)
    assert said.startswith("! SEVERAL RUNS: 10 of the updates that are counted")
    # The first was trained before the second; its own statement must not hide it.
    said = first_lines(first)
    assert said.startswith("! SEVERAL RUNS: the ledger has 10 further updates")


def test_several_runs_with_different_noise(ledger):
    fit(helpers.make_gan(), ledger=ledger)
    other = helpers.make_gan(d_optimizer=helpers.make_d_optimizer(2.0))
    said = first_lines(fit(other, ledger=ledger))
    assert said.startswith("! SEVERAL PHASES: 2 phases")
    assert "! SEVERAL RUNS: 10 of the updates" in said


def test_what_a_running_fit_has_reserved_is_no_other_run(ledger):
    seen = []
    reading = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(first_lines(gan))
    )
    gan = helpers.make_gan()
    fit(gan, reading, ledger=ledger)
    assert seen == [""] * 10


class Killed(BaseException):
    """Stands for a kill."""


def kill(batch, logs):
    if batch == 7:
        raise Killed


def test_a_resumed_run(tmp_path, ledger):
    killing = keras.callbacks.LambdaCallback(on_train_batch_end=kill)
    with pytest.raises(Killed):
        fit(helpers.make_gan(), killing, ResumableFit(tmp_path), ledger=ledger)
    gan = fit(helpers.make_gan(), ResumableFit(tmp_path), ledger=ledger)
    said = first_lines(gan)
    assert said.startswith("! RESUMED RUN: training went on from a file once.")
    assert "reserved in the ledger and lost is counted" in said
    assert "! SEVERAL RUNS: 4 of the updates" in said


def test_a_run_that_was_resumed_without_a_loss(tmp_path, ledger):
    fit(helpers.make_gan(), ResumableFit(tmp_path), ledger=ledger)
    for epochs in (2, 3):
        gan = helpers.make_gan()
        fit(gan, ResumableFit(tmp_path), ledger=ledger, epochs=epochs)
    said = first_lines(gan)
    assert said.startswith("! RESUMED RUN: training went on from a file 2 times.")
    assert "SEVERAL RUNS" not in said


def test_a_run_resumed_without_a_ledger(tmp_path):
    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path, save_freq=5)

    killing = keras.callbacks.LambdaCallback(on_train_batch_end=kill)
    with pytest.raises(Killed):
        fit(helpers.make_gan(), killing, backup())
    gan = fit(helpers.make_gan(), backup())
    said = first_lines(gan)
    assert said.startswith("! RESUMED RUN: training went on from a file once. There")
    assert "lost, are not counted" in said


def test_a_model_that_was_saved_and_trained_further(tmp_path):
    fit(helpers.make_gan()).save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    assert first_lines(loaded) == ""
    assert first_lines(fit(loaded)).startswith("! RESUMED RUN")
    loaded.save(tmp_path / "gan.keras")
    again = keras.models.load_model(tmp_path / "gan.keras")
    assert first_lines(again).startswith("! RESUMED RUN: training went on from a file")


def test_an_insecure_seed_of_the_noise():
    d_optimizer = optimizers.DPKerasSGDOptimizer(1.0, 1.0, insecure_noise_seed=5)
    gan = fit(helpers.make_gan(d_optimizer=d_optimizer))
    assert first_lines(gan).startswith("! INSECURE NOISE")


def test_a_seed_of_the_sampling():
    data = PoissonDataset(*helpers.make_data(), expected_batch_size=BATCH, seed=1)
    gan = fit(helpers.make_gan(), data=data)
    assert first_lines(gan).startswith("! SEEDED SAMPLING")


def test_the_card_of_an_export_says_it_too(tmp_path):
    gan = fit(helpers.make_gan(), data=ReusedBatch(2), expected_batch_size=BATCH)
    gan.delta = 1e-3
    summary = gan.privacy_card()["summary"]
    assert summary.startswith("UNKNOWN SAMPLING, NOT POISSON")
    assert np.isfinite(gan.privacy_card()["guarantee"]["epsilon"])
