#!/usr/bin/env python3
"""Checks exported models with code that shares nothing with ours: onnx, onnxruntime and safetensors from PyPI.

Run by hand:  deno run -A tests/oracles/models_make.ts FOLDER
              pip install numpy onnx onnxruntime safetensors && python3 tests/oracles/models_oracle.py FOLDER
Writes the fixtures of tests/learning/models_onnx_test.ts and models_safetensors_test.ts: hashes of the checked files, and what the models say to
100 pictures. Ends with an error at the first file that is not accepted.
"""

import hashlib
import json
import pathlib
import shutil
import sys

import numpy
import onnx
import onnxruntime
from safetensors import safe_open
from safetensors.numpy import save_file

folder = pathlib.Path(sys.argv[1])
fixtures = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "learning" / "models"
fixtures.mkdir(parents=True, exist_ok=True)

inputs = numpy.fromfile(folder / "inputs.u8", dtype=numpy.uint8).reshape(100, 28, 28, 1)
labels = numpy.fromfile(folder / "labels.u8", dtype=numpy.uint8)
pictures = inputs.astype(numpy.float32) / numpy.float32(255)

models = {}
for path in sorted(folder.glob("*.onnx")):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert {entry.key: entry.value for entry in model.metadata_props} == {"run": "ab", "round": "4"}
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"input": pictures})
    assert logits.shape == (100, 10)
    wide = logits.astype(numpy.float64)
    top = wide.max(axis=1, keepdims=True)
    losses = numpy.log(numpy.exp(wide - top).sum(axis=1)) + top[:, 0] - wide[numpy.arange(100), labels]
    models[path.stem] = {
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "losses": [round(float(loss), 7) for loss in losses],
        "classes": [int(row.argmax()) for row in logits],
    }
    print(f"{path.name}: accepted, mean loss {losses.mean():.6f}")

numbers = numpy.arange(9, dtype=numpy.float32) / 4 - 1
ours = folder / "ours.safetensors"
with safe_open(ours, framework="np") as file:
    assert file.metadata() == {"run": "ab", "round": "4"}
    assert (file.get_tensor("dense1.weight") == numbers[:6].reshape(2, 3)).all()
    assert (file.get_tensor("dense1.bias") == numbers[6:]).all()
print("ours.safetensors: accepted")
shutil.copy(ours, fixtures / "ours.safetensors")
save_file(
    {"dense1.weight": numbers[:6].reshape(2, 3), "dense1.bias": numbers[6:]},
    fixtures / "theirs.safetensors",
    metadata={"writer": "safetensors for Python"},
)
(fixtures / "onnx.json").write_text(
    json.dumps({"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__, "models": models}, indent=1) + "\n",
    encoding="utf-8",
)
