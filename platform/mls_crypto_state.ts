/**
 * The state of an MLS group as bytes: what the library writes, our own update that waits for a commit, and the messages of proposals that
 * others made in this epoch. Version 1: canonical CBOR of [1, group state, null or [HPKE private key, signature private key, leaf],
 * [message, …]].
 */
import {
  type ClientConfig,
  type ClientState,
  decodeGroupState,
  encodeGroupState,
  type PrivateKeyPackage,
  type UnappliedProposals,
} from "ts-mls";
import { decodeCanonical, encodeCanonical } from "../protocols/codec.ts";

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

// A group of 64 with four past epochs takes about 400 KiB.
const STATE_BYTES_MAX = 16 * 1024 * 1024;

export function encodeState({ group, ownUpdate, proposals }: GroupStateParts): Uint8Array {
  const update = ownUpdate === null
    ? null
    : [ownUpdate.hpkePrivateKey, ownUpdate.signaturePrivateKey, ownUpdate.leaf];
  return encodeCanonical([1, encodeGroupState(group), update, proposals]);
}

/** @throws {RangeError} when it is no state that `encodeState` gave */
export function decodeState(bytes: Uint8Array, clientConfig: ClientConfig): GroupStateParts {
  const [version, group, update, proposals] = listOf(bytes, 4, "the group's state");
  if (version !== 1 || !(group instanceof Uint8Array)) throw damaged("the group's state");
  let decoded;
  try {
    decoded = decodeGroupState(group, 0);
  } catch (cause) {
    throw damaged("the group's state", cause);
  }
  if (decoded === undefined || decoded[1] !== group.length) throw damaged("the group's state");
  const unappliedProposals = withSenders(decoded[0].unappliedProposals);
  return {
    group: { ...decoded[0], unappliedProposals, clientConfig },
    ownUpdate: ownUpdateOf(update),
    proposals: proposals as readonly Uint8Array[],
  };
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
    depthMax: 2,
    itemsMax: PROPOSALS_MAX + 16,
  });
  if (!decoded.ok) throw damaged(what, decoded.reason);
  if (!Array.isArray(decoded.value) || decoded.value.length !== length) throw damaged(what);
  return decoded.value;
}

function damaged(what: string, cause?: unknown): RangeError {
  return new RangeError(`Cannot use ${what}: it is damaged or of another version`, { cause });
}
