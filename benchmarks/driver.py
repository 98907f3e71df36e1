"""Takes workers in turn, so that a machine whose speed drifts is fair to all."""

import json
import statistics
import subprocess


class Worker:
    """A process that makes updates on demand; see `worker.py`.

    Args:
        name: What the results call it.
        command: List of strings.
    """

    def __init__(self, name, command):
        self.name = name
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.seconds = []
        self.peak_bytes = None
        self.failed = self._read() is None

    def _read(self):
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        return None

    def run(self, updates):
        """Makes updates and remembers the seconds that each took."""
        self._process.stdin.write(f"{updates}\n")
        self._process.stdin.flush()
        result = self._read()
        if result is None:
            self.failed = True
            return
        self.seconds.append(result["seconds"])
        self.peak_bytes = result["peak_bytes"]

    def stop(self):
        """Ends the process."""
        self._process.stdin.close()
        self._process.wait()


def compare(commands, rounds, seconds_per_turn=0.5):
    """Times contenders in turn, each in a process of its own.

    Args:
        commands: Dict of names to commands (lists of strings).
        rounds: Int, how often each contender has its turn.
        seconds_per_turn: Float, about how long a turn lasts.

    Returns:
        Dict of names to dicts with `median_ms`, `min_ms`, `peak_mib` and
        `failed`; contenders that could not start have only the last.
    """
    workers = [Worker(name, command) for name, command in commands.items()]
    running = [worker for worker in workers if not worker.failed]
    for worker in running:
        worker.run(1)
    turns = {
        worker.name: max(1, round(seconds_per_turn / worker.seconds.pop()))
        for worker in running
        if worker.seconds
    }
    for _ in range(rounds):
        for worker in running:
            if not worker.failed:
                worker.run(turns[worker.name])
    for worker in workers:
        worker.stop()
    return {worker.name: _summary(worker) for worker in workers}


def _summary(worker):
    if worker.failed or not worker.seconds:
        return {"failed": True}
    return {
        "failed": False,
        "median_ms": 1e3 * statistics.median(worker.seconds),
        "min_ms": 1e3 * min(worker.seconds),
        "peak_mib": worker.peak_bytes / 2**20,
    }
