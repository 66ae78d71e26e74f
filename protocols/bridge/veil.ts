/**
 * What members of one mesh put over what they say on a broker: encryption under a key that follows from the mesh id. It keeps names,
 * addresses and session descriptions from whoever runs the broker, and lets strangers' bytes be refused before anything reads them.
 *
 * It is a veil, not an identity: every member, and everybody who ever was one, knows the mesh id. Who said something is settled by
 * signatures (presence, signals) and by the session handshake (frames).
 */
import type { Crypto, Random } from "../../platform/ports.ts";
import type { MeshId } from "../ids.ts";

/** What a veil is for: what was said for one purpose cannot be used for another. */
export type VeilPurpose = "presence" | "signal" | "signal reply" | "open" | "opened";

/** Bytes that the veil adds: a nonce and a tag. */
export const VEIL_BYTES = 12 + 16;

type VeilCrypto = Pick<Crypto, "hkdf" | "seal" | "open">;

export interface Veil {
  /** @param to where it goes (a subject), so that it cannot be taken elsewhere */
  cover(purpose: VeilPurpose, to: string, plaintext: Uint8Array): Uint8Array<ArrayBuffer>;
  /** Undefined when it was not covered for this purpose and place by somebody who knows the mesh. */
  lift(purpose: VeilPurpose, to: string, covered: Uint8Array): Uint8Array<ArrayBuffer> | undefined;
}

const encoder = new TextEncoder();

/** The veil of one mesh: ChaCha20-Poly1305, key HKDF(mesh id, "kiana broker veil v1"), random nonces, purpose and place authenticated. */
export function veilOf(crypto: VeilCrypto, random: Random, mesh: MeshId): Veil {
  const key = crypto.hkdf({
    secret: Uint8Array.fromHex(mesh),
    salt: new Uint8Array(0),
    info: encoder.encode("kiana broker veil v1"),
    length: 32,
  });
  const associatedOf = (purpose: VeilPurpose, to: string) => encoder.encode(`${purpose}\0${to}`);
  return {
    cover(purpose, to, plaintext) {
      const nonce = random.bytes(12);
      const associated = associatedOf(purpose, to);
      const ciphertext = crypto.seal({ key, nonce, plaintext, associated });
      const covered = new Uint8Array(nonce.length + ciphertext.length);
      covered.set(nonce);
      covered.set(ciphertext, nonce.length);
      return covered;
    },
    lift(purpose, to, covered) {
      if (covered.length < VEIL_BYTES) return undefined;
      return crypto.open({
        key,
        nonce: covered.subarray(0, 12),
        ciphertext: covered.subarray(12),
        associated: associatedOf(purpose, to),
      });
    },
  };
}
