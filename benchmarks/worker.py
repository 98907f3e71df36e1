"""Makes discriminator updates on demand, and tells how long they took.

A process of its own per contender: it reads the number of updates to make, one
number a line, and answers with a line of JSON. So a driver can take contenders
in turn, and each has its own peak of memory.
"""

import json
import resource
import sys
import time


def serve(run):
    """Answers each line of standard input until it ends.

    Args:
        run: Callable of the number of updates: makes them and waits for them.
    """
    run(2)
    answer({"ready": True})
    for line in sys.stdin:
        start = time.perf_counter()
        run(int(line))
        seconds = (time.perf_counter() - start) / int(line)
        answer({"seconds": seconds, "peak_bytes": peak_bytes()})


def repeated(update):
    """What `serve` takes, made of a callable that makes one update."""

    def run(count):
        for _ in range(count):
            update()

    return run


def answer(content):
    """Writes one line of JSON."""
    print(json.dumps(content), flush=True)


def peak_bytes():
    """The largest resident memory of this process so far."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
