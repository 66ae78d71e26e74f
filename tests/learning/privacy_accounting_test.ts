/** The accountants against Opacus, dp-accounting, SciPy and mpmath, and against published values. */
import assert from "node:assert/strict";
import { epsilonOf, noiseMultiplierFor } from "../../learning/privacy/accountant.ts";
import { fftOf } from "../../learning/privacy/fft.ts";
import {
  rdpDistributedDiscreteGaussian,
  rdpOfMechanism,
  rdpSkellam,
} from "../../learning/privacy/mechanism.ts";
import { epsilonOfPld } from "../../learning/privacy/pld.ts";
import {
  curveOf,
  epsilonOfCurve,
  RDP_ORDERS,
  rdpSubsampledGaussian,
} from "../../learning/privacy/rdp.ts";
import { erfc, normalMass } from "../../learning/privacy/special.ts";
import fixtures from "../fixtures/privacy/accounting.json" with { type: "json" };

function assertNear(actual: number, expected: number, relative: number, what: string) {
  const off = Math.abs(actual - expected) / Math.max(Math.abs(expected), 1e-300);
  assert(off <= relative, `${what}: ${actual}, expected ${expected} within ${relative}`);
}

Deno.test("RDP gives the ε that Opacus publishes", () => {
  const plan = { samplingRate: 0.04, noiseMultiplier: 1.5, steps: 2_250, delta: 1e-5 };
  assert(Math.abs(epsilonOf(plan, "rdp") - 7.32911117143) <= 1e-9);
});

Deno.test("RDP at an order is what the literature gives", () => {
  const step = { samplingRate: 0.01, noiseMultiplier: 2.5 };
  assertNear(50 * rdpSubsampledGaussian(step, 5), 2.18075656e-3, 1e-8, "α = 5");
  assertNear(50 * rdpSubsampledGaussian(step, 50), 2.38460375e-2, 1e-8, "α = 50");
});

Deno.test("PLD lies within the published bands", () => {
  const bands = [
    [3, 0.05, 100, 0.767934],
    [2, 0.05, 100, 1.283637],
    [1.5, 0.001, 1_000, 0.099821],
    [3, 0.001, 50_000, 0.309694],
  ] as const;
  for (const [noiseMultiplier, samplingRate, steps, above] of bands) {
    const epsilon = epsilonOf({ samplingRate, noiseMultiplier, steps, delta: 1e-6 }, "pld");
    assert(
      epsilon <= above && epsilon >= above - 0.0105,
      `σ=${noiseMultiplier}, q=${samplingRate}, ${steps} rounds: ε is ${epsilon}, expected up to ${above}`,
    );
  }
});

Deno.test("RDP agrees with Opacus on random orders and plans", () => {
  for (const { q, sigma, order, rdp } of fixtures.orders) {
    const ours = rdpSubsampledGaussian({ samplingRate: q, noiseMultiplier: sigma }, order);
    // Opacus adds up large terms and loses what is small beside 1.
    assert(
      Math.abs(ours - rdp) <= 1e-9 * rdp + 1e-12,
      `q=${q}, σ=${sigma}, α=${order}: ${ours}, expected ${rdp}`,
    );
  }
  for (const { q, sigma, steps, delta, opacus, dpAccounting } of fixtures.rdp) {
    const plan = { samplingRate: q, noiseMultiplier: sigma, steps, delta };
    const ours = epsilonOf(plan, "rdp");
    const theirs = Math.min(opacus.epsilon, dpAccounting.epsilon);
    // We know more orders than either list: never worse, and no better where the best order is inside both.
    assert(ours <= theirs * (1 + 1e-9) + 1e-9, `${JSON.stringify(plan)}: ${ours} > ${theirs}`);
    if (opacus.order > 1.2 && opacus.order < 62) {
      assertNear(ours, opacus.epsilon, 1e-7, JSON.stringify(plan));
    }
  }
});

Deno.test("RDP of next to no noise is known at once, and goes on smoothly between whole orders", () => {
  for (const q of [1e-9, 0.01, 0.9]) {
    // On both sides of where two stretches do, of one.
    for (const sigma of [1e-90, 1e-4, 0.005, 0.0105, 0.0106, 0.02, 0.05]) {
      const at = (order: number) =>
        rdpSubsampledGaussian({ samplingRate: q, noiseMultiplier: sigma }, order);
      for (const order of [2, 7]) {
        assertNear(at(order + 1e-9), at(order), 1e-7, `q=${q}, σ=${sigma}, α=${order}`);
      }
    }
  }
  const plan = { samplingRate: 0.01, steps: 10, delta: 1e-5 };
  for (const accountant of ["rdp", "pld"] as const) {
    const epsilon = epsilonOf({ ...plan, noiseMultiplier: 1e-4 }, accountant);
    assert(epsilon > 1e8 && epsilon < Infinity, `${accountant}: ${epsilon}`);
    assert.equal(epsilonOf({ ...plan, noiseMultiplier: 1e-200 }, accountant), Infinity);
  }
});

Deno.test("PLD lies between dp-accounting's bounds from above and below", () => {
  for (const { q, sigma, steps, delta, above, below } of fixtures.pld) {
    const ours = epsilonOfPld([{ samplingRate: q, noiseMultiplier: sigma, steps }], delta);
    const what = `q=${q}, σ=${sigma}, ${steps} rounds, δ=${delta}: ${ours}`;
    assert(ours <= above * (1 + 1e-3) + 1e-6, `${what} is above ${above}`);
    assert(ours >= below * (1 - 1e-3) - 1e-6, `${what} is below ${below}`);
  }
});

Deno.test("one round of everyone costs what the exact formula says, down to δ = 10⁻³⁰", () => {
  for (const { sigma, delta, epsilon } of fixtures.gaussian) {
    const plan = { samplingRate: 1, noiseMultiplier: sigma, steps: 1, delta };
    const pld = epsilonOf(plan, "pld");
    assert(pld >= epsilon * (1 - 1e-9), `σ=${sigma}, δ=${delta}: ${pld} < ${epsilon}`);
    assertNear(pld, epsilon, 1e-4, `σ=${sigma}, δ=${delta}`);
    assert(epsilonOf(plan, "rdp") >= epsilon);
    // σ²/T is all that counts without sampling.
    if (delta !== 1e-5) continue;
    const many = { samplingRate: 1, noiseMultiplier: sigma * 10, steps: 100, delta };
    assertNear(epsilonOf(many, "pld"), epsilon, 1e-3, `σ=${sigma * 10} a hundred times`);
  }
});

Deno.test("PLD composes different rounds, and is never above RDP", () => {
  const parts = [
    { samplingRate: 0.01, noiseMultiplier: 1, steps: 300 },
    { samplingRate: 1, noiseMultiplier: 8, steps: 5 },
  ];
  const together = epsilonOfPld(parts, 1e-5);
  const curves = parts.map((part) => curveOf((order) => rdpSubsampledGaussian(part, order)));
  const sum = curves[0]!.map((cost, i) => 300 * cost + 5 * curves[1]![i]!);
  assert(together <= epsilonOfCurve(sum, 1e-5).epsilon);
  for (const part of parts) assert(together > epsilonOfPld([part], 1e-5));
  const split = [{ ...parts[0]!, steps: 100 }, { ...parts[0]!, steps: 200 }, parts[1]!];
  assertNear(epsilonOfPld(split, 1e-5), together, 1e-4, "one part as two");
});

Deno.test("what costs nothing, and what promises nothing", () => {
  for (const accountant of ["rdp", "pld"] as const) {
    const plan = { samplingRate: 0.5, noiseMultiplier: 1, steps: 10, delta: 1e-5 };
    assert.equal(epsilonOf({ ...plan, steps: 0 }, accountant), 0);
    assert.equal(epsilonOf({ ...plan, samplingRate: 0 }, accountant), 0);
    assert.equal(epsilonOf({ ...plan, noiseMultiplier: 0 }, accountant), Infinity);
  }
});

Deno.test("the smallest noise for an ε keeps the promise, and a little less does not", () => {
  for (const accountant of ["rdp", "pld"] as const) {
    for (
      const [samplingRate, steps, epsilon] of [[0.01, 1_000, 1], [1, 50, 8]] as const
    ) {
      const plan = { samplingRate, steps, delta: 1e-5 };
      const sigma = noiseMultiplierFor(plan, epsilon, accountant)!;
      assert(epsilonOf({ ...plan, noiseMultiplier: sigma }, accountant) <= epsilon);
      assert(epsilonOf({ ...plan, noiseMultiplier: sigma * 0.9995 }, accountant) > epsilon);
    }
  }
  assert.equal(
    noiseMultiplierFor({ samplingRate: 1, steps: 1, delta: 1e-9 }, 1e-4, "rdp"),
    undefined,
  );
});

Deno.test("numbers without sense are refused by name", () => {
  const plan = { samplingRate: 0.5, noiseMultiplier: 1, steps: 10, delta: 1e-5 };
  for (
    const [value, given] of [
      ["samplingRate", 1.5],
      ["samplingRate", NaN],
      ["noiseMultiplier", -1],
      ["steps", 2.5],
      ["delta", 0],
      ["delta", 1],
    ] as const
  ) {
    assert.throws(
      () => epsilonOf({ ...plan, [value]: given }, "rdp"),
      new RegExp(`${value} is ${given}, expected`),
    );
  }
});

Deno.test("the formulas for integer noise bound what their distributions really cost", () => {
  for (const { kind, variance, shift, order, rdp } of fixtures.discreteRdp) {
    const noise = { variance, sensitivity: shift, dimension: 1, contributions: 1 };
    const ours = kind === "skellam"
      ? rdpSkellam(noise, order)
      : rdpDistributedDiscreteGaussian(noise)(order);
    assert(ours >= rdp * (1 - 1e-12), `${kind} ${variance}: ${ours} < ${rdp}`);
    // Skellam noise of small variance costs less than can be proved simply.
    const slack = kind === "skellam" ? 1 + (order + 2) / variance : 1.1;
    assert(ours <= rdp * slack, `${kind} ${variance}, α=${order}: ${ours}, the truth is ${rdp}`);
  }
});

Deno.test("the formulas for integer noise are those of the papers", () => {
  // α Δ2²/2μ + min(((2α−1) Δ2² + 6 Δ1)/4μ², 3 Δ1/2μ), Δ1 = min(√d Δ2, Δ2²).
  const small = { variance: 4, dimension: 1, sensitivity: 1 };
  assert.equal(rdpSkellam(small, 2), 0.25 + 9 / 64);
  assert.equal(rdpSkellam({ ...small, variance: 0.5 }, 2), 2 + 3);
  const wide = { variance: 100, dimension: 4, sensitivity: 10 };
  assert.equal(rdpSkellam(wide, 3), 1.5 + (500 + 120) / 40_000);
  // Between integers (α−1) × cost goes along a straight line, which is above the parabola α(α−1)/2σ².
  const curve = rdpOfMechanism({
    kind: "discreteGaussian",
    variance: 1e6,
    contributions: 1,
    dimension: 1,
    sensitivity: 1_000,
  }, { rate: 1 });
  assertNear(curve[RDP_ORDERS.indexOf(2.5)]!, (0.5 * 1 + 0.5 * 2 * 1.5) / 1.5, 1e-12, "α = 2.5");
  assertNear(curve[RDP_ORDERS.indexOf(1.5)]!, 0.5 * 1 / 0.5, 1e-12, "α = 1.5");
});

Deno.test("a sum of discrete Gaussians costs more than one, and that is counted", () => {
  for (const { variance, order, rdp } of fixtures.sumOfNoise) {
    const noise = { variance, contributions: 2, dimension: 1, sensitivity: 1 };
    const ours = rdpDistributedDiscreteGaussian(noise)(order);
    assert(ours >= rdp, `${variance}, α=${order}: ${ours} < ${rdp}`);
    const single = { ...noise, variance: 2 * variance, contributions: 1 };
    assert(ours > rdpDistributedDiscreteGaussian(single)(order));
  }
  // Formula by hand: τ = 10 e^(−2π²·0.25/2), min(α s²/2 + τ, α (s + τ)²/2) with s² = 1/(2·0.25).
  const tau = 10 * Math.exp(-Math.PI * Math.PI / 4);
  const small = { variance: 0.25, contributions: 2, dimension: 1, sensitivity: 1 };
  assertNear(rdpDistributedDiscreteGaussian(small)(3), 3 + tau, 1e-12, "τ");
});

Deno.test("drawing devices for any noise costs what the theorem says", () => {
  for (const { rate, sigma, order, rdp } of fixtures.subsampled) {
    const variance = (sigma * 1_000) ** 2;
    // One contribution of large variance: exactly the Gaussian's curve.
    const curve = rdpOfMechanism({
      kind: "discreteGaussian",
      variance,
      contributions: 1,
      dimension: 1,
      sensitivity: 1_000,
    }, { rate });
    assertNear(
      curve[RDP_ORDERS.indexOf(order)]!,
      rdp,
      1e-9,
      `rate ${rate}, σ=${sigma}, α=${order}`,
    );
  }
});

Deno.test("with enough noise per device integers cost what real numbers cost", () => {
  const dimension = 1_663_370;
  const sensitivity = 30_000;
  const gaussian = rdpOfMechanism({ kind: "gaussian", noiseMultiplier: 1 }, { rate: 1 });
  const variance = sensitivity ** 2;
  const discrete = rdpOfMechanism({
    kind: "discreteGaussian",
    variance: variance / 100,
    contributions: 100,
    dimension,
    sensitivity,
  }, { rate: 1 });
  const skellam = rdpOfMechanism({ kind: "skellam", variance, dimension, sensitivity }, {
    rate: 1,
  });
  RDP_ORDERS.forEach((order, i) => {
    if (!Number.isInteger(order) || order > 64) return;
    assertNear(discrete[i]!, gaussian[i]!, 1e-9, `discrete Gaussian at ${order}`);
    assertNear(skellam[i]!, gaussian[i]!, 1e-3, `Skellam at ${order}`);
  });
});

Deno.test("sampling never costs more than taking part for sure, and less when it is rare", () => {
  const mechanisms = [
    { kind: "gaussian", noiseMultiplier: 2 },
    { kind: "skellam", variance: 4e6, dimension: 100, sensitivity: 1_000 },
    {
      kind: "discreteGaussian",
      variance: 4e4,
      contributions: 100,
      dimension: 100,
      sensitivity: 1_000,
    },
  ] as const;
  for (const mechanism of mechanisms) {
    const all = rdpOfMechanism(mechanism, { rate: 1 });
    let before = rdpOfMechanism(mechanism, { rate: 0 });
    assert(before.every((cost) => cost === 0));
    for (const rate of [0.001, 0.01, 0.1, 0.5]) {
      const some = rdpOfMechanism(mechanism, { rate });
      some.forEach((cost, i) => {
        const what = `${mechanism.kind} at α=${RDP_ORDERS[i]}, rate ${rate}`;
        assert(cost <= all[i]! * (1 + 1e-12), `${what}: ${cost} > ${all[i]}`);
        assert(cost >= before[i]! * (1 - 1e-9), `${what}: ${cost} < ${before[i]}`);
      });
      before = some;
    }
    const rare = rdpOfMechanism(mechanism, { rate: 0.01 }).map((cost) => 100 * cost);
    const sure = all.map((cost) => 100 * cost);
    assert(epsilonOfCurve(rare, 1e-5).epsilon < epsilonOfCurve(sure, 1e-5).epsilon / 10);
  }
});

Deno.test("the error function keeps its digits in the tails", () => {
  for (const { x, erfc: value } of fixtures.special) {
    if (value > 1e-300) assertNear(erfc(x), value, 2e-13, `erfc(${x})`);
  }
  assertNear(normalMass(10, 10.001, 0, 1), 7.6562e-26, 1e-3, "a sliver of the tail");
  assertNear(normalMass(-Infinity, Infinity, 3, 2), 1, 1e-15, "everything");
});

Deno.test("the FFT is the discrete Fourier transform, and its inverse undoes it", () => {
  const length = 64;
  const re = Float64Array.from({ length }, (_, i) => Math.sin(i * i) + (i % 5));
  const im = Float64Array.from({ length }, (_, i) => Math.cos(3 * i));
  const [a, b] = [re.slice(), im.slice()];
  const fft = fftOf(length);
  fft.forward(a, b);
  for (let k = 0; k < length; k++) {
    let x = 0;
    let y = 0;
    for (let j = 0; j < length; j++) {
      const angle = -2 * Math.PI * j * k / length;
      x += re[j]! * Math.cos(angle) - im[j]! * Math.sin(angle);
      y += re[j]! * Math.sin(angle) + im[j]! * Math.cos(angle);
    }
    assert(Math.abs(a[k]! - x) < 1e-10 && Math.abs(b[k]! - y) < 1e-10);
  }
  fft.inverse(a, b);
  for (let k = 0; k < length; k++) {
    assert(Math.abs(a[k]! - re[k]!) < 1e-12 && Math.abs(b[k]! - im[k]!) < 1e-12);
  }
  assert.throws(() => fftOf(48), /power of two/);
});
