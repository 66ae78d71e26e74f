/** Plans as bytes: canonical CBOR, fractions as the shortest decimal text that is the same number. The only edge of a plan. */
import { z } from "zod";
import { encodeCanonical } from "../../protocols/codec.ts";
import { publicKeyOf } from "../../protocols/ids.ts";
import { GRID_AXES_MAX, GRID_SIDE_MAX, PARTICIPANTS_MAX } from "../../protocols/rounds/messages.ts";
import { ROUND_MAX } from "../../protocols/rounds/wire.ts";
import {
  bytes32,
  contentHash,
  decodeAs,
  type Decoded,
  deviceId,
  type Identical,
  text,
} from "../../protocols/wire_schema.ts";
import { WORK_BITS_MAX } from "../screening/proof_of_work.ts";
import { EXAMPLES_PER_WEIGHT_MAX } from "./aggregation_choice.ts";
import type { RunPlan } from "./plan.ts";

/** Media type of a plan's block. */
export const PLAN_MEDIA_TYPE = "application/vnd.submind.run-plan+cbor";
/** Topic of everything runs publish; the tag names the run. */
export const LEARNING_TOPIC = "learning";
/** Largest plan, bytes. */
const PLAN_BYTES_MAX = 64 * 1024;
/** Rounds of one run, at most: messages number no more. */
export const ROUNDS_MAX = ROUND_MAX;
/** Longest title of a run, UTF-16 units. */
export const TITLE_CHARACTERS_MAX = 64;

/** A fraction as text: exactly what `String(number)` writes, so that one number has one encoding. */
const fraction = (least: number, most: number, what: string) =>
  z.string().max(32).transform((value, context): number => {
    const number = Number(value);
    if (String(number) === value && number >= least && number <= most) return number;
    context.addIssue({ code: "custom", message: `is "${value}", expected ${what}` });
    return z.NEVER;
  });
const positive = (most: number) =>
  fraction(Number.MIN_VALUE, most, `a number above 0, at most ${most}`);
const upTo = (most: number) => fraction(0, most, `a number from 0 to ${most}`);

const name = z.string().regex(/^[a-zA-Z0-9]{1,32}$/, "expected 1-32 letters and digits");
const numbers = z.record(name, fraction(-1e9, 1e9, "a number from -1e9 to 1e9"))
  .refine((record) => Object.keys(record).length <= 16, "expected at most 16 numbers").readonly();
const choice = z.strictObject({ name, numbers }).readonly();
const encoding = z.strictObject({
  range: positive(1e6),
  bits: z.int().min(8).max(24),
  examplesPerWeight: z.int().min(2).max(EXAMPLES_PER_WEIGHT_MAX).exactOptional(),
}).readonly();
/** Whole numbers stay integers, fractions are marked by their list. */
const option = z.union([
  text(256),
  z.int(),
  z.boolean(),
  z.tuple([fraction(-1e12, 1e12, "a number")]).transform(([number]) => number),
]);
const milliseconds = z.int().min(10).max(7 * 86_400_000);

const plan = z.strictObject({
  version: z.literal(1),
  title: text(256).refine(
    (value) => value.length >= 1 && value.length <= TITLE_CHARACTERS_MAX,
    `expected 1-${TITLE_CHARACTERS_MAX} characters`,
  ),
  task: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, "expected the name of a task"),
  options: z.record(name, option)
    .refine((record) => Object.keys(record).length <= 32, "expected at most 32 options").readonly(),
  networkHash: contentHash,
  seed: bytes32,
  startFrom: contentHash.nullable(),
  rounds: z.int().min(1).max(ROUNDS_MAX),
  participation: z.strictObject({
    least: z.int().min(1).max(PARTICIPANTS_MAX),
    most: z.int().min(1).max(PARTICIPANTS_MAX),
    fraction: positive(1),
    overSelection: upTo(4),
  }).readonly().refine(({ least, most }) => least <= most, "expected least <= most"),
  local: z.strictObject({
    epochs: z.int().min(1).max(1_000),
    batchSize: z.int().min(1).max(1_024),
    learningRate: positive(100),
    momentum: fraction(0, 0.999, "a number from 0 to 0.999").nullable(),
    proximal: upTo(1e6).nullable(),
  }).readonly(),
  strategy: choice,
  aggregation: z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("clear"), rule: choice }).readonly(),
    z.strictObject({ type: z.literal("secure"), encoding }).readonly(),
    z.strictObject({ type: z.literal("twoServers"), encoding }).readonly(),
    z.strictObject({
      type: z.literal("paillier"),
      encoding,
      keyBits: z.union([z.literal(2_048), z.literal(3_072)]),
    }).readonly(),
    z.strictObject({
      type: z.literal("secureGroups"),
      encoding,
      groupSize: z.int().min(3).max(PARTICIPANTS_MAX),
      rule: choice,
    }).readonly(),
    z.strictObject({
      type: z.literal("grid"),
      dimensions: z.int().min(1).max(GRID_AXES_MAX),
      side: z.int().min(2).max(GRID_SIDE_MAX),
      rule: choice,
    }).readonly(),
  ]),
  compression: choice.nullable(),
  privacy: z.strictObject({
    clip: positive(1e6),
    noiseMultiplier: positive(1e6),
    noise: z.enum(["distributed", "central"]),
    delta: positive(0.1),
    dropout: fraction(0, 0.9, "a number from 0 to 0.9"),
    epsilonMax: positive(1e6),
    adaptive: z.strictObject({
      quantile: fraction(0.01, 0.99, "a number from 0.01 to 0.99"),
      rate: positive(1),
      countDeviation: positive(1e6),
      least: positive(1e6),
      most: positive(1e6),
    }).readonly().exactOptional(),
  }).readonly().nullable(),
  deadlines: z.strictObject({
    readyMs: milliseconds,
    trainMs: milliseconds,
    phaseMs: milliseconds,
  }).readonly(),
  proofOfWorkBits: z.int().min(0).max(WORK_BITS_MAX),
  share: z.strictObject({
    kind: z.enum(["iid", "shards", "dirichlet"]),
    alpha: positive(1e6).nullable(),
    devices: z.array(deviceId).min(1).max(PARTICIPANTS_MAX).readonly(),
  }).readonly().nullable(),
}).readonly();
true satisfies Identical<RunPlan, z.infer<typeof plan>>;

/** Decodes the body of a plan's block; strict, bounded, never throws. */
export function decodePlan(input: Uint8Array): Decoded<RunPlan> {
  return decodeAs(plan, input, { bytesMax: PLAN_BYTES_MAX, itemsMax: 4_096 });
}

/** The bytes of a plan. */
export function encodePlan(value: RunPlan): Uint8Array<ArrayBuffer> {
  const { participation, local, aggregation, privacy, share } = value;
  return encodeCanonical({
    ...value,
    options: mapped(
      value.options,
      (one) => typeof one === "number" && !Number.isSafeInteger(one) ? [String(one)] : one,
    ),
    networkHash: Uint8Array.fromHex(value.networkHash),
    startFrom: value.startFrom === null ? null : Uint8Array.fromHex(value.startFrom),
    participation: {
      ...participation,
      fraction: String(participation.fraction),
      overSelection: String(participation.overSelection),
    },
    local: {
      ...local,
      learningRate: String(local.learningRate),
      momentum: optional(local.momentum),
      proximal: optional(local.proximal),
    },
    strategy: encodeChoice(value.strategy),
    aggregation: {
      ...aggregation,
      ...("rule" in aggregation && { rule: encodeChoice(aggregation.rule) }),
      ...("encoding" in aggregation && {
        encoding: { ...aggregation.encoding, range: String(aggregation.encoding.range) },
      }),
    },
    compression: value.compression === null ? null : encodeChoice(value.compression),
    privacy: privacy === null ? null : {
      noise: privacy.noise,
      clip: String(privacy.clip),
      noiseMultiplier: String(privacy.noiseMultiplier),
      delta: String(privacy.delta),
      dropout: String(privacy.dropout),
      epsilonMax: String(privacy.epsilonMax),
      ...(privacy.adaptive !== undefined && { adaptive: mapped({ ...privacy.adaptive }, String) }),
    },
    share: share === null ? null : {
      ...share,
      alpha: optional(share.alpha),
      devices: share.devices.map(publicKeyOf),
    },
  });
}

function encodeChoice({ name, numbers }: RunPlan["strategy"]) {
  return { name, numbers: mapped(numbers, String) };
}

function optional(value: number | null): string | null {
  return value === null ? null : String(value);
}

function mapped<A, B>(record: Readonly<Record<string, A>>, change: (value: A) => B) {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
