"""Record-level training in which the server sees noised sums alone."""

import contextlib

import grid_here
import helpers
import keras
import numpy as np
import pytest

pytest.importorskip("flwr")
pytest.importorskip("cryptography")

from federation_here import Federation

from keras_dpgan import GradientPenalty
from keras_dpgan import callbacks
from keras_dpgan import export
from keras_dpgan import privacy
from keras_dpgan._utils.append_only_file import AppendOnlyFile
from keras_dpgan.federated.cohort import Cohort
from keras_dpgan.federated.flower import contributions
from keras_dpgan.federated.flower import masked_sums
from keras_dpgan.federated.flower import messages
from keras_dpgan.federated.flower.hidden_records import HiddenRecords
from keras_dpgan.federated.record_owner import RecordOwner
from keras_dpgan.federated.record_sum_noise import RecordSumNoise
from keras_dpgan.federated.round_budget import RoundBudget
from keras_dpgan.federated.round_log import RoundLog
from keras_dpgan.federated.rounds import rounds_epsilon
from keras_dpgan.privacy import origins

NUM_CLIENTS = 3
CLIP = 0.5
UPDATE = masked_sums.UPDATE


def make_gan(noise_multiplier=0.0, l2_norm_clip=CLIP):
    """Fakes of one label are all the same: sums depend on the records alone."""
    keras.utils.set_random_seed(1)
    gan = helpers.make_gan(
        d_optimizer=helpers.make_d_optimizer(noise_multiplier, l2_norm_clip),
        gradient_penalty=GradientPenalty(on="fakes"),
        run_eagerly=True,
        discriminator_steps=10**6,
    )
    helpers.ignore_latents(gan.generator)
    return gan


def num_parameters():
    return sum(v.numpy().size for v in make_gan().discriminator.trainable_variables)


def mechanism_of(noise_multiplier=1.0, **options):
    return RecordSumNoise(
        Cohort(NUM_CLIENTS),
        CLIP,
        noise_multiplier,
        num_parameters(),
        **{"sampling_probability": 0.3, "largest_sum": 40 * CLIP, **options},
    )


@pytest.fixture(scope="module")
def owners():
    return [
        RecordOwner(make_gan(), *helpers.make_data(30, seed=n))
        for n in range(NUM_CLIENTS)
    ]


def hidden(owners, mechanism, folder=None, budgets=None):
    """A federation of owners in this process."""
    of_records = [contributions.of_records(owner, mechanism) for owner in owners]
    return Federation(mechanism, of_records, folder, budgets)


def plain_sum(owners, weights, pool):
    sums = [o.clipped_sums(0, weights, pool, CLIP, 1.0) for o in owners]
    return [sum(parts) for parts in zip(*sums, strict=True)]


@pytest.mark.parametrize("hidden_by", ["masks", "encryption"])
def test_the_opened_sum_is_the_plain_sum(owners, tmp_path, hidden_by):
    options = {"sampling_probability": 1.0}
    if hidden_by == "masks":
        mechanism = mechanism_of(0.01, growth=1e-3, **options)
    else:
        mechanism = mechanism_of(0.05, modulus=4294828033, **options)
    sums = hidden(owners, mechanism, tmp_path).sums
    weights = [v.numpy() for v in make_gan().discriminator.trainable_variables]
    pool = np.zeros((30, *helpers.SHAPE), np.float32)
    opened = mechanism.open(sums.total(0, [pool, *weights]), weights)
    noise = mechanism.share_stddev * np.sqrt(NUM_CLIENTS)
    largest_error = mechanism.step * (NUM_CLIENTS / 2 + 6 * noise)
    norm = 0.0
    for here, there in zip(opened, plain_sum(owners, weights, pool), strict=True):
        np.testing.assert_allclose(here, there, rtol=0, atol=largest_error)
        norm = max(norm, np.max(np.abs(there)))
    assert norm > 10 * largest_error


def test_training_says_who_makes_the_noise_and_what_it_costs(owners, tmp_path):
    gan = make_gan()
    mechanism = mechanism_of()
    sums = hidden(owners, mechanism).sums
    records = HiddenRecords(gan, sums, mechanism, 90, steps_per_epoch=2)
    before = helpers.weights_of(gan.discriminator)
    gan.fit(records, verbose=0)
    assert gan.num_discriminator_updates == 2
    assert records.num_unopened == 0
    assert not helpers.same(before, helpers.weights_of(gan.discriminator))
    epsilon = rounds_epsilon(mechanism, 2, 1e-5)
    assert 0 < epsilon < 20
    for accountant in ("rdp", "pld"):
        assert gan.epsilon(1e-5, accountant) == pytest.approx(epsilon, rel=1e-9)
    statement = gan.privacy_statement(1e-5)
    assert statement.has_guarantee
    assert statement.accountant == "rdp"
    assert "TRUSTED SERVER" not in str(statement)
    assert "! NOISE OF THE CLIENTS" in str(statement)
    assert "no more clients reveal their noise" in " ".join(str(statement).split())
    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    assert loaded.epsilon(1e-5) == gan.epsilon(1e-5)
    assert "! NOISE OF THE CLIENTS" in str(loaded.privacy_statement(1e-5))
    card = gan.privacy_card()
    export.schema.check_card(card)
    assert card["guarantee"]["epsilon"] == gan.epsilon(card["guarantee"]["delta"])


@pytest.mark.parametrize("action", [masked_sums.KEYS, UPDATE, masked_sums.REVEAL])
def test_an_update_below_the_threshold_is_not_opened(owners, action):
    gan = make_gan()
    mechanism = mechanism_of()
    federation = hidden(owners, mechanism)
    federation.tamper(1, action, grid_here.drop_out)
    sums = federation.sums
    records = HiddenRecords(gan, sums, mechanism, 90, steps_per_epoch=2)
    before = helpers.weights_of(gan.discriminator)
    gan.fit(records, verbose=0)
    assert records.num_unopened == 2
    assert helpers.same(before, helpers.weights_of(gan.discriminator))
    assert gan.num_discriminator_updates == 2


@pytest.mark.parametrize("changed", [{"sampling_probability": 0.9}, {"growth": 0.5}])
def test_clients_refuse_what_they_have_not_agreed_to(owners, changed):
    own = mechanism_of()
    federation = hidden(owners, own)
    federation.mechanism = mechanism_of(**changed)
    sums = federation.new_sums()
    federation.mechanism = own
    weights = [v.numpy() for v in make_gan().discriminator.trainable_variables]
    assert sums.total(0, [np.zeros((3, *helpers.SHAPE), np.float32), *weights]) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"noise_multiplier": 1.0}, "clients add the noise"),
        ({"l2_norm_clip": 1.0}, "clip"),
    ],
)
def test_an_optimizer_that_does_not_fit_is_refused(owners, arguments, message):
    mechanism = mechanism_of()
    sums = hidden(owners, mechanism).sums
    with pytest.raises(ValueError, match=message):
        HiddenRecords(make_gan(**arguments), sums, mechanism, 90)


class Killed(Exception):
    pass


def kill(batch, logs):
    del logs
    if batch == 2:
        raise Killed


def lead(folder, sums, mechanism, *more, with_ledger=True):
    """Six updates, or what is left of them, by a server that knows its disk alone."""
    # In another process nobody knows the weights that these begin with.
    origins.forget()
    gan = make_gan()
    with (
        RoundLog(folder / "rounds", mechanism.entry) as log,
        privacy.Ledger(folder / "ledger", "toys", block_size=2) as ledger,
    ):
        records = HiddenRecords(gan, sums, mechanism, 90, steps_per_epoch=6, log=log)
        gan.fit(
            records,
            ledger=ledger if with_ledger else None,
            callbacks=more,
            verbose=0,
        )
        return gan, records, log.begun


def kill_a_server(folder, sums, mechanism):
    with pytest.raises(Killed):
        lead(
            folder,
            sums,
            mechanism,
            callbacks.ResumableFit(folder / "run"),
            keras.callbacks.LambdaCallback(on_train_batch_end=kill),
        )


def test_a_killed_server_goes_on_and_every_answer_is_paid_for(owners, tmp_path):
    mechanism = mechanism_of(4.0)
    files = [tmp_path / f"client-{n}" for n in range(NUM_CLIENTS)]
    budgets = [RoundBudget(file, mechanism, 10.0, 1e-5) for file in files]
    federation = hidden(owners, mechanism, budgets=budgets)
    grid, sums = federation.grid, federation.sums
    kill_a_server(tmp_path, sums, mechanism)
    resumed = callbacks.ResumableFit(tmp_path / "run")
    gan, records, begun = lead(tmp_path, sums, mechanism, resumed)
    assert gan.num_discriminator_updates == 6
    # Three before the kill, of which the checkpoint has two, and four after it.
    assert begun == 7
    assert records.num_unopened == 0
    for node, file in zip(grid.nodes, files, strict=True):
        asked = [
            messages.read(content)[1]["round"]
            for to, action, content in grid.sent
            if (to, action) == (node, UPDATE)
        ]
        assert asked == list(range(7))
        with contextlib.closing(AppendOnlyFile(file, "ledger")) as paid:
            assert len(paid.entries) == 7
    # The ledger had reserved four when the server was killed.
    assert gan.privacy_history.total_updates == 8
    assert gan.epsilon(1e-5) == pytest.approx(rounds_epsilon(mechanism, 8, 1e-5))


def test_a_killed_server_that_forgets_what_it_has_spent_is_refused(owners, tmp_path):
    mechanism = mechanism_of(4.0)
    federation = hidden(owners, mechanism)
    grid, sums = federation.grid, federation.sums
    kill_a_server(tmp_path, sums, mechanism)
    grid.sent.clear()
    with pytest.raises(Exception, match="what a kill has lost must be charged"):
        lead(tmp_path, sums, mechanism, with_ledger=False)
    assert not grid.sent
