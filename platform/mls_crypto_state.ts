/**
 * The state of an MLS group as bytes: what the library writes, in parts, our own update that waits for a commit, and the messages of
 * proposals that others made in this epoch. Version 1: canonical CBOR of [1, state without tree and past epochs, tree, [[epoch, past epoch], …],
 * null or [HPKE private key, signature private key, leaf], [message, …]].
 *
 * The library takes 70 ms to read and write a group of 64 with its past epochs, and a message changes little of it. So what was read or written
 * last is remembered, and parts that did not change are not written again. States are never changed in place; for that reason
 * keys that were used are dropped, not wiped.
 */
import {
  type ClientConfig,
  type ClientState,
  type PrivateKeyPackage,
  type UnappliedProposals,
} from "ts-mls";
import { decodeGroupStateWithoutTree } from "ts-mls/clientState.js";
import { encode } from "ts-mls/codec/tlsEncoder.js";
import { varLenDataEncoder } from "ts-mls/codec/variableLength.js";
import { decodeEpochReceiverData, epochReceiverDataEncoder } from "ts-mls/epochReceiverData.js";
import { groupActiveStateEncoder } from "ts-mls/groupActiveState.js";
import { groupContextEncoder } from "ts-mls/groupContext.js";
import { keyScheduleEncoder } from "ts-mls/keySchedule.js";
import { privateKeyPathEncoder } from "ts-mls/privateKeyPath.js";
import { decodeRatchetTree, ratchetTreeEncoder } from "ts-mls/ratchetTree.js";
import { secretTreeNodeEncoder } from "ts-mls/secretTree.js";
import { unappliedProposalsEncoder } from "ts-mls/unappliedProposals.js";
import { decodeCanonical, encodeCanonical, equalBytes } from "../protocols/codec.ts";

/** A leaf that was proposed and is ours as soon as a commit takes it in. */
export interface OwnUpdate {
  readonly hpkePrivateKey: Uint8Array;
  readonly signaturePrivateKey: Uint8Array;
  /** The leaf as the library encodes it. */
  readonly leaf: Uint8Array;
}

export interface GroupStateParts {
  readonly group: ClientState;
  readonly ownUpdate: OwnUpdate | null;
  /** As they came: whoever commits sends them along, so that nobody has to have had them before. */
  readonly proposals: readonly Uint8Array[];
}

/** Proposals that are noted in one epoch at most; each member makes one. */
export const PROPOSALS_MAX = 128;

// A group of 64 with four past epochs takes 136 KiB.
const STATE_BYTES_MAX = 16 * 1024 * 1024;
/** States that are remembered as read, of all groups: those of the conversations that are under way. */
const REMEMBERED_MAX = 16;

/** The oldest first; of one group the newest two only, or a busy one would drive out the others. */
let remembered: Remembered[] = [];
/** The same by the very bytes that were given out: a step hands them back as they are, message after message. */
let given = new WeakMap<Uint8Array, GroupStateParts>();
interface Remembered {
  readonly bytes: Uint8Array;
  readonly parts: GroupStateParts;
}

/** Parts that were written before. The library makes new ones of what changes and keeps the rest: a message changes one node of the secret tree. */
const written = new WeakMap<object, Uint8Array>();
const encodeTree = encode(ratchetTreeEncoder);
const encodeEpoch = encode(epochReceiverDataEncoder);
const encodeContext = encode(groupContextEncoder);
const encodeSchedule = encode(keyScheduleEncoder);
const encodeNode = encode(secretTreeNodeEncoder);
const encodePath = encode(privateKeyPathEncoder);
const encodeProposals = encode(unappliedProposalsEncoder);
const encodeActivity = encode(groupActiveStateEncoder);
/** Bytes with their length in front. */
const encodeBytes = encode(varLenDataEncoder);
/** A list without anything in it: past epochs have a place of their own. */
const NONE = encodeBytes(new Uint8Array(0));

export function encodeState(parts: GroupStateParts): Uint8Array {
  const { group, ownUpdate, proposals } = parts;
  const update = ownUpdate === null
    ? null
    : [ownUpdate.hpkePrivateKey, ownUpdate.signaturePrivateKey, ownUpdate.leaf];
  const bytes = encodeCanonical([
    1,
    encodeCore(group),
    onceFor(group.ratchetTree, encodeTree),
    [...group.historicalReceiverData].map(([epoch, data]) => [
      Number(epoch),
      onceFor(data, encodeEpoch),
    ]),
    update,
    proposals,
  ]);
  remember({ bytes, parts });
  given.set(bytes, parts);
  return bytes;
}

/** @throws {RangeError} when it is no state that `encodeState` gave */
export function decodeState(bytes: Uint8Array, clientConfig: ClientConfig): GroupStateParts {
  let known = given.get(bytes);
  if (known === undefined) {
    known = remembered.findLast((one) => equalBytes(one.bytes, bytes))?.parts ??
      parsed(bytes, clientConfig);
    remember({ bytes, parts: known });
    given.set(bytes, known);
  }
  return { ...known, group: { ...known.group, clientConfig } };
}

/** Forgets what it remembers, as a restart does: for tests of reading. */
export function forgetStates(): void {
  remembered = [];
  given = new WeakMap();
}

function parsed(bytes: Uint8Array, clientConfig: ClientConfig): GroupStateParts {
  const what = "the group's state";
  const [version, core, tree, past, update, proposals] = listOf(bytes, 6, what);
  if (version !== 1 || !(core instanceof Uint8Array) || !(tree instanceof Uint8Array)) {
    throw damaged(what);
  }
  try {
    const ratchetTree = whole(decodeRatchetTree(tree, 0), tree);
    written.set(ratchetTree, tree);
    const state = whole(decodeGroupStateWithoutTree(ratchetTree)(core, 0), core);
    const epochs = (past as readonly (readonly [number, Uint8Array])[]).map(([epoch, one]) => {
      const data = whole(decodeEpochReceiverData(one, 0), one);
      written.set(data, one);
      return [BigInt(epoch), data] as const;
    });
    const group: ClientState = {
      ...state,
      historicalReceiverData: new Map(epochs),
      unappliedProposals: withSenders(state.unappliedProposals),
      clientConfig,
    };
    return {
      group,
      ownUpdate: ownUpdateOf(update),
      proposals: proposals as readonly Uint8Array[],
    };
  } catch (cause) {
    throw damaged(what, cause);
  }
}

function whole<T>(decoded: [T, number] | undefined, bytes: Uint8Array): T {
  if (decoded === undefined || decoded[1] !== bytes.length) throw damaged("a part of a state");
  return decoded[0];
}

/** What the library's `encodeGroupStateWithoutTree` gives for the group without its past epochs. */
function encodeCore(group: ClientState): Uint8Array {
  return joined([
    onceFor(group.groupContext, encodeContext),
    onceFor(group.keySchedule, encodeSchedule),
    encodeBytes(joined(group.secretTree.map((node) => onceFor(node, encodeNode)))),
    onceFor(group.privatePath, encodePath),
    encodeBytes(group.signaturePrivateKey),
    encodeProposals(group.unappliedProposals),
    encodeBytes(group.confirmationTag),
    NONE,
    encodeActivity(group.groupActiveState),
  ]);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

function onceFor<Part extends object>(
  part: Part,
  encodeOne: (part: Part) => Uint8Array,
): Uint8Array {
  let bytes = written.get(part);
  if (bytes === undefined) {
    bytes = encodeOne(part);
    written.set(part, bytes);
  }
  return bytes;
}

function remember(one: Remembered): void {
  const { groupId } = one.parts.group.groupContext;
  const isOfGroup = ({ parts }: Remembered) =>
    equalBytes(parts.group.groupContext.groupId, groupId);
  const before = remembered.findLast(isOfGroup);
  remembered = remembered.filter((other) => other === before || !isOfGroup(other));
  if (remembered.length >= REMEMBERED_MAX) remembered.shift();
  remembered.push(one);
}

/** The library (1.6.4) writes the sender 0 as no sender. Only members propose here, so none is missing but that one. */
function withSenders(proposals: UnappliedProposals): UnappliedProposals {
  return Object.fromEntries(
    Object.entries(proposals).map(([reference, one]) => [
      reference,
      { ...one, senderLeafIndex: one.senderLeafIndex ?? 0 },
    ]),
  );
}

function ownUpdateOf(update: unknown): OwnUpdate | null {
  if (update === null) return null;
  const [hpkePrivateKey, signaturePrivateKey, leaf] = update as Uint8Array[];
  return {
    hpkePrivateKey: hpkePrivateKey!,
    signaturePrivateKey: signaturePrivateKey!,
    leaf: leaf!,
  };
}

export function encodePrivatePackage(keys: PrivateKeyPackage): Uint8Array {
  return encodeCanonical([1, keys.initPrivateKey, keys.hpkePrivateKey, keys.signaturePrivateKey]);
}

/** @throws {RangeError} when it is no private package */
export function decodePrivatePackage(bytes: Uint8Array): PrivateKeyPackage {
  const what = "the private half of a key package";
  const [version, ...keys] = listOf(bytes, 4, what);
  const [initPrivateKey, hpkePrivateKey, signaturePrivateKey] = keys as Uint8Array[];
  if (version !== 1 || keys.some((key) => !(key instanceof Uint8Array))) throw damaged(what);
  return {
    initPrivateKey: initPrivateKey!,
    hpkePrivateKey: hpkePrivateKey!,
    signaturePrivateKey: signaturePrivateKey!,
  };
}

function listOf(bytes: Uint8Array, length: number, what: string): readonly unknown[] {
  const decoded = decodeCanonical(bytes, {
    bytesMax: STATE_BYTES_MAX,
    depthMax: 3,
    itemsMax: PROPOSALS_MAX + 64,
  });
  if (!decoded.ok) throw damaged(what, decoded.reason);
  if (!Array.isArray(decoded.value) || decoded.value.length !== length) throw damaged(what);
  return decoded.value;
}

function damaged(what: string, cause?: unknown): RangeError {
  return new RangeError(`Cannot use ${what}: it is damaged or of another version`, { cause });
}
