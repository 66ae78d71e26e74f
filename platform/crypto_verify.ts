/** The one way a signature is checked with `node:crypto`, used by the main thread and by the workers. */
import { verify } from "node:crypto";
import { isAcceptableForm } from "./crypto_acceptance.ts";
import { PublicKeyCache } from "./crypto_keys.ts";
import type { SignedMessage } from "./ports.ts";

/** A function that verifies by the rule of `Crypto.verify`, remembering the last `cachedKeysMax` public keys. */
export function ed25519Verifier(
  options: { readonly cachedKeysMax: number },
): (signed: SignedMessage) => boolean {
  const keys = new PublicKeyCache(options.cachedKeysMax);
  return ({ publicKey, message, signature }) => {
    if (!isAcceptableForm(publicKey, signature)) return false;
    const key = keys.ed25519(publicKey);
    return key !== undefined && verify(null, message, key, signature);
  };
}
