/**
 * Combining updates that came in the clear. Rules that stream see one update after another, so that memory does not grow with their number: what was sketched is
 * read a second time when everything together would not fit. Rules that compare updates with each other find them in memory as long as they fit, else in blocks
 * of coordinates on a disk. The result is the same, bit by bit, however it is done and in whichever order updates came: they are taken in the order given.
 */
import type { Crypto, Random, Scratch } from "../../platform/ports.ts";
import type { BlockId, DeviceId } from "../../protocols/ids.ts";
import type { StreamingAggregate } from "../aggregation/rule.ts";
import { type StoredSource, StoredUpdates } from "../aggregation/stored_updates.ts";
import { heldUpdates, type UpdateSource } from "../aggregation/update_source.ts";
import { parameterBytes, type Parameters } from "../parameters.ts";
import { belowBit } from "../privacy/adaptive_clipping.ts";
import { addAdaptiveNoise, addCentralNoise } from "../privacy/central_noise.ts";
import { clipFlat } from "../privacy/clipping.ts";
import type { RoundFault } from "../screening/reputation_effects.ts";
import { screenUpdates } from "../screening/screen.ts";
import { sketcher, type UpdateSketch } from "../screening/sketch.ts";
import { stalenessWeight } from "../strategies/fedbuff.ts";
import type { OpenedPlan } from "./opened_plan.ts";
import { ReleaseError } from "./release_error.ts";
import { clipOf } from "./secure_round.ts";
import { readUpdate } from "./update.ts";

/** Decoded updates in memory, bytes. With more, a streaming rule decodes each twice, and others go to the disk. */
export const HELD_BYTES_MAX = 64 * 1024 * 1024;
/** Numbers that a rule may read between two turns of everything else: a few milliseconds' work. */
const NUMBERS_PER_TURN = 2 ** 22;

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
  /** Versions between what it was trained from and the version that is made; only in runs that gather updates in a buffer. */
  readonly staleness?: number;
}

export interface CombiningContext {
  readonly run: BlockId;
  readonly round: number;
  readonly crypto: Pick<Crypto, "sha256">;
  /** For a coordinator that adds the noise. */
  readonly random: Random;
  /** 32 bytes that no device knew when it submitted; null when it is decided who counts, and the same is done again. */
  readonly screening: Uint8Array | null;
  /** Decoded updates in memory at most, bytes; default 64 MiB. */
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
  const work = combining(opened, updates, context, null);
  let step = work.next(NOTHING);
  while (step.done !== true) {
    step = work.next(step.value.type === "update" ? updates[step.value.place]!.bytes : NOTHING);
  }
  return step.value;
}

/**
 * The same with updates that lie elsewhere: `read` fetches one, perhaps twice; `pause` lets others have a turn; `scratch` is asked for room when a rule
 * that compares updates cannot have all of them in memory.
 */
export async function combineClearFrom(
  opened: OpenedPlan,
  submissions: readonly ClearSubmission[],
  context: CombiningContext & {
    readonly read: (submission: ClearSubmission) => Promise<Uint8Array>;
    readonly pause: () => Promise<void>;
    readonly scratch: () => Promise<Scratch>;
  },
): Promise<ClearRelease> {
  const { count } = opened.layout;
  const clientsMax = submissions.length;
  const isTooMuch = opened.rule!.begin === null && !fitsMemory(clientsMax, count, context);
  const scratch = isTooMuch ? await context.scratch() : null;
  try {
    const stored = scratch === null ? null : new StoredUpdates({ scratch, count, clientsMax });
    const work = combining(opened, submissions, context, stored);
    let step = work.next(NOTHING);
    while (step.done !== true) {
      const need = step.value;
      let bytes: Uint8Array = NOTHING;
      if (need.type === "update") bytes = await context.read(submissions[need.place]!);
      if (need.type === "disk") await need.done;
      else await context.pause();
      step = work.next(bytes);
    }
    return step.value;
  } finally {
    await scratch?.close();
  }
}

function fitsMemory(
  updates: number,
  count: number,
  { heldBytesMax }: Pick<CombiningContext, "heldBytesMax">,
): boolean {
  return updates * 4 * count <= (heldBytesMax ?? HELD_BYTES_MAX);
}

const NOTHING = new Uint8Array();

/** What combining waits for. */
type Need =
  /** The bytes of a submission, by its place. */
  | { readonly type: "update"; readonly place: number }
  /** Only where there is one. */
  | { readonly type: "disk"; readonly done: Promise<void> }
  /** Others have waited for long. */
  | { readonly type: "turn" };

type Combining<T> = Generator<Need, T, Uint8Array>;

function* combining(
  opened: OpenedPlan,
  submissions: readonly ClearSubmission[],
  context: CombiningContext,
  stored: StoredUpdates | null,
): Combining<ClearRelease> {
  const { privacy } = opened.plan;
  const rule = opened.rule!;
  const { count } = opened.layout;
  const faults: { device: DeviceId; fault: RoundFault }[] = [];
  const weightOf = ({ weight, staleness }: ClearSubmission) =>
    (privacy === null ? weight : 1) * (staleness === undefined ? 1 : stalenessWeight(staleness));
  // Those who were not longer than the clipping length. With privacy each update is read once.
  let bits = 0;
  function* read(place: number): Combining<Parameters | undefined> {
    const { device, staleness = 0 } = submissions[place]!;
    const { run, crypto } = context;
    const bytes = yield { type: "update", place };
    const subject = { run, round: context.round - staleness, device };
    const update = readUpdate(opened, bytes, { subject, crypto });
    if (!update.ok) {
      faults.push({ device, fault: update.fault });
      return undefined;
    }
    // A liar would not clip.
    if (privacy !== null) {
      const clip = clipOf(opened);
      bits += belowBit(clipFlat(update.values, clip).norm, clip);
    }
    return update.values;
  }
  // Not with privacy: whether one device counts would depend on all others, and noise that is reckoned for one update does not cover that.
  const sketch = context.screening !== null && rule.weighted && privacy === null
    ? sketcher(context.screening, count)
    : null;
  const sum = rule.begin?.(count) ?? null;
  const fits = fitsMemory(submissions.length, count, context);
  const isAddedAtOnce = sum !== null && sketch === null;
  const places: number[] = [];
  const held = new Map<number, Parameters>();
  const sketches: UpdateSketch[] = [];
  for (const [place, submission] of submissions.entries()) {
    const values = yield* read(place);
    if (values === undefined) continue;
    places.push(place);
    if (isAddedAtOnce) sum.add({ values, weight: weightOf(submission) });
    else if (stored !== null) {
      yield { type: "disk", done: stored.add({ values, weight: weightOf(submission) }) };
    } else if (sum === null || fits) held.set(place, values);
    if (sketch !== null) sketches.push(sketch(values));
  }
  const counted = sketch === null ? places : within(places, sketches, (place) => {
    faults.push({ device: submissions[place]!.device, fault: "outlier" });
  });
  if (counted.length === 0) throw new ReleaseError("Cannot combine updates: none could be read");
  if (sum !== null && !isAddedAtOnce) yield* addAll(sum, counted);
  const combined = sum?.finish() ?? (yield* combinedByRule());
  const devices = new Set(counted.map((place) => submissions[place]!.device));
  if (privacy === null) return { aggregate: parameterBytes(combined), counted: devices, faults };
  const noisy = Float64Array.from(combined, (value) => value * counted.length);
  const released = withNoise(noisy);
  const mean = Float32Array.from(released, (value) => value / counted.length);
  return { aggregate: parameterBytes(mean), counted: devices, faults };

  /** The noisy sum; with adaptive clipping the noisy count is one number more. */
  function withNoise(sum: Float64Array): Float64Array {
    const { noiseMultiplier, adaptive } = privacy!;
    const clip = clipOf(opened);
    if (adaptive === undefined) {
      addCentralNoise(sum, clip * noiseMultiplier, context.random);
      return sum;
    }
    const { countDeviation } = adaptive;
    const noise = { clip, noiseMultiplier, countDeviation };
    const count = addAdaptiveNoise(sum, bits, noise, context.random);
    const all = new Float64Array(sum.length + 1);
    all.set(sum);
    all[sum.length] = count;
    return all;
  }

  function* addAll(into: StreamingAggregate, chosen: readonly number[]): Combining<void> {
    for (const place of chosen) {
      // What could be read once can be read again.
      const values = held.get(place) ?? (yield* read(place))!;
      into.add({ values, weight: weightOf(submissions[place]!) });
      held.delete(place);
    }
  }

  function* combinedByRule(): Combining<Parameters> {
    const disk = stored?.source() ?? null;
    const source = disk === null
      ? heldUpdates(
        counted.map((place) => ({
          values: held.get(place)!,
          weight: weightOf(submissions[place]!),
        })),
        count,
      )
      : only(disk, counted.map((place) => places.indexOf(place)));
    const steps = rule.steps(source);
    let numbers = 0;
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      const stretch = step.value;
      if (disk !== null && !disk.has(stretch)) yield { type: "disk", done: disk.bring(stretch) };
      numbers += stretch.work ?? stretch.length * source.clients;
      if (numbers < NUMBERS_PER_TURN) continue;
      numbers = 0;
      yield { type: "turn" };
    }
  }
}

/** Some of the updates of a source. */
function only(source: StoredSource, clients: readonly number[]): UpdateSource {
  return {
    clients: clients.length,
    count: source.count,
    weight: (index) => source.weight(clients[index]!),
    read: (index, start, into) => source.read(clients[index]!, start, into),
  };
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
