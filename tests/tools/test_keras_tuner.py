"""KerasTuner: every trial enters one ledger, and the winner costs them all."""

import helpers
import pytest

from keras_dpgan import privacy

keras_tuner = pytest.importorskip("keras_tuner")

# KerasTuner's own: `threading.currentThread().getName()`.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:currentThread:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:getName:DeprecationWarning"),
]

DELTA = 1e-5


def build(hp):
    noise = hp.Choice("noise_multiplier", [0.8, 1.0, 1.5])
    return helpers.make_gan(d_optimizer=helpers.make_d_optimizer(noise))


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """The ledger of a search of three trials, and their noise multipliers."""
    folder = tmp_path_factory.mktemp("search")
    tuner = keras_tuner.GridSearch(
        build,
        objective=keras_tuner.Objective("g_loss", "min"),
        directory=folder,
        project_name="trials",
    )
    with privacy.Ledger(folder / "search.ledger", data_name="vectors") as ledger:
        tuner.search(
            *helpers.make_data(), batch_size=12, epochs=1, ledger=ledger, verbose=0
        )
    trials = tuner.oracle.trials.values()
    noises = [t.hyperparameters.get("noise_multiplier") for t in trials]
    return folder / "search.ledger", noises


def test_epsilon_is_composed_over_all_trials(searched):
    path, noises = searched
    assert sorted(noises) == [0.8, 1.0, 1.5]
    ledger = privacy.Ledger.read(path)
    assert sorted(run.entry.noise_multiplier for run in ledger.runs) == sorted(noises)
    assert [run.entry.count for run in ledger.runs] == [10, 10, 10]
    assert ledger.epsilon(DELTA, "rdp") == pytest.approx(_composed(noises), rel=1e-3)


def _composed(noises):
    """By the library of accounting itself, from what the trials were given."""
    import dp_accounting
    from dp_accounting import rdp

    accountant = rdp.RdpAccountant()
    for noise in noises:
        step = dp_accounting.PoissonSampledDpEvent(
            12 / 120, dp_accounting.GaussianDpEvent(noise)
        )
        accountant.compose(step, 10)
    return accountant.get_epsilon(DELTA)


def test_a_model_that_goes_on_pays_for_the_search(searched):
    path, _ = searched
    gan = helpers.make_gan()
    with privacy.Ledger(path, data_name="vectors") as ledger:
        gan.fit(*helpers.make_data(), batch_size=12, epochs=1, ledger=ledger, verbose=0)
        assert gan.privacy_history.total_updates == 40
        assert gan.epsilon(DELTA, "rdp") == ledger.epsilon(DELTA, "rdp")
