/**
 * What privacy costs in accuracy, before a run starts: a request that would drown the model in noise is refused, and the answer says what
 * would be possible with these devices, or how many devices it would take.
 *
 * The measure is the *noise share*: the length of all noise that a run adds, over the longest way its updates can go together. R rounds
 * of n devices clipped to length C move the mean by at most R·C; the noise on the means has length σC√d/n a round and grows with √R. So
 * the share is σ√d/(n√R). Around 1 noise and learning are alike; at 0.1 noise hardly matters; at 10 nothing is learned.
 */
import { type Accountant, epsilonOf, noiseMultiplierFor } from "./accountant.ts";

/** Who adds the noise, and so who sees a sum without it. */
export type NoiseModel =
  /** The coordinator adds it: it sees the sum (with secure sums) or every update (without) in the clear. */
  | "central"
  /** Each device adds its share inside a secure sum; nobody sees less noise than the whole. */
  | "distributed"
  /** Each device adds all of it to its own update: needs no secure sum, and √n times as much noise. */
  | "local";
export const NOISE_MODELS: readonly NoiseModel[] = ["distributed", "central", "local"];

/** What a run is asked for. */
export interface PrivacyRequest {
  /** ε of the whole run for one device. */
  readonly epsilon: number;
  readonly delta: number;
  readonly rounds: number;
  /** Devices that could take part. */
  readonly devices: number;
  /** Share of them that is drawn, secretly, each round; 1 for all. */
  readonly samplingRate: number;
  /** Numbers in the model. */
  readonly parameters: number;
  readonly noise: NoiseModel;
  /** Largest noise share that is accepted; 1 when nothing else is known. */
  readonly noiseShareMax: number;
}

export type PrivacyVerdict =
  | { readonly type: "possible"; readonly noiseMultiplier: number; readonly noiseShare: number }
  | {
    readonly type: "impossible";
    readonly reason:
      /** A run of N devices with δ ≥ 1/N may give one of them away. */
      | "deltaTooLarge"
      /** So much noise would be needed that nothing is learned. */
      | "tooMuchNoise"
      /** No noise is proved to be enough. */
      | "unprovable";
    /** What the request would take; null when nothing is enough. */
    readonly noiseMultiplier: number | null;
    readonly noiseShare: number | null;
    /** What would be possible with everything else as it was asked for; null where nothing is. */
    readonly possible: {
      readonly deltaBelow: number;
      readonly epsilon: number | null;
      readonly devices: number | null;
      readonly parameters: number | null;
    };
  };

type Scale = Pick<PrivacyRequest, "devices" | "noise" | "parameters" | "rounds" | "samplingRate">;

/** Noise over signal of a whole run: see the head of this file. */
export function noiseShareOf(noiseMultiplier: number, scale: Scale): number {
  return noiseMultiplier / noiseForShare(1, scale);
}

/** The σ that gives this noise share. For local noise σ is what each device adds to its own update. */
export function noiseForShare(share: number, scale: Scale): number {
  const { devices, noise, parameters, rounds, samplingRate } = scale;
  const participants = devices * samplingRate;
  const averaged = noise === "local" ? Math.sqrt(participants) : participants;
  return share * averaged * Math.sqrt(rounds) / Math.sqrt(parameters);
}

/** The ε that a noise share of `share` is proved to have. Drawing devices hides nothing when every update is seen by itself. */
export function reachableEpsilon(
  share: number,
  scale: Scale & { readonly delta: number },
  accountant: Accountant,
): number {
  const { delta, noise, rounds, samplingRate } = scale;
  const noiseMultiplier = Math.min(1e6, noiseForShare(share, scale));
  const visible = noise === "local" ? 1 : samplingRate;
  return epsilonOf({ samplingRate: visible, noiseMultiplier, steps: rounds, delta }, accountant);
}

/** Whether a run with this privacy can learn anything; if not, what would. Throws a `PrivacyValueError` for values without sense. */
export function judgePrivacy(request: PrivacyRequest, accountant: Accountant): PrivacyVerdict {
  const { delta, devices, epsilon, noise, noiseShareMax, rounds } = request;
  const samplingRate = noise === "local" ? 1 : request.samplingRate;
  const plan = { samplingRate, steps: rounds, delta };
  const needed = noiseMultiplierFor(plan, epsilon, accountant);
  const noiseShare = needed === undefined ? undefined : noiseShareOf(needed, request);
  const deltaTooLarge = delta * devices >= 1;
  if (
    needed !== undefined && noiseShare !== undefined && noiseShare <= noiseShareMax &&
    !deltaTooLarge
  ) {
    return { type: "possible", noiseMultiplier: needed, noiseShare };
  }
  const reachable = reachableEpsilon(noiseShareMax, request, accountant);
  const factor = noiseShare === undefined ? undefined : Math.max(1, noiseShare / noiseShareMax);
  return {
    type: "impossible",
    reason: deltaTooLarge ? "deltaTooLarge" : needed === undefined ? "unprovable" : "tooMuchNoise",
    noiseMultiplier: needed ?? null,
    noiseShare: noiseShare ?? null,
    possible: {
      deltaBelow: 1 / devices,
      epsilon: Number.isFinite(reachable) ? reachable : null,
      devices: factor === undefined
        ? null
        : Math.ceil(devices * (noise === "local" ? factor * factor : factor)),
      parameters: factor === undefined
        ? null
        : Math.floor(request.parameters / (factor * factor)) || null,
    },
  };
}
