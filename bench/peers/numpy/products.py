"""Products of all pairs of rows with NumPy on one thread, for the bench `aggregation`.

Reads {"sizes": [[rows, numbers], ...], "rounds": n} from standard input.
Prints {"version": ..., "ms": [...]}: the shortest of the rounds of X @ X.T in single precision for each size, in order.
"""

import os

for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = "1"

import json
import sys
import time

import numpy


def shortest(rows, numbers, rounds):
    x = numpy.random.default_rng(1).random((rows, numbers), dtype=numpy.float32) - 0.5
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        x @ x.T
        times.append(1_000 * (time.perf_counter() - started))
    # The first warms up.
    return min(times[1:])


asked = json.load(sys.stdin)
print(json.dumps({
    "version": numpy.__version__,
    "ms": [shortest(rows, numbers, asked["rounds"]) for rows, numbers in asked["sizes"]],
}))
