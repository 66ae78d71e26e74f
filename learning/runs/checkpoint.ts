/**
 * What a coordinator puts into the care of the one who would follow it, before anybody signs for the survivors: the masked sums and the keys around
 * them. With it, and with the answers of the survivors, the attempt can be finished by somebody else. It tells nothing that the coordinator
 * does not know, and without the survivors' shares it is noise.
 */
import { z } from "zod";
import { encodeCanonical } from "../../protocols/codec.ts";
import { type DeviceId, publicKeyOf } from "../../protocols/ids.ts";
import { PARTICIPANTS_MAX, VECTOR_BYTES_MAX } from "../../protocols/rounds/messages.ts";
import {
  bytes,
  bytes32,
  decodeAs,
  type Decoded,
  deviceId,
  signature,
  uint32,
} from "../../protocols/wire_schema.ts";
import type { Advertisement, SumDependencies, SumRound } from "../secure/contract.ts";
import {
  acceptAdvertisement,
  closeAdvertising,
  closeKeyShares,
  closeMaskedInputs,
} from "../secure/server.ts";
import { type InputRecord, openSum, type ServerState } from "../secure/server_state.ts";
import type { ResultSubmission } from "./result.ts";

export interface Checkpoint {
  readonly round: number;
  readonly attempt: number;
  readonly groups: readonly GroupCheckpoint[];
  readonly submissions: readonly ResultSubmission[];
  readonly called: readonly DeviceId[];
  readonly ready: number;
  readonly refused: number;
}

export interface GroupCheckpoint {
  readonly advertisements: readonly (Advertisement & { readonly device: DeviceId })[];
  /** Roster indices of those who shared keys. */
  readonly sharers: readonly number[];
  readonly inputs: readonly (InputRecord & { readonly index: number })[];
  /** The masked sum, little-endian 32-bit integers. */
  readonly sum: Uint8Array;
}

const index = z.int().min(0).max(PARTICIPANTS_MAX);
const indices = z.array(index).max(PARTICIPANTS_MAX);
const devices = z.array(deviceId).max(PARTICIPANTS_MAX);
const schema = z.strictObject({
  version: z.literal(1),
  round: uint32,
  attempt: uint32,
  groups: z.array(z.strictObject({
    advertisements: z.array(z.strictObject({
      device: deviceId,
      maskKey: bytes32,
      shareKey: bytes32,
      signature,
    })).max(PARTICIPANTS_MAX),
    sharers: indices,
    inputs: z.array(z.strictObject({ index, leaf: bytes(64), unreadable: indices }))
      .max(PARTICIPANTS_MAX),
    sum: bytes(VECTOR_BYTES_MAX),
  })).min(1).max(PARTICIPANTS_MAX),
  submissions: z.array(z.strictObject({
    device: deviceId,
    commitment: bytes32.transform((hash) => hash.toHex() as ResultSubmission["commitment"]),
    weight: z.int().min(1).max(2 ** 31 - 1),
    signature,
  })).max(PARTICIPANTS_MAX),
  called: devices,
  ready: index,
  refused: z.int().min(0).max(2 ** 20),
});

/** The part of a group's state that a checkpoint holds. Its vectors must be in, and nobody asked to sign yet. */
export function groupCheckpoint(server: ServerState): GroupCheckpoint {
  return {
    advertisements: [...server.advertisements].map((
      [device, { maskKey, shareKey, signature }],
    ) => ({
      device,
      maskKey,
      shareKey,
      signature,
    })),
    sharers: [...server.shares.keys()].sort((a, b) => a - b),
    inputs: [...server.inputs].map(([index, { leaf, unreadable }]) => ({
      index,
      leaf,
      unreadable,
    })),
    sum: littleEndian(server.sum),
  };
}

/** A group's state as it was when the vectors were in; undefined when the checkpoint contradicts itself. */
export function restoreGroup(
  group: GroupCheckpoint,
  round: SumRound,
  deps: SumDependencies,
): ServerState | undefined {
  const opened = openSum(round);
  if (!opened.ok) return undefined;
  const state = opened.value;
  for (const { device, ...advertisement } of group.advertisements) {
    if (!acceptAdvertisement(state, device, advertisement, deps).ok) return undefined;
  }
  const roster = closeAdvertising(state, deps);
  if (!roster.ok || group.sum.length !== 4 * round.length) return undefined;
  const members = roster.value.devices.length;
  if (group.sharers.some((one) => one >= members)) return undefined;
  for (const one of group.sharers) state.shares.set(one, undefined);
  if (!closeKeyShares(state).ok) return undefined;
  for (const { index, leaf, unreadable } of group.inputs) {
    if (!state.shares.has(index)) return undefined;
    state.inputs.set(index, { leaf, unreadable });
  }
  state.sum.set(fromLittleEndian(group.sum));
  return closeMaskedInputs(state, deps).ok ? state : undefined;
}

/** The bytes of a checkpoint. */
export function encodeCheckpoint(value: Checkpoint): Uint8Array<ArrayBuffer> {
  return encodeCanonical({
    version: 1,
    ...value,
    groups: value.groups.map((group) => ({
      ...group,
      advertisements: group.advertisements.map((one) => ({
        ...one,
        device: publicKeyOf(one.device),
      })),
    })),
    submissions: value.submissions.map((one) => ({
      ...one,
      device: publicKeyOf(one.device),
      commitment: Uint8Array.fromHex(one.commitment),
    })),
    called: value.called.map(publicKeyOf),
  });
}

/** Inverse of `encodeCheckpoint`; strict, bounded, never throws. */
export function decodeCheckpoint(input: Uint8Array): Decoded<Checkpoint> {
  const decoded = decodeAs(schema, input, { bytesMax: VECTOR_BYTES_MAX, itemsMax: 65_536 });
  if (!decoded.ok) return decoded;
  const { version: _version, ...checkpoint } = decoded.message;
  return { ok: true, message: checkpoint };
}

function littleEndian(numbers: Uint32Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(numbers.length * 4);
  const view = new DataView(out.buffer);
  for (let i = 0; i < numbers.length; i++) view.setUint32(4 * i, numbers[i]!, true);
  return out;
}

function fromLittleEndian(input: Uint8Array): Uint32Array<ArrayBuffer> {
  const view = new DataView(input.buffer, input.byteOffset, input.length);
  return Uint32Array.from({ length: input.length / 4 }, (_, i) => view.getUint32(4 * i, true));
}
