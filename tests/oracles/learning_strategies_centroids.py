#!/usr/bin/env python3
"""Prints learning/compression/centroids.ts: the best 2^b values for a standard normal number (Lloyd-Max), b from 1 to 8.

Run by hand:  pip install numpy scipy && python3 tests/oracles/learning_strategies_centroids.py > learning/compression/centroids.ts
"""

import numpy as np
from scipy.optimize import root
from scipy.stats import norm


def means(values):
    """Of the positive half: the mean of a normal number between the midpoints around each value."""
    edges = np.concatenate([[0.0], (values[1:] + values[:-1]) / 2, [np.inf]])
    mass = norm.sf(edges[:-1]) - norm.sf(edges[1:])
    return (norm.pdf(edges[:-1]) - norm.pdf(edges[1:])) / mass


def lloyd_max(bits):
    half = 2 ** (bits - 1)
    # Values spread as the density's cube root (Panter and Dite): a normal of three times the variance.
    values = np.sqrt(3) * norm.ppf(0.5 + (np.arange(half) + 0.5) / (2 * half))
    for _ in range(2000):
        values = means(values)
    values = root(lambda v: means(v) - v, values, tol=1e-15).x
    assert np.all(np.diff(values) > 0) and np.max(np.abs(means(values) - values)) < 1e-12
    return values


def literal(value):
    return repr(float(np.round(value, 12)))


print('''/**
 * The best 2^b values for a standard normal number (Lloyd–Max; J. Max, "Quantizing for Minimum Distortion", IRE Transactions on Information
 * Theory, 1960). Written by tests/oracles/learning_strategies_centroids.py; do not edit.
 */

/** `POSITIVE_CENTROIDS[b − 1]`: the positive half for b bits, ascending; the other half is its mirror image. */
export const POSITIVE_CENTROIDS: readonly (readonly number[])[] = [''')
for bits in range(1, 9):
    print("  [")
    line = "   "
    for value in lloyd_max(bits):
        if len(line) + len(literal(value)) > 96:
            print(line)
            line = "   "
        line += " " + literal(value) + ","
    print(line)
    print("  ],")
print("];")
