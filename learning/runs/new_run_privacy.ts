/** From the privacy a person asks for to the noise of a plan: as much as the ledger of every device will ask for, and not so much that nothing is learned. */
import { splitNoise } from "../privacy/adaptive_clipping.ts";
import { judgePrivacy } from "../privacy/possible.ts";
import { openLedger, openRun } from "../privacy/ledger.ts";
import { contributionsLeast } from "../privacy/release.ts";
import { noiseMultiplierFor } from "../privacy/accountant.ts";
import type { OpenedPlan } from "./opened_plan.ts";
import type { RunPlan, RunPrivacy } from "./plan.ts";
import { PrivacyImpossible, shown } from "./possible_wishes.ts";
import { mechanismOf } from "./secure_round.ts";

/** What a person asks for. */
export interface PrivacyWish {
  /** The whole run costs one device at most this. */
  readonly epsilon: number;
  /** Default 1e-5. */
  readonly delta?: number;
  /** Longest update of one device, L2. */
  readonly clip: number;
  /** Instead of the least that ε needs; then it is not judged whether the model can bear it. */
  readonly noiseMultiplier?: number;
  /** Lets the longest update follow this quantile of the updates' lengths, from `clip` on; 0.01–0.99. */
  readonly clipQuantile?: number;
}

const DELTA = 1e-5;
/** Share of devices that may fall away once noise parts are reckoned. */
const DROPOUT = 0.3;
/** Length of all noise over the longest way the updates can go: beyond it nothing is learned (`learning/privacy/possible.ts`). */
const NOISE_SHARE_MAX = 1;
/** How close noise is found. Rounding, lattices and whole orders cost a little more than the continuous noise it is reckoned from. */
const STEP = 1.001;
const TRIES_MAX = 10;
/** How fast the logarithm of an adaptive clipping length moves: η of Andrew et al. */
const CLIP_RATE = 0.2;
/** An adaptive clipping length stays within so many times what it began with. */
const CLIP_FACTOR = 1_000;
/** Noise of the count of clipped updates: so much of the devices, as in the paper, and at least so many noise multipliers, which costs the update a twentieth. */
const COUNT_SHARE = 1 / 20;
const COUNT_MULTIPLIERS = 1.6;

type Parts = Pick<OpenedPlan, "plan" | "layout">;

/**
 * The privacy of a plan that has everything else. `devices` are those of one round. Throws a `RangeError` that says what was expected, or a `PrivacyImpossible`.
 */
export function privacyOf(
  wish: PrivacyWish,
  { plan, layout }: Parts,
  devices: number,
): RunPrivacy {
  const { epsilon, clip, delta = DELTA } = wish;
  within("epsilon", epsilon, 1e6);
  within("clip", clip, 1e6);
  within("delta", delta, 0.1);
  if (wish.noiseMultiplier !== undefined) within("noiseMultiplier", wish.noiseMultiplier, 1e6);
  if (delta * devices >= 1) {
    throw new RangeError(
      `delta is ${delta} with ${devices} devices a round, expected less than ${1 / devices}`,
    );
  }
  const noise = plan.aggregation.type === "clear" ? "central" : "distributed";
  const dropout = noise === "central" ? 0 : DROPOUT;
  const adaptiveWith = (noiseMultiplier: number): Pick<RunPrivacy, "adaptive"> =>
    wish.clipQuantile === undefined ? {} : {
      adaptive: {
        quantile: wish.clipQuantile,
        rate: CLIP_RATE,
        countDeviation: Math.max(COUNT_SHARE * devices, COUNT_MULTIPLIERS * noiseMultiplier),
        least: clip / CLIP_FACTOR,
        most: Math.min(1e6, clip * CLIP_FACTOR),
      },
    };
  const privacyWith = (noiseMultiplier: number): RunPrivacy => ({
    clip,
    noiseMultiplier,
    noise,
    delta,
    dropout,
    epsilonMax: epsilon,
    ...adaptiveWith(noiseMultiplier),
  });
  const costWith = (noiseMultiplier: number) =>
    costOf({ plan: { ...plan, privacy: privacyWith(noiseMultiplier) }, layout });
  const fits = (noiseMultiplier: number) => costWith(noiseMultiplier).fits;
  if (wish.noiseMultiplier !== undefined) {
    const cost = costWith(wish.noiseMultiplier);
    if (cost.fits) return privacyWith(wish.noiseMultiplier);
    const needed = noiseMultiplierFor(
      { samplingRate: 1, steps: plan.rounds, delta },
      epsilon,
      "rdp",
    );
    const isCounted = Number.isFinite(cost.epsilon);
    const said = `${plan.rounds} rounds with noiseMultiplier ${wish.noiseMultiplier} cost`;
    throw new PrivacyImpossible(
      isCounted
        ? `${said} ε ${shown(cost.epsilon)}, more than ${epsilon}`
        : `${said} more than a ledger can count (ε of some thousands): that is no privacy`,
      {
        epsilon: isCounted ? cost.epsilon : null,
        noiseMultiplier: needed === undefined ? null : noiseThatFits(needed, fits),
        rounds: cost.roundsLeft,
        excess: null,
      },
    );
  }
  // Each device adds its part as if only the fewest were there: more devices, more noise.
  const surplus = noise === "central" ? 1 : Math.sqrt(
    devices / contributionsLeast({ participants: summands(plan), dropout, colluders: 1 }),
  );
  const beside = wish.clipQuantile === undefined ? 1 : splitNoise(1, COUNT_MULTIPLIERS);
  const verdict = judgePrivacy({
    epsilon,
    delta,
    rounds: plan.rounds,
    devices,
    samplingRate: 1,
    parameters: layout.count,
    noise,
    noiseShareMax: NOISE_SHARE_MAX / (surplus * beside),
  }, "rdp");
  if (verdict.type === "possible") {
    return privacyWith(leastNoise(verdict.noiseMultiplier, fits));
  }
  const { possible, noiseMultiplier, noiseShare } = verdict;
  const share = noiseShare === null ? null : noiseShare * surplus * beside;
  throw new PrivacyImpossible(tooMuch(share, plan, devices), {
    epsilon: possible.epsilon,
    noiseMultiplier: noiseMultiplier === null ? null : noiseThatFits(noiseMultiplier, fits),
    rounds: null,
    excess: share === null
      ? null
      : { factor: share / NOISE_SHARE_MAX, devices, most: Math.ceil(1 / delta) - 1 },
  });
}

/** As `leastNoise`; null when there is none. */
function noiseThatFits(start: number, fits: (noiseMultiplier: number) => boolean): number | null {
  try {
    return leastNoise(start, fits);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** The least noise, to a thousandth, that the ledger is content with, from what continuous noise would need. */
function leastNoise(start: number, fits: (noiseMultiplier: number) => boolean): number {
  let high = start * STEP;
  for (let tries = 0; !fits(high); tries++) {
    if (tries >= TRIES_MAX) throw new RangeError("no noise was found that every ledger allows");
    high *= 1.25;
  }
  let low = Math.max(start, high / 1.25);
  while (high / low > STEP) {
    const middle = Math.sqrt(low * high);
    if (fits(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** Fewest devices that one secure sum begins with. */
function summands({ aggregation, participation }: RunPlan): number {
  return aggregation.type === "secureGroups"
    ? Math.min(aggregation.groupSize, participation.least)
    : participation.least;
}

/** What every device's ledger will say of all rounds. */
function costOf(parts: Parts) {
  const { privacy, rounds } = parts.plan;
  const limit = { epsilon: privacy!.epsilonMax, delta: privacy!.delta };
  const opened = openRun(openLedger({ epsilon: Number.MAX_VALUE, delta: privacy!.delta }), {
    run: "planned",
    limit,
    mechanism: mechanismOf(parts)!,
    sampling: { rate: 1 },
  }, rounds);
  return opened.type === "opened"
    ? { fits: true, epsilon: limit.epsilon, roundsLeft: opened.roundsPossible }
    : { fits: false, epsilon: opened.wouldBe.run, roundsLeft: opened.roundsLeft };
}

/** `share`: length of all noise over what can be learned; null when no noise is enough. */
function tooMuch(share: number | null, { rounds }: RunPlan, devices: number): string {
  return share === null
    ? "this privacy cannot be proved for any noise"
    : `this privacy would take noise ${
      shown(share)
    } times as long as all that ${devices} devices can learn in ${rounds} rounds`;
}

function within(name: string, value: number, most: number): void {
  if (value > 0 && value <= most) return;
  throw new RangeError(`${name} is ${value}, expected a number above 0, at most ${most}`);
}
