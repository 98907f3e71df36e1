"""The results of `quality.py`: JSON, a page, and a picture."""

import json
import shutil
import statistics

INTRODUCTION = """# Quality

Accuracy, on real images, of the CNN of "Private GANs, Revisited" that is trained on
generated images alone (`keras_dpgan.evaluation.classifier_accuracy`). Rows with
`test` were measured on the official test images, which chose nothing; rows with
`validation` on the last sixth of the training set, which was then left out of
training. A row is the mean of its seeds, with the least and the largest; a seed is that
of first weights, latents and classifier, while the noise is another in each run.
[docs/recipes.md](../../docs/recipes.md) has what was tried.

```sh
make quality    # writes this page and results.json
```
"""

_COLUMNS = (
    "data",
    "part",
    "recipe",
    "epsilon",
    "updates",
    "minutes",
    "seeds",
    "accuracy",
)


def add(home, folder):
    """Adds a run to `results.json` and writes the page again.

    Args:
        home: The folder of the page, a path.
        folder: The folder of the run, a path.
    """
    home.mkdir(exist_ok=True)
    path = home / "results.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    results[folder.name] = json.loads((folder / "run.json").read_text())
    path.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
    if results[folder.name]["settings"]["part"] == "test":
        shutil.copy(folder / "samples.png", home / f"{folder.name}.png")
    (home / "README.md").write_text(page(results))


def page(results):
    """The page as Markdown."""
    lines = [
        INTRODUCTION,
        f"| {' | '.join(_COLUMNS)} |",
        "| --- " * len(_COLUMNS) + "|",
    ]
    groups = {}
    for name in sorted(results):
        groups.setdefault(_without_seed(results[name]), []).append(name)
    lines += [_row([results[name] for name in names]) for names in groups.values()]
    for name, *_ in groups.values():
        run = results[name]
        if run["settings"]["part"] == "test":
            lines.append(
                f"\n![Samples of {name}]({name}.png)\n\n*{name}: epsilon "
                f"{run['privacy']['epsilon']:.2f}, a row per label.*"
            )
    return "\n".join(lines) + "\n"


def _without_seed(run):
    return json.dumps({**run["settings"], "seed": None}, sort_keys=True)


def _row(runs):
    """The row of runs that differ in their seed."""
    settings = runs[0]["settings"]
    options = "".join(f", {k}={v}" for k, v in sorted(settings["options"].items()))
    accuracies = [run["accuracy"] for run in runs]
    accuracy = f"{statistics.mean(accuracies):.1%}"
    if len(runs) > 1:
        accuracy += f" ({min(accuracies):.1%} to {max(accuracies):.1%})"
    cells = (
        settings["dataset"],
        settings["part"],
        settings["recipe"] + options,
        f"{max(run['privacy']['epsilon'] for run in runs):.2f}",
        f"{runs[0]['updates']}",
        f"{statistics.mean(run['seconds'] for run in runs) / 60:.1f}",
        f"{len(runs)}",
        accuracy,
    )
    return f"| {' | '.join(cells)} |"


def draw_grid(gan, path, columns=12):
    """Draws samples of a `DPGAN`, a row per label."""
    import numpy as np

    from keras_dpgan.callbacks.grid import sample_grid

    labels = np.repeat(np.arange(gan.num_classes), columns)
    images, _ = gan.sample(len(labels), labels, seed=0)
    sample_grid(images, labels, columns=columns).save(path)
