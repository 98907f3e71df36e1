"""Runs the app with simulated clients: `python simulate.py --help`."""

import argparse
import json
import os
import pathlib
import sys

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).parent))

import task

from keras_dpgan.federated import keys


def parse_flags():
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in task.default_config().items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument(
        "--client-epsilon",
        type=float,
        default=100.0,
        help="the limit that each client has set: these digits are nobody's secret",
    )
    parser.add_argument(
        "--client-held-out",
        type=float,
        help="the share of its digits by which each client chooses what it keeps",
    )
    flags = {k.replace("_", "-"): v for k, v in vars(parser.parse_args()).items()}
    flags["output-dir"] = str(pathlib.Path(flags["output-dir"]).resolve())
    flags["simulated-clients"] = {
        "folder": flags["output-dir"],
        "epsilon": flags.pop("client-epsilon"),
        "held-out": flags.pop("client-held-out"),
    }
    return flags


def main():
    flags = parse_flags()
    num_nodes = flags["num-clients"]
    folder = pathlib.Path(flags["output-dir"], "keys")
    # A run that goes on keeps its keys.
    if flags["mode"] in task.MODES_OF_HIDDEN_SUMS and not folder.exists():
        keys.make_keys(folder, num_nodes)
    if flags["mode"] in task.MODES_WITH_KEY_HOLDER:
        num_nodes += 1
    # Before Flower starts the processes that are to see it.
    os.environ[task.FLAGS] = json.dumps(flags)
    from client_app import app as client_app
    from flwr.simulation import run_simulation
    from server_app import app as server_app

    run_simulation(
        server_app,
        client_app,
        num_supernodes=num_nodes,
        backend_config={
            "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
            "init_args": {"log_to_driver": False},
        },
    )


if __name__ == "__main__":
    main()
