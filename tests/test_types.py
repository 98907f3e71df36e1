"""What a user's type checker makes of the public names."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(
    not (ROOT / "pyproject.toml").exists(), reason="needs the source tree"
)

MISTAKES = """
import keras_dpgan as dpgan

dpgan.evaluations  # error: attr-defined
dpgan.evaluation.reports  # error: attr-defined
dpgan.federated.Keeper  # error: attr-defined
plan = dpgan.privacy.plan(1000, epsilon=1.0, delta=1e-5, noise_multiplier=1.0)
plan.noise  # error: attr-defined
plan.noise_multiplier.upper()  # error: attr-defined
dpgan.privacy.plan(1000, noise=1.0)  # error: call-arg
x, y = dpgan.data.load_fashion_mnist()
x.shape  # error: attr-defined
dpgan.data.write_tfds("export", "name").rows  # error: call-arg,attr-defined
recipe = dpgan.recipes.best(x, y, 10, epsilon=1.0, delta=1e-5)  # error: arg-type
recipe.train()  # error: attr-defined
dpgan.callbacks.ResumableFit()  # error: call-arg
dpgan.export.load("export").draw(3)  # error: attr-defined
history = dpgan.privacy.PrivacyHistory()
number: str = dpgan.privacy.epsilon(history, 1e-5)  # error: assignment
dpgan.privacy.plan("many", epsilon=1.0, delta=1e-5)  # error: arg-type
dpgan.privacy.plan(1000, epsilon="1", delta=1e-5)  # error: arg-type
dpgan.privacy.plan(1000, expected_batch_size=[64])  # error: arg-type
dpgan.privacy.epsilon([], 1e-5)  # error: arg-type
batches = dpgan.data.PoissonDataset(1000, expected_batch_size=64)  # error: arg-type
dpgan.data.PoissonDataset(x, y, expected_batch_size="64")  # error: arg-type
dpgan.data.PoissonDataset(x, y, sampling_probability=None, seed=0.5)  # error: arg-type
dpgan.data.PoissonDataset(x, y, batch_size=64)  # error: call-arg
dpgan.data.PoissonDataset(x, y, 64, transform=1)  # error: arg-type
dpgan.DPGAN(networks=[])  # error: call-arg
gan = dpgan.DPGAN(None, None, latent_dim="16")  # error: arg-type
gan.compile("sgd", "sgd", loss=3)  # error: arg-type
gan.compile("sgd", "sgd", gradient_penalty="10")  # error: arg-type
gan.compile("sgd", "sgd", weight_clip="0.01")  # error: arg-type
gan.compile("sgd", "sgd", discriminator_steps=1.5)  # error: arg-type
gan.compile("sgd", "sgd", engine=None)  # error: arg-type
gan.compile("sgd", "sgd", private="no")  # error: arg-type
gan.compile("sgd", "sgd", physical_batch_size=0.5)  # error: arg-type
gan.fit(1000)  # error: arg-type
gan.fit(x, 3)  # error: arg-type
gan.fit(x, y, "64")  # error: arg-type
gan.fit(x, y, epochs=2.5)  # error: arg-type
gan.fit(x, y, callbacks=3)  # error: arg-type
gan.fit(x, y, class_weight={0: 2.0})  # error: arg-type
gan.fit(x, y, sample_weight=y)  # error: arg-type
gan.fit(x, y, ledger="ledger")  # error: arg-type
gan.fit(x, y, batches=3)  # error: call-arg
gan.sample("3")  # error: arg-type
gan.evaluate(batch_size="3")  # error: arg-type
gan.epsilon("1e-5")  # error: arg-type
gan.privacy_statement(accountant=0)  # error: arg-type
gan.export(3)  # error: arg-type
gan.delta = "1e-5"  # error: assignment
dpgan.optimizers.DPKerasAdamOptimizer(l2_norm_clip="1.0")  # error: arg-type
dpgan.GradientPenalty("10")  # error: arg-type
dpgan.callbacks.EpsilonTracker(delta="1e-5")  # error: arg-type
dpgan.callbacks.SampleLogger("samples", seed=None)  # error: arg-type
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    pytest.importorskip("mypy")
    return tmp_path_factory.mktemp("mypy")


def mypy(cache, *files):
    return subprocess.run(
        [sys.executable, "-m", "mypy", f"--cache-dir={cache}", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_typed_program_of_a_user_is_accepted(cache):
    result = mypy(cache)
    assert result.returncode == 0, result.stdout


def test_a_users_mistakes_are_found(cache, tmp_path):
    file = tmp_path / "mistakes.py"
    file.write_text(MISTAKES)
    found = {}
    for line in mypy(cache, str(file)).stdout.splitlines():
        if ": error: " in line:
            place, _, message = line.partition(": error: ")
            number = int(place.rpartition(":")[2])
            found.setdefault(number, set()).add(message.rpartition("[")[2].rstrip("]"))
    expected = {
        number: set(line.rpartition("# error: ")[2].split(","))
        for number, line in enumerate(MISTAKES.splitlines(), 1)
        if "# error: " in line
    }
    assert found == expected
