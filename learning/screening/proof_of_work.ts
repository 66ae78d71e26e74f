/**
 * A small proof of work per submission, after hashcash (Back, "Hashcash — A Denial of Service Counter-Measure", 2002): a number that gives a
 * SHA-256 with so many leading zero bits, over exactly this submission of this device in this round. Checking costs one hash; nothing
 * can be worked out in advance, because the submission's own hash is in it. It makes floods dear and proves no honesty.
 */
import { invariant } from "../../platform/invariant.ts";
import type { Crypto } from "../../platform/ports.ts";

const DOMAIN = new TextEncoder().encode("kiana submission work v1\0");
/** Most bits a plan may ask: about 16 million hashes, some 100 s of one core; 16 bits take about half a second. */
export const WORK_BITS_MAX = 24;

/** What the work is for. */
export interface WorkSubject {
  /** 32 bytes. */
  readonly run: Uint8Array;
  /** 0 ≤ round < 2^32. */
  readonly round: number;
  /** Ed25519 public key, 32 bytes. */
  readonly device: Uint8Array;
  /** SHA-256 of the submission, 32 bytes. */
  readonly submission: Uint8Array;
}

/** How far a search came. */
export type WorkSearch =
  | { readonly type: "found"; readonly nonce: number }
  /** Go on from here. */
  | { readonly type: "goOn"; readonly from: number };

/** True when the nonce proves the work. One hash. */
export function provesWork(
  crypto: Pick<Crypto, "sha256">,
  subject: WorkSubject,
  options: { readonly nonce: number; readonly bits: number },
): boolean {
  const { nonce, bits } = options;
  if (!Number.isSafeInteger(nonce) || nonce < 0) return false;
  const statement = statementOf(subject);
  putNonce(statement, nonce);
  return leadingZeroBits(crypto.sha256(statement)) >= bits;
}

/** Tries `tries` nonces from `from` on, so that whoever searches can do other things in between. */
export function searchWork(
  crypto: Pick<Crypto, "sha256">,
  subject: WorkSubject,
  options: { readonly bits: number; readonly from: number; readonly tries: number },
): WorkSearch {
  const { bits, from, tries } = options;
  invariant(
    Number.isInteger(bits) && bits >= 0 && bits <= WORK_BITS_MAX,
    () => `Cannot search for work of ${bits} bits: expected 0 to ${WORK_BITS_MAX}`,
  );
  const statement = statementOf(subject);
  for (let nonce = from; nonce < from + tries; nonce++) {
    putNonce(statement, nonce);
    if (leadingZeroBits(crypto.sha256(statement)) >= bits) return { type: "found", nonce };
  }
  return { type: "goOn", from: from + tries };
}

/** Zero bits in front of the first one, most significant bit of each byte first. */
export function leadingZeroBits(hash: Uint8Array): number {
  for (let i = 0; i < hash.length; i++) {
    if (hash[i] !== 0) return 8 * i + Math.clz32(hash[i]!) - 24;
  }
  return 8 * hash.length;
}

/** Domain, run, round (32 bits), device, submission, and room for the nonce (64 bits); little-endian. */
function statementOf({ run, round, device, submission }: WorkSubject): Uint8Array<ArrayBuffer> {
  const parts = [DOMAIN, run, new Uint8Array(4), device, submission, new Uint8Array(8)];
  const statement = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    statement.set(part, at);
    at += part.length;
  }
  new DataView(statement.buffer).setUint32(DOMAIN.length + run.length, round, true);
  return statement;
}

function putNonce(statement: Uint8Array<ArrayBuffer>, nonce: number): void {
  const view = new DataView(statement.buffer, statement.length - 8);
  view.setUint32(0, nonce % 2 ** 32, true);
  view.setUint32(4, Math.floor(nonce / 2 ** 32), true);
}
