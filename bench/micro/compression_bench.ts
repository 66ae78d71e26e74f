/**
 * Question: what does compressing an update cost in time, how small does it get, and how much accuracy goes? The CNN of the FedAvg paper
 * (1,663,370 numbers, normally distributed, layers of different size). Beside each, a copy of the same bytes in the same run.
 */
import { type Compression, createCompressor } from "../../learning/compression/compressions.ts";
import { normalisedError } from "../../learning/compression/normalised_error.ts";
import { decodeSum, encodeForSum, rangeFor } from "../../learning/compression/sum_form.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import type { Figure } from "../harness.ts";

/** What plain int8 quantisation and a plain top-1 % took when libraries were compared. */
const QUANTISE_MS_MAX = 22.6;
const TOP_MS_MAX = 32;
/** Published errors of the unbiased estimate at 1 to 4 bits; 2 % above is the aim. */
const ERRORS: Readonly<Record<number, number>> = { 1: 0.5708, 2: 0.1331, 3: 0.03578, 4: 0.00959 };

const COMPRESSIONS: readonly Compression[] = [
  { name: "eden", bits: 1 },
  { name: "eden", bits: 2 },
  { name: "eden", bits: 3 },
  { name: "eden", bits: 4 },
  { name: "eden", bits: 8 },
  { name: "stochastic", bits: 8 },
  { name: "topK", share: 0.01 },
  { name: "randomK", share: 0.01, feedback: 1 },
];

/** Times, sizes and errors by compression. */
export function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  const count = quick ? 10_000 : 1_663_370;
  const rounds = quick ? 1 : 9;
  const random = seededRandom("compression bench");
  const update = Float32Array.from({ length: count }, (_, i) => {
    const normal = Math.sqrt(-2 * Math.log(1 - random.float())) *
      Math.cos(2 * Math.PI * random.float());
    return normal * (1 + Math.floor(4 * i / count)) / 100;
  });
  const copy = new Float32Array(count);
  const copyMs = bestMs(rounds, () => copy.set(update));
  const seed = random.bytes(32);
  const figures: Figure[] = [];
  for (const compression of COMPRESSIONS) {
    const compressor = createCompressor(compression);
    const what = "bits" in compression
      ? `${compression.name} at ${compression.bits} bits`
      : `${compression.name} of ${compression.share * 100} %`;
    let bytes: Uint8Array = new Uint8Array();
    const encodeMs = bestMs(rounds, () => bytes = compressor.encode(update, { seed, random }));
    let decoded = update;
    const decodeMs = bestMs(rounds, () => {
      const read = compressor.decode(bytes, { seed, count });
      if (!read.ok) throw new Error(`Benchmark is wrong: ${read.reason}`);
      decoded = read.values;
    });
    const limit = compression.name === "topK" || compression.name === "randomK"
      ? TOP_MS_MAX
      : QUANTISE_MS_MAX;
    const published = compression.name === "eden" ? ERRORS[compression.bits] : undefined;
    figures.push(
      time(`compression: ${what}, encode`, encodeMs, copyMs, quick ? undefined : limit),
      time(`compression: ${what}, decode`, decodeMs, copyMs),
      {
        name: `compression: ${what}, on the wire`,
        value: bytes.length,
        unit: "B",
        ratio: 4 * count / bytes.length,
        note: `${count.toLocaleString("en")} numbers; ratio of plain floats to it`,
      },
      {
        name: `compression: ${what}, squared error over square`,
        value: normalisedError(update, decoded),
        unit: "",
        ...(published === undefined || quick ? {} : { limit: published * 1.02 }),
        note: published === undefined
          ? "one update, without what feedback brings later"
          : `published ${published}; the limit is 2 % above`,
      },
    );
  }
  const norm = Math.sqrt(update.reduce((sum, value) => sum + value * value, 0));
  const form = { range: rangeFor({ norm, count }), bits: 8, seed };
  let levels = new Uint32Array();
  const encodeMs = bestMs(rounds, () => levels = encodeForSum(update, form, random).levels);
  let decoded = update;
  const decodeMs = bestMs(rounds, () => decoded = decodeSum(levels, form, 1)!);
  figures.push(
    time("compression: form for secure sums at 8 bits, encode", encodeMs, copyMs),
    time("compression: form for secure sums at 8 bits, decode", decodeMs, copyMs),
    {
      name: "compression: form for secure sums at 8 bits, squared error over square",
      value: normalisedError(update, decoded),
      unit: "",
      note: "one device; of the sum it is smaller by their number",
    },
  );
  return Promise.resolve(figures);
}

function time(name: string, ms: number, copyMs: number, limit?: number): Figure {
  return {
    name,
    value: ms,
    unit: "ms",
    ...(limit === undefined ? {} : { limit }),
    ratio: ms / copyMs,
    note: `ratio to a copy of the numbers (${copyMs.toFixed(2)} ms)`,
  };
}

function bestMs(rounds: number, body: () => unknown): number {
  body();
  let best = Infinity;
  for (let round = 0; round < rounds; round++) {
    const startMs = performance.now();
    body();
    best = Math.min(best, performance.now() - startMs);
  }
  return best;
}
