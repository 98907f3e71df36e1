"""Training on records of several owners equals training in one place."""

import helpers
import keras
import numpy as np
import pytest

from keras_dpgan import GradientPenalty
from keras_dpgan import privacy
from keras_dpgan.data import PoissonDataset
from keras_dpgan.data.remote import RemoteRecords
from keras_dpgan.federated.local_training import LocalTraining
from keras_dpgan.federated.record_owner import RecordOwner

SIZES = (60, 35, 25)
Q = 0.2
UPDATES = 8


class OwnersHere(RemoteRecords):
    """Owners in this process: what a transport would carry, without one."""

    def __init__(self, owners, **options):
        total = sum(owner.num_examples for owner in owners)
        super().__init__(helpers.SHAPE, helpers.NUM_CLASSES, total, Q, **options)
        self.owners = owners

    def clipped_sums(self, number, weights, pool, l2_norm_clip):
        sums = [
            owner.clipped_sums(number, weights, pool, l2_norm_clip, Q)
            for owner in self.owners
        ]
        return [sum(parts) for parts in zip(*sums, strict=True)]


class SameDraws(keras.utils.PyDataset):
    """The owners' seeded samples, put together in one place."""

    def __init__(self, parts):
        super().__init__()
        self.datasets = [
            PoissonDataset(x, y, sampling_probability=Q, steps_per_epoch=1, seed=number)
            for number, (x, y) in enumerate(parts)
        ]

    def __len__(self):
        return UPDATES

    def __getitem__(self, index):
        batches = []
        for dataset in self.datasets:
            dataset.epoch = index
            batches.append(dataset[0])
        return tuple(np.concatenate(arrays) for arrays in zip(*batches, strict=True))


def parts_of_data():
    x, y = helpers.make_data(sum(SIZES))
    edges = np.cumsum(SIZES)[:-1]
    return list(zip(np.split(x, edges), np.split(y, edges), strict=True))


def make_gan(**arguments):
    """Fakes of one label are all the same, so that it does not matter which.

    Owners in the server's own process need its threads, of which a graph that
    waits for them may hold the only one.
    """
    keras.utils.set_random_seed(1)
    arguments = {
        "gradient_penalty": GradientPenalty(on="fakes"),
        "run_eagerly": True,
        **arguments,
    }
    gan = helpers.make_gan(**arguments)
    helpers.ignore_latents(gan.generator)
    return gan


def noiseless(**arguments):
    return make_gan(
        d_optimizer=helpers.make_d_optimizer(
            noise_multiplier=0.0, l2_norm_clip=0.5, learning_rate=0.3
        ),
        discriminator_steps=10**6,
        **arguments,
    )


def make_owners(make, seeded=True):
    return [
        RecordOwner(make(), x, y, seed=number if seeded else None)
        for number, (x, y) in enumerate(parts_of_data())
    ]


def test_without_noise_it_equals_training_in_one_place():
    server = noiseless()
    start = helpers.weights_of(server.discriminator)
    server.fit(OwnersHere(make_owners(noiseless), steps_per_epoch=UPDATES), verbose=0)
    central = noiseless()
    expected = Q * sum(SIZES)
    central.fit(SameDraws(parts_of_data()), expected_batch_size=expected, verbose=0)
    moved = 0.0
    for here, there, before in zip(
        helpers.weights_of(server.discriminator),
        helpers.weights_of(central.discriminator),
        start,
        strict=True,
    ):
        np.testing.assert_allclose(here, there, rtol=0, atol=1e-5)
        moved = max(moved, np.max(np.abs(here - before)))
    assert moved > 0.1


def test_the_server_counts_and_charges_as_training_in_one_place(tmp_path):
    server = make_gan()
    owners = make_owners(make_gan, seeded=False)
    with privacy.Ledger(tmp_path / "ledger", "all owners", block_size=3) as ledger:
        server.fit(
            OwnersHere(owners, steps_per_epoch=UPDATES), verbose=0, ledger=ledger
        )
        assert ledger.total_updates == UPDATES
    central = make_gan()
    x, y = helpers.make_data(sum(SIZES))
    data = PoissonDataset(x, y, sampling_probability=Q, steps_per_epoch=UPDATES)
    central.fit(data, verbose=0)
    assert server.num_discriminator_updates == UPDATES
    assert server.privacy_history == central.privacy_history
    assert server.epsilon(1e-5) == central.epsilon(1e-5) > 0


def test_the_server_trains_the_generator():
    server = make_gan(discriminator_steps=2)
    before = helpers.weights_of(server.generator)
    history = server.fit(
        OwnersHere(make_owners(make_gan), steps_per_epoch=4), verbose=0
    )
    assert not helpers.same(before, helpers.weights_of(server.generator))
    assert np.isfinite(history.history["g_loss"][-1])


def test_one_record_moves_an_owners_sum_by_at_most_the_clip():
    (x, y), *_ = parts_of_data()
    pool = np.zeros((30, *helpers.SHAPE), np.float32)
    clip = 0.5

    def clipped_sum(x, y):
        gan = noiseless()
        weights = [v.numpy() for v in gan.discriminator.trainable_variables]
        sums = RecordOwner(gan, x, y).clipped_sums(0, weights, pool, clip, 1.0)
        return np.concatenate([np.ravel(s) for s in sums])

    moved = np.linalg.norm(clipped_sum(x, y) - clipped_sum(x[:-1], y[:-1]))
    assert 0.1 * clip < moved <= clip * (1 + 1e-5)


def test_an_owner_refuses_another_clip_than_agreed_upon():
    (x, y), *_ = parts_of_data()
    owner = RecordOwner(noiseless(), x, y)
    with pytest.raises(ValueError, match="agreed upon"):
        owner.clipped_sums(0, [], np.zeros((3, 6)), 100.0, 0.5)


def test_samples_of_an_owner_are_fresh_and_differ():
    (x, y), *_ = parts_of_data()
    gan = noiseless()
    weights = [v.numpy() for v in gan.discriminator.trainable_variables]
    pool = np.zeros((30, *helpers.SHAPE), np.float32)
    first, second = (
        RecordOwner(noiseless(), x, y).clipped_sums(0, weights, pool, 0.5, 0.5)
        for _ in range(2)
    )
    assert not helpers.same(first, second)


def test_an_adaptive_clip_is_refused():
    queries = pytest.importorskip("keras_dpgan.mechanisms.tf_privacy")
    if not queries.is_available():
        pytest.skip("needs TensorFlow Privacy")
    adaptive = queries.import_queries()["adaptive"].QuantileAdaptiveClipSumQuery(
        initial_l2_norm_clip=1.0,
        noise_multiplier=1.0,
        target_unclipped_quantile=0.5,
        learning_rate=0.2,
        clipped_count_stddev=2.0,
        expected_num_records=24,
        geometric_update=True,
    )
    optimizer = keras.optimizers.SGD(0.01)
    from keras_dpgan.optimizers import DPOptimizer

    server = make_gan(d_optimizer=DPOptimizer(optimizer, dp_sum_query=adaptive))
    with pytest.raises(ValueError, match="fixed clip"):
        server.fit(OwnersHere(make_owners(make_gan)), verbose=0)


def test_owners_records_are_refused_under_xla():
    gan = make_gan(jit_compile=True, run_eagerly=False)
    with pytest.raises(ValueError, match="Use no strategy and no `jit_compile`"):
        gan.fit(OwnersHere(make_owners(make_gan)), verbose=0)


def test_owners_of_records_without_labels_train_an_unconditional_model():
    gan = helpers.make_gan(num_classes=None, discriminator_steps=10**6)
    x, _ = helpers.make_data(20)
    weights = [v.numpy() for v in gan.discriminator.trainable_variables]
    training = LocalTraining(gan, x, None, expected_batch_size=20, updates=1)
    after = training.weights_after(weights, gan.generator.get_weights())
    assert not helpers.same(weights, after)
    pool = np.zeros((20, *helpers.SHAPE), np.float32)
    sums = RecordOwner(gan, x).clipped_sums(0, weights, pool, 1.0, 1.0)
    assert [s.shape for s in sums] == [w.shape for w in weights]
    assert any(np.any(s) for s in sums)
