#!/usr/bin/env python3
"""Checks tests/fixtures/blocks/blocks.json with code that shares nothing with ours: cbor2 and cryptography from PyPI.

Run by hand:  pip install cbor2 cryptography && python3 tests/oracles/blocks_oracle.py
Prints one line per vector; ends with status 1 at the first difference.
"""

import base64
import hashlib
import json
import pathlib
import re

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

CHUNK_BYTES = 256 * 1024
INLINE_BODY_BYTES_MAX = 64 * 1024
DOMAIN = b"kiana block v1\0"

root = pathlib.Path(__file__).resolve().parent.parent
vectors = json.loads((root / "fixtures" / "blocks" / "blocks.json").read_text(encoding="utf-8"))


def unhex(text):
    return None if text is None else bytes.fromhex(text)


def body_of(text):
    repeated = re.fullmatch(r"(\d+) times ([0-9a-f]{2})", text)
    return bytes.fromhex(repeated[2]) * int(repeated[1]) if repeated else bytes.fromhex(text)


def payload_of(body):
    if len(body) <= INLINE_BODY_BYTES_MAX:
        return body
    chunks = (body[i:i + CHUNK_BYTES] for i in range(0, len(body), CHUNK_BYTES))
    return b"".join(hashlib.sha256(chunk).digest() for chunk in chunks)


secret = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vectors["secretKey"]))
public = secret.public_key().public_bytes_raw()
assert public.hex() == vectors["publicKey"]
assert base64.b32encode(public).decode().rstrip("=").lower() == vectors["author"]

previous = None
for number, vector in enumerate(vectors["blocks"], 1):
    header = vector["header"]
    author = base64.b32decode(header["author"].upper() + "====")
    payload = payload_of(body_of(vector["body"]))
    header_bytes = cbor2.dumps([
        header["version"],
        unhex(header["mesh"]),
        author,
        header["sequence"],
        unhex(header["previous"]),
        [unhex(parent) for parent in header["parents"]],
        header["kind"],
        unhex(header["target"]),
        header["topic"],
        header["tags"],
        header["mediaType"],
        header["timeMs"],
        header["bodyBytes"],
        hashlib.sha256(payload).digest(),
    ], canonical=True)
    block_id = hashlib.sha256(header_bytes).digest()
    assert block_id.hex() == vector["id"], vector["name"]
    assert header["sequence"] == number and header["previous"] == previous, vector["name"]
    assert header["parents"] == sorted(set(header["parents"])), vector["name"]
    assert header["tags"] == sorted(set(header["tags"]), key=lambda tag: tag.encode()), vector["name"]
    previous = vector["id"]
    wire = bytes.fromhex(vector["block"])
    found_header, signature, found_payload = cbor2.loads(wire)
    assert (found_header, found_payload) == (header_bytes, payload), vector["name"]
    Ed25519PublicKey.from_public_bytes(author).verify(signature, DOMAIN + block_id)
    assert signature == secret.sign(DOMAIN + block_id), vector["name"]
    assert cbor2.dumps([header_bytes, signature, payload], canonical=True) == wire, vector["name"]
    print(f"ok {vector['name']} {vector['id']}")
