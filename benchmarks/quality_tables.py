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

# Beyond it there is no guarantee to speak of.
_LARGEST_EPSILON = 1000.0

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
    if any(folder.name == row[0] for row in _rows(results)):
        shutil.copy(folder / "samples.png", home / f"{folder.name}.png")
    draw_curves(results, home / "curves.png")
    (home / "README.md").write_text(page(results))


def page(results):
    """The page as Markdown."""
    lines = [
        INTRODUCTION,
        f"| {' | '.join(_COLUMNS)} |",
        "| --- " * len(_COLUMNS) + "|",
    ]
    groups = _rows(results)
    lines += [_row([results[name] for name in names]) for names in groups]
    lines.append("\n![Accuracy against epsilon, and against minutes](curves.png)")
    for name, *_ in groups:
        guarantee = _guarantee([results[name]])
        lines.append(
            f"\n![Samples of {name}]({name}.png)\n\n*{name}: {guarantee}, a row per "
            "label.*"
        )
    return "\n".join(lines) + "\n"


def _rows(results):
    """Lists of the names of runs that differ in their seed, least epsilon first."""
    groups = {}
    for name in sorted(results):
        groups.setdefault(_without(results[name], "seed"), []).append(name)
    return sorted(groups.values(), key=lambda names: _order(results[names[0]]))


def _order(run):
    settings = run["settings"]
    return settings["dataset"], settings["part"], _title(run), settings["epsilon"]


def _without(run, *keys):
    settings = {**run["settings"], **dict.fromkeys(keys)}
    return json.dumps(settings, sort_keys=True)


def _title(run):
    """The recipe of a run and what was asked of it."""
    settings = run["settings"]
    return settings["recipe"] + "".join(
        f", {k}={v}" for k, v in sorted(settings["options"].items())
    )


def draw_curves(results, path):
    """Draws accuracy on test images against epsilon and against minutes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    curves = {}
    for names in _rows(results):
        runs = [results[name] for name in names]
        if runs[0]["settings"]["part"] == "test":
            curve = curves.setdefault(_without(runs[0], "seed", "epsilon"), [])
            curve.append(runs)
    left, right = figure.subplots(1, 2, sharey=True)
    for curve in curves.values():
        accuracies = [_spread(runs) for runs in curve]
        title = _title(curve[0][0])
        if _epsilon(curve[0]) >= _LARGEST_EPSILON:
            for axes in (left, right):
                axes.axhline(accuracies[0][0], linestyle="--", color="gray")
            left.lines[-1].set_label(f"{title}, no privacy")
            continue
        for axes, numbers in (
            (left, [_epsilon(runs) for runs in curve]),
            (right, [_minutes(runs) for runs in curve]),
        ):
            mean, below, above = zip(*accuracies, strict=True)
            axes.errorbar(numbers, mean, (below, above), fmt="o-", capsize=3)
            axes.set_xscale("log")
            axes.grid(alpha=0.3)
        left.containers[-1].set_label(title)
    left.set(xlabel="epsilon", ylabel="accuracy on real images")
    right.set(xlabel="minutes of training")
    figure.legend(loc="outside lower center", ncols=3)
    figure.savefig(path, dpi=110)


def _spread(runs):
    """The mean accuracy, and how far the least and the largest are from it."""
    accuracies = [run["accuracy"] for run in runs]
    mean = statistics.mean(accuracies)
    return mean, mean - min(accuracies), max(accuracies) - mean


def _epsilon(runs):
    return max(run["privacy"]["epsilon"] for run in runs)


def _guarantee(runs):
    epsilon = _epsilon(runs)
    return f"epsilon {epsilon:.2f}" if epsilon < _LARGEST_EPSILON else "no privacy"


def _minutes(runs):
    return statistics.mean(run["seconds"] for run in runs) / 60


def _row(runs):
    """The row of runs that differ in their seed."""
    settings = runs[0]["settings"]
    mean, below, above = _spread(runs)
    accuracy = f"{mean:.1%}"
    if len(runs) > 1:
        accuracy += f" ({mean - below:.1%} to {mean + above:.1%})"
    cells = (
        settings["dataset"],
        settings["part"],
        _title(runs[0]),
        _guarantee(runs).removeprefix("epsilon "),
        f"{runs[0]['updates']}",
        f"{_minutes(runs):.1f}",
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
