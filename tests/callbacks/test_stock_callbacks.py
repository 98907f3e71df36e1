"""Every callback of Keras works with `DPGAN.fit`, or says why it does not.

`RemoteMonitor` and `OrbaxCheckpoint` are left out: the one posts the logs that
others see here, to a server; the other needs a package of its own.
"""

import csv

import helpers
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import callbacks

LOGGED = {"g_loss", "d_loss_fake", "epsilon"}


@pytest.fixture(scope="module", name="gan")
def shared_gan():
    """One for all, since the tracing is what takes time."""
    return helpers.make_gan(
        d_optimizer=helpers.make_d_optimizer(learning_rate=1e-2),
        g_optimizer=keras.optimizers.SGD(1e-2),
    )


def fit(gan, *used, epochs=2, verbose=0, **arguments):
    """An epoch is ten updates."""
    return gan.fit(
        *helpers.make_data(),
        batch_size=12,
        epochs=epochs,
        callbacks=list(used),
        verbose=verbose,
        **arguments,
    )


def test_history_has_the_public_numbers_of_each_epoch(gan):
    history = callbacks.History()
    returned = fit(gan, history)
    assert set(history.history) == LOGGED
    assert all(len(values) == 2 for values in history.history.values())
    assert returned.history == history.history


def test_the_progress_bar_shows_epsilon(gan, capsys):
    fit(gan, callbacks.ProgbarLogger(), verbose=1)
    text = capsys.readouterr().out
    assert all(name in text for name in LOGGED)


def test_lambda_callback_sees_each_update(gan):
    seen = []
    fit(
        gan, callbacks.LambdaCallback(on_train_batch_end=lambda n, logs: seen.append(n))
    )
    assert seen == list(range(10)) * 2


def test_csv_logger_writes_the_public_numbers(gan, tmp_path):
    path = tmp_path / "log.csv"
    fit(gan, callbacks.CSVLogger(str(path)))
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    assert set(rows[0]) >= {"epoch", *LOGGED}


def test_early_stopping_takes_a_public_number_and_a_mode(gan):
    stop = callbacks.EarlyStopping("g_loss", mode="max", min_delta=1e9, patience=1)
    assert len(fit(gan, stop, epochs=9).epoch) == 2


def test_early_stopping_restores_weights_but_not_what_they_cost(gan):
    stop = callbacks.EarlyStopping(
        "epsilon", mode="min", patience=2, restore_best_weights=True
    )
    before = gan.num_discriminator_updates
    after_first_epoch = []
    remember = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: after_first_epoch.append(
            helpers.weights_of(gan.generator)
        )
    )
    fit(gan, remember, stop, epochs=9)
    assert helpers.same(after_first_epoch[0], helpers.weights_of(gan.generator))
    assert gan.num_discriminator_updates == before + 30
    assert gan.privacy_history.total_updates == before + 30


def test_learning_rate_scheduler_sets_both_optimizers(gan):
    fit(gan, callbacks.LearningRateScheduler(lambda epoch, rate: 0.004))
    assert learning_rates(gan) == pytest.approx([0.004, 0.004])


def test_reduce_lr_on_plateau_reduces_both(gan):
    gan.optimizer.learning_rate = 0.01
    fit(gan, reduce_lr_on_plateau(), epochs=2)
    assert learning_rates(gan) == pytest.approx([0.005, 0.005])


def reduce_lr_on_plateau():
    return callbacks.ReduceLROnPlateau(
        "g_loss", mode="max", min_delta=1e9, patience=1, factor=0.5
    )


def learning_rates(gan):
    return [float(o.learning_rate) for o in (gan.d_optimizer, gan.g_optimizer)]


@pytest.mark.parametrize(
    ("callback", "epochs"),
    [
        (callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2), 1),
        (reduce_lr_on_plateau(), 2),
    ],
)
def test_rates_that_differ_keep_their_ratio_or_are_refused_with_the_remedy(
    callback, epochs
):
    gan = helpers.make_gan()
    before = np.array(learning_rates(gan))
    try:
        fit(gan, callback, epochs=epochs)
    except ValueError as error:
        # An older Keras, which knows one optimizer only.
        assert "LearningRateSchedule" in str(error)
    else:
        np.testing.assert_allclose(learning_rates(gan), before / 2, rtol=1e-6)


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_model_checkpoint_keeps_weights_history_and_epsilon(gan, tmp_path, suffix):
    path = str(tmp_path / f"best{suffix}")
    fit(
        gan,
        callbacks.ModelCheckpoint(
            path,
            monitor="epsilon",
            mode="max",
            save_best_only=True,
            save_weights_only=suffix == ".weights.h5",
        ),
    )
    if suffix == ".keras":
        other = keras.saving.load_model(path)
    else:
        other = helpers.make_gan(g_optimizer=keras.optimizers.SGD(1e-2))
        other.load_weights(path)
    assert other.num_discriminator_updates == gan.num_discriminator_updates
    assert other.epsilon(1e-3, "rdp") == gan.epsilon(1e-3, "rdp")
    assert helpers.same(helpers.weights_of(other), helpers.weights_of(gan))


class Crash(Exception):
    """What an interrupted run raises."""


def test_backup_and_restore_goes_on_where_it_was(tmp_path):
    def backup():
        return callbacks.BackupAndRestore(str(tmp_path))

    def crash(epoch, logs):
        if epoch == 2:
            raise Crash

    with pytest.raises(Crash):
        fit(
            helpers.make_gan(),
            callbacks.LambdaCallback(on_epoch_begin=crash),
            backup(),
            epochs=4,
        )
    gan = helpers.make_gan()
    assert fit(gan, backup(), epochs=4).epoch == [2, 3]
    assert gan.num_discriminator_updates == int(gan.d_optimizer.iterations) == 40


def test_swap_ema_weights_swaps_the_optimizers_that_keep_an_average(tmp_path):
    gan = helpers.make_gan(
        g_optimizer=keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.9)
    )
    swapped = []

    def remember(epoch, logs):
        swapped.append(helpers.weights_of(gan.generator))

    fit(
        gan,
        callbacks.SwapEMAWeights(swap_on_epoch=True),
        callbacks.LambdaCallback(on_epoch_end=remember),
    )
    # The last average is what training ends with.
    assert helpers.same(swapped[-1], helpers.weights_of(gan.generator))


def test_swap_ema_weights_without_an_average_says_so(gan):
    with pytest.raises(ValueError, match="use_ema=True"):
        fit(gan, callbacks.SwapEMAWeights(swap_on_epoch=True))


def test_tensorboard_shows_the_public_numbers(gan, tmp_path):
    pytest.importorskip("tensorboard")
    fit(gan, callbacks.TensorBoard(str(tmp_path), histogram_freq=1))
    tags = set()
    for path in (tmp_path / "train").glob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            tags |= {value.tag for value in event.summary.value}
    assert {f"epoch_{name}" for name in LOGGED} <= tags


def test_terminate_on_nan_says_what_to_watch_instead(gan):
    with pytest.raises(ValueError, match="g_loss"):
        fit(gan, callbacks.TerminateOnNaN())


def test_none_of_them_is_missing_here():
    tried = {
        "BackupAndRestore",
        "CSVLogger",
        "EarlyStopping",
        "History",
        "LambdaCallback",
        "LearningRateScheduler",
        "ModelCheckpoint",
        "ProgbarLogger",
        "ReduceLROnPlateau",
        "SwapEMAWeights",
        "TensorBoard",
        "TerminateOnNaN",
    }
    left_out = {"RemoteMonitor", "OrbaxCheckpoint", "Callback", "CallbackList"}
    bases = {"MonitorCallback"}
    stock = {
        name
        for name, value in vars(callbacks).items()
        if isinstance(value, type) and not name.startswith("_")
    }
    assert stock <= tried | left_out | bases
