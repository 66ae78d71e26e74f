/** The seed of rotations and choices: both ends compute it, so it costs nothing on the wire and nobody can choose a convenient one. */
import type { Crypto } from "../../platform/ports.ts";

const DOMAIN = new TextEncoder().encode("kiana update compression v1\0");

/**
 * SHA-256 of the domain, run (32 bytes), round (32 bits, little-endian) and device (32 bytes; zeros for what is summed securely, where all
 * devices need the same rotation). With a seed of its own each device errs in another direction, and errors cancel in the mean.
 */
export function compressionSeed(
  crypto: Pick<Crypto, "sha256">,
  subject: {
    /** 32 bytes. */
    readonly run: Uint8Array;
    readonly round: number;
    /** 32 bytes; null for the seed that all devices share. */
    readonly device: Uint8Array | null;
  },
): Uint8Array<ArrayBuffer> {
  const round = new Uint8Array(4);
  new DataView(round.buffer).setUint32(0, subject.round, true);
  return crypto.sha256(DOMAIN, subject.run, round, subject.device ?? new Uint8Array(32));
}
