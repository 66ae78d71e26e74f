/** A running hash over everything that happens, so that two runs can be compared by 16 digits. */

/** FNV-1a over two lanes of 32 bits; not cryptographic, and need not be. */
export class Trace {
  #a = 0x811c9dc5;
  #b = 0x01000193;

  number(value: number): void {
    // Virtual times have fractions: both halves of the double count.
    DOUBLE[0] = value;
    this.#word(WORDS[0]!);
    this.#word(WORDS[1]!);
  }

  text(value: string): void {
    for (let i = 0; i < value.length; i++) this.#word(value.charCodeAt(i));
  }

  /** Length and content; of long arrays a sample. */
  bytes(value: Uint8Array): void {
    this.#word(value.length);
    const step = Math.max(1, value.length >> 6);
    for (let i = 0; i < value.length; i += step) this.#word(value[i]!);
  }

  /** 16 hex digits. */
  digest(): string {
    return [this.#a, this.#b].map((lane) => (lane >>> 0).toString(16).padStart(8, "0")).join("");
  }

  #word(value: number): void {
    this.#a = Math.imul(this.#a ^ value, 0x01000193);
    this.#b = Math.imul((this.#b ^ value) + 0x9e3779b9 | 0, 0x85ebca6b);
    this.#b ^= this.#b >>> 15;
  }
}

const DOUBLE = new Float64Array(1);
const WORDS = new Int32Array(DOUBLE.buffer);
