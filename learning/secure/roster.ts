/** A roster as both sides see it: who is in it, in which order, and whom the graph makes neighbours. */
import { type DeviceId, deviceIdOf, publicKeyOf } from "../../protocols/ids.ts";
import type { SumDependencies, SumOutcome, SumRefusal, SumRound } from "./contract.ts";
import { SUM_BITS_MIN, SUM_LENGTH_MAX } from "./contract.ts";
import { graphFrom, neighboursOf, shapeFor, type SumGraph, type SumShape } from "./graph.ts";
import { concat, graphSeed, rosterHash, roundHash } from "./transcripts.ts";

/** Everything that follows from round, devices and root. Rebuilt when needed; never stored with a state. */
export interface RosterView {
  /** Ascending. */
  readonly devices: readonly DeviceId[];
  readonly indexOf: ReadonlyMap<DeviceId, number>;
  readonly shape: SumShape;
  readonly graph: SumGraph;
  /** Names round and roster: in every signature and key from here on. */
  readonly hash: Uint8Array;
  /** Neighbours of the device at an index, ascending; computed once for each. */
  neighbours(index: number): readonly number[];
}

const PUBLIC_KEY_BYTES = 32;

// A view follows from the hash alone, and every step of a sum asks for the same one; in a simulation, so does every device. Holds the
// neighbours that were asked for: about 1 MB if all of 1,000 devices were.
const REMEMBERED_MAX = 4;
const remembered = new Map<string, RosterView>();

/** Reads public keys as a roster: ascending, none twice, as many as a sum can have. */
export function rosterView(
  parts: { readonly round: SumRound; readonly devices: Uint8Array; readonly root: Uint8Array },
  deps: Pick<SumDependencies, "crypto" | "masks">,
): SumOutcome<RosterView> {
  const { round, root } = parts;
  if (parts.devices.length % PUBLIC_KEY_BYTES !== 0 || root.length !== 32) {
    return refused(
      "malformed",
      `Cannot read a roster of ${parts.devices.length} bytes with a root of ${root.length}`,
    );
  }
  const hash = rosterHash(deps.crypto, {
    round: roundHash(deps.crypto, round),
    devices: parts.devices,
    root,
  });
  const name = hash.toHex();
  const known = remembered.get(name);
  if (known !== undefined) return { ok: true, value: known };
  const devices: DeviceId[] = [];
  for (let at = 0; at < parts.devices.length; at += PUBLIC_KEY_BYTES) {
    devices.push(deviceIdOf(parts.devices.subarray(at, at + PUBLIC_KEY_BYTES)));
  }
  if (devices.some((device, index) => index > 0 && devices[index - 1]! >= device)) {
    return refused(
      "malformed",
      "Cannot read a roster: devices must ascend, and none may come twice",
    );
  }
  const shape = shapeFor(devices.length, round.assumptions);
  if ("impossible" in shape) return refused("tooFew", shape.impossible);
  const graph = graphFrom(graphSeed(deps.crypto, hash), shape, deps.masks);
  const near = new Map<number, readonly number[]>();
  const view: RosterView = {
    devices,
    indexOf: new Map(devices.map((device, index) => [device, index])),
    shape,
    graph,
    hash,
    neighbours(index) {
      let neighbours = near.get(index);
      if (neighbours === undefined) near.set(index, neighbours = neighboursOf(graph, index));
      return neighbours;
    },
  };
  if (remembered.size >= REMEMBERED_MAX) remembered.delete(remembered.keys().next().value!);
  remembered.set(name, view);
  return { ok: true, value: view };
}

/** Public keys one after another, as in a `Roster`. */
export function rosterBytes(devices: readonly DeviceId[]): Uint8Array<ArrayBuffer> {
  return concat(...devices.map(publicKeyOf));
}

/** What is wrong with a round's numbers, or undefined. The plan is checked before the run starts; this guards the arithmetic. */
export function roundProblem(round: SumRound): string | undefined {
  const whole = (value: number, low: number, high: number) =>
    Number.isInteger(value) && value >= low && value <= high;
  if (!whole(round.round, 0, 2 ** 32 - 1) || !whole(round.attempt, 0, 2 ** 32 - 1)) {
    return `Cannot sum in round ${round.round}, attempt ${round.attempt}: expected integers below 2^32`;
  }
  if (!whole(round.length, 1, SUM_LENGTH_MAX) || !whole(round.bits, SUM_BITS_MIN, 32)) {
    return `Cannot sum vectors of ${round.length} numbers of ${round.bits} bits: expected 1 to ${SUM_LENGTH_MAX} numbers of ${SUM_BITS_MIN} to 32 bits`;
  }
  return undefined;
}

/** A refusal as an outcome; `device` when it is that device's fault. */
export function refused(
  refusal: SumRefusal,
  detail: string,
  device?: DeviceId,
): { readonly ok: false } & Extract<SumOutcome<never>, { ok: false }> {
  return { ok: false, refusal, detail, ...(device === undefined ? {} : { device }) };
}
