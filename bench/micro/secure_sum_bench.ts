/**
 * Questions: how close do masks come to their key stream alone (ChaCha20 in the same pieces, nothing added) and to bare AES-256-CTR (WebCrypto) over the same bytes, how long does a device mask its vector, how long does a
 * coordinator take masks off after a round with and without dropouts, and how much memory does it hold? The bare cipher runs beside
 * the masks in turn, the key stream too, and the best of each counts. Unmasking is timed over the first masks of the real work and scaled to all of them.
 */
import { createCipheriv } from "node:crypto";
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
import { type Unmasking, unmaskStep } from "../../learning/secure/unmask.ts";
import { nodeMaskStream } from "../../platform/mask_stream.ts";
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { type BlockId, type ContentHash, type DeviceId, deviceIdOf } from "../../protocols/ids.ts";
import type { Figure } from "../harness.ts";

/** Masks may take at most this many times the bare cipher: adding reads and writes what the cipher only writes. */
const RATIO_MAX = 2;
const BITS = 26;
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
    for (const length of lengths) figures.push(...sumFigures(devices, length, quick ? 4 : 48));
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

/** The key stream of a mask, thrown away: what no way of adding it can go below. */
function bareStreamMs(key: Uint8Array, length: number): number {
  const zeros = new Uint8Array(64 * 1024);
  return timed(() => {
    const cipher = createCipheriv("chacha20", key, new Uint8Array(16));
    for (let left = length * 4; left > 0; left -= zeros.length) {
      cipher.update(zeros.subarray(0, Math.min(left, zeros.length)));
    }
  });
}

async function maskFigures(length: number, rounds: number, quick: boolean): Promise<Figure[]> {
  const key = new Uint8Array(32).fill(7);
  const target = new Uint32Array(length);
  let [oursMs, streamMs, bareMs] = [Infinity, Infinity, Infinity];
  let [packMs, addMs] = [Infinity, Infinity];
  for (let round = 0; round < rounds; round++) {
    bareMs = Math.min(bareMs, await bareCipherMs(length));
    streamMs = Math.min(streamMs, bareStreamMs(key, length));
    oursMs = Math.min(oursMs, timed(() => deps.masks.apply({ key, target, sign: 1 })));
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
      note: `ratio to its key stream alone: ${
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
function sumFigures(devices: number, length: number, masksTimed: number): Figure[] {
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
  const maskMs = timed(() => good(client.maskInput(one.state, told, values, one.deps)));
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

function unmaskFigure(options: {
  readonly state: ServerState;
  readonly all: ReadonlyMap<DeviceId, { readonly state: ClientState }>;
  readonly dropouts: number;
  readonly masksTimed: number;
  readonly name: string;
}): Figure {
  const { state, all, dropouts, masksTimed, name } = options;
  const { view } = state.roster!;
  const gone = (index: number) => index < Math.floor(view.devices.length * dropouts);
  const secrets = new Map<number, Uint8Array>();
  const pending: { owner: number; survivor: number | null }[] = [];
  view.devices.forEach((device, owner) => {
    secrets.set(owner, all.get(device)!.state.maskSecret);
    if (!gone(owner)) pending.push({ owner, survivor: null });
    else {
      for (const survivor of view.neighbours(owner)) {
        if (!gone(survivor)) pending.push({ owner, survivor });
      }
    }
  });
  const total = pending.length;
  // Masks of both kinds in the share in which they come.
  const step = Math.max(1, Math.floor(total / masksTimed));
  const work: Unmasking = { secrets, pending: pending.filter((_, i) => i % step === 0), total };
  const timedMasks = work.pending.length;
  const ms = timed(() => unmaskStep(state, work, { max: timedMasks }, deps));
  return {
    name: `unmasking after ${dropouts * 100} % dropouts, ${name}`,
    value: ms / timedMasks * total,
    unit: "ms",
    note: `${total} masks on one core, ${timedMasks} of them timed`,
  };
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
