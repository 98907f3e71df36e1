"""What private training costs, against the same model without and the peers.

`make bench` writes `results.json` and the tables of `README.md`; `make
bench-check` holds the ratios against `thresholds.json`.
"""

import json
import os
import pathlib
import platform
import sys

import driver
import tables
from absl import app
from absl import flags

HERE = pathlib.Path(__file__).parent

ROUNDS = flags.DEFINE_integer("rounds", 9, "How often each contender has its turn.")
CHECK = flags.DEFINE_bool("check", False, "Hold the ratios against thresholds.json.")
ONLY = flags.DEFINE_multi_string("only", [], "Names of the settings to run; all.")

# Each row: critic, loss, batch size, contenders.
SETTINGS = {
    "conv28 wasserstein 64": ("conv28", "wasserstein", 64, "all"),
    "conv28 wasserstein 256": ("conv28", "wasserstein", 256, "fast"),
    "conv28 wasserstein 1024": ("conv28", "wasserstein", 1024, "own"),
    "conv28 non_saturating 256": ("conv28", "non_saturating", 256, "own"),
    "conv28 wasserstein_gp 64": ("conv28", "wasserstein_gp", 64, "own"),
    "conv28 wasserstein_gp 256": ("conv28", "wasserstein_gp", 256, "own"),
    "conv32 wasserstein 256": ("conv32", "wasserstein", 256, "own"),
    "conv32 wasserstein_gp 256": ("conv32", "wasserstein_gp", 256, "own"),
    "mlp wasserstein 256": ("mlp", "wasserstein", 256, "fast"),
    "mlp wasserstein_gp 256": ("mlp", "wasserstein_gp", 256, "own"),
}

# What `--check` runs: quick, and what a change is most likely to break.
CHECKED = ("conv28 wasserstein 256", "conv28 wasserstein_gp 256")


def main(_):
    names = ONLY.value or (CHECKED if CHECK.value else SETTINGS)
    results = {}
    for name in names:
        print(f"{name} ...", flush=True)
        results[name] = driver.compare(commands(*SETTINGS[name]), ROUNDS.value)
        print(tables.one_setting(results[name]), flush=True)
    if CHECK.value:
        sys.exit(check(results))
    report = {"machine": machine(), "settings": results}
    (HERE / "results.json").write_text(json.dumps(report, indent=2) + "\n")
    tables.write_readme(HERE / "README.md", report)
    print(f"Written: {HERE / 'results.json'} and {HERE / 'README.md'}")


def commands(critic, loss, batch_size, contenders):
    """The contenders' commands by name."""
    what = [f"--critic={critic}", f"--loss={loss}", f"--batch_size={batch_size}"]

    def own(engine):
        return [sys.executable, str(HERE / "update.py"), f"--engine={engine}", *what]

    result = {"plain": own("plain"), "ghost": own("ghost")}
    if batch_size < 1024:
        result["vectorized"] = own("vectorized")
    if contenders == "all":
        result["TF Privacy vectorized"] = own("tf_privacy")
    if contenders in ("all", "fast"):
        result |= peers("opacus", ("plain", "hooks", "functorch", "ghost"), what)
        result |= peers("jax", ("plain", "vmap"), what)
    return result


def peers(name, engines, what):
    """The commands of a peer, if `make bench-peers` has installed it."""
    python = HERE / f".venv-{name}" / "bin" / "python"
    if CHECK.value or not python.exists():
        return {}
    script = str(HERE / "peers" / f"{name}_update.py")
    return {
        f"{name} {engine}": [str(python), script, f"--engine={engine}", *what]
        for engine in engines
    }


def machine():
    """What the figures were measured on."""
    import keras
    import tensorflow as tf

    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }


def check(results):
    """Prints each ratio beside its threshold; the number of those above."""
    thresholds = json.loads((HERE / "thresholds.json").read_text())
    failures = 0
    for name, limits in thresholds.items():
        for contender, limit in limits.items():
            ratio = tables.ratio(results[name], contender, "plain")
            failures += ratio > limit
            verdict = "too slow" if ratio > limit else "ok"
            print(
                f"{name}: {contender} {ratio:.2f}x of plain, limit {limit}x: {verdict}"
            )
    return failures


if __name__ == "__main__":
    app.run(main)
