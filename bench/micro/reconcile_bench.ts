/**
 * Question: what does it cost two devices to find out which blocks the other lacks, beside the reference implementation of
 * negentropy on the same sets? Bytes both ways and round trips; deterministic, so two commits compare exactly.
 *
 * Both sides get the same ids with the same times. Negentropy sorts by its timestamps, which are seconds in the wild and our
 * hours here: it is given both, and the smaller result counts against us. Its figures need cargo; without it they are left out.
 */
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import type { BlockId } from "../../protocols/ids.ts";
import {
  answerReconcile,
  beginReconcile,
  continueReconcile,
  type Difference,
} from "../../protocols/sync/reconcile.ts";
import { ReconcileSet } from "../../protocols/sync/reconcile_set.ts";
import type { Figure } from "../harness.ts";

const PEER_FOLDER = new URL("../peers/negentropy/", import.meta.url);
const HOUR_SECONDS = 3_600;
/** Where times begin: 2025-01-01, seconds since the epoch. */
const BEGIN_SECONDS = 1_735_689_600;
/** Ids are spread evenly over a year. */
const SPAN_SECONDS = 365 * 24 * HOUR_SECONDS;
/** What the wrapping of one sync message adds at most, bytes: type, salt, CBOR heads. Counted against us. */
const ENVELOPE_BYTES = 48;

type Side = "a" | "b" | "ab";

interface Element {
  readonly id: BlockId;
  readonly seconds: number;
  readonly side: Side;
}

interface Cost {
  readonly bytes: number;
  readonly roundTrips: number;
  readonly have: number;
  readonly need: number;
}

/** Bytes and round trips for 1, 100 and 1,000 differences, scattered and recent. */
export async function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  const count = quick ? 2_000 : 100_000;
  const peer = quick ? undefined : await buildPeer();
  const figures: Figure[] = [];
  for (const differences of quick ? [1, 100] : [1, 100, 1_000]) {
    for (const where of ["scattered", "recent"] as const) {
      const elements = makeElements({ count, differences, where });
      const startedMs = performance.now();
      const ours = reconcileOurs(elements);
      const elapsedMs = performance.now() - startedMs;
      mustFindAll("ours", ours, elements);
      const theirs = peer === undefined ? undefined : await reconcilePeer(peer, elements);
      const limit = theirs === undefined
        ? undefined
        : Math.min(theirs.seconds.bytes, theirs.hours.bytes);
      figures.push({
        name: `reconcile ${count} ids, ${differences} ${where}`,
        value: ours.bytes,
        unit: "bytes",
        ...(limit === undefined ? {} : { limit, ratio: ours.bytes / limit }),
        note: [
          `${ours.roundTrips} round trips, ${Math.round(elapsedMs)} ms with building both sets`,
          theirs === undefined
            ? "the reference was not measured: it needs cargo and the full size"
            : `negentropy: ${theirs.seconds.bytes} bytes, ${theirs.seconds.roundTrips} round trips by seconds; ` +
              `${theirs.hours.bytes} bytes, ${theirs.hours.roundTrips} by hours; the smaller is the limit`,
        ].join("; "),
      });
    }
  }
  return figures;
}

function makeElements(
  { count, differences, where }: {
    readonly count: number;
    readonly differences: number;
    readonly where: "scattered" | "recent";
  },
): Element[] {
  const random = seededRandom(`reconcile ${count} ${differences} ${where}`);
  const seconds = Array.from(
    { length: count },
    () => BEGIN_SECONDS + random.below(SPAN_SECONDS),
  ).sort((x, y) => x - y);
  const differing = new Set<number>();
  while (differing.size < differences) {
    differing.add(where === "recent" ? count - 1 - differing.size : random.below(count));
  }
  return seconds.map((at, index) => ({
    id: random.bytes(32).toHex() as BlockId,
    seconds: at,
    // Half of the difference is missing here, half there.
    side: !differing.has(index) ? "ab" : index % 2 === 0 ? "a" : "b",
  }));
}

function reconcileOurs(elements: readonly Element[]): Cost {
  const { permuteBlocks } = nodeCrypto({ workersMax: 0 });
  const salt = new Uint8Array(16).fill(7);
  const setOf = (side: "a" | "b") =>
    new ReconcileSet(
      elements.filter((element) => element.side.includes(side))
        .map(({ id, seconds }) => ({ id, timeBucket: Math.floor(seconds / HOUR_SECONDS) })),
      salt,
      permuteBlocks,
    );
  const [initiator, responder] = [setOf("a"), setOf("b")];
  const difference: Difference = { have: [], need: [] };
  let [bytes, roundTrips] = [0, 0];
  let next: Uint8Array | undefined = beginReconcile(initiator);
  while (next !== undefined) {
    const answer = answerReconcile(responder, next);
    if (answer.type !== "send") throw new Error("Cannot measure: the responder gave no answer");
    bytes += next.length + answer.message.length + 2 * ENVELOPE_BYTES;
    roundTrips++;
    const step = continueReconcile(initiator, answer.message, difference);
    if (step.type === "malformed") throw new Error(`Cannot measure: ${step.reason}`);
    next = step.type === "send" ? step.message : undefined;
  }
  return { bytes, roundTrips, have: difference.have.length, need: difference.need.length };
}

function mustFindAll(who: string, cost: Cost, elements: readonly Element[]): void {
  const only = (side: Side) => elements.filter((element) => element.side === side).length;
  if (cost.have !== only("a") || cost.need !== only("b")) {
    throw new Error(
      `Cannot measure: ${who} found ${cost.have} and ${cost.need} differences, ` +
        `expected ${only("a")} and ${only("b")}`,
    );
  }
}

/** The reference as a program; undefined where it cannot be built. */
async function buildPeer(): Promise<string | undefined> {
  try {
    const built = await new Deno.Command("cargo", {
      args: ["build", "--release", "--locked", "--quiet"],
      cwd: PEER_FOLDER,
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!built.success) return undefined;
    return new URL("target/release/negentropy-peer", PEER_FOLDER).pathname;
  } catch {
    return undefined;
  }
}

async function reconcilePeer(
  program: string,
  elements: readonly Element[],
): Promise<{ readonly seconds: Cost; readonly hours: Cost }> {
  const measure = async (timeOf: (seconds: number) => number): Promise<Cost> => {
    const process = new Deno.Command(program, { stdin: "piped", stdout: "piped" }).spawn();
    const lines = elements.map(({ id, seconds, side }) => `${timeOf(seconds)} ${id} ${side}\n`);
    await new Blob(lines).stream().pipeTo(process.stdin);
    const { stdout, success } = await process.output();
    if (!success) throw new Error("Cannot measure: the reference failed");
    const cost = JSON.parse(new TextDecoder().decode(stdout)) as Cost;
    mustFindAll("negentropy", cost, elements);
    return cost;
  };
  return {
    seconds: await measure((seconds) => seconds),
    hours: await measure((seconds) => Math.floor(seconds / HOUR_SECONDS)),
  };
}
