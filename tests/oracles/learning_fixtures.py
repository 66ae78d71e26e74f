#!/usr/bin/env python3
"""Cuts the small samples of real data under tests/fixtures/learning out of the whole files (docs/learning-data.md tells where those come from).

Run by hand:  python3 tests/oracles/learning_fixtures.py FOLDER
FOLDER holds the four MNIST files (gzip or not) and nab-ambient_temperature.csv.
"""

import gzip
import pathlib
import struct
import sys

root = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "learning"
source = pathlib.Path(sys.argv[1])


def read(name):
    plain = source / name
    return plain.read_bytes() if plain.exists() else gzip.decompress((source / (name + ".gz")).read_bytes())


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.GzipFile(path, "wb", compresslevel=9, mtime=0) as file:
        file.write(data)


for split, count in (("train", 500), ("t10k", 100)):
    for kind in ("images-idx3", "labels-idx1"):
        data = read(f"mnist-{split}-{kind}-ubyte")
        dimensions = data[3]
        extents = struct.unpack(f">{dimensions}I", data[4:4 + 4 * dimensions])
        size = count * (extents[1] * extents[2] if dimensions == 3 else 1)
        start = 4 + 4 * dimensions
        header = data[:4] + struct.pack(f">{dimensions}I", count, *extents[1:])
        write(root / "mnist" / f"mnist-{split}-{kind}-ubyte.gz", header + data[start:start + size])

rows = (source / "nab-ambient_temperature.csv").read_text(encoding="utf-8").splitlines()
write(root / "sensors" / "ambient_temperature.csv.gz", ("\n".join(rows[:2001]) + "\n").encode())
