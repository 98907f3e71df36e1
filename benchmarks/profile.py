"""Where the time of one update goes, by operation, plain and private side by side.

    python benchmarks/profile.py --critic=conv28 --batch_size=256

The flags are those of `update.py`. Times are those that TensorFlow's profiler counts
for the kernels of each kind of operation, on all cores, per update. Below them is the
processor's time, which a busy machine changes less.
"""

import collections
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import update
from absl import app
from absl import flags

UPDATES = flags.DEFINE_integer("updates", 20, "How many updates are looked at.")
LINES = flags.DEFINE_integer("lines", 25, "How many kinds of operations are shown.")
TRACED = flags.DEFINE_bool("traced", False, "Of a process that this script starts.")

HERE = pathlib.Path(__file__).parent


def main(arguments):
    if TRACED.value:
        print(json.dumps(traced()))
        return
    given = [a for a in sys.argv[1:] if not a.startswith("--engine")]
    found = {}
    for engine in ("plain", "ghost"):
        command = [sys.executable, arguments[0], "--traced", f"--engine={engine}"]
        done = subprocess.run(
            [*command, *given], check=True, stdout=subprocess.PIPE, text=True, cwd=HERE
        )
        found[engine] = json.loads(done.stdout.strip().splitlines()[-1])
    print(table(found["plain"], found["ghost"]))


def traced():
    """Milliseconds of an update, by kind of operation and of the processor."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    run = update.make_update()
    for _ in range(3):
        run()
    start = time.process_time()
    for _ in range(UPDATES.value):
        run()
    processor = time.process_time() - start
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            for _ in range(UPDATES.value):
                run()
        (path,) = pathlib.Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    kinds: collections.Counter = collections.Counter()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                # A kernel is named by its node and, behind a colon, its kind.
                name = plane.event_metadata[event.metadata_id].name
                node, _, kind = name.rpartition(":")
                if node and node[-1] != ":" and kind.isidentifier():
                    kinds[kind] += event.duration_ps / 1e6
    return {
        "processor_ms": 1e3 * processor / UPDATES.value,
        "kinds": {k: v / 1e3 / UPDATES.value for k, v in kinds.items()},
    }


def table(plain, ghost):
    """Both as lines of text, what private training adds most of first."""
    before, after = plain["kinds"], ghost["kinds"]
    kinds = sorted(
        {*before, *after}, key=lambda k: before.get(k, 0.0) - after.get(k, 0.0)
    )
    lines = [f"{'ms per update':36} {'plain':>9} {'private':>9} {'more':>9}"]
    rows = [(k, before.get(k, 0.0), after.get(k, 0.0)) for k in kinds[: LINES.value]]
    rows.append(("all kernels", sum(before.values()), sum(after.values())))
    rows.append(("processor", plain["processor_ms"], ghost["processor_ms"]))
    lines += [f"{name:36} {a:9.2f} {b:9.2f} {b - a:9.2f}" for name, a, b in rows]
    ratio = ghost["processor_ms"] / plain["processor_ms"]
    return "\n".join([*lines, f"processor time: {ratio:.2f}x of plain"])


if __name__ == "__main__":
    app.run(main)
