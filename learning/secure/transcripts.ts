/** Every byte of a secure sum that is hashed, signed or keyed with: `docs/protocols/secure-aggregation.md` in code. */
import type { Crypto } from "../../platform/ports.ts";
import { domainSeparated } from "../../protocols/domains.ts";
import { type DeviceId, publicKeyOf } from "../../protocols/ids.ts";
import type { Advertisement, SumDependencies, SumRound } from "./contract.ts";

type Hashing = Pick<Crypto, "sha256">;
type Keying = Pick<SumDependencies["crypto"], "hkdf">;

const text = (label: string) => new TextEncoder().encode(label + "\0");
const LABELS = {
  round: text("kiana sum round v1"),
  roster: text("kiana sum roster v1"),
  graph: text("kiana sum graph v1"),
  commitment: text("kiana sum commitment v1"),
  share: text("kiana sum share v1"),
  selfMask: text("kiana sum self mask v1"),
  pairMask: text("kiana sum pair mask v1"),
  check: text("kiana sum check v1"),
} as const;

/** Bytes of a commitment to a share or a seed: finding two that fit takes 2^64 tries, one for a given share 2^128. */
export const COMMITMENT_BYTES = 16;
const KEY_BYTES = 32;

/** Names the sum: run, round, attempt, model and everything its arithmetic depends on. */
export function roundHash(crypto: Hashing, round: SumRound): Uint8Array<ArrayBuffer> {
  const numbers = new DataView(new ArrayBuffer(19));
  numbers.setUint32(0, round.round);
  numbers.setUint32(4, round.attempt);
  numbers.setUint32(8, round.length);
  numbers.setUint8(12, round.bits);
  numbers.setUint16(13, round.assumptions.corruptPermille);
  numbers.setUint16(15, round.assumptions.dropoutPermille);
  numbers.setUint8(17, round.assumptions.privacyBits);
  numbers.setUint8(18, round.assumptions.completionBits);
  const tuning = new DataView(new ArrayBuffer(round.tuning === undefined ? 0 : 8));
  if (round.tuning !== undefined) tuning.setFloat64(0, round.tuning);
  return crypto.sha256(
    LABELS.round,
    Uint8Array.fromHex(round.run),
    Uint8Array.fromHex(round.modelHash),
    new Uint8Array(numbers.buffer),
    new Uint8Array(tuning.buffer),
  );
}

/** What a device signs when it advertises its keys. */
export function advertisedMessage(
  round: Uint8Array,
  keys: Pick<Advertisement, "maskKey" | "shareKey">,
): Uint8Array<ArrayBuffer> {
  return domainSeparated("sumKeys", round, keys.maskKey, keys.shareKey);
}

/** The leaf of an advertisement in the roster's tree. */
export function advertisedLeaf(
  device: DeviceId,
  keys: Pick<Advertisement, "maskKey" | "shareKey">,
): Uint8Array<ArrayBuffer> {
  return concat(publicKeyOf(device), keys.maskKey, keys.shareKey);
}

/** Names the roster: all devices with all their keys, for this sum. */
export function rosterHash(
  crypto: Hashing,
  parts: {
    readonly round: Uint8Array;
    readonly devices: Uint8Array;
    readonly root: Uint8Array;
  },
): Uint8Array<ArrayBuffer> {
  return crypto.sha256(LABELS.roster, parts.round, crypto.sha256(parts.devices), parts.root);
}

/** The seed of the graph. It follows from everybody's fresh keys: nobody knows it before the last of them is there. */
export function graphSeed(crypto: Hashing, roster: Uint8Array): Uint8Array<ArrayBuffer> {
  return crypto.sha256(LABELS.graph, roster);
}

/** What a commitment is about. */
export const COMMITTED = { seedShare: 0, maskShare: 1, seed: 2 } as const;

/** Commitment to a share of `owner`'s for `holder`, or to the owner's seed (then both are the owner). */
export function commitment(
  crypto: Hashing,
  parts: {
    readonly roster: Uint8Array;
    readonly kind: number;
    readonly owner: DeviceId;
    readonly holder: DeviceId;
    readonly value: Uint8Array;
  },
): Uint8Array<ArrayBuffer> {
  return crypto.sha256(
    LABELS.commitment,
    parts.roster,
    Uint8Array.of(parts.kind),
    publicKeyOf(parts.owner),
    publicKeyOf(parts.holder),
    parts.value,
  ).slice(0, COMMITMENT_BYTES);
}

/** The key under which `sender` encrypts its shares for `recipient`, used for one message. */
export function shareKey(
  crypto: Keying,
  parts: {
    readonly agreed: Uint8Array;
    readonly roster: Uint8Array;
    readonly sender: DeviceId;
    readonly recipient: DeviceId;
  },
): Uint8Array<ArrayBuffer> {
  return crypto.hkdf({
    secret: parts.agreed,
    salt: parts.roster,
    info: concat(LABELS.share, publicKeyOf(parts.sender), publicKeyOf(parts.recipient)),
    length: KEY_BYTES,
  });
}

/** The key of a device's own mask. */
export function selfMaskKey(
  crypto: Keying,
  seed: Uint8Array,
  roster: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return crypto.hkdf({ secret: seed, salt: roster, info: LABELS.selfMask, length: KEY_BYTES });
}

/** The key of the mask that the device earlier in the roster adds and the later one subtracts. */
export function pairMaskKey(
  crypto: Keying,
  parts: {
    readonly agreed: Uint8Array;
    readonly roster: Uint8Array;
    readonly earlier: DeviceId;
    readonly later: DeviceId;
  },
): Uint8Array<ArrayBuffer> {
  return crypto.hkdf({
    secret: parts.agreed,
    salt: parts.roster,
    info: concat(LABELS.pairMask, publicKeyOf(parts.earlier), publicKeyOf(parts.later)),
    length: KEY_BYTES,
  });
}

/** What a device signs with the shares that it deals. */
export function dealtMessage(
  roster: Uint8Array,
  dealt: { readonly seedCommitment: Uint8Array; readonly commitments: Uint8Array },
): Uint8Array<ArrayBuffer> {
  return domainSeparated("sumDealt", roster, dealt.seedCommitment, dealt.commitments);
}

/** The leaf of a masked input among the survivors'. */
export function inputLeaf(
  crypto: Hashing,
  index: number,
  packed: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return inputLeafOf(index, crypto.sha256(packed));
}

/** The same, where only the SHA-256 of the masked input is known. */
export function inputLeafOf(index: number, inputHash: Uint8Array): Uint8Array<ArrayBuffer> {
  const place = new Uint8Array(4);
  new DataView(place.buffer).setUint32(0, index);
  return concat(place, inputHash);
}

/** What a survivor signs. */
export function survivorsMessage(
  roster: Uint8Array,
  claim: { readonly survivors: Uint8Array; readonly inputsRoot: Uint8Array },
): Uint8Array<ArrayBuffer> {
  return domainSeparated("sumSurvivors", roster, claim.survivors, claim.inputsRoot);
}

/** The key of the stream that says which numbers of a vector are in which subset of the check of a sum. */
export function sumCheckKey(
  crypto: Hashing,
  opened: {
    readonly roster: Uint8Array;
    readonly claim: { readonly survivors: Uint8Array; readonly inputsRoot: Uint8Array };
    readonly aggregate: Uint8Array;
  },
): Uint8Array<ArrayBuffer> {
  const { roster, claim: { survivors, inputsRoot }, aggregate } = opened;
  return crypto.sha256(LABELS.check, roster, survivors, inputsRoot, aggregate);
}

/** Bytes one after another. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
