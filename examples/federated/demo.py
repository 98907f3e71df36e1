"""Trains with every kind of mode in simulation: `python demo.py --help`.

Ends with a table, curves of the generator's loss, and a row of samples per mode.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))

import matplotlib

matplotlib.use("Agg")
import keras
import numpy as np
import task
from matplotlib import pyplot

from keras_dpgan import data
from keras_dpgan.callbacks import grid

CENTRALISED = "centralised"
# A thousand clients with a digit or two. It is Flower's simulation that takes its time
# for so many, so that there are few rounds.
_SMALL_CLIENTS = {"num-clients": 1000, "update-clip": 3.0, "generator-steps": 15}
RUNS = {
    "record-level": {},
    # Four messages a round.
    "masked-records": {
        "rounds": 100,
        "discriminator-steps": 1,
        "noise-multiplier": 2.0,
    },
    "local-records": {"rounds": 40},
    "local-clients": {**_SMALL_CLIENTS, "rounds": 8, "update-noise": 10.0},
    "encrypted-sums": {**_SMALL_CLIENTS, "rounds": 4, "update-noise": 5.0},
}


def train_centralised(folder):
    """The same GAN, on all digits in one place, with the settings of record-level."""
    config = task.default_config()
    (x, y), test = data.load_digits()
    gan = task.make_gan(config, discriminator_steps=config["discriminator-steps"])
    history = gan.fit(
        x,
        y,
        batch_size=int(config["expected-batch-size"]),
        steps_per_epoch=50,
        epochs=config["rounds"] // 50,
        verbose=2,
    ).history
    folder.mkdir(parents=True, exist_ok=True)
    gan.save(folder / "gan.keras")
    run = {
        "unit": "row",
        "epsilon": gan.epsilon(config["delta"]),
        "rounds": gan.num_discriminator_updates,
        "g_loss": history["g_loss"],
        "accuracy": task.accuracy(gan, *test),
        "config": {**config, "num-clients": 1},
    }
    (folder / "run.json").write_text(json.dumps(run, indent=2))


def simulate(mode, settings, folder):
    """One mode, in a process of its own; returns what it says in the end."""
    given = [f"--{name}={value}" for name, value in settings.items()]
    command = [sys.executable, HERE / "simulate.py", f"--mode={mode}"]
    subprocess.run([*command, *given, f"--output-dir={folder}"], check=True)


def table(runs):
    """A Markdown table of all runs."""
    lines = [
        "| mode | unit | clients | rounds | epsilon | accuracy | minutes |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for mode, run in runs.items():
        minutes = f"{run['seconds'] / 60:.1f}" if "seconds" in run else "-"
        lines.append(
            f"| {mode} | {run['unit']} | {run['config']['num-clients']:,} | "
            f"{run['rounds']} | {run['epsilon']:.2f} | {run['accuracy']:.0%} | "
            f"{minutes} |"
        )
    return "\n".join(lines)


def draw_curves(runs, path):
    """The generator's loss over the share of the run that is done."""
    figure, axes = pyplot.subplots(figsize=(7, 4))
    for mode, run in runs.items():
        losses = [np.nan if loss is None else loss for loss in run["g_loss"]]
        axes.plot(np.linspace(0, 1, len(losses)), losses, label=mode)
    axes.set(xlabel="share of the run", ylabel="generator's loss")
    axes.legend()
    figure.savefig(path, dpi=100, bbox_inches="tight")


def draw_samples(runs, folder):
    """One digit of each class, a row for each mode."""
    digits = np.arange(task.NUM_CLASSES)
    images = []
    for mode in runs:
        gan = keras.models.load_model(folder / mode / "gan.keras")
        images.append(gan.sample(len(digits), digits, seed=0)[0])
    rows = np.repeat(np.arange(len(runs)), len(digits))
    picture = grid.sample_grid(np.concatenate(images), rows, label_names=list(runs))
    picture.save(folder / "samples.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output-dir", type=pathlib.Path, default="out/federated")
    parser.add_argument("--mode", action="append", choices=list(RUNS), default=[])
    flags = parser.parse_args()
    folder = flags.output_dir.resolve()
    train_centralised(folder / CENTRALISED)
    modes = flags.mode or list(RUNS)
    for mode in modes:
        simulate(mode, RUNS[mode], folder / mode)
    runs = {
        mode: json.loads((folder / mode / "run.json").read_text())
        for mode in (CENTRALISED, *modes)
    }
    draw_curves(runs, folder / "curves.png")
    draw_samples(runs, folder)
    (folder / "table.md").write_text(table(runs) + "\n")
    print(table(runs))
    print(f"\nCurves and samples are in {folder}.")


if __name__ == "__main__":
    main()
