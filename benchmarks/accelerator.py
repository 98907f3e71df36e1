"""Correctness first, then speed, then quality, on one accelerator or a processor.

`accelerator.sh` runs it. What is finished is written at once, so that a run that is cut
off has a page, too.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

import driver
import speed
from absl import app
from absl import flags

HERE = pathlib.Path(__file__).parent

SIZE = flags.DEFINE_enum(
    "size", "full", ["full", "small"], "`small` is for trying it out on a processor."
)
OUT = flags.DEFINE_string("out", str(HERE), "Folder of the two files.")

# All parts must end within ten minutes.
DEADLINE = time.monotonic() + 570

# Per size: of the checks, of the updates that are timed, and of the quality.
CHECKS = {"full": (256, 8, 64), "small": (8, 2, 4)}
UPDATES = {
    "full": [
        ("conv28 wasserstein 256", ["--critic=conv28", "--batch_size=256"]),
        (
            "conv28 wasserstein_gp 256",
            ["--critic=conv28", "--loss=wasserstein_gp", "--batch_size=256"],
        ),
    ],
    "small": [("conv28 wasserstein 8", ["--batch_size=8", "--width=4"])],
}
CONTENDERS = {
    "plain": ["--engine=plain"],
    "ghost": ["--engine=ghost"],
    "plain, bfloat16": ["--engine=plain", "--policy=mixed_bfloat16"],
    "ghost, bfloat16": ["--engine=ghost", "--policy=mixed_bfloat16"],
    "plain, XLA": ["--engine=plain", "--jit_compile"],
    "ghost, XLA": ["--engine=ghost", "--jit_compile"],
    "vectorized, XLA": ["--engine=vectorized", "--jit_compile"],
}
ROUNDS = {"full": 5, "small": 1}
QUALITY = {
    "full": ["--epsilon=10"],
    "small": [
        "--dataset=digits",
        "--epsilon=10",
        "--delta=1e-4",
        "--num_samples=300",
    ],
}


def main(_):
    report = {"size": SIZE.value, "machine": machine()}
    for name, part in (
        ("one_record", check_records),
        ("updates", time_updates),
        ("quality", measure_quality),
    ):
        start = time.monotonic()
        print(f"{name} ...", flush=True)
        report[name] = part()
        report[f"seconds_of_{name}"] = round(time.monotonic() - start, 1)
        write(report)
    broken = [c for c in report["one_record"] if not c.get("holds", True)]
    sys.exit(f"One record moves the sum by more than a clip: {broken}" if broken else 0)


def machine():
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(d) for d in devices]
    names = [d.get("device_name", "GPU") for d in details]
    return {**speed.machine(), "accelerators": names}


def check_records():
    import one_record

    results = []
    for cell in one_record.cells(*CHECKS[SIZE.value]):
        print(json.dumps(cell), flush=True)
        results.append(cell)
    return results


def time_updates():
    return {
        name: driver.compare(
            {who: speed.own(*what, *how) for who, how in CONTENDERS.items()},
            ROUNDS[SIZE.value],
        )
        for name, what in UPDATES[SIZE.value]
    }


def measure_quality():
    """The headline of `make quality`: images at epsilon 10."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            str(HERE / "quality.py"),
            f"--runs={folder}/runs",
            f"--page={folder}/page",
            *QUALITY[SIZE.value],
        ]
        try:
            left = max(1.0, DEADLINE - time.monotonic())
            subprocess.run(command, check=True, timeout=left, capture_output=True)
        except subprocess.TimeoutExpired:
            return {"failed": "the ten minutes were over"}
        except subprocess.CalledProcessError as error:
            return {"failed": error.stderr.decode(errors="replace")[-500:]}
        (result,) = json.loads(
            pathlib.Path(folder, "page", "results.json").read_text()
        ).values()
    return {
        "dataset": result["settings"]["dataset"],
        "epsilon": result["privacy"]["epsilon"],
        "accuracy": result["accuracy"],
        "seconds_of_training": result["seconds"],
    }


def write(report):
    """The JSON file and the page."""
    folder = pathlib.Path(OUT.value)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=2) + "\n"
    (folder / "accelerator.json").write_text(text)
    (folder / "accelerator.md").write_text(page(report))


def page(report):
    of = report["machine"]
    where = ", ".join(of["accelerators"]) or f"no accelerator, {of['cores']} cores"
    lines = [
        "# On an accelerator",
        "",
        f"Written by `benchmarks/accelerator.sh --size={report['size']}` on {where}; "
        f"TensorFlow {of['tensorflow']}, Keras {of['keras']}.",
        "",
        "How far one record moves the clipped sum, at most, in clips (alone in its "
        "batch; taken out of a full one), and how far the sum is off that of "
        "`vectorized`:",
        "",
        "| policy | XLA | engine | TF32 wanted | fakes | alone | removed | off |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *map(_record_line, report["one_record"]),
    ]
    for name, results in report.get("updates", {}).items():
        lines += [
            "",
            f"An update, {name}:",
            "",
            "| | ms | MiB |",
            "| --- | --- | --- |",
        ]
        lines += [_update_line(who, r) for who, r in results.items()]
    if "quality" in report:
        lines += ["", "Quality: " + _quality_line(report["quality"])]
    return "\n".join(lines) + "\n"


def _record_line(cell):
    start = f"| {cell['policy']} | {_yes(cell['xla'])} | {cell['engine']} | "
    if "refused" in cell:
        return f"{start} | | refused: {cell['refused']} | | |"
    moves = cell["moves"]
    return (
        f"{start}{_yes(cell['tensor_float_32'])} | {cell['fakes']} | "
        f"{moves['alone']:.6f} | {moves['removed']:.6f} | "
        f"{cell['off_vectorized']:.1e} |"
    )


def _yes(value):
    return "yes" if value else "no"


def _update_line(who, result):
    if result["failed"]:
        return f"| {who} | failed | |"
    return f"| {who} | {result['median_ms']:.2f} | {result['peak_mib']:.0f} |"


def _quality_line(quality):
    if "failed" in quality:
        return f"not measured ({quality['failed']})."
    accuracy, seconds = quality["accuracy"], quality["seconds_of_training"]
    return (
        f"a classifier trained on images generated at epsilon {quality['epsilon']:.4g} "
        f"is right on {100 * accuracy:.1f}% of the real test images of "
        f"{quality['dataset']}; {seconds:.0f} seconds of training."
    )


if __name__ == "__main__":
    app.run(main)
