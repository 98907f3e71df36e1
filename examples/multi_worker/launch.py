"""Runs `train.py` in several workers on this machine.

`python launch.py --workers=2 [flags of train.py]`
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import time

_TRAIN = pathlib.Path(__file__).with_name("train.py")


def main(arguments):
    """Starts the workers and waits for them.

    Returns:
        Int, the first exit code that is not 0, or 0.
    """
    num_workers = 2
    if arguments and arguments[0].startswith("--workers="):
        num_workers = int(arguments.pop(0).removeprefix("--workers="))
    addresses = [f"localhost:{port}" for port in _free_ports(num_workers)]
    processes = [
        _start({"type": "worker", "index": index}, addresses, arguments)
        for index in range(num_workers)
    ]
    try:
        while any(process.poll() is None for process in processes):
            time.sleep(0.2)
    except KeyboardInterrupt:
        for process in processes:
            process.wait()
    return next((p.returncode for p in processes if p.returncode), 0)


def _start(task, addresses, arguments):
    config = {"cluster": {"worker": addresses}, "task": task}
    return subprocess.Popen(
        [sys.executable, str(_TRAIN), *arguments],
        env={
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **os.environ,
            "TF_CONFIG": json.dumps(config),
        },
    )


def _free_ports(count):
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
