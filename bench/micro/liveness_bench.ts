/**
 * Question: how long until a crash is found, by the first and by everyone, how often is somebody believed dead who is not, and what
 * does watching cost? The real liveness actors over a model of sessions (`simulation/liveness_mesh.ts`); whole nodes would take too
 * long for a day of a hundred devices. Beside it hashicorp/memberlist with its LAN defaults, measured in real time over its own mock
 * network (`bench/peers/memberlist`, kept in tests/fixtures/liveness); for 1,000 members its formula, with the time that it took among
 * fewer until the suspicion began. Figures follow from the seed: two commits compare exactly.
 */
import { LivenessMesh, type LivenessMeshChange } from "../../simulation/liveness_mesh.ts";
import measured from "../../tests/fixtures/liveness/memberlist_detection.json" with {
  type: "json",
};
import vectors from "../../tests/fixtures/liveness/memberlist_vectors.json" with { type: "json" };
import { type Figure, median } from "../harness.ts";
import { liveBadHours, LOSS, SETTLE_MS, STALL_MS } from "./liveness_hours.ts";

const IDLE_MS = 60_000;
/** Until everybody knows of a crash or a return. */
const KNOWN_MS = 40_000;
/** Every device stands still this often on average, ms. */
const STALL_EVERY_MS = 600_000;

interface Size {
  readonly nodes: number;
  readonly crashes: number;
  /** Virtual hours with loss and stalls. */
  readonly hours: number;
}

const FULL: readonly Size[] = [
  { nodes: 10, crashes: 200, hours: 24 },
  { nodes: 100, crashes: 100, hours: 24 },
  // A whole day of a thousand devices takes hours to live through: `bench/liveness_day.ts`.
  { nodes: 1_000, crashes: 20, hours: 1 },
];
const QUICK: readonly Size[] = [{ nodes: 10, crashes: 5, hours: 0.1 }];

/** Detection, false positives and cost by the size of the mesh. */
export function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  return Promise.resolve((quick ? QUICK : FULL).flatMap((size) => [
    ...detection(size),
    ...falsePositives(size),
  ]));
}

function detection({ nodes, crashes }: Size): Figure[] {
  let heard: LivenessMeshChange[] = [];
  const mesh = new LivenessMesh({
    seed: "bench",
    nodes,
    onChange: (change) => heard.push(change),
  });
  mesh.advance(SETTLE_MS);
  const bytesBefore = mesh.bytes;
  mesh.advance(IDLE_MS);
  const idle = (mesh.bytes - bytesBefore) / nodes / (IDLE_MS / 1_000);

  const first: number[] = [];
  const everyone: number[] = [];
  for (let i = 0; i < crashes; i++) {
    mesh.advance(mesh.random.float() * 1_000);
    heard = [];
    const victim = mesh.devices[i % nodes]!;
    const crashedAtMs = mesh.nowMs;
    mesh.crash(victim);
    mesh.advance(KNOWN_MS);
    const found = heard.filter(({ state, subject }) => state === "dead" && subject === victim)
      .map(({ atMs }) => atMs - crashedAtMs);
    if (found.length !== nodes - 1) {
      throw new Error(`${found.length} of ${nodes - 1} found a crash within ${KNOWN_MS} ms`);
    }
    first.push(found[0]!);
    everyone.push(found.at(-1)!);
    mesh.restart(victim);
    mesh.advance(KNOWN_MS);
  }
  const theirs = memberlist(nodes);
  return [
    figure(nodes, "crash found by the first, p50", median(first), theirs.firstMs, theirs.note),
    figure(nodes, "crash known to everyone, p50", median(everyone), theirs.everyoneMs, theirs.note),
    tail(nodes, "crash found by the first, p99", first, theirs.slowestMs),
    tail(nodes, "crash known to everyone, p99", everyone, theirs.slowestMs),
    {
      name: `liveness ${nodes} nodes: sent while nothing happens`,
      value: round(idle),
      unit: "B/s per node",
      note: `with 31 B of framing per message${theirs.bytes}`,
    },
  ];
}

function falsePositives({ nodes, hours }: Size): Figure[] {
  const seed = "bench, a bad network";
  const found = liveBadHours({ seed, nodes, hours, stallEveryMs: STALL_EVERY_MS });
  return [
    {
      name: `liveness ${nodes} nodes: believed dead and was not`,
      value: found.falselyDead,
      unit: `in ${hours} virtual h`,
      note: `${
        LOSS * 100
      } % of all frames lost, ${found.stalls} stalls of ${STALL_MS.least}–${STALL_MS.most} ms`,
    },
    {
      name: `liveness ${nodes} nodes: sent over the bad network`,
      value: round(found.bytesPerNodeAndSecond),
      unit: "B/s per node",
    },
  ];
}

function figure(nodes: number, what: string, ms: number, theirsMs: number, note: string): Figure {
  return {
    name: `liveness ${nodes} nodes: ${what}`,
    value: Math.round(ms),
    unit: "ms",
    limit: Math.round(theirsMs / 2),
    ratio: round(ms / theirsMs),
    note: `memberlist ${Math.round(theirsMs)} ms (${note}); half of it is the limit`,
  };
}

function tail(
  nodes: number,
  what: string,
  all: readonly number[],
  slowestMs: number | null,
): Figure {
  return {
    name: `liveness ${nodes} nodes: ${what}`,
    value: Math.round(worst(all)),
    unit: "ms",
    note: `of ${all.length} crashes` +
      (slowestMs === null ? "" : `; memberlist's slowest took ${slowestMs} ms until everyone knew`),
  };
}

/** What memberlist needs among so many, without loss. */
function memberlist(nodes: number) {
  const runs = measured.runs.filter(({ loss }) => loss === 0);
  const run = runs.find((run) => run.nodes === nodes);
  if (run !== undefined) {
    return {
      firstMs: median(run.firstMs),
      everyoneMs: median(run.everyoneMs),
      slowestMs: Math.max(...run.everyoneMs),
      note: `measured, ${run.kills} crashes`,
      bytes: `; memberlist ${run.bytesPerNodeSecond} B without framing`,
    };
  }
  // Until the suspicion begins it took about as long among 10 as among 100; how long the news spreads is left out.
  const longest = runs.at(-1)!;
  const suspicionOf = (members: number): number =>
    vectors.least.find((entry) => entry.members === members)?.ms ?? NaN;
  const ms = median(longest.firstMs) - suspicionOf(longest.nodes) + suspicionOf(nodes);
  return {
    firstMs: ms,
    everyoneMs: ms,
    slowestMs: null,
    note: "its least suspicion, and the time before it as measured among fewer",
    bytes: "",
  };
}

/** The 99th of a hundred. */
function worst(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * 0.99) - 1)] ?? NaN;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
