"""Epsilon is where Keras' users look for it, and the budget is kept."""

import csv

import helpers
import keras
import pytest
import tensorflow as tf

from keras_dpgan import privacy
from keras_dpgan.callbacks import EpsilonTracker

STEPS = 10
DELTA = 2e-3  # Not the default of 120 rows.


def fit(gan, *callbacks, epochs=2, **arguments):
    """An epoch is ten updates."""
    return gan.fit(
        *helpers.make_data(),
        batch_size=12,
        epochs=epochs,
        callbacks=list(callbacks),
        verbose=0,
        **arguments,
    )


def epsilon_after(count, accountant="rdp"):
    entry = privacy.HistoryEntry(
        mechanism="gaussian",
        noise_multiplier=1.0,
        sampling_probability=0.1,
        count=count,
    )
    return privacy.epsilon(privacy.PrivacyHistory([entry]), DELTA, accountant)


def tracker(**changes):
    return EpsilonTracker(**{"delta": DELTA, "accountant": "rdp", **changes})


def test_an_epoch_ends_with_the_tight_epsilon():
    gan = helpers.make_gan()
    history = fit(gan, EpsilonTracker(delta=DELTA)).history
    assert history["epsilon"] == [
        epsilon_after(10, "pld"),
        epsilon_after(20, "pld"),
    ]
    assert gan.delta == DELTA


def test_during_an_epoch_epsilon_is_an_upper_bound_of_the_updates_made():
    seen = []
    on_batch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(float(logs["epsilon"]))
    )
    fit(helpers.make_gan(), EpsilonTracker(delta=DELTA), on_batch)
    assert seen == pytest.approx([epsilon_after(n) for n in range(1, 21)], rel=1e-5)
    assert epsilon_after(20, "pld") < seen[-1]


@pytest.mark.parametrize("first", [True, False])
def test_csv_logger_has_epsilon_on_either_side_of_the_tracker(tmp_path, first):
    path = tmp_path / "log.csv"
    callbacks = [tracker(), keras.callbacks.CSVLogger(str(path))]
    fit(helpers.make_gan(), *(callbacks if first else reversed(callbacks)))
    with path.open() as file:
        rows = list(csv.DictReader(file))
    logged = [float(row["epsilon"]) for row in rows]
    assert logged == pytest.approx([epsilon_after(10), epsilon_after(20)], rel=1e-5)


def test_tensorboard_shows_epsilon(tmp_path):
    pytest.importorskip("tensorboard")
    fit(helpers.make_gan(), tracker(), keras.callbacks.TensorBoard(str(tmp_path)))
    tags = set()
    for path in (tmp_path / "train").glob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            tags |= {value.tag for value in event.summary.value}
    assert {"epoch_epsilon", "epoch_g_loss"} <= tags


def test_without_a_delta_it_is_the_largest_power_of_ten_below_one_in_n():
    gan = helpers.make_gan()
    fit(gan, EpsilonTracker(accountant="rdp"))
    assert gan.delta == 1e-3  # n is 120.


def test_a_delta_of_one_in_n_warns():
    with pytest.warns(UserWarning, match="1 / num_examples"):
        fit(helpers.make_gan(), tracker(delta=1 / 120))


def test_a_fit_beyond_the_budget_is_refused_with_the_epochs_that_fit():
    gan = helpers.make_gan()
    before = helpers.weights_of(gan.discriminator)
    target = epsilon_after(37)
    with pytest.raises(ValueError, match="3 whole epochs of 10") as error:
        fit(gan, tracker(target_epsilon=target), epochs=4)
    assert "asks for 40 updates" in str(error.value)
    assert gan.num_discriminator_updates == 0
    assert helpers.same(before, helpers.weights_of(gan.discriminator))
    fit(gan, tracker(target_epsilon=target), epochs=3)
    assert gan.num_discriminator_updates == 30


def test_a_fit_that_just_meets_the_budget_is_not_refused():
    gan = helpers.make_gan()
    fit(gan, tracker(target_epsilon=epsilon_after(20)), epochs=2)
    assert gan.num_discriminator_updates == 20


@pytest.mark.parametrize("steps_per_execution", [1, 4])
@pytest.mark.parametrize("updates", [5, 10, 17])
def test_training_stops_before_the_update_that_would_exceed(
    steps_per_execution, updates
):
    gan = helpers.make_gan(steps_per_execution=steps_per_execution)
    # A budget between that of `updates` and that of one more.
    target = (epsilon_after(updates) + epsilon_after(updates + 1)) / 2
    history = fit(gan, tracker(target_epsilon=target, on_exceed="stop"), epochs=9)
    assert gan.num_discriminator_updates == updates
    assert int(gan.d_optimizer.iterations) == updates
    assert history.history["epsilon"][-1] == epsilon_after(updates) <= target
    assert len(history.epoch) == -(-updates // STEPS)


def test_the_tight_accountant_allows_the_updates_that_it_counts():
    gan = helpers.make_gan()
    target = (epsilon_after(12, "pld") + epsilon_after(13, "pld")) / 2
    fit(gan, EpsilonTracker(DELTA, target, on_exceed="stop"), epochs=3)
    assert gan.num_discriminator_updates == 12
    assert gan.epsilon() <= target < gan.epsilon(accountant="rdp")


def test_what_was_spent_before_counts():
    gan = helpers.make_gan()
    fit(gan, tracker())
    target = epsilon_after(35)
    with pytest.raises(ValueError, match="At most 15 .* are 1 whole epochs"):
        fit(gan, tracker(target_epsilon=target))
    fit(gan, tracker(target_epsilon=target, on_exceed="stop"))
    assert gan.num_discriminator_updates == 35


def test_what_another_noise_multiplier_spent_counts():
    gan = helpers.make_gan()
    fit(gan, tracker())
    gan.compile(
        **{
            **helpers.compile_defaults(),
            "d_optimizer": helpers.make_d_optimizer(noise_multiplier=2.0),
        }
    )
    target = epsilon_after(25)
    fit(gan, tracker(target_epsilon=target, on_exceed="stop"), epochs=50)
    assert gan.num_discriminator_updates > 5
    assert epsilon_after(20) < gan.epsilon(DELTA, "rdp") <= target


def test_a_spent_budget_allows_not_one_more_update():
    gan = helpers.make_gan()
    target = epsilon_after(20)
    fit(gan, tracker(target_epsilon=target))
    for on_exceed in ("refuse", "stop"):
        with pytest.raises(ValueError, match="Not one more update fits"):
            fit(gan, tracker(target_epsilon=target, on_exceed=on_exceed))
    assert gan.num_discriminator_updates == 20


def test_a_fit_of_which_part_is_done_is_charged_for_the_rest():
    gan = helpers.make_gan()
    fit(gan, epochs=2)
    fit(gan, tracker(target_epsilon=epsilon_after(40)), epochs=4, initial_epoch=2)
    assert gan.num_discriminator_updates == 40


class Crash(Exception):
    """What an interrupted run raises."""


def crash_after(epoch):
    def on_epoch_end(done, logs):
        if done + 1 == epoch:
            raise Crash

    return keras.callbacks.LambdaCallback(on_epoch_end=on_epoch_end)


@pytest.mark.parametrize("tracker_first", [True, False])
def test_a_run_that_backup_and_restore_resumes_keeps_its_budget(
    tmp_path, tracker_first
):
    def callbacks():
        both = [
            tracker(target_epsilon=epsilon_after(40)),
            keras.callbacks.BackupAndRestore(str(tmp_path / "backup")),
        ]
        return both if tracker_first else both[::-1]

    with pytest.raises(Crash):
        fit(helpers.make_gan(), *callbacks(), crash_after(3), epochs=4)
    gan = helpers.make_gan()
    history = fit(gan, *callbacks(), epochs=4)
    # The crash came before the backup of the third epoch or after it.
    assert gan.num_discriminator_updates == 40
    assert history.history["epsilon"][-1] == epsilon_after(40)
    with pytest.raises(ValueError, match="Not one more update fits"):
        fit(gan, tracker(target_epsilon=epsilon_after(40)))


def test_data_whose_records_take_part_once_never_runs_out():
    gan = helpers.make_gan(d_optimizer=helpers.make_d_optimizer(noise_multiplier=9.0))
    dataset = tf.data.Dataset.from_tensor_slices(helpers.make_data())
    dataset = dataset.batch(12, drop_remainder=True)
    gan.fit(
        dataset,
        max_participations=1,
        callbacks=[tracker(target_epsilon=1.0)],
        verbose=0,
    )
    assert gan.num_discriminator_updates == 10
    assert gan.epsilon(DELTA) < 1.0


def test_a_model_that_is_not_private_is_refused():
    gan = helpers.make_gan(d_optimizer=keras.optimizers.SGD(), private=False)
    with pytest.raises(ValueError, match="remove the callback"):
        fit(gan, tracker())


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("delta", 0.0),
        ("delta", 1.0),
        ("target_epsilon", 0.0),
        ("target_epsilon", float("nan")),
        ("on_exceed", "warn"),
        ("accountant", "moments"),
    ],
)
def test_arguments_out_of_range_are_refused(argument, value):
    with pytest.raises(ValueError, match=f"`{argument}`"):
        EpsilonTracker(**{argument: value})


def test_the_budget_is_that_of_its_own_fit():
    gan = helpers.make_gan()
    fit(gan, tracker(target_epsilon=epsilon_after(12), on_exceed="stop"))
    assert gan.num_discriminator_updates == 12
    fit(gan, epochs=1)
    assert gan.num_discriminator_updates == 22


def test_a_limit_of_the_users_own_is_kept():
    gan = helpers.make_gan()
    gan.max_discriminator_updates = 7
    fit(gan, tracker(target_epsilon=epsilon_after(12), on_exceed="stop"))
    assert gan.num_discriminator_updates == 7
    assert gan.max_discriminator_updates == 7


@pytest.mark.parametrize("verbose", [0, 2])
def test_the_last_line_says_what_an_attacker_can_do(verbose, capsys):
    gan = helpers.make_gan()
    data = helpers.make_data()
    gan.fit(*data, batch_size=12, callbacks=[tracker()], verbose=verbose)
    *_, last = capsys.readouterr().out.splitlines() or [""]
    curve = privacy.trade_off(gan.privacy_history, "rdp")
    rate = 100 * curve.true_positive_rate(0.01)
    if not verbose:
        assert last == ""
        return
    assert last.startswith("epsilon = ")
    assert "at delta = 0.002. An attacker who may accuse 1 in 100 outsiders" in last
    said = float(last.split("at most ")[1].split(" in 100")[0])
    assert rate <= said <= rate + 0.1
