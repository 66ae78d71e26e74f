/**
 * One attempt at a sum with a second party (`secure_sum.ts`): who is in its roster, for which set devices give their word, and what convinces the
 * second party of that set. Roster, claims and signatures are those of the masked sum, so that a result is proved, and checked, in one way.
 */
import type { Crypto } from "../../platform/ports.ts";
import { encodeCanonical } from "../../protocols/codec.ts";
import { domainSeparated } from "../../protocols/domains.ts";
import { type DeviceId, publicKeyOf } from "../../protocols/ids.ts";
import { bytes, bytes32, decodeAs, type Decoded, signature } from "../../protocols/wire_schema.ts";
import { z } from "zod";
import { bitmapOf, indicesOf } from "./bitmap.ts";
import { requestProblem, SIGNATURE_BYTES } from "./checks.ts";
import type { SumDependencies, SumOutcome, SumRound, SurvivorClaim } from "./contract.ts";
import { SUM_DEVICES_MIN } from "./contract.ts";
import { merkleLevels, merkleProof, merkleRoot } from "./merkle.ts";
import { refused, rosterBytes, type RosterView, rosterView } from "./roster.ts";
import { SMALL_DEVICES_MAX } from "./secure_sum.ts";
import { concat, inputLeafOf } from "./transcripts.ts";

const LABEL = new TextEncoder().encode("kiana sum second party v1\0");
/** Largest request to open a sum, bytes: signatures of a quorum, and one product. */
export const OPENING_BYTES_MAX = 440 * 1024;

/** The roster of an attempt. It names the second party and its key, so that whoever signs for the one signs for the other. */
export function smallRoster(
  { round, devices, second, key }: {
    readonly round: SumRound;
    /** Ascending. */
    readonly devices: readonly DeviceId[];
    readonly second: DeviceId;
    /** What devices encrypt under; empty where they share. */
    readonly key: Uint8Array;
  },
  deps: Pick<SumDependencies, "crypto" | "masks">,
): SumOutcome<RosterView> & { readonly root: Uint8Array } {
  const root = deps.crypto.sha256(LABEL, publicKeyOf(second), key);
  return { ...rosterView({ round, devices: rosterBytes(devices), root }, deps), root };
}

/** The coordinator says who is in, and under which key of the second party. */
export interface SmallRosterMessage {
  /** Public keys, 32 bytes each, ascending by device id. */
  readonly devices: Uint8Array;
  /** Empty where devices share. */
  readonly key: Uint8Array;
  /** The second party's signature under it; empty where there is no key. */
  readonly signature: Uint8Array;
}

/** The second party's key for an attempt, with its signature. Says as much as the roster without the devices. */
export type SecondKey = Pick<SmallRosterMessage, "key" | "signature">;

/** The bytes that a second party signs with its key. */
export function keyStatement(
  { run, round, attempt }: Pick<SumRound, "run" | "round" | "attempt">,
  key: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return domainSeparated("sumSecondKey", encodeCanonical([run, round, attempt, key]));
}

const secondKey = {
  key: bytes(384),
  signature: bytes(SIGNATURE_BYTES),
};
const rosterMessage = z.strictObject({ devices: bytes(32 * SMALL_DEVICES_MAX), ...secondKey });
const keyMessage = z.strictObject(secondKey);

/** The bytes of a roster. */
export function encodeSmallRoster(message: SmallRosterMessage): Uint8Array<ArrayBuffer> {
  return encodeCanonical({ ...message });
}

/** Decodes a roster; strict, bounded, never throws. */
export function decodeSmallRoster(input: Uint8Array): Decoded<SmallRosterMessage> {
  return decodeAs(rosterMessage, input, { bytesMax: 32 * SMALL_DEVICES_MAX + 1_024 });
}

/** The bytes of a key. */
export function encodeSecondKey({ key, signature }: SecondKey): Uint8Array<ArrayBuffer> {
  return encodeCanonical({ key, signature });
}

/** Decodes a key; strict, bounded, never throws. */
export function decodeSecondKey(input: Uint8Array): Decoded<SecondKey> {
  return decodeAs(keyMessage, input, { bytesMax: 1_024 });
}

/** The set of a sum, and what its devices are told of it. */
export interface SmallClaims {
  readonly survivors: Uint8Array<ArrayBuffer>;
  readonly inputsRoot: Uint8Array;
  /** The claim for one of them. */
  claimFor(device: DeviceId): SurvivorClaim;
}

/** Claims that the sum is over these devices' parts; `inputs` has the hash of what each handed in. */
export function smallClaims(
  view: RosterView,
  inputs: ReadonlyMap<DeviceId, Uint8Array>,
  crypto: Pick<Crypto, "sha256">,
): SmallClaims {
  const indices = [...inputs.keys()].map((device) => view.indexOf.get(device)!)
    .sort((a, b) => a - b);
  const levels = merkleLevels(
    crypto,
    indices.map((index) => inputLeafOf(index, inputs.get(view.devices[index]!)!)),
  );
  const set = {
    survivors: bitmapOf(indices, view.devices.length),
    inputsRoot: merkleRoot(levels),
  };
  return {
    ...set,
    claimFor: (device) => ({
      ...set,
      proof: merkleProof(levels, indices.indexOf(view.indexOf.get(device)!)),
    }),
  };
}

/** What a coordinator hands to the second party so that it gives its total: who said yes to which set, and its own word for it. */
export interface OpeningRequest {
  readonly survivors: Uint8Array;
  readonly inputsRoot: Uint8Array;
  /** A quorum of the set, as in an unmask request. */
  readonly signers: Uint8Array;
  readonly signatures: Uint8Array;
  /** What is to be opened, where the second party holds a key; empty where it has parts. */
  readonly product: Uint8Array;
  /** The coordinator's, over all of it: should the product be of anything else, this proves who lied. */
  readonly signature: Uint8Array;
}

/** The bytes that the coordinator signs. */
export function openingStatement(
  crypto: Pick<Crypto, "sha256">,
  roster: Uint8Array,
  { survivors, inputsRoot, product }: Pick<OpeningRequest, "survivors" | "inputsRoot" | "product">,
): Uint8Array<ArrayBuffer> {
  return domainSeparated("sumOpening", roster, survivors, inputsRoot, crypto.sha256(product));
}

const opening = z.strictObject({
  survivors: bytes(SMALL_DEVICES_MAX / 8),
  inputsRoot: bytes32,
  signers: bytes(SMALL_DEVICES_MAX / 8),
  signatures: bytes(SIGNATURE_BYTES * SMALL_DEVICES_MAX),
  product: bytes(OPENING_BYTES_MAX),
  signature,
});

/** The bytes of a request. */
export function encodeOpening(request: OpeningRequest): Uint8Array<ArrayBuffer> {
  return encodeCanonical({ ...request });
}

/** Decodes a request; strict, bounded, never throws. */
export function decodeOpening(input: Uint8Array): Decoded<OpeningRequest> {
  return decodeAs(opening, input, { bytesMax: OPENING_BYTES_MAX + 1_024 });
}

/** The devices of the set that a request is about; refused when the second party must not answer it. */
export function openingSet(
  { view, coordinator, least, request }: {
    readonly view: RosterView;
    readonly coordinator: DeviceId;
    /** Fewest devices by the plan. */
    readonly least: number;
    readonly request: OpeningRequest;
  },
  deps: Pick<SumDependencies, "verify" | "crypto">,
): SumOutcome<readonly DeviceId[]> {
  const indices = indicesOf(request.survivors, view.devices.length);
  if (indices === undefined) {
    return refused(
      "malformed",
      `Cannot open a sum: ${request.survivors.length} bytes are no set of ${view.devices.length} devices`,
    );
  }
  const expected = Math.max(least, view.shape.quorum, SUM_DEVICES_MIN);
  if (indices.length < expected) {
    return refused(
      "tooFew",
      `Cannot open a sum over ${indices.length} devices: expected at least ${expected}`,
    );
  }
  const statement = openingStatement(deps.crypto, view.hash, request);
  if (!deps.verify(coordinator, statement, request.signature)) {
    return refused("badSignature", "Cannot open a sum: its coordinator has not signed for it");
  }
  const problem = requestProblem({ view, claim: request, request }, deps);
  return problem ?? { ok: true, value: indices.map((index) => view.devices[index]!) };
}

/** The devices of a bitmap over a roster; undefined when it is none. */
export function devicesIn(view: RosterView, bits: Uint8Array): readonly DeviceId[] | undefined {
  return indicesOf(bits, view.devices.length)?.map((index) => view.devices[index]!);
}

/** A set of a roster's devices as bits. */
export function bitsOf(view: RosterView, devices: Iterable<DeviceId>): Uint8Array<ArrayBuffer> {
  return bitmapOf([...devices].map((device) => view.indexOf.get(device)!), view.devices.length);
}

/** Signatures of devices in the roster's order, as a request holds them. */
export function signaturesOf(
  view: RosterView,
  signatures: ReadonlyMap<DeviceId, Uint8Array>,
): Pick<OpeningRequest, "signers" | "signatures"> {
  const signers = view.devices.filter((device) => signatures.has(device));
  return {
    signers: bitsOf(view, signers),
    signatures: concat(...signers.map((device) => signatures.get(device)!)),
  };
}
