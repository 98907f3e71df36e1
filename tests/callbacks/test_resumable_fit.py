"""A `fit` that is interrupted anywhere goes on exactly, and counts everything."""

import os
import shutil

import helpers
import keras
import pytest

from keras_dpgan import DPGAN
from keras_dpgan import optimizers
from keras_dpgan import privacy
from keras_dpgan.callbacks import EpsilonTracker
from keras_dpgan.callbacks import ResumableFit
from keras_dpgan.data import PoissonDataset

EPOCHS = 3  # Of 10 updates.
BLOCK = 4


class Killed(BaseException):
    """Stands for a kill: nothing is cleaned up."""


class KillAfter(keras.callbacks.Callback):
    def __init__(self, updates):
        super().__init__()
        self.updates = updates

    def on_train_batch_end(self, batch, logs=None):
        if self.model.num_discriminator_updates >= self.updates:
            raise Killed


class Witness(keras.callbacks.Callback):
    """Reads the ledger from disk whenever something could leave the process."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.made = 0

    def check(self, *args, **logs):
        del args, logs
        on_disk = privacy.Ledger.read(self.path).total_updates
        assert on_disk >= self.model.privacy_history.total_updates
        assert on_disk >= self.model.num_discriminator_updates > 0
        self.made += 1

    on_train_batch_end = on_epoch_end = on_train_end = check


@pytest.fixture
def ledger(tmp_path):
    with privacy.Ledger(tmp_path / "ledger", "toys", block_size=BLOCK) as ledger:
        yield ledger


def adaptive(noise_multiplier=0.0):
    """An optimizer with slots and a clip that moves, for the test without noise."""
    query = {
        "initial_l2_norm_clip": 1.0,
        "noise_multiplier": noise_multiplier,
        "target_unclipped_quantile": 0.5,
        "learning_rate": 0.3,
        "clipped_count_stddev": 0.0,
        "expected_num_records": 12.0,
        "geometric_update": True,
    }
    return optimizers.DPOptimizer(
        keras.optimizers.Adam(1e-2),
        dp_sum_query=query,
        # So that the fakes that records meet can be repeated.
        insecure_noise_seed=None if noise_multiplier else 0,
    )


def seeded_gan(steps_per_execution=1):
    keras.utils.set_random_seed(0)
    return helpers.make_gan(
        d_optimizer=adaptive(),
        gradient_penalty=1.0,
        steps_per_execution=steps_per_execution,
    )


def seeded_data():
    x, y = helpers.make_data()
    return PoissonDataset(x, y, expected_batch_size=12, seed=1)


def everything(gan):
    """All numbers of the networks and of the optimizers, counters included."""
    parts = gan.discriminator, gan.generator, gan.d_optimizer, gan.g_optimizer
    return [v.numpy() for part in parts for v in part.variables]


@pytest.mark.parametrize(
    ("steps_per_execution", "kills"),
    [
        (1, (4, 13)),
        # In the middle of a block, at its end, at an epoch's, twice in one place.
        pytest.param(1, (2, 4, 10, 13, 13), marks=pytest.mark.slow),
        pytest.param(3, (7, 12, 20, 29), marks=pytest.mark.slow),
    ],
)
def test_without_noise_a_run_that_was_killed_equals_one_that_was_not(
    tmp_path, steps_per_execution, kills
):
    whole = seeded_gan(steps_per_execution)
    whole.fit(seeded_data(), epochs=EPOCHS, verbose=0)
    for kill in (*kills, None):
        gan = seeded_gan(steps_per_execution)
        callbacks = [ResumableFit(tmp_path / "run")]
        callbacks += [] if kill is None else [KillAfter(kill)]
        with privacy.Ledger(tmp_path / "ledger", "toys", BLOCK) as ledger:
            try:
                gan.fit(
                    seeded_data(),
                    epochs=EPOCHS,
                    verbose=0,
                    ledger=ledger,
                    callbacks=callbacks,
                )
            except Killed:
                del gan
    assert helpers.same(everything(whole), everything(gan))
    assert gan.num_discriminator_updates == 30
    total = privacy.Ledger.read(tmp_path / "ledger").total_updates
    assert gan.privacy_history.total_updates == total
    block = -(-BLOCK // steps_per_execution) * steps_per_execution
    assert 30 < total <= 30 + len(kills) * block


def dropout_seed(gan):
    weights = {id(weight) for weight in gan.weights}
    (seed,) = [v.numpy().tolist() for v in gan.variables if id(v) not in weights]
    return seed


def test_dropout_goes_on_with_the_seed_that_it_had(tmp_path, ledger):
    gan = helpers.make_gan(dropout=True)
    fit(gan, ledger, ResumableFit(tmp_path), epochs=1)
    resumed = helpers.make_gan(dropout=True)
    assert dropout_seed(resumed) != dropout_seed(gan)
    fit(resumed, ledger, ResumableFit(tmp_path), epochs=1)
    assert dropout_seed(resumed) == dropout_seed(gan)


def fit(gan, ledger, *callbacks, epochs=EPOCHS, **arguments):
    x, y = helpers.make_data()
    return gan.fit(
        x,
        y,
        batch_size=12,
        epochs=epochs,
        verbose=0,
        ledger=ledger,
        callbacks=list(callbacks),
        **arguments,
    )


@pytest.mark.parametrize("steps_per_execution", [1, 4, 20])
def test_every_update_is_on_disk_before_anything_made_from_it_can_leave(
    tmp_path, ledger, steps_per_execution
):
    witness = Witness(ledger.path)
    gan = helpers.make_gan(steps_per_execution=steps_per_execution)
    fit(gan, ledger, ResumableFit(tmp_path / "run"), witness)
    assert witness.made > EPOCHS
    assert gan.num_discriminator_updates == 30


def test_a_clean_end_gives_back_what_was_not_used(ledger):
    gan = helpers.make_gan()
    fit(gan, ledger)
    assert ledger.total_updates == 30 == gan.privacy_history.total_updates
    fit(gan, ledger, epochs=1)
    assert ledger.total_updates == 40 == gan.privacy_history.total_updates
    assert [run.entry.count for run in ledger.runs] == [30, 10]


def test_a_ledger_that_takes_no_more_stops_the_updates(ledger):
    gan = helpers.make_gan()
    closing = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: ledger.close()
    )
    with pytest.raises(RuntimeError, match="closed"):
        fit(gan, ledger, closing)
    assert gan.num_discriminator_updates == BLOCK


def test_what_a_kill_has_lost_counts_in_the_resumed_model(tmp_path):
    path = tmp_path / "ledger"
    with privacy.Ledger(path, "toys", block_size=8) as ledger:
        with pytest.raises(Killed):
            fit(
                helpers.make_gan(),
                ledger,
                ResumableFit(tmp_path / "run"),
                KillAfter(13),
            )
    # A checkpoint at 8; 16 reserved.
    with privacy.Ledger(path, "toys", block_size=8) as ledger:
        gan = helpers.make_gan()
        fit(gan, ledger, ResumableFit(tmp_path / "run"))
    assert gan.num_discriminator_updates == 30
    assert gan.privacy_history.total_updates == 38
    assert privacy.Ledger.read(path).total_updates == 38
    assert "8 of the updates that are counted" in str(gan.privacy_statement(1e-5))
    uninterrupted = helpers.make_gan()
    fit(uninterrupted, None)
    assert gan.epsilon(1e-5) > uninterrupted.epsilon(1e-5)


def test_a_resumed_run_draws_fresh_noise_and_fresh_batches(tmp_path):
    weights = []
    for run in "ab":
        keras.utils.set_random_seed(0)
        with privacy.Ledger(tmp_path / run, "toys", BLOCK) as ledger:
            gan = helpers.make_gan()
            fit(gan, ledger, ResumableFit(tmp_path / "shared"), epochs=1)
            weights.append(gan.get_weights())
        if run == "a":
            shutil.copytree(tmp_path / "shared", tmp_path / "copy")
            shutil.copy(tmp_path / "a", tmp_path / "b")
    assert helpers.same(*weights)  # The run had ended, so nothing was done.
    weights = []
    for _ in "ab":
        shutil.copytree(tmp_path / "copy", tmp_path / "shared", dirs_exist_ok=True)
        shutil.copy(tmp_path / "a", tmp_path / "b")
        keras.utils.set_random_seed(0)
        with privacy.Ledger(tmp_path / "b", "toys", BLOCK) as ledger:
            gan = helpers.make_gan()
            fit(gan, ledger, ResumableFit(tmp_path / "shared"), epochs=2)
            weights.append(gan.get_weights())
    assert not helpers.same(*weights)


def test_all_that_was_spent_on_the_data_counts_in_each_model(ledger):
    first, second = helpers.make_gan(), helpers.make_gan()
    fit(first, ledger, epochs=1)
    ledger.spend(
        privacy.HistoryEntry(
            mechanism="gaussian",
            noise_multiplier=3.0,
            sampling_probability=1.0,
            count=1,
        ),
        purpose="label histogram",
    )
    fit(second, ledger, epochs=2)
    assert second.privacy_history.total_updates == 31
    assert second.epsilon(1e-5) == pytest.approx(ledger.epsilon(1e-5))
    assert second.num_discriminator_updates == 20


def test_a_model_brings_its_own_past_into_the_ledger(ledger):
    gan = helpers.make_gan()
    fit(gan, None, epochs=2)
    fit(gan, ledger, epochs=1)
    assert [run.entry.count for run in ledger.runs] == [20, 10]
    assert gan.privacy_history.total_updates == 30 == ledger.total_updates


def test_a_ledger_and_a_model_that_had_other_noise_count_each_others_past(ledger):
    fit(helpers.make_gan(), ledger, epochs=2)
    gan = helpers.make_gan(d_optimizer=helpers.make_d_optimizer(3.0))
    fit(gan, None, epochs=1)
    fit(gan, ledger, epochs=1)
    assert gan.privacy_history.total_updates == 40 == ledger.total_updates
    assert gan.epsilon(1e-5) == pytest.approx(ledger.epsilon(1e-5))


def test_weights_set_back_do_not_set_the_count_back(ledger):
    gan = helpers.make_gan()
    stopping = keras.callbacks.EarlyStopping(
        "epsilon", mode="min", patience=2, restore_best_weights=True
    )
    fit(gan, ledger, stopping, epochs=10)
    assert gan.privacy_history.total_updates == 30 == ledger.total_updates


def test_the_budget_is_that_of_the_ledger_and_is_not_over_reserved(ledger):
    spent = helpers.make_gan()
    fit(spent, ledger, epochs=2)
    budget = spent.epsilon(1e-5, accountant="rdp")
    gan = helpers.make_gan()
    tracker = EpsilonTracker(1e-5, 1.2 * budget, on_exceed="stop", accountant="rdp")
    witness = []
    reading = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: witness.append(
            ledger.epsilon(1e-5, accountant="rdp")
        )
    )
    fit(gan, ledger, tracker, reading, epochs=10)
    assert budget < max(witness) <= 1.2 * budget
    assert 0 < gan.num_discriminator_updates < 20


def test_a_fit_that_has_ended_does_nothing_more_and_can_be_prolonged(tmp_path, ledger):
    fit(helpers.make_gan(), ledger, ResumableFit(tmp_path / "run"), epochs=2)
    again = helpers.make_gan()
    fit(again, ledger, ResumableFit(tmp_path / "run"), epochs=2)
    assert again.num_discriminator_updates == 20 == ledger.total_updates
    history = fit(again, ledger, ResumableFit(tmp_path / "run"), epochs=3).history
    assert len(history["g_loss"]) == 1
    assert again.num_discriminator_updates == 30 == ledger.total_updates
    fit(again, ledger, epochs=1)
    assert again.num_discriminator_updates == 40


def test_a_ledger_is_needed():
    with pytest.raises(ValueError, match="needs a `DPGAN` that trains under a ledger"):
        fit(helpers.make_gan(), None, ResumableFit("anywhere"))
    assert not os.path.exists("anywhere")


@pytest.fixture
def interrupted(tmp_path, ledger):
    """The folder of a run that was killed after 13 updates."""
    with pytest.raises(Killed):
        fit(helpers.make_gan(), ledger, ResumableFit(tmp_path / "run"), KillAfter(13))
    return tmp_path / "run"


def wider():
    inputs = keras.Input(helpers.SHAPE)
    hidden = keras.layers.Dense(9, activation="tanh")(inputs)
    return keras.Model(inputs, keras.layers.Dense(1)(hidden))


def sharper():
    inputs = keras.Input(helpers.SHAPE)
    hidden = keras.layers.Dense(8, activation="sigmoid")(inputs)
    return keras.Model(inputs, keras.layers.Dense(1)(hidden))


@pytest.mark.parametrize("discriminator", [wider, sharper])
def test_a_checkpoint_of_another_model_is_refused(tmp_path, ledger, discriminator):
    small = helpers.make_gan(num_classes=None)
    x, _ = helpers.make_data()
    small.fit(
        x, batch_size=12, ledger=ledger, callbacks=[ResumableFit(tmp_path)], verbose=0
    )
    other = DPGAN(discriminator(), helpers.make_generator(None))
    other.compile(**helpers.compile_defaults())
    before = everything(other)
    with pytest.raises(ValueError, match="by a run with another discriminator. "):
        other.fit(
            x,
            batch_size=12,
            ledger=ledger,
            callbacks=[ResumableFit(tmp_path)],
            verbose=0,
        )
    assert helpers.same(before, everything(other))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("d_optimizer", helpers.make_d_optimizer(noise_multiplier=0.9)),
        ("d_optimizer", optimizers.DPKerasAdagradOptimizer(1.0, 1.0)),
        ("g_optimizer", keras.optimizers.RMSprop(1e-3)),
        ("discriminator_steps", 5),
    ],
)
def test_a_checkpoint_of_another_optimizer_is_refused(interrupted, ledger, name, value):
    gan = helpers.make_gan(**{name: value})
    with pytest.raises(ValueError, match=f"another {name}. "):
        fit(gan, ledger, ResumableFit(interrupted))
    assert gan.num_discriminator_updates == 0


def test_the_learning_rate_is_restored_not_compared(interrupted, ledger):
    gan = helpers.make_gan(d_optimizer=helpers.make_d_optimizer(learning_rate=0.5))
    fit(gan, ledger, ResumableFit(interrupted))
    assert float(gan.d_optimizer.learning_rate) == pytest.approx(1e-2)


def test_a_checkpoint_of_another_ledger_is_refused(interrupted, tmp_path):
    with privacy.Ledger(tmp_path / "other", "toys", BLOCK) as other:
        with pytest.raises(ValueError, match="under another ledger|lines, but it had"):
            fit(helpers.make_gan(), other, ResumableFit(interrupted))
        assert other.total_updates == 0


def test_a_ledger_shorter_than_the_checkpoint_says_is_refused(interrupted, ledger):
    ledger.close()
    with open(ledger.path, "rb") as file:
        lines = file.read().splitlines(keepends=True)
    with open(ledger.path, "wb") as file:
        file.write(b"".join(lines[:-2]))
    with privacy.Ledger(ledger.path, "toys", BLOCK) as shorter:
        with pytest.raises(ValueError, match="lines, but it had"):
            fit(helpers.make_gan(), shorter, ResumableFit(interrupted))


def test_a_model_of_a_ledger_is_not_trained_outside_it(tmp_path, ledger):
    gan = helpers.make_gan()
    fit(gan, ledger, epochs=1)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    for model in (gan, loaded):
        with pytest.raises(ValueError, match="counted in a ledger"):
            fit(model, None)
    fit(loaded, ledger, epochs=1)
    assert loaded.num_discriminator_updates == 20 == ledger.total_updates
    # Its networks carry what the ledger has into any other model.
    anew = DPGAN(loaded.discriminator, loaded.generator)
    anew.compile(**helpers.compile_defaults())
    with pytest.raises(ValueError, match="counted in a ledger"):
        fit(anew, None)
    fit(helpers.make_gan(), None, epochs=1)


def test_any_other_file_in_the_place_of_a_checkpoint_is_refused(tmp_path, ledger):
    gan = helpers.make_gan()
    gan.save_weights(tmp_path / "checkpoint.weights.h5")
    with pytest.raises(ValueError, match="not a checkpoint of a `DPGAN`"):
        fit(gan, ledger, ResumableFit(tmp_path))


@pytest.mark.parametrize("call", ["fsync", "replace", "fsync of the folder"])
def test_a_kill_while_a_checkpoint_is_written_leaves_a_whole_one(
    tmp_path, monkeypatch, call
):
    """Each step of the writing is the last one, for the second checkpoint."""
    run, path = tmp_path / "run", tmp_path / "ledger"
    real = getattr(os, call.split()[0])
    calls = []

    def deadly(*arguments):
        mine = is_of_checkpoint(call, run, *arguments)
        calls.append(mine)
        if mine and sum(calls) == 2:
            raise Killed
        return real(*arguments)

    with privacy.Ledger(path, "toys", BLOCK) as ledger:
        monkeypatch.setattr(os, call.split()[0], deadly)
        with pytest.raises(Killed):
            fit(helpers.make_gan(), ledger, ResumableFit(run))
        monkeypatch.undo()
    with privacy.Ledger(path, "toys", BLOCK) as ledger:
        gan = helpers.make_gan()
        fit(gan, ledger, ResumableFit(run))
    assert gan.num_discriminator_updates == 30
    assert 30 <= gan.privacy_history.total_updates == ledger.total_updates <= 30 + BLOCK


def is_of_checkpoint(call, run, *arguments):
    if call == "replace":
        return True
    name = os.path.realpath(f"/proc/self/fd/{arguments[0]}")
    return name == str(run) if "folder" in call else name.startswith(f"{run}/")


def test_backup_and_restore_counts_what_a_kill_has_lost(tmp_path):
    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup")

    with privacy.Ledger(tmp_path / "ledger", "toys", BLOCK) as ledger:
        with pytest.raises(Killed):
            fit(helpers.make_gan(), ledger, backup(), KillAfter(17))
        assert ledger.total_updates == 20
    with privacy.Ledger(tmp_path / "ledger", "toys", BLOCK) as ledger:
        gan = helpers.make_gan()
        fit(gan, ledger, backup())
    assert gan.num_discriminator_updates == 30
    # A backup at 10; 20 reserved.
    assert gan.privacy_history.total_updates == 40 == ledger.total_updates


def test_backup_and_restore_refuses_another_ledger(tmp_path, ledger):
    with pytest.raises(Killed):
        fit(
            helpers.make_gan(),
            ledger,
            keras.callbacks.BackupAndRestore(tmp_path / "backup"),
            KillAfter(17),
        )
    with privacy.Ledger(tmp_path / "other", "toys", BLOCK) as other:
        with pytest.raises(ValueError, match="lines, but it had|under another ledger"):
            fit(
                helpers.make_gan(),
                other,
                keras.callbacks.BackupAndRestore(tmp_path / "backup"),
            )


def test_what_is_loaded_while_fit_runs_is_counted_under_the_facts_of_the_fit(
    tmp_path, ledger
):
    """Weights of an earlier epoch, loaded in the middle of a run."""
    path = tmp_path / "gan.weights.h5"

    def save_or_load(epoch, logs):
        if epoch == 0:
            gan.save_weights(path)
        elif epoch == 1:
            gan.load_weights(path)

    gan = helpers.make_gan()
    fit(gan, ledger, keras.callbacks.LambdaCallback(on_epoch_end=save_or_load))
    # Those that were made and left behind stay counted.
    assert gan.num_discriminator_updates == 30
    assert gan.privacy_history.total_updates == 30 == ledger.total_updates


def test_a_backup_made_with_more_noise_does_not_lend_its_epsilon(tmp_path):
    backup = keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    fit(helpers.make_gan(), None, backup, epochs=1)
    gan = helpers.make_gan(d_optimizer=helpers.make_d_optimizer(noise_multiplier=0.5))
    fit(gan, None, backup, epochs=2)
    counts = [(e.noise_multiplier, e.count) for e in gan.privacy_history.entries]
    assert counts == [(1.0, 10), (0.5, 10)]


def test_a_ledger_goes_with_private_training_alone(ledger):
    gan = helpers.make_gan(private=False, d_optimizer=keras.optimizers.SGD(0.01))
    with pytest.raises(ValueError, match="`ledger` must be"):
        fit(gan, ledger)
    with pytest.raises(ValueError, match="`ledger` must be"):
        fit(helpers.make_gan(), "a path")
