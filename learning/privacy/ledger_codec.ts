/**
 * The ledger as bytes: canonical CBOR for the store, so that equal ledgers have equal bytes. Version 1 fixes the orders of the curves
 * (`RDP_ORDERS`), the unit of cost and the fields; bytes of another version, and bytes that break an invariant, are refused: a device that
 * cannot read what it spent must not spend more.
 */
import { z } from "zod";
import { encodeCanonical } from "../../protocols/codec.ts";
import { decodeAs, type Decoded, type Identical } from "../../protocols/wire_schema.ts";
import {
  COST_UNBOUNDED,
  type Ledger,
  LEDGER_ROUNDS_MAX,
  LEDGER_RUNS_MAX,
  LEDGER_STRETCHES_MAX,
  type LedgerRun,
} from "./ledger.ts";
import { RDP_ORDERS } from "./rdp.ts";

const VERSION = 1;
/** Largest ledger, bytes: 4,096 runs with their curves, or fewer with many stretches. */
export const LEDGER_BYTES_MAX = 16 * 1024 * 1024;
const ITEMS_MAX = 4_000_000;

/** CBOR here has no fractions: numbers travel as the shortest decimal text that reads back as the same double. */
function decimal(accepts: (value: number) => boolean, expected: string) {
  return z.string().max(32).transform((text, context) => {
    const value = Number(text);
    if (String(value) === text && accepts(value)) return value;
    context.addIssue({ code: "custom", message: `expected ${expected}` });
    return z.NEVER;
  });
}

const limit = z.strictObject({
  epsilon: decimal((value) => value > 0 && Number.isFinite(value), "a finite number > 0"),
  delta: decimal((value) => value > 0 && value < 1, "a number between 0 and 1"),
}).readonly();

const round = z.int().min(0).max(LEDGER_ROUNDS_MAX - 1);

const run = z.strictObject({
  run: z.string().min(1).max(128),
  limit,
  sampled: z.boolean(),
  roundCost: z.array(z.int().min(0).max(COST_UNBOUNDED)).length(RDP_ORDERS.length).readonly(),
  rounds: z.array(z.tuple([round, round]).readonly()).max(LEDGER_STRETCHES_MAX)
    .refine(
      (rounds) =>
        rounds.every(([first, last], i) =>
          first <= last && (i === 0 || first > rounds[i - 1]![1] + 1)
        ),
      "expected stretches in ascending order, apart",
    ).readonly(),
}).readonly();
true satisfies Identical<LedgerRun, z.infer<typeof run>>;

const ledger = z.strictObject({
  version: z.literal(VERSION),
  limit,
  runs: z.array(run).max(LEDGER_RUNS_MAX)
    .refine(
      (runs) => new Set(runs.map((one) => one.run)).size === runs.length,
      "expected each run once",
    ).readonly(),
}).readonly();

/** The bytes of a ledger; equal ledgers have equal bytes. */
export function encodeLedger(value: Ledger): Uint8Array<ArrayBuffer> {
  return encodeCanonical({
    version: VERSION,
    limit: encodeLimit(value.limit),
    runs: value.runs.map((one) => ({
      run: one.run,
      limit: encodeLimit(one.limit),
      sampled: one.sampled,
      roundCost: one.roundCost,
      rounds: one.rounds,
    })),
  });
}

/** Reads a ledger; never throws. Whoever gets no ledger refuses to take part until a person has decided. */
export function decodeLedger(input: Uint8Array): Decoded<Ledger> {
  const decoded = decodeAs(ledger, input, { bytesMax: LEDGER_BYTES_MAX, itemsMax: ITEMS_MAX });
  if (!decoded.ok) return decoded;
  return { ok: true, message: { limit: decoded.message.limit, runs: decoded.message.runs } };
}

function encodeLimit({ epsilon, delta }: Ledger["limit"]) {
  return { epsilon: String(epsilon), delta: String(delta) };
}
