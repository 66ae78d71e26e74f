/** One-time codes that let a person's browser in: printed as part of a link, good once and briefly. */
import type { Clock, Random } from "../platform/ports.ts";

/** How long a code can be used, ms. */
export const LOGIN_CODE_VALID_MS = 300_000;
/** Codes that can be open at once; the oldest one goes when there would be more. */
const OPEN_CODES_MAX = 16;
const CODE_BYTES = 16;

export interface LoginCodes {
  /** A fresh code of 128 bits, hex. */
  create(): string;
  /** True once per code, and only while it is valid. */
  redeem(code: string): boolean;
}

/** The codes of one gateway; gone when it stops. */
export function loginCodes({ clock, random }: { clock: Clock; random: Random }): LoginCodes {
  // A code has 128 random bits and is looked up in a map: how long the look-up takes tells nothing that helps guessing.
  const expiryByCode = new Map<string, number>();
  return {
    create() {
      if (expiryByCode.size >= OPEN_CODES_MAX) {
        const oldest = expiryByCode.keys().next().value;
        if (oldest !== undefined) expiryByCode.delete(oldest);
      }
      const code = random.bytes(CODE_BYTES).toHex();
      expiryByCode.set(code, clock.monotonicMs() + LOGIN_CODE_VALID_MS);
      return code;
    },
    redeem(code) {
      const expiresAtMs = expiryByCode.get(code);
      expiryByCode.delete(code);
      return expiresAtMs !== undefined && clock.monotonicMs() < expiresAtMs;
    },
  };
}
