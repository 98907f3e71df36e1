"""What limits many workers: a small model, fitted to runs on this machine.

Writes its tables into docs/scale.md, and scale.json.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

import numpy as np

from keras_dpgan import privacy
from keras_dpgan.data import PoissonDataset

HERE = pathlib.Path(__file__).parent
PAGE = HERE.parent / "docs" / "scale.md"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
SIZES = (1_000, 100_000, 1_000_000, 4_000_000)
BATCHES = (32, 64, 128, 256)
CHECKED_BATCHES = (64, 128, 256)
WORKERS = (2, 3, 4)
NUM_WEIGHTS = 212_865  # Of the network that is timed, in float32.
# Of a data centre, for the forecast: bytes a second, and seconds a hop.
NETWORKS = {"this machine": None, "10 Gbit/s, 50 us": (1.25e9, 50e-6)}
BLOCK = 100  # Updates that the ledger reserves at once.


def run(workers, what, sizes):
    """Runs `scale_worker.py` on one core a worker; gives the chief's seconds."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(workers)]
    addresses = [f"localhost:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    processes = []
    for index in range(workers):
        environment = {
            **os.environ,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "TF_NUM_INTRAOP_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([str(HERE.parent), *sys.path]),
        }
        if workers > 1:
            task = {"type": "worker", "index": index}
            config = {"cluster": {"worker": addresses}, "task": task}
            environment["TF_CONFIG"] = json.dumps(config)
        processes.append(
            subprocess.Popen(
                [sys.executable, HERE / "scale_worker.py", what, *map(str, sizes)],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
        # A core of its own, as long as there are as many.
        os.sched_setaffinity(processes[-1].pid, {index % os.cpu_count()})
    outputs = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise RuntimeError(f"A worker of `{what}` has failed.")
    seconds = json.loads(outputs[0].splitlines()[-1])
    return {int(size): value for size, value in seconds.items()}


def fit_linear(features, values):
    """Non-negative coefficients with the smallest relative errors."""
    from scipy.optimize import nnls

    features, values = np.asarray(features, float), np.asarray(values, float)
    return nnls(features / values[:, None], np.ones(len(values)))[0].tolist()


def ring(workers, weights):
    """How often a ring waits for a hop, and the bytes that each worker sends."""
    hops = 2 * (workers - 1)
    return hops, hops / workers * 4 * weights


def draw_seconds():
    """Seconds to draw a Poisson batch of 256, by the number of records."""
    seconds = {}
    for num_records in (10_000, 1_000_000):
        data = PoissonDataset(
            np.zeros((num_records, 1), np.float32), expected_batch_size=256
        )
        start = time.perf_counter()
        for _ in range(20):
            data[0]
        seconds[num_records] = (time.perf_counter() - start) / 20
    return seconds


def ledger_seconds():
    """Seconds of one reservation, on disk."""
    entry = privacy.HistoryEntry(
        mechanism="gaussian", noise_multiplier=1.0, sampling_probability=0.01
    )
    with tempfile.TemporaryDirectory() as folder:
        with privacy.Ledger(f"{folder}/ledger", "timed", BLOCK) as ledger:
            number = ledger.start_run(entry)
            start = time.perf_counter()
            for _ in range(20):
                ledger.reserve(number, BLOCK)
            return (time.perf_counter() - start) / 20


def measure():
    """All runs, as a dict of JSON values."""
    reductions = {workers: run(workers, "reduce", SIZES) for workers in WORKERS}
    alone = run(1, "train", BATCHES)
    together = run(2, "train", CHECKED_BATCHES)
    return {
        "reductions": reductions,
        "updates of one": alone,
        "updates of two": together,
        "draw": draw_seconds(),
        "reservation": ledger_seconds(),
    }


def fit(runs):
    """The model: `update = fixed + per_record * batch + per_hop * h + per_byte * b`."""
    fixed, per_record = fit_linear(
        [(1, batch) for batch in runs["updates of one"]],
        list(runs["updates of one"].values()),
    )
    # Of two workers alone: more share two cores.
    times = runs["reductions"][2]
    per_hop, per_byte = fit_linear([ring(2, size) for size in times], [*times.values()])
    return {
        "fixed": fixed,
        "per_record": per_record,
        "per_hop": per_hop,
        "per_byte": per_byte,
    }


def update_seconds(model, workers, batch, network=None):
    """Seconds of an update of `batch` records on `workers` workers."""
    per_byte, per_hop = model["per_byte"], model["per_hop"]
    if network is not None:
        per_byte, per_hop = 1 / network[0], network[1]
    hops, sent = ring(workers, NUM_WEIGHTS)
    compute = model["fixed"] + model["per_record"] * batch / workers
    return compute + per_hop * hops + per_byte * sent


def tables(runs, model):
    """What the page shows, as Markdown."""
    lines = [
        "| fitted | |",
        "| --- | --- |",
        f"| an update, whatever its size | {1e3 * model['fixed']:.1f} ms |",
        f"| each record of a worker's batch | {1e3 * model['per_record']:.2f} ms |",
        f"| each hop of an all-reduce | {1e3 * model['per_hop']:.2f} ms |",
        f"| each MB that a worker sends | {1e9 * model['per_byte']:.1f} ms |",
        f"| a batch drawn from {min(runs['draw']):,} records "
        f"| {1e3 * runs['draw'][min(runs['draw'])]:.2f} ms |",
        f"| a batch drawn from {max(runs['draw']):,} records "
        f"| {1e3 * runs['draw'][max(runs['draw'])]:.2f} ms |",
        f"| a reservation in the ledger, for {BLOCK} updates "
        f"| {1e3 * runs['reservation']:.1f} ms |",
        "",
        "| batch, over two workers | one worker | two, foretold | two, measured |",
        "| --- | --- | --- | --- |",
    ]
    for batch, seconds in runs["updates of two"].items():
        foretold = update_seconds(model, 2, batch)
        lines.append(
            f"| {batch} | {1e3 * runs['updates of one'][batch]:.0f} ms "
            f"| {1e3 * foretold:.0f} ms | {1e3 * seconds:.0f} ms |"
        )
    lines += ["", "| workers | batch | " + " | ".join(NETWORKS) + " |"]
    lines.append("| --- " * (2 + len(NETWORKS)) + "|")
    for workers in (1, 10, 100, 1000):
        for batch in (4_096, 64 * workers):
            cells = [
                f"{1e3 * update_seconds(model, workers, batch, network):,.0f} ms"
                for network in NETWORKS.values()
            ]
            lines.append(f"| {workers:,} | {batch:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    runs = measure()
    model = fit(runs)
    text = json.dumps({"runs": runs, "model": model}, indent=2)
    (HERE / "scale.json").write_text(text + "\n", encoding="utf-8")
    text = tables(runs, model)
    print(text)
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    page = f"{before}{BEGIN}\n{text}{END}{after}"
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
