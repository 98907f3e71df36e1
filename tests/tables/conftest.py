"""A small private table with everything that a table may have."""

import dataclasses

import numpy as np
import pytest

import keras_dpgan as dpgan
from keras_dpgan.tables import fitting

pd = pytest.importorskip("pandas")


@pytest.fixture
def schema():
    return dpgan.tables.TableSchema(
        {
            "age": dpgan.tables.Numeric(0, 90, bins=5, integer=True),
            "work": dpgan.tables.Categorical(["a", "b", "c"], other="other"),
            "gain": dpgan.tables.Numeric(0, 10, point_masses=[0], nullable=True),
            "day": dpgan.tables.Datetime("2020-01-01", "2020-12-31", bins=3),
            "rich": dpgan.tables.Boolean(),
        }
    )


@pytest.fixture
def table():
    return make_table(300)


def make_table(n, seed=0):
    rng = np.random.default_rng(seed)
    age = rng.integers(0, 91, n)
    gain = np.where(rng.random(n) < 0.5, 0.0, rng.random(n) * 10)
    gain[rng.random(n) < 0.1] = np.nan
    return pd.DataFrame(
        {
            "person": np.arange(n) // 3,
            "rich": age + rng.normal(0, 20, n) > 50,
            "age": age,
            "work": rng.choice(["a", "b", "b", "zzz"], n),
            "gain": gain,
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(age * 4, "D"),
        }
    )


@pytest.fixture
def few_steps(monkeypatch):
    """Training without privacy at stake is kept short."""
    shorten(monkeypatch, 5)


def shorten(monkeypatch, steps):
    for name in ("NARROW", "WIDE"):
        plan = getattr(fitting, name)
        rounds = tuple(dataclasses.replace(r, steps=steps) for r in plan.rounds)
        monkeypatch.setattr(fitting, name, dataclasses.replace(plan, rounds=rounds))
