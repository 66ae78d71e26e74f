#!/usr/bin/env python3
"""What Opacus' adaptive clipping does with given counts, and what dp-accounting says it costs: makes
tests/fixtures/privacy/adaptive_clipping.json.

Opacus' own optimiser is run: the noise that it asks for is caught where it would be drawn, so that nothing here is by chance.

Needs Python 3.11 with torch, opacus, dp-accounting. Run: python3 tests/oracles/privacy_adaptive_clipping.py
"""

import json
import pathlib
import random

import torch
from dp_accounting import dp_event
from dp_accounting.rdp import RdpAccountant
from opacus.optimizers import adaclipoptimizer
from opacus.optimizers.adaclipoptimizer import AdaClipDPOptimizer

HERE = pathlib.Path(__file__).parent
ORDERS = [1 + x / 10.0 for x in range(1, 100)] + list(range(12, 64))


class Optimiser(AdaClipDPOptimizer):
    """Opacus' optimiser without a model behind it."""

    def __init__(self, numbers, clip):
        self.noise_multiplier = numbers["noiseMultiplier"]
        self.unclipped_num_std = numbers["countDeviation"]
        self.target_unclipped_quantile = numbers["quantile"]
        self.clipbound_learning_rate = numbers["rate"]
        self.min_clipbound = numbers["least"]
        self.max_clipbound = numbers["most"]
        self.max_grad_norm = torch.tensor(clip, dtype=torch.float64)
        self.generator = None
        self.secure_mode = False
        weight = torch.zeros(3, dtype=torch.float64)
        weight.summed_grad = torch.zeros(3, dtype=torch.float64)
        self.weights = [weight]

    @property
    def params(self):
        return self.weights


def case(rng):
    z = round(rng.uniform(0.3, 6), 3)
    devices = rng.randint(5, 400)
    numbers = {
        "noiseMultiplier": z,
        "countDeviation": round(max(devices / 20, rng.uniform(0.51, 3) * z), 4),
        "quantile": round(rng.uniform(0.1, 0.9), 2),
        "rate": round(rng.uniform(0.05, 1), 2),
        "least": 0.01,
        "most": 50.0,
    }
    clip = round(10 ** rng.uniform(-1.5, 1.2), 3)
    optimiser = Optimiser(numbers, clip)
    drawn = []
    adaclipoptimizer._generate_noise = lambda std, reference, **_: (
        drawn.append(float(std)) or torch.zeros_like(reference)
    )
    adaclipoptimizer._check_processed_flag = lambda _: None
    adaclipoptimizer._mark_as_processed = lambda _: None
    optimiser.sample_size = devices
    optimiser.unclipped_num = torch.tensor(0)
    optimiser.add_noise()
    steps = []
    for _ in range(12):
        # What is below, noise and all.
        below = round(rng.uniform(-0.2, 1.2) * devices, 3)
        optimiser.sample_size = devices
        optimiser.unclipped_num = torch.tensor(below, dtype=torch.float64)
        optimiser.update_max_grad_norm()
        steps.append({"below": below, "clip": float(optimiser.max_grad_norm)})
        optimiser.max_grad_norm = torch.tensor(float(optimiser.max_grad_norm), dtype=torch.float64)
    rounds, delta = rng.randint(1, 200), 1e-6
    both = RdpAccountant(orders=ORDERS)
    both.compose(
        dp_event.ComposedDpEvent([
            dp_event.GaussianDpEvent(drawn[0] / clip),
            # Each device moves the count, centred, by a half.
            dp_event.GaussianDpEvent(drawn[1] / 0.5),
        ]),
        rounds,
    )
    return {
        **numbers,
        "clip": clip,
        "devices": devices,
        "updateMultiplier": drawn[0] / clip,
        "steps": steps,
        "rounds": rounds,
        "delta": delta,
        "epsilon": float(both.get_epsilon(delta)),
    }


def main():
    rng = random.Random("adaptive clipping")
    target = HERE.parent / "fixtures" / "privacy" / "adaptive_clipping.json"
    target.write_text(json.dumps([case(rng) for _ in range(20)], indent=1) + "\n")


if __name__ == "__main__":
    main()
