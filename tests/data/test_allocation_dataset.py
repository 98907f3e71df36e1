"""`AllocationDataset`: each record once in an epoch, and counted so."""

import helpers
import keras
import numpy as np
import pytest

from keras_dpgan import privacy
from keras_dpgan.callbacks import EpsilonTracker
from keras_dpgan.callbacks import ResumableFit
from keras_dpgan.data import AllocationDataset

# The batches of an allocation.
BATCHES = 10


def make_dataset(**options):
    return AllocationDataset(*helpers.make_data(), expected_batch_size=12, **options)


def numbers(n=1000, size=100):
    """A data set whose records are their own numbers."""
    return AllocationDataset(np.arange(n, dtype="float32"), expected_batch_size=size)


def epoch_of(dataset):
    return [dataset[i][0] for i in range(len(dataset))]


def test_each_record_is_in_exactly_one_batch_of_an_epoch():
    dataset = numbers()
    for _ in range(3):
        epoch = np.concatenate(epoch_of(dataset))
        np.testing.assert_array_equal(np.sort(epoch), np.arange(1000))


def test_each_epoch_is_an_allocation_of_its_own():
    dataset = numbers()
    places = np.zeros((200, 1000), int)
    for places_of_epoch in places:
        for number, batch in enumerate(epoch_of(dataset)):
            places_of_epoch[batch.astype(int)] = number
    # Two epochs put a record into the same batch in one of ten.
    same = (places[1:] == places[:-1]).mean()
    assert same == pytest.approx(0.1, abs=0.005)
    counts = np.stack([(places == i).sum(axis=0) for i in range(10)])
    # Chi-square of 1000 records with 9 degrees of freedom each.
    statistic = ((counts - 20) ** 2 / 20).sum()
    assert statistic == pytest.approx(9000, abs=6 * np.sqrt(2 * 9000))


def test_records_are_put_into_batches_independently():
    dataset = numbers(200, 20)
    sizes = np.array([[len(b) for b in epoch_of(dataset)] for _ in range(400)])
    # Of one batch binomial; shares that are fixed would have no variance.
    assert sizes.var() == pytest.approx(200 * 0.1 * 0.9, rel=0.1)
    covariance = np.cov(sizes[:, 0], sizes[:, 1])[0, 1]
    assert covariance == pytest.approx(-200 * 0.01, abs=3.0)
    pairs = [bool({0.0, 1.0} <= set(b)) for _ in range(400) for b in epoch_of(dataset)]
    assert sum(pairs) / 400 == pytest.approx(0.1, abs=0.06)


def test_no_seed_of_a_user_repeats_it():
    epochs = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        epochs.append(epoch_of(numbers()))
    assert any(not np.array_equal(a, b) for a, b in zip(*epochs, strict=True))


def test_an_allocation_is_not_used_twice():
    dataset = numbers()
    epoch_of(dataset)
    with pytest.raises(RuntimeError, match="must be 0, or 10"):
        dataset[5]
    dataset[0]
    with pytest.raises(RuntimeError, match="must be 0, or 1"):
        dataset[2]
    with pytest.raises(IndexError, match="must be in"):
        dataset[10]


@pytest.mark.parametrize("size", [0, -3, 121, "12"])
def test_a_wrong_size_is_refused(size):
    with pytest.raises(ValueError, match="`expected_batch_size`"):
        AllocationDataset(*helpers.make_data(), expected_batch_size=size)


def test_fit_counts_updates_and_allocations():
    gan = helpers.make_gan()
    history = gan.fit(make_dataset(), epochs=2, verbose=0).history
    entry = privacy.HistoryEntry(
        mechanism="gaussian", noise_multiplier=1.0, allocation_batches=BATCHES, count=20
    )
    expected = privacy.PrivacyHistory([entry])
    assert gan.privacy_history == expected
    assert gan.epsilon(1e-5) == privacy.epsilon(expected, 1e-5)
    by_rdp = privacy.epsilon(expected, gan.delta, "rdp")
    assert history["epsilon"][-1] == pytest.approx(by_rdp, rel=1e-5)
    once = privacy.epsilon(privacy.PrivacyHistory([entry.with_count(10)]), gan.delta)
    assert once < history["epsilon"][0] < history["epsilon"][1]
    assert "one of 10 consecutive" in " ".join(str(gan.privacy_statement()).split())


class Seen(keras.callbacks.Callback):
    """Which records were handed over in each epoch."""

    def __init__(self, dataset):
        super().__init__()
        self.dataset, self.epochs, self.now = dataset, [], []
        take = dataset.records.take

        def watched(indices):
            self.now.append(indices)
            return take(indices)

        dataset.records.take = watched

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(np.concatenate(self.now[-BATCHES:]))


def test_fit_trains_on_every_record_once_an_epoch():
    dataset = make_dataset()
    seen = Seen(dataset)
    helpers.make_gan().fit(dataset, epochs=3, verbose=0, callbacks=[seen])
    for epoch in seen.epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(120))


def test_each_fit_begins_an_allocation():
    gan = helpers.make_gan()
    gan.max_discriminator_updates = 4
    gan.fit(make_dataset(), epochs=1, verbose=0)
    gan.max_discriminator_updates = None
    gan.fit(make_dataset(), epochs=1, verbose=0)
    assert [entry.count for entry in gan.privacy_history.entries] == [4, 10]
    whole = gan.privacy_history.entries[0].with_count(20)
    assert gan.epsilon(1e-5) == privacy.epsilon(privacy.PrivacyHistory([whole]), 1e-5)


def test_a_run_stops_within_its_budget():
    gan = helpers.make_gan()
    dataset = make_dataset()
    gan.fit(dataset, epochs=1, verbose=0)
    target = 1.6 * gan.epsilon(1e-5)
    tracker = EpsilonTracker(delta=1e-5, target_epsilon=target, on_exceed="stop")
    gan.fit(dataset, epochs=20, verbose=0, callbacks=[tracker])
    assert gan.epsilon(1e-5) <= target
    assert gan.privacy_history.total_updates % BATCHES == 0
    assert gan.privacy_history.total_updates > BATCHES


class Killed(BaseException):
    pass


class KillAfter(keras.callbacks.Callback):
    def __init__(self, updates):
        super().__init__()
        self.updates = updates

    def on_train_batch_end(self, batch, logs=None):
        if self.model.privacy_history.total_updates >= self.updates:
            raise Killed


def test_a_killed_run_goes_on_with_an_allocation_of_its_own(tmp_path):
    with privacy.Ledger(tmp_path / "ledger", "toys", block_size=4) as ledger:
        with pytest.raises(Killed):
            helpers.make_gan().fit(
                make_dataset(),
                epochs=2,
                verbose=0,
                ledger=ledger,
                callbacks=[ResumableFit(tmp_path / "run"), KillAfter(14)],
            )
        reserved = ledger.total_updates
    with privacy.Ledger(tmp_path / "ledger", "toys", block_size=4) as ledger:
        gan = helpers.make_gan()
        gan.fit(
            make_dataset(),
            epochs=2,
            verbose=0,
            ledger=ledger,
            callbacks=[ResumableFit(tmp_path / "run")],
        )
        # The second epoch is made anew, from its first batch.
        assert ledger.total_updates == reserved + BATCHES
        allocations = sum(e.participations for e in ledger.history().entries)
        assert allocations == -(-reserved // BATCHES) + 1
        assert gan.epsilon(1e-5) >= ledger.epsilon(1e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps_per_epoch", 5),
        ("max_participations", 1),
        ("expected_batch_size", 12),
        ("batch_size", 12),
    ],
)
def test_what_the_data_set_states_itself_is_refused_before_an_update(name, value):
    gan = helpers.make_gan()
    with pytest.raises(ValueError, match=f"`{name}` must be left out"):
        gan.fit(make_dataset(), verbose=0, **{name: value})
    assert gan.privacy_history.total_updates == 0


def test_records_are_checked_before_an_update():
    x, y = helpers.make_data()
    x = np.array(x)
    x[77] = np.nan
    gan = helpers.make_gan()
    with pytest.raises(ValueError, match="record 77"):
        gan.fit(AllocationDataset(x, y, expected_batch_size=12), verbose=0)


def test_a_subclass_may_draw_in_another_way_and_gets_no_amplification():
    class Other(AllocationDataset):
        pass

    gan = helpers.make_gan()
    gan.fit(Other(*helpers.make_data(), expected_batch_size=12), epochs=1, verbose=0)
    (entry,) = gan.privacy_history.entries
    assert entry.allocation_batches is None and not entry.is_amplified
