"""Starts the processes of one training on this machine."""

import json
import os
import pathlib
import socket
import subprocess
import sys

TESTS = str(pathlib.Path(__file__).parent)


def start(script, arguments, workers):
    """Starts a script once for each worker.

    Args:
        script: Path of a Python program.
        arguments: Its arguments.
        workers: Int; for 1 there is no `TF_CONFIG`.

    Returns:
        List of `subprocess.Popen`, the chief's first.
    """
    cluster = {"worker": [f"localhost:{port}" for port in _free_ports(workers)]}
    environments = [
        {"TF_CONFIG": json.dumps({"cluster": cluster, "task": _task(index)})}
        for index in range(workers)
    ]
    return [
        subprocess.Popen(
            [sys.executable, str(script), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([TESTS, *sys.path]),
                **(environment if workers > 1 else {}),
            },
        )
        for environment in environments
    ]


def run(script, arguments, workers):
    """Runs a script in each worker and reads the last line of each as JSON.

    Args:
        script: As in `start`.
        arguments: As there.
        workers: As there.

    Returns:
        List of what the workers printed, the chief's first.
    """
    processes = start(script, arguments, workers)
    outputs = [process.communicate(timeout=300) for process in processes]
    errors = [
        error[-3000:]
        for process, (_, error) in zip(processes, outputs, strict=True)
        if process.returncode
    ]
    assert not errors, "\n".join(errors)
    return [json.loads(output.splitlines()[-1]) for output, _ in outputs]


def _task(index):
    return {"type": "worker", "index": index}


def _free_ports(count):
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports
