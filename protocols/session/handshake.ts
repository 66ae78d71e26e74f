/**
 * How two devices that share a mesh recognise each other over any path: Noise NN with the mesh and the path's channel
 * binding in the prologue, then two identity messages inside the Noise channel.
 *
 *     initiator                                      responder
 *     0x01 e                                   ->
 *                                              <-    0x02 e, ee
 *     0x03 seal(public key, signature)         ->
 *                                              <-    0x04 seal(public key, signature)
 *
 * Invariants:
 * - A responder reveals its own key only to a device whose signature it has verified and that is admitted.
 * - An initiator reveals its key to whoever answers with the same mesh id and binding; strangers do not know the mesh id.
 * - Every failure looks the same from outside: nothing is sent, the caller closes the path with `HANDSHAKE_REFUSAL`.
 */
import type { Crypto, Random, Signer } from "../../platform/ports.ts";
import { domainSeparated } from "../domains.ts";
import { type DeviceId, deviceIdOf, type MeshId } from "../ids.ts";
import {
  NOISE_KEY_BYTES,
  NOISE_TAG_BYTES,
  type NoiseChannel,
  noiseInitiate,
  type NoiseInitiator,
  noiseRespond,
} from "./noise.ts";

/** The only thing a device that is turned away is told. */
export const HANDSHAKE_REFUSAL = "closed";

/** First byte of each handshake frame. */
export const HANDSHAKE_KINDS = { hello: 1, reply: 2, initiator: 3, responder: 4 } as const;

const PROLOGUE_NAME = new TextEncoder().encode("kiana session v1");
const SIGNATURE_BYTES = 64;
const IDENTITY_BYTES = 32 + SIGNATURE_BYTES;

export interface HandshakeOptions {
  readonly crypto: Crypto;
  readonly signer: Signer;
  readonly random: Random;
  readonly mesh: MeshId;
  /** `Path.binding`. */
  readonly binding: Uint8Array;
  /** Is this device an admitted member now? */
  readonly isAdmitted: (device: DeviceId) => boolean;
  /** Only this device will do; null when any admitted member will. */
  readonly expected: DeviceId | null;
}

/** A session that both ends have agreed on. */
export interface Established {
  readonly remote: DeviceId;
  /** Noise transport keys: used on paths that are not confidential by themselves. */
  readonly channel: NoiseChannel;
}

/** Where a handshake stands. Opaque to callers: give it back to `continueHandshake`. */
export type HandshakeState =
  | { readonly phase: "helloSent"; readonly noise: NoiseInitiator }
  | { readonly phase: "helloExpected" }
  | { readonly phase: "initiatorExpected"; readonly channel: NoiseChannel }
  | { readonly phase: "responderExpected"; readonly channel: NoiseChannel };

export type HandshakeStep =
  | { readonly type: "continue"; readonly state: HandshakeState; readonly send: Uint8Array }
  /** `send` goes out before anything else on this path; null for the initiator, who is told last. */
  | {
    readonly type: "established";
    readonly established: Established;
    readonly send: Uint8Array | null;
  }
  /** `reason` is for our own log. */
  | { readonly type: "failed"; readonly reason: string };

/** Begins as the side that opened the path: send the frame, then wait. */
export function beginAsInitiator(options: HandshakeOptions): {
  readonly state: HandshakeState;
  readonly send: Uint8Array;
} {
  const { crypto, random } = options;
  const noise = noiseInitiate({ crypto, random, prologue: prologueOf(options) });
  return {
    state: { phase: "helloSent", noise },
    send: framed(HANDSHAKE_KINDS.hello, noise.message),
  };
}

/** Begins as the side that accepted the path: wait for the first frame. */
export function beginAsResponder(): HandshakeState {
  return { phase: "helloExpected" };
}

/** Takes the other side's next frame. */
export function continueHandshake(
  state: HandshakeState,
  frame: Uint8Array,
  options: HandshakeOptions,
): HandshakeStep {
  const kind = frame[0];
  const body = frame.subarray(1);
  switch (state.phase) {
    case "helloExpected":
      return kind === HANDSHAKE_KINDS.hello ? onHello(body, options) : unexpected(kind, 1);
    case "helloSent":
      return kind === HANDSHAKE_KINDS.reply
        ? onReply(state.noise, body, options)
        : unexpected(kind, 2);
    case "initiatorExpected":
      return kind === HANDSHAKE_KINDS.initiator
        ? onInitiator(state.channel, body, options)
        : unexpected(kind, 3);
    case "responderExpected":
      return kind === HANDSHAKE_KINDS.responder
        ? onResponder(state.channel, body, options)
        : unexpected(kind, 4);
  }
}

function onHello(body: Uint8Array, options: HandshakeOptions): HandshakeStep {
  if (body.length !== NOISE_KEY_BYTES) return failed(`hello has ${body.length} bytes, expected 32`);
  const { crypto, random } = options;
  const noise = noiseRespond({ crypto, random, prologue: prologueOf(options) }, body);
  if (noise === undefined) return failed("hello holds an unusable key");
  return {
    type: "continue",
    state: { phase: "initiatorExpected", channel: noise.channel },
    send: framed(HANDSHAKE_KINDS.reply, noise.message),
  };
}

function onReply(
  noise: NoiseInitiator,
  body: Uint8Array,
  options: HandshakeOptions,
): HandshakeStep {
  if (body.length !== NOISE_KEY_BYTES + NOISE_TAG_BYTES) {
    return failed(`reply has ${body.length} bytes, expected 48`);
  }
  const finished = noise.finish(body);
  if (finished === undefined) return failed("reply does not fit our mesh and path");
  const { channel } = finished;
  return {
    type: "continue",
    state: { phase: "responderExpected", channel },
    send: identityFrame(HANDSHAKE_KINDS.initiator, "sessionInitiator", channel, options.signer),
  };
}

function onInitiator(
  channel: NoiseChannel,
  body: Uint8Array,
  options: HandshakeOptions,
): HandshakeStep {
  const remote = readIdentity(body, "sessionInitiator", channel, options);
  if (!remote.ok) return failed(remote.reason);
  return {
    type: "established",
    established: { remote: remote.device, channel },
    send: identityFrame(HANDSHAKE_KINDS.responder, "sessionResponder", channel, options.signer),
  };
}

function onResponder(
  channel: NoiseChannel,
  body: Uint8Array,
  options: HandshakeOptions,
): HandshakeStep {
  const remote = readIdentity(body, "sessionResponder", channel, options);
  if (!remote.ok) return failed(remote.reason);
  return { type: "established", established: { remote: remote.device, channel }, send: null };
}

type IdentityDomain = "sessionInitiator" | "sessionResponder";

function identityFrame(
  kind: number,
  domain: IdentityDomain,
  channel: NoiseChannel,
  signer: Signer,
): Uint8Array {
  const plaintext = new Uint8Array(IDENTITY_BYTES);
  plaintext.set(signer.publicKey);
  plaintext.set(signer.sign(domainSeparated(domain, channel.handshakeHash)), 32);
  return framed(kind, channel.send.seal(plaintext));
}

function readIdentity(
  body: Uint8Array,
  domain: IdentityDomain,
  channel: NoiseChannel,
  options: HandshakeOptions,
): { readonly ok: true; readonly device: DeviceId } | {
  readonly ok: false;
  readonly reason: string;
} {
  const plaintext = body.length === IDENTITY_BYTES + NOISE_TAG_BYTES
    ? channel.receive.open(body)
    : undefined;
  if (plaintext === undefined) return { ok: false, reason: "identity cannot be decrypted" };
  const publicKey = plaintext.subarray(0, 32);
  const device = deviceIdOf(publicKey);
  if (options.expected !== null && device !== options.expected) {
    return { ok: false, reason: `device is ${device}, expected ${options.expected}` };
  }
  if (publicKey.every((byte, index) => byte === options.signer.publicKey[index])) {
    return { ok: false, reason: "the other end claims to be ourselves" };
  }
  // Membership first: it is cheaper than a signature, and strangers shall not make us verify.
  if (!options.isAdmitted(device)) return { ok: false, reason: `device ${device} is not admitted` };
  const message = domainSeparated(domain, channel.handshakeHash);
  const signature = plaintext.subarray(32);
  return options.crypto.verify({ publicKey, message, signature })
    ? { ok: true, device }
    : { ok: false, reason: `signature of ${device} does not fit this handshake` };
}

/** "kiana session v1", the 32 bytes of the mesh id, the binding. Only the binding varies in length, and it is last. */
function prologueOf(options: HandshakeOptions): Uint8Array {
  const mesh = Uint8Array.fromHex(options.mesh);
  const out = new Uint8Array(PROLOGUE_NAME.length + mesh.length + options.binding.length);
  out.set(PROLOGUE_NAME);
  out.set(mesh, PROLOGUE_NAME.length);
  out.set(options.binding, PROLOGUE_NAME.length + mesh.length);
  return out;
}

function framed(kind: number, body: Uint8Array): Uint8Array {
  const out = new Uint8Array(1 + body.length);
  out[0] = kind;
  out.set(body, 1);
  return out;
}

function unexpected(kind: number | undefined, expected: number): HandshakeStep {
  return failed(`frame kind is ${kind}, expected ${expected}`);
}

function failed(reason: string): HandshakeStep {
  return { type: "failed", reason };
}
