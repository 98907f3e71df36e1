"""What it costs to train on data that memory does not hold: `python data.py --help`.

Sources of the same rows take turns, each in a process of its own: arrays in memory, a
memory map of a sparse file (which has no blocks on a disk: what is measured is ours), a
TFDS data set read by index, and a directory of images.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import driver
import worker
from absl import app
from absl import flags

HERE = pathlib.Path(__file__).parent

SOURCES = ("memory", "memory map", "tfds", "images")

SOURCE = flags.DEFINE_enum(
    "source", None, SOURCES, "Of a worker; all of them by turns."
)
FOLDER = flags.DEFINE_string("folder", None, "Of a worker: where the data are.")
GIGABYTES = flags.DEFINE_float("gigabytes", 100.0, "Of the memory map.")
ROWS = flags.DEFINE_integer("num_examples", 20_000, "Rows of the other sources.")
BATCH = flags.DEFINE_integer("batch_size", 256, "Expected rows of a batch.")
ROUNDS = flags.DEFINE_integer("rounds", 5, "How often each source has its turn.")
SECONDS = flags.DEFINE_float("seconds_per_turn", 20.0, "About how long a turn lasts.")
OUT = flags.DEFINE_string("out", str(HERE / "data.json"), "Where the figures go.")

_SHAPE = (28, 28, 1)
_ROW_BYTES = 4 * 28 * 28


def main(_):
    if SOURCE.value:
        worker.serve(make_run())
        return
    with tempfile.TemporaryDirectory() as folder:
        make_data(pathlib.Path(folder))
        flags_of_all = [
            f"--folder={folder}",
            f"--batch_size={BATCH.value}",
            f"--gigabytes={GIGABYTES.value}",
        ]
        results = driver.compare(
            {
                source: [sys.executable, __file__, f"--source={source}", *flags_of_all]
                for source in SOURCES
            },
            ROUNDS.value,
            SECONDS.value,
        )
        memory = {source: memory_of(folder, source) for source in SOURCES}
    for source, result in results.items():
        result |= memory[source]
        result["of_memory"] = result["median_ms"] / results["memory"]["median_ms"]
        print(f"{source}: {json.dumps(result)}")
    report = {
        "gigabytes_of_memory_map": GIGABYTES.value,
        "num_examples_of_the_others": ROWS.value,
        "batch_size": BATCH.value,
        "sources": results,
    }
    pathlib.Path(OUT.value).write_text(json.dumps(report, indent=2) + "\n")


def make_data(folder):
    """The same random images for each source but the memory map, whose are empty."""
    import numpy as np
    import tensorflow as tf
    import tensorflow_datasets as tfds

    pixels = np.random.default_rng(0).integers(0, 256, (ROWS.value, *_SHAPE), np.uint8)
    np.save(folder / "pixels.npy", pixels)
    with open(folder / "rows.bin", "wb") as file:
        file.truncate(num_mapped() * _ROW_BYTES)
    tfds.dataset_builders.store_as_tfds_dataset(
        name="pixels",
        version="1.0.0",
        features=tfds.features.FeaturesDict(
            {"image": tfds.features.Image(shape=_SHAPE)}
        ),
        split_datasets={"train": [(i, {"image": p}) for i, p in enumerate(pixels)]},
        data_dir=folder / "tfds",
        file_format="array_record",
        disable_shuffling=True,
    )
    (folder / "images").mkdir()
    for i, image in enumerate(pixels):
        path = str(folder / "images" / f"{i:06}.png")
        tf.io.write_file(path, tf.io.encode_png(image))


def num_mapped():
    return int(GIGABYTES.value * 1e9) // _ROW_BYTES


def open_source(name, folder):
    """The records of a source, as `PoissonDataset` takes them."""
    import numpy as np

    import keras_dpgan as dpgan

    if name == "memory":
        return dpgan.data.scale_to_range(np.load(folder / "pixels.npy"))
    if name == "memory map":
        shape = (num_mapped(), *_SHAPE)
        return np.memmap(folder / "rows.bin", np.float32, "r", shape=shape)
    if name == "tfds":
        return dpgan.data.load_tfds("pixels", data_dir=folder / "tfds", download=False)[
            0
        ]
    return dpgan.data.load_image_directory(
        folder / "images", labels=None, color_mode="grayscale", image_size=_SHAPE[:2]
    )[0]


def make_run():
    import keras

    import keras_dpgan as dpgan

    gan = dpgan.DPGAN(
        dpgan.models.image_discriminator(_SHAPE),
        dpgan.models.image_generator(_SHAPE, latent_dim=64),
    )
    gan.compile(
        dpgan.optimizers.DPKerasAdamOptimizer(1.0, 1.0, learning_rate=5e-4),
        keras.optimizers.Adam(5e-4),
        discriminator_steps=10,
    )
    x = open_source(SOURCE.value, pathlib.Path(FOLDER.value))
    data = dpgan.data.PoissonDataset(x, expected_batch_size=BATCH.value)

    def fit(count):
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            gan.fit(data, steps_per_epoch=count)

    return fit


def memory_of(folder, source):
    """What the records of a source need, from opening them to a thousand batches.

    The first pass over the records, which checks them, is part of it.
    """
    script = (
        "import sys; import data; from absl import flags; "
        "flags.FLAGS(sys.argv); data.print_memory()"
    )
    command = [sys.executable, "-c", script, f"--source={source}"]
    command += [f"--folder={folder}", f"--gigabytes={GIGABYTES.value}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=HERE)
    return json.loads(done.stdout.strip().splitlines()[-1])


def print_memory():
    import keras_dpgan as dpgan

    x = open_source(SOURCE.value, pathlib.Path(FOLDER.value))
    data = dpgan.data.PoissonDataset(x, expected_batch_size=BATCH.value)
    data[0]
    before = own_mib()
    start = time.perf_counter()
    dpgan.data.check_records(data, shape=_SHAPE, value_range=(-1.0, 1.0))
    seconds = time.perf_counter() - start
    checked = own_mib()
    for _ in range(1000):
        data[0]
    drawn = own_mib()
    print(
        json.dumps(
            {
                "seconds_of_first_check": round(seconds, 1),
                "mib_of_first_check": round(checked - before, 1),
                "mib_of_1000_batches": round(drawn - checked, 1),
            }
        )
    )


def own_mib():
    """The memory that this process has to itself, without pages of files."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("RssAnon")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    app.run(main)
