#!/usr/bin/env python3
"""What Opacus, dp-accounting, SciPy and mpmath say about privacy: makes tests/fixtures/privacy/accounting.json.

Needs Python 3.11 and: pip install --no-deps dp-accounting opacus absl-py attrs dm-tree mpmath networkx numpy scipy
(Opacus' accounting needs no torch; it is loaded file by file.) Run: python3 tests/oracles/privacy_oracle.py
"""

import importlib.util
import json
import math
import pathlib
import random

import mpmath
from dp_accounting import dp_event
from dp_accounting.pld import privacy_loss_distribution
from dp_accounting.rdp import RdpAccountant
from scipy import special

HERE = pathlib.Path(__file__).parent
mpmath.mp.dps = 50


def opacus_rdp():
    root = importlib.util.find_spec("opacus").submodule_search_locations[0]
    path = pathlib.Path(root) / "accountants" / "analysis" / "rdp.py"
    spec = importlib.util.spec_from_file_location("opacus_rdp", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ALPHAS = [1 + x / 10.0 for x in range(1, 100)] + list(range(12, 64))


def plans(count, seed, rng_steps):
    rng = random.Random(seed)
    for _ in range(count):
        q = round(10 ** rng.uniform(-3.5, 0), 6)
        sigma = round(rng.uniform(0.6, 8), 3)
        steps = int(10 ** rng.uniform(*rng_steps))
        delta = 10.0 ** -rng.randint(4, 9)
        yield q, sigma, steps, delta


def rdp_cases():
    rdp = opacus_rdp()
    cases = []
    for q, sigma, steps, delta in plans(60, "rdp", (0, 4)):
        cost = rdp.compute_rdp(q=q, noise_multiplier=sigma, steps=steps, orders=ALPHAS)
        epsilon, order = rdp.get_privacy_spent(orders=ALPHAS, rdp=cost, delta=delta)
        google = RdpAccountant(orders=ALPHAS)
        google.compose(dp_event.PoissonSampledDpEvent(q, dp_event.GaussianDpEvent(sigma)), steps)
        cases.append({
            "q": q, "sigma": sigma, "steps": steps, "delta": delta,
            "opacus": {"epsilon": float(epsilon), "order": float(order)},
            "dpAccounting": {"epsilon": float(google.get_epsilon(delta))},
        })
    return cases


def rdp_orders():
    rdp = opacus_rdp()
    cases = []
    rng = random.Random("orders")
    for _ in range(60):
        q = round(10 ** rng.uniform(-3, -0.01), 5)
        sigma = round(rng.uniform(0.5, 6), 3)
        order = rng.choice([rng.randint(2, 256), round(rng.uniform(1.1, 12), 1)])
        cost = rdp.compute_rdp(q=q, noise_multiplier=sigma, steps=1, orders=[order])[0]
        cases.append({"q": q, "sigma": sigma, "order": order, "rdp": float(cost)})
    return cases


def pld_cases():
    """The loss is put on a grid from above and from below: the truth lies between."""
    cases = []
    for q, sigma, steps, delta in plans(16, "pld", (0, 3)):
        epsilon = {}
        for pessimistic in (True, False):
            distribution = privacy_loss_distribution.from_gaussian_mechanism(
                sigma, sampling_prob=q, value_discretization_interval=2e-4,
                use_connect_dots=pessimistic, pessimistic_estimate=pessimistic,
            ).self_compose(steps)
            epsilon["above" if pessimistic else "below"] = float(
                distribution.get_epsilon_for_delta(delta))
        if math.isfinite(epsilon["above"]):
            cases.append({"q": q, "sigma": sigma, "steps": steps, "delta": delta, **epsilon})
    return cases


def gaussian_delta(sigma, epsilon):
    """Balle and Wang 2018, theorem 8, to 50 digits."""
    phi = lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2
    s, e = mpmath.mpf(sigma), mpmath.mpf(epsilon)
    return phi(1 / (2 * s) - e * s) - mpmath.exp(e) * phi(-1 / (2 * s) - e * s)


def gaussian_cases():
    """One round of everyone: the exact epsilon, by solving for it."""
    cases = []
    for sigma in (0.7, 2, 20):
        for delta in (1e-3, 1e-5, 1e-9, 1e-15, 1e-30):
            if gaussian_delta(sigma, 0) <= delta:
                continue
            low, high = mpmath.mpf(0), mpmath.mpf(200)
            for _ in range(120):
                middle = (low + high) / 2
                if gaussian_delta(sigma, middle) > delta:
                    low = middle
                else:
                    high = middle
            cases.append({"sigma": sigma, "delta": delta, "epsilon": float(high)})
    return cases


def pmf(weights):
    total = weights[0] + 2 * sum(weights[1:])
    return [float(weight / total) for weight in weights]


def noise_cases():
    cases = []
    for variance in (0.3, 1, 7.25, 400):
        reach = int(7 * math.sqrt(variance)) + 8
        v = mpmath.mpf(variance)
        gauss = [mpmath.exp(-mpmath.mpf(k * k) / (2 * v)) for k in range(3 * reach)]
        skellam = [mpmath.besseli(k, v) for k in range(3 * reach)]
        cases.append({
            "variance": variance,
            "discreteGaussian": pmf(gauss)[:reach],
            "skellam": pmf(skellam)[:reach],
        })
    return cases


def discrete_rdp_cases():
    """The Renyi divergence of the noise and the noise shifted, summed up: what the formulas bound."""
    cases = []
    for variance, shift in ((4, 1), (30, 2), (200, 5)):
        v = mpmath.mpf(variance)
        reach = int(14 * math.sqrt(variance)) + 40 + shift
        for kind in ("discreteGaussian", "skellam"):
            weight = (lambda k: mpmath.exp(-mpmath.mpf(k * k) / (2 * v))) if kind == "discreteGaussian" \
                else (lambda k: mpmath.besseli(abs(k), v))
            table = {k: weight(k) for k in range(-reach - shift, reach + shift + 1)}
            total = sum(table.values())
            for order in (2, 3, 8, 20):
                moment = sum(
                    (table[k - shift] / total) ** order * (table[k] / total) ** (1 - order)
                    for k in range(-reach, reach + 1))
                cases.append({
                    "kind": kind, "variance": variance, "shift": shift, "order": order,
                    "rdp": float(mpmath.log(moment) / (order - 1)),
                })
    return cases


def sum_of_noise_cases():
    """The Renyi divergence of a sum of two small discrete Gaussians, which is none, and the sum shifted by 1."""
    cases = []
    for variance in (0.25, 0.4, 1):
        v = mpmath.mpf(variance)
        one = {k: mpmath.exp(-mpmath.mpf(k * k) / (2 * v)) for k in range(-30, 31)}
        total = sum(one.values())
        both = {k: sum(one[j] * one[k - j] for j in range(-30, 31) if -30 <= k - j <= 30) / total**2
                for k in range(-20, 22)}
        for order in (2, 5):
            moment = sum(both[k - 1] ** order * both[k] ** (1 - order) for k in range(-19, 21))
            cases.append({"variance": variance, "order": order,
                          "rdp": float(mpmath.log(moment) / (order - 1))})
    return cases


def subsampled_cases():
    """Zhu and Wang 2019, theorem 5, in 50 digits, for noise with RDP alpha / (2 sigma^2)."""
    cases = []
    for rate, sigma in ((0.01, 1), (0.1, 3), (0.5, 2)):
        q, s = mpmath.mpf(rate), mpmath.mpf(sigma)
        cost = lambda order: order / (2 * s * s)
        for order in (2, 3, 10, 40):
            total = (1 - q) ** (order - 1) * (order * q - q + 1)
            for l in range(2, order + 1):
                total += (1 if l == 2 else 3) * mpmath.binomial(order, l) * (1 - q) ** (order - l) \
                    * q**l * mpmath.exp((l - 1) * cost(l))
            cases.append({"rate": rate, "sigma": sigma, "order": order, "rdp": float(
                min(mpmath.log(total) / (order - 1), cost(order)))})
    return cases


def special_cases():
    rng = random.Random("erfc")
    points = [rng.uniform(-7, 30) for _ in range(60)] + [100.0, 1e4, 0.0, 0.84375, 1.25, 1 / 0.35]
    return [{"x": x, "erfc": float(special.erfc(x)), "logErfc": float(mpmath.log(mpmath.erfc(x)))}
            for x in points]


def main():
    result = {
        "rdp": rdp_cases(),
        "orders": rdp_orders(),
        "pld": pld_cases(),
        "gaussian": gaussian_cases(),
        "noise": noise_cases(),
        "discreteRdp": discrete_rdp_cases(),
        "sumOfNoise": sum_of_noise_cases(),
        "subsampled": subsampled_cases(),
        "special": special_cases(),
    }
    target = HERE.parent / "fixtures" / "privacy" / "accounting.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
