#!/usr/bin/env python3
"""Builds tests/fixtures/learning/secure_paillier.json: vectors encrypted under a Paillier key by python-paillier, packed as in
docs/protocols/secure-aggregation.md.

Run by hand:  pip install phe && python3 tests/oracles/secure_paillier.py
Writes the file when it is missing; otherwise opens what is in it, and ends with status 1 at the first difference.
"""

import json
import pathlib
import secrets
import sys

from phe import paillier

FILE = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "learning" / "secure_paillier.json"
BITS, SUMMANDS, LENGTH = 20, 1000, 100
SLOT = BITS + 10
SLOTS = (2048 - 2) // SLOT


def packed(values):
    return [
        sum(value << (SLOT * i) for i, value in enumerate(values[at : at + SLOTS])) for at in range(0, len(values), SLOTS)
    ]


if not FILE.exists():
    public, private = paillier.generate_paillier_keypair(n_length=2048)
    devices = []
    for _ in range(3):
        values = [secrets.randbelow(2**BITS) for _ in range(LENGTH)]
        # As ours draws it: 272 bytes, reduced.
        draws = [secrets.token_bytes(2048 // 8 + 16) for _ in packed(values)]
        units = [int.from_bytes(draw, "big") % (public.n - 1) + 1 for draw in draws]
        part = b"".join(
            public.raw_encrypt(plaintext, r_value=unit).to_bytes(512, "big") for plaintext, unit in zip(packed(values), units)
        )
        devices.append({"values": values, "draws": [draw.hex() for draw in draws], "part": part.hex()})
    built = {
        "bits": BITS,
        "summandsMax": SUMMANDS,
        "p": str(private.p),
        "q": str(private.q),
        "devices": devices,
    }
    FILE.write_text(json.dumps(built, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {FILE.name}")
    sys.exit()

vectors = json.loads(FILE.read_text(encoding="utf-8"))
p, q = int(vectors["p"]), int(vectors["q"])
public = paillier.PaillierPublicKey(p * q)
private = paillier.PaillierPrivateKey(public, p, q)
for device in vectors["devices"]:
    part = bytes.fromhex(device["part"])
    opened = [private.raw_decrypt(int.from_bytes(part[at : at + 512], "big")) for at in range(0, len(part), 512)]
    if opened != packed(device["values"]):
        sys.exit("a part does not hold its values")
print("as described")
