/** Reads the parts of a header one after another, accepting only canonical CBOR; nothing is copied but text. */
import { type BlockId, blockIdOf } from "../ids.ts";

const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const NULL = 0xf6;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const NOTHING = new Uint8Array(0);

/**
 * After the first thing that does not fit, `problem` says what it was and every further read gives an empty value: callers check once, at
 * the end. Lengths are checked against their limits before anything is read.
 */
export class HeaderReader {
  #offset = 0;
  problem: string | undefined;

  constructor(readonly bytes: Uint8Array) {}

  get isAtEnd(): boolean {
    return this.#offset === this.bytes.length;
  }

  /** The count of a definite array, at most `max`. */
  array(max: number, name: string): number {
    const count = this.#head(ARRAY, name);
    if (count <= max) return count;
    this.#fail(`${name} has ${count} items, expected at most ${max}`);
    return 0;
  }

  unsigned(name: string): number {
    return this.#head(0, name);
  }

  /** A byte string of `length` bytes: a view into the input. */
  bytesOf(length: number, name: string): Uint8Array {
    const found = this.#head(BYTES, name);
    if (found !== length) this.#fail(`${name} has ${found} bytes, expected ${length}`);
    return this.#take(length, name);
  }

  /** A byte string of at most `max` bytes: a view into the input. */
  bytesUpTo(max: number, name: string): Uint8Array {
    const found = this.#head(BYTES, name);
    if (found > max) this.#fail(`${name} has ${found} bytes, expected at most ${max}`);
    return this.#take(found, name);
  }

  /** Reads null if it is next. */
  isNull(): boolean {
    if (this.bytes[this.#offset] !== NULL) return false;
    this.#offset++;
    return true;
  }

  hash(name: string): BlockId {
    return blockIdOf(this.bytesOf(32, name));
  }

  hashOrNull(name: string): BlockId | null {
    return this.isNull() ? null : this.hash(name);
  }

  /** Text of at most `max` bytes of UTF-8. */
  text(max: number, name: string): string {
    const length = this.#head(TEXT, name);
    if (length > max) this.#fail(`${name} has ${length} bytes, expected at most ${max}`);
    const bytes = this.#take(length, name);
    let ascii = "";
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i]!;
      if (byte > 127) return this.#unicode(bytes, name);
      ascii += String.fromCharCode(byte);
    }
    return ascii;
  }

  #unicode(bytes: Uint8Array, name: string): string {
    try {
      return decoder.decode(bytes);
    } catch {
      this.#fail(`${name} is not UTF-8`);
      return "";
    }
  }

  #take(length: number, name: string): Uint8Array {
    if (this.problem !== undefined) return NOTHING;
    const end = this.#offset + length;
    if (end > this.bytes.length) {
      this.#fail(`${name} has ${length} bytes, but the input ends`);
      return NOTHING;
    }
    const taken = this.bytes.subarray(this.#offset, end);
    this.#offset = end;
    return taken;
  }

  /** The argument of a head of this major type, which must be in its shortest form. */
  #head(major: number, name: string): number {
    if (this.problem !== undefined) return 0;
    const initial = this.bytes[this.#offset];
    if (initial === undefined || initial >> 5 !== major) {
      return this.#fail(`${name} is of the wrong type or missing`);
    }
    const info = initial & 31;
    if (info < 24) {
      this.#offset++;
      return info;
    }
    const count = 1 << (info - 24);
    if (info > 27 || this.#offset + count >= this.bytes.length) {
      return this.#fail(`${name} has no definite length`);
    }
    let argument = 0;
    for (let i = 1; i <= count; i++) {
      argument = argument * 256 + this.bytes[this.#offset + i]!;
    }
    const smallest = count === 1 ? 24 : count === 2 ? 256 : count === 4 ? 65_536 : 4_294_967_296;
    if (argument < smallest || argument > Number.MAX_SAFE_INTEGER) {
      return this.#fail(`${name} is not in its shortest form or too large`);
    }
    this.#offset += 1 + count;
    return argument;
  }

  #fail(problem: string): 0 {
    this.problem ??= problem;
    return 0;
  }
}
