"""Statistical tests draw fresh entropy; each fails by chance once in 1e6 runs."""

import multiprocessing

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from keras_dpgan.data import PoissonDataset

CHANCE = 1e-6
NUM_EXAMPLES = 40
PROBABILITY = 0.15
NUM_DRAWS = 5000


def numbered(n):
    """Records that say which they are."""
    return np.arange(n, dtype="float32")[:, None]


def draw_presence(dataset, draws, num_shards=1):
    """A bool array of shape (draws, records): who was present in which batch."""
    presence = np.zeros((draws, dataset.num_examples), bool)
    for row in presence:
        for shard in range(num_shards):
            (batch,) = dataset.draw_shard(0, 0, shard, num_shards)
            numbers = batch[:, 0].astype(int)
            assert np.all(numbers % num_shards == shard)
            row[numbers] = True
            assert row[shard::num_shards].sum() == len(numbers)
    return presence


@pytest.fixture(scope="module", params=[1, 3, NUM_EXAMPLES])
def presence(request):
    dataset = PoissonDataset(numbered(NUM_EXAMPLES), sampling_probability=PROBABILITY)
    return draw_presence(dataset, NUM_DRAWS, num_shards=request.param)


def assert_chi_square(statistic, degrees):
    p = 2 * min(stats.chi2.cdf(statistic, degrees), stats.chi2.sf(statistic, degrees))
    assert p > CHANCE, statistic


def assert_binomial(count, trials, probability):
    assert stats.binomtest(int(count), trials, probability).pvalue > CHANCE, count


def test_each_record_enters_with_the_stated_probability(presence):
    counts = presence.sum(axis=0)
    variance = NUM_DRAWS * PROBABILITY * (1 - PROBABILITY)
    assert_binomial(counts.sum(), presence.size, PROBABILITY)
    assert_chi_square(
        np.sum((counts - NUM_DRAWS * PROBABILITY) ** 2) / variance, NUM_EXAMPLES
    )


def test_records_enter_one_batch_independently(presence):
    together = presence[:, 0::2] & presence[:, 1::2]
    assert_binomial(together.sum(), together.size, PROBABILITY**2)


def test_a_record_enters_successive_batches_independently(presence):
    twice = presence[0::2] & presence[1::2]
    assert_binomial(twice.sum(), twice.size, PROBABILITY**2)


def test_batch_sizes_are_binomial(presence):
    sizes = presence.sum(axis=1)
    observed = np.bincount(sizes, minlength=NUM_EXAMPLES + 1)
    expected = NUM_DRAWS * stats.binom.pmf(
        np.arange(NUM_EXAMPLES + 1), NUM_EXAMPLES, PROBABILITY
    )
    common = expected >= 5
    observed = np.append(observed[common], observed[~common].sum())
    expected = np.append(expected[common], expected[~common].sum())
    assert stats.chisquare(observed, expected).pvalue > CHANCE


def test_the_full_batch_comes_at_probability_one():
    (batch,) = PoissonDataset(numbered(9), sampling_probability=1)[0]
    np.testing.assert_array_equal(batch, numbered(9))


def test_labels_stay_with_their_records():
    dataset = PoissonDataset(numbered(50), np.arange(50), expected_batch_size=10)
    for x, y in dataset:
        np.testing.assert_array_equal(x[:, 0], y)


@pytest.mark.parametrize(
    ("sizes", "probability", "expected_size", "length"),
    [
        ({"expected_batch_size": 10}, 0.2, 10, 5),
        ({"expected_batch_size": 12.5}, 0.25, 12.5, 4),
        ({"expected_batch_size": 40}, 0.8, 40, 1),
        ({"sampling_probability": 0.3}, 0.3, 15, 3),
        ({"expected_batch_size": 10, "steps_per_epoch": 7}, 0.2, 10, 7),
    ],
)
def test_public_numbers_follow_from_one_size(sizes, probability, expected_size, length):
    dataset = PoissonDataset(numbered(50), **sizes)
    assert dataset.num_examples == 50
    assert dataset.sampling_probability == pytest.approx(probability)
    assert dataset.expected_batch_size == pytest.approx(expected_size)
    assert len(dataset) == length
    assert dataset.element_shapes == ((1,),)


def test_empty_draws_keep_shape_and_dtype():
    x = np.zeros((3, 4, 5), "float16")
    dataset = PoissonDataset(x, np.zeros(3, "int32"), sampling_probability=1e-12)
    rows, labels = dataset[0]
    assert rows.shape == (0, 4, 5)
    assert rows.dtype == np.float16
    assert labels.shape == (0,)
    assert labels.dtype == np.int32


class Recorder(keras.Model):
    """Keeps the batches of a `fit`, and counts traces."""

    def __init__(self):
        super().__init__()
        self.built = True
        self.num_traces = 0
        self.batches = []

    def train_step(self, data):
        self.num_traces += 1
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        self.shape = x.shape
        keep = tf.numpy_function(self._keep, [x], tf.int64)
        return {"size": keep}

    def _keep(self, x):
        self.batches.append(tuple(x[:, 0].astype(int)))
        return np.int64(len(x))


def fit(dataset, epochs, **kwargs):
    model = Recorder()
    model.compile()
    model.fit(dataset, epochs=epochs, verbose=0, **kwargs)
    return model


WORKERS = {
    "alone": {},
    "threads": {"workers": 3},
    "processes": {"workers": 2, "use_multiprocessing": True},
}


@pytest.mark.parametrize("workers", WORKERS.values(), ids=WORKERS)
def test_no_batch_repeats_over_epochs_and_workers(workers):
    # 200 of 400 records: two batches agree by chance less than once in 2^300.
    dataset = PoissonDataset(
        numbered(400), sampling_probability=0.5, steps_per_epoch=6, **workers
    )
    batches = fit(dataset, epochs=4).batches
    assert len(batches) == 24
    assert len(set(batches)) == 24


@pytest.mark.parametrize("workers", WORKERS.values(), ids=WORKERS)
def test_sizes_that_vary_down_to_empty_give_one_trace(workers):
    dataset = PoissonDataset(numbered(20), sampling_probability=0.05, **workers)
    model = fit(dataset, epochs=3)
    assert model.num_traces == 1
    assert model.shape.as_list() == [None, 1]
    assert min(len(batch) for batch in model.batches) == 0


def test_an_empty_first_batch_can_be_trained_on():
    dataset = PoissonDataset(numbered(2), sampling_probability=1e-9, steps_per_epoch=3)
    assert fit(dataset, epochs=1).batches == [()] * 3


def draw_after_set_random_seed(seed):
    keras.utils.set_random_seed(seed)
    dataset = PoissonDataset(numbered(400), sampling_probability=0.5)
    return [tuple(dataset[0][0][:, 0]) for _ in range(2)]


def test_a_user_seed_repeats_no_batch_in_one_process_or_another():
    here = draw_after_set_random_seed(0) + draw_after_set_random_seed(0)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        there = pool.map(draw_after_set_random_seed, [0, 0], chunksize=1)
    batches = here + there[0] + there[1]
    assert len(set(batches)) == len(batches) == 8


@pytest.mark.parametrize("workers", WORKERS.values(), ids=WORKERS)
def test_seeded_draws_repeat_per_epoch_and_index(workers):
    def seeded(seed, **kwargs):
        return PoissonDataset(
            numbered(100), expected_batch_size=25, seed=seed, **kwargs
        )

    whole = fit(seeded(3, **workers), epochs=3, shuffle=False).batches
    again = fit(seeded(3), epochs=3, shuffle=False).batches
    other = fit(seeded(4), epochs=3, shuffle=False).batches
    resumed = seeded(3)
    resumed.epoch = 2
    last = fit(resumed, epochs=1, shuffle=False).batches
    assert whole == again
    assert whole[-4:] == last
    assert len(set(whole)) == 12
    assert not set(whole) & set(other)


def test_only_a_seed_makes_a_dataset_seeded():
    assert not PoissonDataset(numbered(4), expected_batch_size=2).seeded
    assert PoissonDataset(numbered(4), expected_batch_size=2, seed=0).seeded


def test_keras_arguments_are_kept():
    dataset = PoissonDataset(
        numbered(4),
        expected_batch_size=2,
        workers=3,
        use_multiprocessing=True,
        max_queue_size=7,
    )
    assert dataset.workers == 3
    assert dataset.use_multiprocessing
    assert dataset.max_queue_size == 7


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({}, "either `expected_batch_size` or `sampling_probability`"),
        (
            {"expected_batch_size": 2, "sampling_probability": 0.5},
            "either `expected_batch_size` or `sampling_probability`",
        ),
        ({"expected_batch_size": 5}, "`expected_batch_size` must be at most.* 4.*=5"),
        ({"expected_batch_size": 0}, "`expected_batch_size` must be"),
        ({"expected_batch_size": "2"}, "`expected_batch_size` must be"),
        ({"sampling_probability": 0}, r"`sampling_probability` must be in \(0, 1\]"),
        ({"sampling_probability": 1.1}, r"`sampling_probability` must be in \(0, 1\]"),
        ({"expected_batch_size": 2, "steps_per_epoch": 0}, "`steps_per_epoch` must be"),
        ({"expected_batch_size": 2, "seed": -1}, "`seed` must be"),
        ({"expected_batch_size": 2, "seed": 1.5}, "`seed` must be"),
    ],
)
def test_bad_sizes_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        PoissonDataset(numbered(4), **kwargs)


def test_an_index_outside_the_epoch_is_an_index_error():
    dataset = PoissonDataset(numbered(4), expected_batch_size=2)
    with pytest.raises(IndexError, match=r"`index` must be in \[0, 2\)"):
        dataset[2]
