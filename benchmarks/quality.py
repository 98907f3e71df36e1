r"""How useful private samples are: trains recipes, and classifiers on their samples.

    make quality
    python benchmarks/quality.py --recipe=best --epsilon=10 --epsilon=1 --seed=0

Every run has a folder with its export and `run.json`; one that is there is not made
again, so that a run that was stopped goes on with the next. Accuracy on
`--part=test` is for reporting. What chooses something looks at `--part=validation`,
the last sixth of the training set, or at other data.
"""

import json
import pathlib
import platform
import time

import quality_tables
from absl import app
from absl import flags

DATASET = flags.DEFINE_string(
    "dataset", "fashion_mnist", "As of `python -m keras_dpgan.evaluate`."
)
DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the data set.")
RECIPES = flags.DEFINE_multi_string("recipe", ["best"], "Names in keras_dpgan.recipes.")
EPSILONS = flags.DEFINE_multi_float("epsilon", [10.0, 1.0], "Privacy budgets.")
SEEDS = flags.DEFINE_multi_integer("seed", [0], "Of weights, latents and classifier.")
DELTA = flags.DEFINE_float("delta", 1e-5, "Delta of the privacy guarantee.")
UPDATES = flags.DEFINE_integer("updates", None, "Default: the recipe's own.")
OPTIONS = flags.DEFINE_string("options", "{}", "JSON: further arguments of the recipe.")
PART = flags.DEFINE_enum("part", "test", ["test", "validation"], "What is measured on.")
NUM_SAMPLES = flags.DEFINE_integer("num_samples", 60_000, "Images for the classifier.")
RUNS = flags.DEFINE_string("runs", "out/quality", "Folder of the runs.")
PAGE = flags.DEFINE_string(
    "page",
    str(pathlib.Path(__file__).parent / "quality"),
    "Folder of results.json and the page.",
)

_HELD_OUT_SHARE = 6


def main(_):
    import keras_dpgan as dpgan
    from keras_dpgan.cli.evaluate import load_dataset

    train, test = load_dataset(DATASET.value, DATA_DIR.value)
    if PART.value == "validation":
        start = len(train[0]) - len(train[0]) // _HELD_OUT_SHARE
        test = tuple(array[start:] for array in train)
        train = tuple(array[:start] for array in train)
    page = pathlib.Path(PAGE.value)
    for recipe in RECIPES.value:
        for epsilon in EPSILONS.value:
            for seed in SEEDS.value:
                run = settings(recipe, epsilon, seed)
                folder = pathlib.Path(RUNS.value) / name(run)
                if not (folder / "run.json").exists():
                    make_run(dpgan, run, folder, train, test)
                quality_tables.add(page, folder)
    print((page / "README.md").read_text())


def settings(recipe, epsilon, seed):
    """Everything that a run depends on."""
    return {
        "dataset": pathlib.Path(DATASET.value).stem,
        "part": PART.value,
        "recipe": recipe,
        "epsilon": epsilon,
        "delta": DELTA.value,
        "seed": seed,
        "updates": UPDATES.value,
        "options": json.loads(OPTIONS.value),
        "num_samples": NUM_SAMPLES.value,
    }


def name(run):
    """A name of a run for its folder, the same for the same settings."""
    parts = [run["dataset"], run["part"], run["recipe"], f"epsilon={run['epsilon']:g}"]
    parts += [f"{key}={value}" for key, value in sorted(run["options"].items())]
    if run["updates"] is not None:
        parts.append(f"updates={run['updates']}")
    return "-".join([*parts, f"n={run['num_samples']}", f"seed={run['seed']}"])


def make_run(dpgan, run, folder, train, test):
    """Trains, exports, measures, and writes `run.json` last."""
    import keras

    from keras_dpgan.evaluation import classifier_accuracy

    print(f"{folder.name} ...", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(run["seed"])
    start = time.perf_counter()
    gan = make_recipe(dpgan, run, *train).fit(*train, epochs=10, verbose=2)
    seconds = time.perf_counter() - start
    gan.export(folder / "generator", overwrite=True)
    n = run["num_samples"]
    x, y = gan.sample(n, [i % gan.num_classes for i in range(n)], seed=run["seed"])
    quality_tables.draw_grid(gan, folder / "samples.png")
    start = time.perf_counter()
    accuracy = classifier_accuracy(x, y, *test, seed=run["seed"])
    result = {
        "settings": run,
        "accuracy": accuracy,
        "updates": gan.num_discriminator_updates,
        "noise_multiplier": gan.privacy_history.entries[-1].noise_multiplier,
        "privacy": gan.privacy_statement(delta=run["delta"]).to_dict(),
        "seconds": round(seconds, 1),
        "seconds_of_classifier": round(time.perf_counter() - start, 1),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "version": dpgan.__version__,
    }
    (folder / "run.json").write_text(json.dumps(result, indent=2) + "\n")


def make_recipe(dpgan, run, x, y):
    """The recipe of a run; only ours looks at the data while it is made."""
    recipe = getattr(dpgan.recipes, run["recipe"])
    arguments = {"epsilon": run["epsilon"], "delta": run["delta"], **run["options"]}
    if run["updates"] is not None:
        arguments["updates"] = run["updates"]
    num_classes = int(y.max()) + 1
    if run["recipe"] == "best":
        return recipe(x, y, num_classes, **arguments)
    return recipe(x.shape[1:], num_classes, len(x), **arguments)


if __name__ == "__main__":
    app.run(main)
