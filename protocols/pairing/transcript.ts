/** What the two sides of a pairing compute alike: channel, commitments, keys, tags, signatures and the words people compare. */
import { wordlist } from "@scure/bip39/wordlists/english.js";
import type { Crypto } from "../../platform/ports.ts";
import { invariant } from "../../platform/invariant.ts";
import { domainSeparated } from "../domains.ts";
import { confirmationKey, lengthValues } from "./cpace.ts";
import type { InviteKind, Opening } from "./messages.ts";

const utf8 = new TextEncoder();
const label = (name: string) => utf8.encode(`kiana pairing v1 ${name}`);

/** Which end of a pairing. */
export type Side = "joiner" | "inviter";

/** CPace's channel identifier: the protocol and the invite this run is about. */
export function channelOf(kind: InviteKind, selector: Uint8Array): Uint8Array<ArrayBuffer> {
  return lengthValues(label("channel"), utf8.encode(kind), selector);
}

/** CPace's session id: both nonces, so that neither side alone can repeat a run. */
export function sessionOf(joinerNonce: Uint8Array, inviterNonce: Uint8Array): Uint8Array {
  const session = new Uint8Array(joinerNonce.length + inviterNonce.length);
  session.set(joinerNonce);
  session.set(inviterNonce, joinerNonce.length);
  return session;
}

/** SHA-256 over blind and identity: hides the identity until it is opened, and fixes it. */
export function commitmentOf(
  crypto: Crypto,
  opening: Pick<Opening, "blind" | "identity">,
): Uint8Array<ArrayBuffer> {
  return crypto.sha256(lengthValues(label("commitment"), opening.blind, opening.identity));
}

/** Everything both sides said before identities were opened. */
export interface Exchange {
  readonly channel: Uint8Array;
  readonly session: Uint8Array;
  readonly joinerShare: Uint8Array;
  readonly joinerCommitment: Uint8Array;
  readonly inviterShare: Uint8Array;
  readonly inviterCommitment: Uint8Array;
}

/** SHA-256 over the exchange: what both identities sign. */
export function transcriptHash(crypto: Crypto, exchange: Exchange): Uint8Array<ArrayBuffer> {
  return crypto.sha256(lengthValues(
    label("transcript"),
    exchange.channel,
    exchange.session,
    exchange.joinerShare,
    exchange.joinerCommitment,
    exchange.inviterShare,
    exchange.inviterCommitment,
  ));
}

/** What a side signs: the domain, the side (so that no signature can be reflected) and the transcript. */
export function signedText(side: Side, transcript: Uint8Array): Uint8Array<ArrayBuffer> {
  return domainSeparated("pairing", utf8.encode(side), transcript);
}

/** The keys of one finished CPace run. */
export interface PairingKeys {
  /** ChaCha20-Poly1305 keys, one per direction. */
  readonly joiner: Uint8Array<ArrayBuffer>;
  readonly inviter: Uint8Array<ArrayBuffer>;
  /** Confirmation tags, 32 bytes: HMAC-SHA-256 over what the side sent in CPace. */
  readonly joinerTag: Uint8Array<ArrayBuffer>;
  readonly inviterTag: Uint8Array<ArrayBuffer>;
}

/** Derives keys and tags from CPace's result. */
export function keysOf(crypto: Crypto, exchange: Exchange, isk: Uint8Array): PairingKeys {
  const derive = (name: string) =>
    crypto.hkdf({ secret: isk, salt: exchange.session, info: label(name), length: 32 });
  const macKey = confirmationKey(exchange.session, isk);
  const tag = (share: Uint8Array, associated: Uint8Array) =>
    crypto.hmac(macKey, lengthValues(share, associated));
  return {
    joiner: derive("joiner key"),
    inviter: derive("inviter key"),
    joinerTag: tag(exchange.joinerShare, exchange.joinerCommitment),
    inviterTag: tag(exchange.inviterShare, exchange.inviterCommitment),
  };
}

/** True when both are the same 32 bytes. Takes the same time wherever they differ. */
export function tagsEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let index = 0; index < a.length; index++) {
    difference |= (a[index] as number) ^ (b[index] as number);
  }
  return difference === 0;
}

/** One message under a direction's key. A counter is used once per key. */
export function sealAt(
  crypto: Crypto,
  options: { key: Uint8Array; session: Uint8Array; counter: number; plaintext: Uint8Array },
): Uint8Array<ArrayBuffer> {
  const { key, session, counter, plaintext } = options;
  return crypto.seal({ key, nonce: nonceAt(counter), plaintext, associated: session });
}

/** Inverse of `sealAt`; undefined when anything was changed. */
export function openAt(
  crypto: Crypto,
  options: { key: Uint8Array; session: Uint8Array; counter: number; sealed: Uint8Array },
): Uint8Array<ArrayBuffer> | undefined {
  const { key, session, counter, sealed } = options;
  return crypto.open({ key, nonce: nonceAt(counter), ciphertext: sealed, associated: session });
}

function nonceAt(counter: number): Uint8Array<ArrayBuffer> {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setUint32(8, counter);
  return nonce;
}

/** Words that people compare. */
export const WORDS_COUNT = 4;

/**
 * The short authentication string: four words of the English BIP-39 list, 44 bits of a hash over the transcript and both openings. Signatures and
 * ciphertexts are left out on purpose: whoever makes one may make it in many ways, and could search for equal words.
 */
export function wordsOf(
  crypto: Crypto,
  options: { transcript: Uint8Array; joiner: Opening; inviter: Opening },
): readonly string[] {
  const { transcript, joiner, inviter } = options;
  const hash = crypto.sha256(lengthValues(
    label("words"),
    transcript,
    joiner.blind,
    joiner.identity,
    inviter.blind,
    inviter.identity,
  ));
  let bits = 0n;
  for (const byte of hash.subarray(0, 8)) bits = bits << 8n | BigInt(byte);
  return Array.from({ length: WORDS_COUNT }, (_, index) => {
    const word = wordlist[Number(bits >> BigInt(64 - 11 * (index + 1)) & 2047n)];
    invariant(word !== undefined, "the BIP-39 list has 2,048 words");
    return word;
  });
}
