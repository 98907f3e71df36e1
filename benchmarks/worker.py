"""Makes discriminator updates on demand, and tells how long they took.

A process of its own per contender: it reads the number of updates to make, one
number a line, and answers with a line of JSON. So a driver can take contenders
in turn, and each has its own peak of memory.
"""

import json
import resource
import sys
import time


def serve(update, describe=None):
    """Answers each line of standard input until it ends.

    Args:
        update: Callable of no arguments that makes one update and waits for it.
        describe: Dict to send along with the first answer.
    """
    update()
    update()
    answer({"ready": True, **(describe or {})})
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            update()
        seconds = (time.perf_counter() - start) / int(line)
        answer({"seconds": seconds, "peak_bytes": peak_bytes()})


def answer(content):
    """Writes one line of JSON."""
    print(json.dumps(content), flush=True)


def peak_bytes():
    """The largest resident memory of this process so far."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
