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
import startup
import tables
from absl import app
from absl import flags

HERE = pathlib.Path(__file__).parent

ROUNDS = flags.DEFINE_integer("rounds", 9, "How often each contender has its turn.")
CHECK = flags.DEFINE_bool("check", False, "Hold the ratios against thresholds.json.")
ONLY = flags.DEFINE_multi_string("only", [], "Names of the settings to run; all.")

# Per setting: critic, loss, batch size, and which contenders besides ours.
SETTINGS = {
    "conv28 wasserstein 64": ("conv28", "wasserstein", 64, "peers, tf_privacy"),
    "conv28 wasserstein 256": ("conv28", "wasserstein", 256, "peers"),
    "conv28 wasserstein 1024": ("conv28", "wasserstein", 1024, ""),
    "conv28 non_saturating 256": ("conv28", "non_saturating", 256, "peers"),
    "conv28 wasserstein_gp 64": ("conv28", "wasserstein_gp", 64, "tf_privacy"),
    "conv28 wasserstein_gp 256": ("conv28", "wasserstein_gp", 256, ""),
    "conv28 wasserstein_gp 1024": ("conv28", "wasserstein_gp", 1024, ""),
    "conv32 wasserstein 256": ("conv32", "wasserstein", 256, "peers"),
    "conv32 wasserstein_gp 256": ("conv32", "wasserstein_gp", 256, ""),
    "mlp wasserstein 256": ("mlp", "wasserstein", 256, "peers"),
    "mlp wasserstein_gp 256": ("mlp", "wasserstein_gp", 256, ""),
    "lstm wasserstein 64": ("lstm", "wasserstein", 64, ""),
    "gru wasserstein 64": ("gru", "wasserstein", 64, ""),
    "attention wasserstein 64": ("attention", "wasserstein", 64, ""),
}

# How the cost grows: the same setting, wider and deeper.
GROWTH = {
    "width 32": ["--width=32"],
    "width 64": [],
    "width 128": ["--width=128"],
    "depth 3": ["--depth=3"],
}

# What `--check` runs: quick, and what a change is most likely to break.
CHECKED = ("conv28 wasserstein 256", "conv28 wasserstein_gp 256")


def main(_):
    if CHECK.value:
        sys.exit(check({name: run(name) for name in CHECKED}))
    path = HERE / "results.json"
    report = json.loads(path.read_text()) if ONLY.value and path.exists() else {}
    report["machine"] = machine()
    parts = report.setdefault("settings", {})
    for name in ONLY.value or [*SETTINGS, *OTHERS]:
        parts[name] = OTHERS[name]() if name in OTHERS else run(name)
        path.write_text(json.dumps(report, indent=2) + "\n")
        tables.write_readme(HERE / "README.md", report)
    print(f"Written: {path} and {HERE / 'README.md'}")


def run(name):
    """The results of one setting."""
    print(f"{name} ...", flush=True)
    results = driver.compare(commands(*SETTINGS[name]), ROUNDS.value)
    print(tables.one_setting(results), flush=True)
    return results


def own(*flags):
    """The command of a contender of ours."""
    return [sys.executable, str(HERE / "update.py"), *flags]


def commands(critic, loss, batch_size, others):
    """The contenders' commands by name."""
    what = [f"--critic={critic}", f"--loss={loss}", f"--batch_size={batch_size}"]
    engines = ["plain", "ghost"]
    # Of sequences it is record by record, which takes minutes.
    is_sequence = critic in ("lstm", "gru", "attention")
    if batch_size < 1024 and not is_sequence and not CHECK.value:
        engines.append("vectorized")
    result = {engine: own(f"--engine={engine}", *what) for engine in engines}
    if "tf_privacy" in others:
        result["TF Privacy optimizer"] = own("--engine=tf_privacy", *what)
    if "peers" in others and not CHECK.value:
        result |= tf_privacy_model(critic, what)
        result |= peers("opacus", ("plain", "hooks", "functorch", "ghost"), what)
        result |= peers("jax", ("plain", "vmap"), what)
    return result


def tf_privacy_model(critic, what):
    """The commands of TF Privacy's `DPModel`, fast where it knows the layers."""
    engine = "fast" if critic == "mlp" else "vectorized"
    script = str(HERE / "peers" / "tf_privacy_update.py")
    return {
        f"TF Privacy DPModel {name}": [
            sys.executable,
            script,
            f"--engine={name}",
            *what,
        ]
        for name in ("plain", engine)
    }


def growth():
    """Plain and ghost, for networks of several widths and depths."""
    return driver.compare(
        {
            f"{name} {engine}": own(f"--engine={engine}", "--batch_size=64", *flags)
            for name, flags in GROWTH.items()
            for engine in ("plain", "ghost")
        },
        ROUNDS.value,
    )


def secure_noise():
    """Noise by Philox, and on a grid by ChaCha20."""
    return driver.compare(
        {
            name: own("--engine=ghost", f"--noise_source={name}")
            for name in ("default", "secure")
        },
        ROUNDS.value,
    )


def large_batch():
    """A batch of 8192 in parts of 512."""
    flags = ["--engine=ghost", "--batch_size=8192", "--physical_batch_size=512"]
    return driver.compare({"ghost": own(*flags)}, 1)


def large_rows():
    """Batches of 512 and 4096 large rows, in parts of 64: in memory, and in time."""
    results = {}
    for critic in ("conv64", "conv128"):
        for size in (512, 4096):
            flags = [f"--critic={critic}", f"--batch_size={size}"]
            command = own("--engine=ghost", *flags, "--physical_batch_size=64")
            name = f"{critic} batch {size}"
            results[name] = driver.compare({name: command}, 1)[name]
    return results


def loop():
    """`fit` against the same traced step alone: turns of about one epoch each."""
    script = str(HERE / "loop.py")
    return driver.compare(
        {name: [sys.executable, script, f"--loop={name}"] for name in ("bare", "fit")},
        rounds=3,
        seconds_per_turn=40.0,
    )


OTHERS = {
    "growth": growth,
    "secure noise": secure_noise,
    "batch 8192": large_batch,
    "large rows": large_rows,
    "fit": loop,
    "startup": lambda: startup.measure(3),
}


def peers(name, engines, what):
    """The commands of a peer, if `make bench-peers` has installed it."""
    python = HERE / f".venv-{name}" / "bin" / "python"
    if not python.exists():
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
