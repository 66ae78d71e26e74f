/**
 * Questions: how close do masks come to their key stream alone (ChaCha20 in the same pieces, nothing added) and to bare AES-256-CTR (WebCrypto) over the same bytes, how long does a device mask its vector, how long does a
 * coordinator take masks off after a round with and without dropouts, how long is everything else on its thread held up meanwhile, and how much memory does it hold? The bare cipher runs beside
 * the masks in turn, the key stream too, and the best of each counts. Unmasking is timed over the first masks of the real work and scaled to all of them.
 */
import { createCipheriv } from "node:crypto";
import { bitmapOf } from "../../learning/secure/bitmap.ts";
import * as client from "../../learning/secure/client.ts";
import type { ClientState } from "../../learning/secure/client_state.ts";
import {
  DEFAULT_ASSUMPTIONS,
  type SumOutcome,
  type SumRound,
} from "../../learning/secure/contract.ts";
import { addPacked, pack } from "../../learning/secure/packing.ts";
import * as server from "../../learning/secure/server.ts";
import { openSum, type ServerState } from "../../learning/secure/server_state.ts";
import { splitSecret } from "../../learning/secure/shamir.ts";
import { commitment, COMMITTED } from "../../learning/secure/transcripts.ts";
import { closingReveals, takeMasksOff, type Unmasking } from "../../learning/secure/unmask.ts";
import { nodeMaskStream } from "../../platform/mask_stream.ts";
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import { WorkerMaskWork } from "../../platform/worker_mask_work.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { type BlockId, type ContentHash, type DeviceId, deviceIdOf } from "../../protocols/ids.ts";
import { closeReveals, maskInput, unmaskStep } from "../../tests/learning/secure_steps.ts";
import type { Figure } from "../harness.ts";

/** Masks that are put on or taken off together. */
const MASKS = 16;
/** Masks may take at most this many times the bare cipher: adding reads and writes what the cipher only writes. */
const RATIO_MAX = 2;
const BITS = 26;
const TIMER_MS = 10;
/** The CNN of McMahan et al. 2017, and the weight. */
const LENGTH_CNN = 1_663_371;
const LENGTH_SMALL = 2 ** 17;

const deps = {
  crypto: nodeCrypto({ workersMax: 0 }),
  masks: nodeMaskStream(),
  // Devices of a bench do not lie; what signatures cost is in the crypto bench.
  verify: () => true,
};

/** Times and sizes of masks and sums. */
export async function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  const lengths = quick ? [LENGTH_SMALL] : [LENGTH_SMALL, LENGTH_CNN];
  const figures: Figure[] = [];
  for (const length of lengths) figures.push(...await maskFigures(length, quick ? 2 : 9, quick));
  for (const devices of quick ? [10] : [10, 100, 1_000]) {
    for (const length of lengths) {
      figures.push(...await sumFigures(devices, length, quick ? 4 : 48));
    }
  }
  return figures;
}

/** WebCrypto's AES-256-CTR in calls of a MiB: larger ones spend their time on fresh memory. */
async function bareCipherMs(length: number): Promise<number> {
  const raw = new Uint8Array(32).fill(7);
  const key = await crypto.subtle.importKey("raw", raw, "AES-CTR", false, ["encrypt"]);
  const zeros = new Uint8Array(1024 * 1024);
  const algorithm = { name: "AES-CTR", counter: new Uint8Array(16), length: 64 };
  const startedMs = performance.now();
  for (let left = length * 4; left > 0; left -= zeros.length) {
    await crypto.subtle.encrypt(algorithm, key, zeros.subarray(0, Math.min(left, zeros.length)));
  }
  return performance.now() - startedMs;
}

/** The key stream of a mask, thrown away: what no way of adding it can go below, ms. Its memory is freed at once, as that of masks is: else the collector's part is missing. */
export function bareStreamMs(key: Uint8Array, length: number): number {
  const zeros = new Uint8Array(128 * 1024);
  return timed(() => {
    const cipher = createCipheriv("chacha20", key, new Uint8Array(16));
    for (let left = length * 4; left > 0; left -= zeros.length) {
      const { buffer, byteLength } = cipher.update(
        zeros.subarray(0, Math.min(left, zeros.length)),
      );
      if (buffer.byteLength === byteLength) (buffer as ArrayBuffer).transfer(0);
    }
    cipher.final();
  });
}

async function maskFigures(length: number, rounds: number, quick: boolean): Promise<Figure[]> {
  const streams = Array.from({ length: MASKS }, (_, i) => ({
    key: new Uint8Array(32).fill(i),
    sign: i % 2 === 0 ? 1 as const : -1 as const,
  }));
  const target = new Uint32Array(length);
  let [oursMs, streamMs, bareMs] = [Infinity, Infinity, Infinity];
  let [packMs, addMs] = [Infinity, Infinity];
  for (let round = 0; round < rounds; round++) {
    bareMs = Math.min(bareMs, await bareCipherMs(length));
    const bare = streams.map(({ key }) => bareStreamMs(key, length));
    streamMs = Math.min(streamMs, bare.reduce((sum, ms) => sum + ms) / MASKS);
    oursMs = Math.min(oursMs, timed(() => deps.masks.applyAll({ streams, target })) / MASKS);
    let packed = new Uint8Array(0);
    packMs = Math.min(packMs, timed(() => packed = pack(target, BITS)));
    addMs = Math.min(addMs, timed(() => addPacked(target, packed, BITS)));
  }
  const size = `${length.toLocaleString("en")} numbers`;
  return [
    {
      name: `mask expanded and added, ${size}`,
      value: oursMs,
      unit: "ms",
      ratio: oursMs / streamMs,
      note: `one of ${MASKS} together; ratio to its key stream alone: ${
        streamMs.toFixed(2)
      } ms; bare AES-256-CTR over the same bytes: ${bareMs.toFixed(2)} ms`,
    },
    {
      name: `mask over bare AES-256-CTR, ${size}`,
      value: oursMs / bareMs,
      unit: "×",
      ...(quick ? {} : { limit: RATIO_MAX }),
    },
    { name: `vector packed to ${BITS} bits, ${size}`, value: packMs, unit: "ms" },
    { name: `packed vector added to the sum, ${size}`, value: addMs, unit: "ms" },
  ];
}

/** A sum among `devices`, of which only one and its neighbours do their work: what the others would do costs the same. */
async function sumFigures(
  devices: number,
  length: number,
  masksTimed: number,
): Promise<Figure[]> {
  const round: SumRound = {
    run: "11".repeat(32) as BlockId,
    round: 0,
    attempt: 0,
    modelHash: "22".repeat(32) as ContentHash,
    length,
    bits: BITS,
    assumptions: DEFAULT_ASSUMPTIONS,
  };
  const random = seededRandom("secure sum bench");
  const state = good(openSum(round));
  const all = new Map<
    DeviceId,
    { state: ClientState; readonly deps: Parameters<typeof client.shareKeys>[2] }
  >();
  for (let i = 0; i < devices; i++) {
    const signer = nodeSigner(random.bytes(32));
    const device = deviceIdOf(signer.publicKey);
    const own = { ...deps, sign: signer.sign, random };
    const step = good(client.advertise({ round, device }, own));
    all.set(device, { state: step.state, deps: own });
    good(server.acceptAdvertisement(state, device, step.message, deps));
  }
  const view = good(server.closeAdvertising(state, deps));
  const [device, ...others] = view.devices;
  const near = new Set(view.neighbours(0).map((index) => view.devices[index]!));
  const one = all.get(device!)!;
  const shareMs = timed(() => share(state, device!, one));
  const filler = state.shares.get(0)!;
  for (const other of others) {
    if (near.has(other)) share(state, other, all.get(other)!);
    else good(server.acceptKeyShares(state, other, { ...filler, sealed: filler.sealed.slice() }));
  }
  good(server.closeKeyShares(state));
  const told = server.receivedSharesFor(state, device!)!;
  const values = new Uint32Array(length);
  const maskMs = timed(() => good(maskInput(one.state, told, values, one.deps)));
  const bytes = state.sum.byteLength +
    [...state.shares.values()].reduce((sum, shares) => sum + shares!.sealed.byteLength + 16, 0) +
    devices * (32 + 64 + 64 + 36);
  const name = `${devices} devices, ${length.toLocaleString("en")} numbers`;
  return [
    {
      name: `a device shares its keys, ${name}`,
      value: shareMs,
      unit: "ms",
      note: `${view.shape.degree} neighbours`,
    },
    {
      name: `a device masks its vector, ${name}`,
      value: maskMs,
      unit: "ms",
      note: `${view.shape.degree + 1} masks`,
    },
    {
      name: `coordinator holds, ${name}`,
      value: bytes,
      unit: "B",
      note: "sum, sealed shares, keys, commitments and signatures; no vectors",
    },
    ...[0, 0.3].map((dropouts) => unmaskFigure({ state, all, dropouts, masksTimed, name })),
    await heldUpFigure({ state, all, dropouts: 0.3, masksTimed, name }),
  ];
}

function share(
  state: ServerState,
  device: DeviceId,
  one: { state: ClientState; readonly deps: Parameters<typeof client.shareKeys>[2] },
): void {
  const step = good(client.shareKeys(one.state, server.rosterFor(state, device)!, one.deps));
  one.state = step.state;
  good(server.acceptKeyShares(state, device, step.message));
}

interface UnmaskOptions {
  readonly state: ServerState;
  readonly all: ReadonlyMap<DeviceId, { readonly state: ClientState }>;
  readonly dropouts: number;
  readonly masksTimed: number;
  readonly name: string;
}

/** As if the first of the roster had fallen away and all others had revealed their shares. A survivor's seed is its mask secret here: it costs the same. */
function allRevealed({ state, all, dropouts }: UnmaskOptions): void {
  const { devices, shape, hash: roster } = state.roster!.view;
  const random = seededRandom("revealed shares");
  const survivors: number[] = [];
  devices.forEach((device, owner) => {
    const { maskSecret: secret } = all.get(device)!.state;
    const { threshold } = shape;
    const shares = splitSecret(secret, { threshold, count: threshold, random });
    state.revealed.set(owner, shares.map((bytes, at) => ({ x: at + 1, bytes })));
    const { seed: kind } = COMMITTED;
    const parts = { roster, kind, owner: device, holder: device, value: secret };
    const seedCommitment = commitment(deps.crypto, parts);
    state.shares.set(owner, { ...state.shares.get(owner)!, seedCommitment });
    if (owner >= Math.floor(devices.length * dropouts)) survivors.push(owner);
  });
  state.claim = {
    survivors: bitmapOf(survivors, devices.length),
    levels: [],
    ranks: new Map(),
  };
  state.phase = "revealing";
}

/** Masks of both kinds in the share in which they come. */
function someOf(work: Unmasking, masks: number): Unmasking {
  const step = Math.max(1, Math.floor(work.total / masks));
  return { ...work, pending: work.pending.filter((_, i) => i % step === 0) };
}

function unmaskFigure(options: UnmaskOptions): Figure {
  const { state, dropouts, masksTimed, name } = options;
  allRevealed(options);
  const work = someOf(good(closeReveals(state, deps)), masksTimed);
  const timedMasks = work.pending.length;
  const ms = timed(() => unmaskStep(state, work, { max: timedMasks }, deps));
  return {
    name: `unmasking after ${dropouts * 100} % dropouts, ${name}`,
    value: ms / timedMasks * work.total,
    unit: "ms",
    note: `${work.total} masks on one core, ${timedMasks} of them timed`,
  };
}

/** Masks taken off on another core, and how long everything else waits for a turn meanwhile. */
async function heldUpFigure(options: UnmaskOptions): Promise<Figure> {
  const { state, masksTimed, name } = options;
  allRevealed(options);
  const maskWork = new WorkerMaskWork({ workersMax: 1 });
  try {
    // The worker starts with work as large as the real one.
    const jobs = Array.from({ length: 8 }, () => ({ key: new Uint8Array(32), sign: 1 as const }));
    await maskWork.apply(new Uint32Array(LENGTH_SMALL), jobs);
    let [lastMs, longestMs] = [performance.now(), 0];
    const timer = setInterval(() => {
      const nowMs = performance.now();
      [longestMs, lastMs] = [Math.max(longestMs, nowMs - lastMs), nowMs];
    }, TIMER_MS);
    const closing = closingReveals(state, deps);
    let step = closing.next();
    for (; step.done !== true; step = closing.next()) await maskWork.pause();
    const work = someOf(good(step.value), 16 * masksTimed);
    const taken = work.pending.length;
    await takeMasksOff(state, work, maskWork);
    clearInterval(timer);
    return {
      name: `coordinator's thread held up by unmasking, ${name}`,
      value: Math.max(0, longestMs - TIMER_MS),
      unit: "ms",
      note:
        `longest delay of a timer of ${TIMER_MS} ms while secrets are put together and ${taken} masks taken off by one worker`,
    };
  } finally {
    maskWork.close();
  }
}

function timed(work: () => void): number {
  const startedMs = performance.now();
  work();
  return performance.now() - startedMs;
}

function good<T>(outcome: SumOutcome<T>): T {
  if (!outcome.ok) throw new Error(`Benchmark is wrong: ${outcome.detail}`);
  return outcome.value;
}
