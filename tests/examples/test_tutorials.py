"""Stock Keras GANs are made private by changing at most five lines."""

import pathlib
import runpy

import keras
import pytest

TUTORIALS = pathlib.Path(__file__).parents[2] / "examples" / "tutorials"
NAMES = ("dcgan", "wgan_gp", "conditional_gan")


def code_lines(name):
    _, _, code = (TUTORIALS / f"{name}.py").read_text().partition('"""\n')
    return [line for line in code.splitlines() if line]


@pytest.mark.parametrize("name", NAMES)
def test_at_most_five_lines_differ_once_the_class_is_gone(name):
    stock, private = code_lines(name), code_lines(f"{name}_private")
    new = [line for line in private if line not in stock]
    assert len(new) <= 5
    gone = [line for line in stock if line not in private]
    outside = [line for line in gone if not line.startswith((" ", "class "))]
    assert outside == [
        "import tensorflow as tf",
        next(line for line in stock if line.startswith("gan = ")),
    ]


@pytest.fixture
def run(monkeypatch):
    """Runs a tutorial for three steps and gives its GAN."""
    fit = keras.Model.fit

    def fit_three_steps(self, *data, **given):
        given |= {"steps_per_epoch": 3, "epochs": 1, "verbose": 0}
        return fit(self, *data, **given)

    monkeypatch.setattr(keras.Model, "fit", fit_three_steps)
    return lambda name: runpy.run_path(str(TUTORIALS / f"{name}.py"))["gan"]


@pytest.mark.parametrize("name", NAMES)
def test_the_private_one_trains_and_states_its_guarantee(name, run, capsys):
    assert run(f"{name}_private").num_discriminator_updates == 3
    assert "Differentially private with epsilon" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_the_stock_one_trains(name, run):
    assert run(name).d_optimizer.iterations > 0
