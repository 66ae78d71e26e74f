/**
 * Combining updates that came in the clear. Rules that stream see one update after another, so that memory does not grow with their number: what was sketched is
 * read a second time when everything together would not fit. Rules that compare updates with each other hold all of them.
 */
import type { Crypto, Random } from "../../platform/ports.ts";
import type { BlockId, DeviceId } from "../../protocols/ids.ts";
import type { StreamingAggregate } from "../aggregation/rule.ts";
import { heldUpdates } from "../aggregation/update_source.ts";
import { parameterBytes, type Parameters } from "../parameters.ts";
import { addCentralNoise } from "../privacy/central_noise.ts";
import { clipFlat } from "../privacy/clipping.ts";
import type { RoundFault } from "../screening/reputation_effects.ts";
import { screenUpdates } from "../screening/screen.ts";
import { sketcher, type UpdateSketch } from "../screening/sketch.ts";
import type { OpenedPlan } from "./opened_plan.ts";
import { ReleaseError } from "./release_error.ts";
import { readUpdate } from "./update.ts";

/** Decoded updates of a streaming rule that are kept between sketching and summing, bytes; with more each is decoded twice. */
const HELD_BYTES_MAX = 64 * 1024 * 1024;

/** What came of updates in the clear. */
export interface ClearRelease {
  readonly aggregate: Uint8Array<ArrayBuffer>;
  readonly counted: ReadonlySet<DeviceId>;
  /** Devices whose updates do not count. */
  readonly faults: readonly { readonly device: DeviceId; readonly fault: RoundFault }[];
}

/** Who submitted, and how much it should count. */
export interface ClearSubmission {
  readonly device: DeviceId;
  readonly weight: number;
}

export interface CombiningContext {
  readonly run: BlockId;
  readonly round: number;
  readonly crypto: Pick<Crypto, "sha256">;
  /** For a coordinator that adds the noise. */
  readonly random: Random;
  /** 32 bytes that no device knew when it submitted; null when it is decided who counts, and the same is done again. */
  readonly screening: Uint8Array | null;
  /** Decoded updates of a streaming rule in memory at most, bytes; default 64 MiB. */
  readonly heldBytesMax?: number;
}

/**
 * Combines updates by the plan's rule. A rule that listens to everybody alike is protected by leaving out what is far from usual in length or
 * direction. Throws a `ReleaseError` when none could be read.
 */
export function combineClear(
  opened: OpenedPlan,
  updates: readonly (ClearSubmission & { readonly bytes: Uint8Array })[],
  context: CombiningContext,
): ClearRelease {
  const work = combining(opened, updates, context);
  let step = work.next();
  while (step.done !== true) step = work.next(updates[step.value]!.bytes);
  return step.value;
}

/** The same with updates that lie elsewhere: `read` fetches one, perhaps twice; `pause` lets others have a turn after each. */
export async function combineClearFrom(
  opened: OpenedPlan,
  submissions: readonly ClearSubmission[],
  context: CombiningContext & {
    readonly read: (submission: ClearSubmission) => Promise<Uint8Array>;
    readonly pause: () => Promise<void>;
  },
): Promise<ClearRelease> {
  const work = combining(opened, submissions, context);
  let step = work.next();
  while (step.done !== true) {
    const bytes = await context.read(submissions[step.value]!);
    step = work.next(bytes);
    await context.pause();
  }
  return step.value;
}

/** One after another: asks for the bytes of a submission by its place. */
type Reading<T> = Generator<number, T, Uint8Array>;

function* combining(
  opened: OpenedPlan,
  submissions: readonly ClearSubmission[],
  context: CombiningContext,
): Reading<ClearRelease> {
  const { privacy } = opened.plan;
  const rule = opened.rule!;
  const { count } = opened.layout;
  const faults: { device: DeviceId; fault: RoundFault }[] = [];
  const weightOf = ({ weight }: ClearSubmission) => privacy === null ? weight : 1;
  function* read(place: number): Reading<Parameters | undefined> {
    const { device } = submissions[place]!;
    const { run, round, crypto } = context;
    const bytes = yield place;
    const update = readUpdate(opened, bytes, { subject: { run, round, device }, crypto });
    if (!update.ok) {
      faults.push({ device, fault: update.fault });
      return undefined;
    }
    // A liar would not clip.
    if (privacy !== null) clipFlat(update.values, privacy.clip);
    return update.values;
  }
  // Not with privacy: whether one device counts would depend on all others, and noise that is reckoned for one update does not cover that.
  const sketch = context.screening !== null && rule.weighted && privacy === null
    ? sketcher(context.screening, count)
    : null;
  const sum = rule.begin?.(count) ?? null;
  const fits = submissions.length * 4 * count <= (context.heldBytesMax ?? HELD_BYTES_MAX);
  const isAddedAtOnce = sum !== null && sketch === null;
  const places: number[] = [];
  const held = new Map<number, Parameters>();
  const sketches: UpdateSketch[] = [];
  for (const [place, submission] of submissions.entries()) {
    const values = yield* read(place);
    if (values === undefined) continue;
    places.push(place);
    if (isAddedAtOnce) sum.add({ values, weight: weightOf(submission) });
    else if (sum === null || fits) held.set(place, values);
    if (sketch !== null) sketches.push(sketch(values));
  }
  const counted = sketch === null ? places : within(places, sketches, (place) => {
    faults.push({ device: submissions[place]!.device, fault: "outlier" });
  });
  if (counted.length === 0) throw new ReleaseError("Cannot combine updates: none could be read");
  if (sum !== null && !isAddedAtOnce) yield* addAll(sum, counted);
  const combined = sum?.finish() ?? rule.aggregate(heldUpdates(
    counted.map((place) => ({ values: held.get(place)!, weight: weightOf(submissions[place]!) })),
    count,
  ));
  const devices = new Set(counted.map((place) => submissions[place]!.device));
  if (privacy === null) return { aggregate: parameterBytes(combined), counted: devices, faults };
  const noisy = Float64Array.from(combined, (value) => value * counted.length);
  addCentralNoise(noisy, privacy.clip * privacy.noiseMultiplier, context.random);
  const mean = Float32Array.from(noisy, (value) => value / counted.length);
  return { aggregate: parameterBytes(mean), counted: devices, faults };

  function* addAll(into: StreamingAggregate, chosen: readonly number[]): Reading<void> {
    for (const place of chosen) {
      // What could be read once can be read again.
      const values = held.get(place) ?? (yield* read(place))!;
      into.add({ values, weight: weightOf(submissions[place]!) });
      held.delete(place);
    }
  }
}

/** The places that screening lets through; `refuse` hears of the others. */
function within(
  places: readonly number[],
  sketches: readonly UpdateSketch[],
  refuse: (place: number) => void,
): readonly number[] {
  const verdicts = screenUpdates(sketches);
  return places.filter((place, i) => {
    if (verdicts[i]!.verdict !== "refused") return true;
    refuse(place);
    return false;
  });
}
