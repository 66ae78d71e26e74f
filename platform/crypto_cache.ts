/** Remembers what pure functions of a Crypto answered. For the simulator, where a thousand nodes check the same signatures. */
import type { Crypto, SignedMessage } from "./ports.ts";

/**
 * `inner`, with verdicts of `verify` and `verifyMany` and results of `permuteBlocks` remembered: at most `entriesMax` of each, then
 * the oldest are forgotten. Answers are the same as those of `inner`. Hashes, HMACs and boxes are not remembered: looking
 * one up costs as much as making it.
 */
export function cachedCrypto(inner: Crypto, options: { readonly entriesMax: number }): Crypto {
  const verdicts = new BoundedMap<boolean>(options.entriesMax);
  const permuted = new BoundedMap<Uint8Array<ArrayBuffer>>(options.entriesMax);

  /** The whole input goes into the name: a signature that is valid says nothing about another message. */
  function nameOf({ publicKey, message, signature }: SignedMessage): string {
    const lengths = `${publicKey.length}.${signature.length}.`;
    return lengths + inner.sha256(publicKey, signature, message).toHex();
  }

  return {
    sha256: inner.sha256,
    sha256Hex: inner.sha256Hex,
    agreementKeyPair: inner.agreementKeyPair,
    hkdf: inner.hkdf,
    hmac: inner.hmac,
    seal: inner.seal,
    open: inner.open,
    verify(signed) {
      const name = nameOf(signed);
      const known = verdicts.get(name);
      if (known !== undefined) return known;
      const verdict = inner.verify(signed);
      verdicts.set(name, verdict);
      return verdict;
    },
    async verifyMany(signed) {
      const names = signed.map(nameOf);
      const results = names.map((name) => verdicts.get(name));
      const open = signed.filter((_, index) => results[index] === undefined);
      const fresh = open.length === 0 ? [] : await inner.verifyMany(open);
      let next = 0;
      return results.map((known, index) => {
        if (known !== undefined) return known;
        const verdict = fresh[next++] as boolean;
        verdicts.set(names[index] as string, verdict);
        return verdict;
      });
    },
    permuteBlocks(key, data) {
      const name = `${key.length}.` + inner.sha256(key, data).toHex();
      const known = permuted.get(name);
      if (known !== undefined) return known.slice();
      const result = inner.permuteBlocks(key, data);
      permuted.set(name, result.slice());
      return result;
    },
  };
}

class BoundedMap<Value> {
  readonly #values = new Map<string, Value>();
  readonly #entriesMax: number;

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  get(name: string): Value | undefined {
    return this.#values.get(name);
  }

  set(name: string, value: Value): void {
    if (this.#values.size >= this.#entriesMax && !this.#values.has(name)) {
      for (const oldest of this.#values.keys()) {
        this.#values.delete(oldest);
        break;
      }
    }
    this.#values.set(name, value);
  }
}
