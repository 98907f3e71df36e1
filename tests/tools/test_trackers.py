"""Weights & Biases and MLflow keep the public numbers, offline."""

import helpers
import keras
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
LOGGED = {"g_loss", "d_loss_fake", "epsilon"}


def fit(callback):
    """With one learning rate, which `WandbMetricsLogger` reads."""
    gan = helpers.make_gan(g_optimizer=keras.optimizers.Adam(1e-2))
    return gan.fit(
        *helpers.make_data(), batch_size=12, callbacks=[callback], verbose=0
    ).history


def test_weights_and_biases_keeps_the_public_numbers(tmp_path):
    wandb = pytest.importorskip("wandb")
    from wandb.integration.keras import WandbMetricsLogger

    run = wandb.init(project="test", mode="offline", dir=str(tmp_path))
    history = fit(WandbMetricsLogger())
    kept = dict(run.summary)
    run.finish()
    for name in LOGGED:
        assert kept[f"epoch/{name}"] == pytest.approx(history[name][-1])


def test_mlflow_keeps_the_public_numbers(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("pandas")
    from mlflow.keras import MlflowCallback

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    with mlflow.start_run() as run:
        history = fit(MlflowCallback(run))
    kept = mlflow.get_run(run.info.run_id).data.metrics
    assert set(kept) == LOGGED
    for name in LOGGED:
        assert kept[name] == pytest.approx(history[name][-1])
