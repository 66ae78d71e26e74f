#!/usr/bin/env python3
"""Writes tests/fixtures/learning/fedbuff.json: a run of FedBuff, reckoned with 50 digits from algorithm 1 and section 5 of the paper.

Nguyen et al.: "Federated Learning with Buffered Asynchronous Aggregation", AISTATS 2022. Run by hand:  python3 tests/oracles/learning_fedbuff.py
"""

import json
import pathlib
import random
import struct
from decimal import Decimal, getcontext

getcontext().prec = 50
chance = random.Random(20261121)

COUNT = 6
GOAL = 3
RATE = Decimal("0.7")
VERSIONS = 8
STALENESS_MAX = 5


def single(value):
    """The nearest number of 32 bits, which is what devices send."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


model = [Decimal(single(chance.uniform(-1, 1))) for _ in range(COUNT)]
start = [float(value) for value in model]
versions = []
for version in range(VERSIONS):
    buffer = [Decimal(0)] * COUNT
    updates = []
    for _ in range(GOAL):
        staleness = chance.randint(0, min(version, STALENESS_MAX))
        delta = [single(chance.gauss(0, 0.1)) for _ in range(COUNT)]
        weight = 1 / (Decimal(1) + staleness).sqrt()
        buffer = [total + weight * Decimal(value) for total, value in zip(buffer, delta)]
        updates.append({"base": version - staleness, "values": delta})
    # Devices hand in where the model should go, not the gradient: hence plus.
    model = [value + RATE * total / GOAL for value, total in zip(model, buffer)]
    versions.append({"updates": updates, "model": [float(value) for value in model]})

target = pathlib.Path(__file__).parent.parent / "fixtures" / "learning" / "fedbuff.json"
target.write_text(json.dumps(
    {"goal": GOAL, "serverRate": float(RATE), "stalenessMax": STALENESS_MAX, "start": start, "versions": versions}
) + "\n")
