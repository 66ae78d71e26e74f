/**
 * The Noise pattern NN with X25519, ChaCha20-Poly1305 and SHA-256, as the specification (revision 34) writes it:
 *
 *     -> e
 *     <- e, ee
 *
 * Only this one pattern; it gives an encrypted channel with forward secrecy to nobody in particular. Who is at the
 * other end is settled inside that channel by `handshake.ts`.
 */
import type { AgreementKeyPair, Crypto, Random } from "../../platform/ports.ts";
import { invariant } from "../../platform/invariant.ts";

/** The protocol name; 32 bytes, so it is the first handshake hash itself (specification, 5.2). */
export const NOISE_PROTOCOL = "Noise_NN_25519_ChaChaPoly_SHA256";

/** Bytes of a public key. */
export const NOISE_KEY_BYTES = 32;
/** Bytes that encryption adds. */
export const NOISE_TAG_BYTES = 16;
/** Largest Noise message, bytes (specification, 3). */
export const NOISE_MESSAGE_BYTES_MAX = 65_535;
/** A transport key encrypts this many messages, then both ends rekey (specification, 11.3). */
export const NOISE_REKEY_MESSAGES = 65_536;

const EMPTY = new Uint8Array(0);
const REKEY_NONCE = nonceBytes(0xffff_ffff, 0xffff_ffff);
const REKEY_PLAINTEXT = new Uint8Array(32);

/** One direction of an encrypted channel: a key and a message counter. */
export class NoiseCipher {
  readonly #crypto: Crypto;
  #key: Uint8Array;
  #counter = 0;
  readonly #rekeys: boolean;

  /** `rekeys`: replace the key every `NOISE_REKEY_MESSAGES` messages; both ends must agree on it. */
  constructor(crypto: Crypto, key: Uint8Array, options: { readonly rekeys: boolean }) {
    invariant(key.length === 32, () => `Noise key has ${key.length} bytes, expected 32`);
    this.#crypto = crypto;
    this.#key = key;
    this.#rekeys = options.rekeys;
  }

  /** Encrypts the next message. */
  seal(plaintext: Uint8Array, associated: Uint8Array = EMPTY): Uint8Array<ArrayBuffer> {
    const nonce = this.#nonce();
    const sealed = this.#crypto.seal({ key: this.#key, nonce, plaintext, associated });
    this.#advance();
    return sealed;
  }

  /** Decrypts the next message; undefined when it was changed, and then the channel is over. */
  open(
    ciphertext: Uint8Array,
    associated: Uint8Array = EMPTY,
  ): Uint8Array<ArrayBuffer> | undefined {
    const nonce = this.#nonce();
    const plaintext = this.#crypto.open({ key: this.#key, nonce, ciphertext, associated });
    if (plaintext !== undefined) this.#advance();
    return plaintext;
  }

  #nonce(): Uint8Array {
    return nonceBytes(this.#counter >>> 0, Math.floor(this.#counter / 2 ** 32));
  }

  #advance(): void {
    this.#counter += 1;
    if (!this.#rekeys || this.#counter % NOISE_REKEY_MESSAGES !== 0) return;
    // REKEY(k): the first 32 bytes of ENCRYPT(k, 2^64 - 1, zerolen, zeros). The counter goes on.
    this.#key = this.#crypto.seal({
      key: this.#key,
      nonce: REKEY_NONCE,
      plaintext: REKEY_PLAINTEXT,
      associated: EMPTY,
    }).subarray(0, 32);
  }
}

/** What a finished NN handshake leaves. */
export interface NoiseChannel {
  readonly send: NoiseCipher;
  readonly receive: NoiseCipher;
  /** Equal at both ends exactly when both saw the same messages and prologue. */
  readonly handshakeHash: Uint8Array<ArrayBuffer>;
}

/** The initiator between its message and the reply. */
export interface NoiseInitiator {
  /** `e` and the payload: to be sent. */
  readonly message: Uint8Array<ArrayBuffer>;
  /** Reads the reply; undefined when it is not a valid one. */
  finish(
    reply: Uint8Array,
  ): { readonly channel: NoiseChannel; readonly payload: Uint8Array } | undefined;
}

interface NoiseOptions {
  readonly crypto: Crypto;
  /** Source of the ephemeral secret. */
  readonly random: Random;
  /** What both ends must agree on beforehand. */
  readonly prologue: Uint8Array;
  /** Sent with our message; the initiator's is not encrypted. Default empty. */
  readonly payload?: Uint8Array;
}

/** Starts NN as initiator. */
export function noiseInitiate(options: NoiseOptions): NoiseInitiator {
  const { crypto } = options;
  const symmetric = new SymmetricState(crypto, options.prologue);
  const ephemeral = crypto.agreementKeyPair(options.random);
  symmetric.mixHash(ephemeral.publicKey);
  const payload = symmetric.sealAndHash(options.payload ?? EMPTY);
  return {
    message: joined(ephemeral.publicKey, payload),
    finish(reply) {
      const opened = readEphemeral(symmetric, reply, ephemeral);
      if (opened === undefined) return undefined;
      const { first, second } = symmetric.split();
      const handshakeHash = symmetric.handshakeHash();
      return { channel: { send: first, receive: second, handshakeHash }, payload: opened };
    },
  };
}

/** Answers an initiator's message; undefined when the message is not a valid one. */
export function noiseRespond(options: NoiseOptions, message: Uint8Array):
  | {
    readonly message: Uint8Array<ArrayBuffer>;
    readonly payload: Uint8Array;
    readonly channel: NoiseChannel;
  }
  | undefined {
  const { crypto } = options;
  if (message.length < NOISE_KEY_BYTES) return undefined;
  const symmetric = new SymmetricState(crypto, options.prologue);
  const remote = message.slice(0, NOISE_KEY_BYTES);
  symmetric.mixHash(remote);
  const payload = symmetric.openAndHash(message.subarray(NOISE_KEY_BYTES));
  if (payload === undefined) return undefined;
  const ephemeral = crypto.agreementKeyPair(options.random);
  symmetric.mixHash(ephemeral.publicKey);
  if (!mixAgreement(symmetric, ephemeral, remote)) return undefined;
  const sealed = symmetric.sealAndHash(options.payload ?? EMPTY);
  const { first, second } = symmetric.split();
  return {
    message: joined(ephemeral.publicKey, sealed),
    payload,
    channel: { send: second, receive: first, handshakeHash: symmetric.handshakeHash() },
  };
}

function readEphemeral(
  symmetric: SymmetricState,
  message: Uint8Array,
  own: AgreementKeyPair,
): Uint8Array | undefined {
  if (message.length < NOISE_KEY_BYTES + NOISE_TAG_BYTES) return undefined;
  const remote = message.slice(0, NOISE_KEY_BYTES);
  symmetric.mixHash(remote);
  if (!mixAgreement(symmetric, own, remote)) return undefined;
  return symmetric.openAndHash(message.subarray(NOISE_KEY_BYTES));
}

/** False when the other side sent a key of low order, whose result everybody knows. */
function mixAgreement(symmetric: SymmetricState, own: AgreementKeyPair, remote: Uint8Array) {
  let shared: Uint8Array;
  try {
    shared = own.agree(remote);
  } catch {
    return false;
  }
  symmetric.mixKey(shared);
  return true;
}

/** The specification's SymmetricState (5.2). */
class SymmetricState {
  readonly #crypto: Crypto;
  #hash: Uint8Array<ArrayBuffer>;
  #chaining: Uint8Array<ArrayBuffer>;
  #cipher: NoiseCipher | undefined;

  constructor(crypto: Crypto, prologue: Uint8Array) {
    this.#crypto = crypto;
    this.#hash = new TextEncoder().encode(NOISE_PROTOCOL);
    this.#chaining = this.#hash;
    this.mixHash(prologue);
  }

  handshakeHash(): Uint8Array<ArrayBuffer> {
    return this.#hash;
  }

  mixHash(data: Uint8Array): void {
    this.#hash = this.#crypto.sha256(this.#hash, data);
  }

  mixKey(secret: Uint8Array): void {
    const { first, second } = this.#derive(secret);
    this.#chaining = first;
    this.#cipher = new NoiseCipher(this.#crypto, second, { rekeys: false });
  }

  sealAndHash(plaintext: Uint8Array): Uint8Array {
    const sealed = this.#cipher?.seal(plaintext, this.#hash) ?? plaintext;
    this.mixHash(sealed);
    return sealed;
  }

  openAndHash(ciphertext: Uint8Array): Uint8Array | undefined {
    const opened = this.#cipher === undefined
      ? ciphertext
      : this.#cipher.open(ciphertext, this.#hash);
    if (opened !== undefined) this.mixHash(ciphertext);
    return opened;
  }

  split(): { readonly first: NoiseCipher; readonly second: NoiseCipher } {
    const { first, second } = this.#derive(EMPTY);
    return {
      first: new NoiseCipher(this.#crypto, first, { rekeys: true }),
      second: new NoiseCipher(this.#crypto, second, { rekeys: true }),
    };
  }

  // Noise's HKDF with two outputs is RFC 5869 with an empty info.
  #derive(secret: Uint8Array) {
    const out = this.#crypto.hkdf({ secret, salt: this.#chaining, info: EMPTY, length: 64 });
    return { first: out.slice(0, 32), second: out.slice(32) };
  }
}

/** ChaChaPoly nonce: four zero bytes, then the counter in little endian (specification, 12.3). */
function nonceBytes(low: number, high: number): Uint8Array<ArrayBuffer> {
  const nonce = new Uint8Array(12);
  const view = new DataView(nonce.buffer);
  view.setUint32(4, low, true);
  view.setUint32(8, high, true);
  return nonce;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(first.length + second.length);
  out.set(first);
  out.set(second, first.length);
  return out;
}
