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


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in task.default_config().items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    flags = {k.replace("_", "-"): v for k, v in vars(parser.parse_args()).items()}
    # Before Flower starts the processes that are to see it.
    os.environ[task.FLAGS] = json.dumps(flags)
    from client_app import app as client_app
    from flwr.simulation import run_simulation
    from server_app import app as server_app

    run_simulation(
        server_app,
        client_app,
        num_supernodes=flags["num-clients"],
        backend_config={
            "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
            "init_args": {"log_to_driver": False},
        },
    )


if __name__ == "__main__":
    main()
