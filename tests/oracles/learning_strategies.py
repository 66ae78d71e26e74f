#!/usr/bin/env python3
"""Writes tests/fixtures/learning/strategies.json: what Flower and scipy make of small updates, for our rules and server optimisers.

Run by hand:  pip install flwr==1.41.0 numpy==2.4.6 scipy==1.17.1 && python3 tests/oracles/learning_strategies.py
"""

import json
import pathlib

import numpy as np
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.server.strategy import FedAdagrad, FedAdam, FedAvgM, FedYogi
from flwr.server.strategy import aggregate as flower
from scipy.optimize import minimize

random = np.random.default_rng(20261121)


def numbers(array):
    return [float(value) for value in np.asarray(array, dtype=np.float64).ravel()]


def case(clients, count, outliers=0, equal_weights=True):
    updates = random.normal(size=(clients, count))
    updates[:outliers] = 50 * random.normal(size=(outliers, count))
    updates = updates[random.permutation(clients)].astype(np.float32).astype(np.float64)
    weights = np.ones(clients, int) if equal_weights else random.integers(1, 600, clients)
    return updates, weights


def results(updates, weights):
    return [([update.copy()], int(weight)) for update, weight in zip(updates, weights)]


def described(name, updates, weights, options, result):
    return {
        "rule": name,
        "options": options,
        "updates": [numbers(update) for update in updates],
        "weights": [int(weight) for weight in weights],
        "result": numbers(result),
    }


def geometric_median(updates, weights):
    """The minimiser itself, not the algorithm: Newton steps with exact derivatives, from where Nelder-Mead ended."""
    def objective(point):
        return float(np.sum(weights * np.linalg.norm(updates - point, axis=1)))

    def gradient(point):
        away = point - updates
        return np.sum((weights / np.linalg.norm(away, axis=1))[:, None] * away, axis=0)

    def curvature(point):
        total = np.zeros((updates.shape[1],) * 2)
        for weight, away in zip(weights, point - updates):
            length = np.linalg.norm(away)
            total += weight * (np.eye(len(away)) / length - np.outer(away, away) / length**3)
        return total

    starts = [np.average(updates, axis=0, weights=weights), np.median(updates, axis=0)]
    coarse = [minimize(objective, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13, "maxiter": 40000, "maxfev": 80000}) for start in starts]
    best = min(coarse, key=lambda found: found.fun)
    exact = minimize(objective, best.x, method="trust-exact", jac=gradient, hess=curvature, options={"gtol": 1e-12}).x
    return exact if objective(exact) <= best.fun else best.x


rules = []
for clients, count, outliers in [(3, 4, 0), (7, 5, 1), (11, 9, 2), (23, 6, 5), (41, 3, 9)]:
    updates, weights = case(clients, count, outliers, equal_weights=False)
    rules.append(described("weightedMean", updates, weights, {}, flower.aggregate(results(updates, weights))[0]))
    rules.append(described("coordinateMedian", updates, weights, {}, flower.aggregate_median(results(updates, weights))[0]))
    share = 0.34 if clients == 3 else 0.25
    rules.append(described("trimmedMean", updates, weights, {"share": share}, flower.aggregate_trimmed_avg(results(updates, weights), share)[0]))
    faulty = (clients - 3) // 2 if clients < 10 else outliers
    rules.append(described("krum", updates, weights, {"faulty": faulty}, flower.aggregate_krum(results(updates, weights), faulty, 0)[0]))
    keep = clients - faulty - 1
    same = np.ones(clients, int)
    rules.append(described("multiKrum", updates, same, {"faulty": faulty, "keep": keep}, flower.aggregate_krum(results(updates, same), faulty, keep)[0]))
    faulty = (clients - 3) // 4
    rules.append(described("bulyan", updates, weights, {"faulty": faulty}, flower.aggregate_bulyan(results(updates, weights), faulty, flower.aggregate_krum, to_keep=0)[0]))
for clients, count, outliers in [(5, 2, 1), (9, 3, 2), (12, 4, 3)]:
    updates, weights = case(clients, count, outliers, equal_weights=clients != 9)
    rules.append(described("geometricMedian", updates, weights, {}, geometric_median(updates, weights)))


def run(make, first=1_000_000, rounds=6, count=7):
    """Client models of some rounds, and the global model after each of them."""
    start = random.normal(size=count).astype(np.float32).astype(np.float64)
    strategy = make(ndarrays_to_parameters([start]))
    current, steps = start, []
    for number in range(first, first + rounds):
        models = [(current + random.normal(size=count)).astype(np.float32).astype(np.float64) for _ in range(3)]
        weights = [int(weight) for weight in random.integers(1, 50, 3)]
        fits = [
            (None, FitRes(Status(Code.OK, ""), ndarrays_to_parameters([model]), weight, {}))
            for model, weight in zip(models, weights)
        ]
        # Flower corrects FedAdam's bias by the round's number; the paper does not, and after a million rounds nor does Flower.
        parameters, _ = strategy.aggregate_fit(number, fits, [])
        current = parameters_to_ndarrays(parameters)[0]
        steps.append({"models": [numbers(model) for model in models], "weights": weights, "result": numbers(current)})
    return {"start": numbers(start), "steps": steps}


def quiet(results):
    return {}


def opt(maker, **options):
    return lambda start: maker(initial_parameters=start, fit_metrics_aggregation_fn=quiet, **options)


optimisers = [
    {"name": "fedAvgM", "options": {"serverRate": 0.7, "momentum": 0.9},
     **run(opt(FedAvgM, server_learning_rate=0.7, server_momentum=0.9), first=1)},
    {"name": "fedAdagrad", "options": {"serverRate": 0.1, "adaptivity": 0.5},
     **run(opt(FedAdagrad, eta=0.1, tau=0.5))},
    {"name": "fedAdam", "options": {"serverRate": 0.05, "momentum": 0.9, "memory": 0.99, "adaptivity": 0.001},
     **run(opt(FedAdam, eta=0.05, beta_1=0.9, beta_2=0.99, tau=0.001))},
    {"name": "fedYogi", "options": {"serverRate": 0.05, "momentum": 0.9, "memory": 0.99, "adaptivity": 0.001},
     **run(opt(FedYogi, eta=0.05, beta_1=0.9, beta_2=0.99, tau=0.001))},
]

target = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "learning" / "strategies.json"
target.parent.mkdir(parents=True, exist_ok=True)
target.write_text(json.dumps({"rules": rules, "optimisers": optimisers}) + "\n", encoding="utf-8")
print(f"{len(rules)} rules, {len(optimisers)} optimisers")
