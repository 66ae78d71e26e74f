/**
 * The joiner's side of the handshake as a pure machine: a request to send, a reply that came, a next state. It ends with words to
 * compare or with a reason. Never tells anybody the secret, nor this device's identity before the other side could only be the inviter.
 */
import type { Crypto, Random, Signer } from "../../platform/ports.ts";
import { type DeviceId, deviceIdOf, publicKeyOf } from "../ids.ts";
import { type CpaceShare, makeShare, sharedKey } from "./cpace.ts";
import type { InviteTicket } from "./invite.ts";
import type { InviterIdentity, Opening, PairingReply } from "./messages.ts";
import {
  channelOf,
  commitmentOf,
  type Exchange,
  keysOf,
  openAt,
  type PairingKeys,
  sealAt,
  sessionOf,
  signedText,
  tagsEqual,
  transcriptHash,
  wordsOf,
} from "./transcript.ts";
import {
  decodeInviterIdentity,
  decodeOpening,
  decodeReply,
  encodeJoinerIdentity,
  encodeMessage,
} from "./wire.ts";

export interface JoinerOptions {
  readonly crypto: Crypto;
  readonly random: Random;
  readonly signer: Signer;
  /** At most 63 bytes of UTF-8. */
  readonly displayName: string;
  readonly ticket: InviteTicket;
  /** From a link; null for a typed code. */
  readonly inviter: DeviceId | null;
}

interface Common {
  readonly options: JoinerOptions;
  readonly nonce: Uint8Array;
  readonly opening: Omit<Opening, "signature">;
  readonly commitment: Uint8Array;
}

export type JoinerState =
  | Common & { readonly phase: "hello" }
  | Common & {
    readonly phase: "share";
    readonly inviterNonce: Uint8Array;
    readonly session: Uint8Array;
    readonly cpace: CpaceShare;
  }
  | Common & {
    readonly phase: "proof";
    readonly inviterNonce: Uint8Array;
    readonly opening: Opening;
    readonly exchange: Exchange;
    readonly keys: PairingKeys;
  };

/** What both sides have after the handshake. */
export interface Paired<Remote> {
  readonly remote: Remote;
  readonly words: readonly string[];
  /** The inviter's nonce: names the run on the wire. */
  readonly runId: Uint8Array;
  readonly session: Uint8Array;
  readonly keys: PairingKeys;
}

export type JoinerStep =
  | { readonly type: "send"; readonly state: JoinerState; readonly request: Uint8Array }
  | { readonly type: "paired"; readonly paired: Paired<InviterIdentity> }
  /** `reason` is for people. */
  | { readonly type: "failed"; readonly reason: string };

/** The first request. */
export function startJoining(options: JoinerOptions): Extract<JoinerStep, { type: "send" }> {
  const { crypto, random, signer, displayName, ticket } = options;
  const identity = encodeJoinerIdentity({ deviceId: deviceIdOf(signer.publicKey), displayName });
  const opening = { blind: random.bytes(32), identity };
  const nonce = random.bytes(16);
  const commitment = commitmentOf(crypto, opening);
  const request = encodeMessage({
    type: "hello",
    version: 1,
    kind: ticket.kind,
    selector: ticket.selector,
    nonce,
    commitment,
  });
  return { type: "send", state: { phase: "hello", options, nonce, opening, commitment }, request };
}

/** What follows from the inviter's reply. */
export function continueJoining(state: JoinerState, body: Uint8Array): JoinerStep {
  const decoded = decodeReply(body);
  if (!decoded.ok) {
    return failed(`the other device answered something unreadable (${decoded.reason})`);
  }
  const reply = decoded.message;
  switch (state.phase) {
    case "hello":
      return reply.type === "welcome" ? onWelcome(state, reply) : unexpected(reply);
    case "share":
      return reply.type === "shared" ? onShared(state, reply) : unexpected(reply);
    case "proof":
      return reply.type === "proven" ? onProven(state, reply) : unexpected(reply);
  }
}

function onWelcome(
  state: Extract<JoinerState, { phase: "hello" }>,
  reply: Extract<PairingReply, { type: "welcome" }>,
): JoinerStep {
  const { random, ticket } = state.options;
  const session = sessionOf(state.nonce, reply.nonce);
  const channel = channelOf(ticket.kind, ticket.selector);
  const cpace = makeShare({ password: ticket.password, channel, session }, random.bytes(32));
  return {
    type: "send",
    state: { ...state, phase: "share", inviterNonce: reply.nonce, session, cpace },
    request: encodeMessage({ type: "share", session: reply.nonce, share: cpace.share }),
  };
}

function onShared(
  state: Extract<JoinerState, { phase: "share" }>,
  reply: Extract<PairingReply, { type: "shared" }>,
): JoinerStep {
  const { options, session, cpace, commitment } = state;
  const { crypto, ticket, signer } = options;
  const isk = sharedKey({
    session,
    scalar: cpace.scalar,
    remoteShare: reply.share,
    initiator: { share: cpace.share, associated: commitment },
    responder: { share: reply.share, associated: reply.commitment },
  });
  if (isk === undefined) return failed("the other device sent an invalid key share");
  const exchange: Exchange = {
    channel: channelOf(ticket.kind, ticket.selector),
    session,
    joinerShare: cpace.share,
    joinerCommitment: commitment,
    inviterShare: reply.share,
    inviterCommitment: reply.commitment,
  };
  const keys = keysOf(crypto, exchange, isk);
  const signature = signer.sign(signedText("joiner", transcriptHash(crypto, exchange)));
  const opening: Opening = { ...state.opening, signature };
  const plaintext = encodeMessage(opening);
  const sealed = sealAt(crypto, { key: keys.joiner, session, counter: 0, plaintext });
  return {
    type: "send",
    state: { ...state, phase: "proof", opening, exchange, keys },
    request: encodeMessage({
      type: "proof",
      session: state.inviterNonce,
      tag: keys.joinerTag,
      sealed,
    }),
  };
}

function onProven(
  state: Extract<JoinerState, { phase: "proof" }>,
  reply: Extract<PairingReply, { type: "proven" }>,
): JoinerStep {
  const { options, exchange, keys } = state;
  const { crypto } = options;
  if (!tagsEqual(reply.tag, keys.inviterTag)) {
    return failed("the other device does not know the secret of this invite");
  }
  const { session } = exchange;
  const plaintext = openAt(crypto, {
    key: keys.inviter,
    session,
    counter: 0,
    sealed: reply.sealed,
  });
  const transcript = transcriptHash(crypto, exchange);
  const checked = plaintext === undefined ? undefined : checkOpening(crypto, {
    plaintext,
    commitment: exchange.inviterCommitment,
    text: signedText("inviter", transcript),
    decodeIdentity: decodeInviterIdentity,
  });
  if (checked === undefined) return failed("the other device could not prove who it is");
  const remote = checked.identity;
  if (options.inviter !== null && remote.deviceId !== options.inviter) {
    return failed("another device answered than the one that made the invite");
  }
  if (remote.deviceId === deviceIdOf(options.signer.publicKey)) {
    return failed("the invite was made by this very device");
  }
  const words = wordsOf(crypto, { transcript, joiner: state.opening, inviter: checked.opening });
  return {
    type: "paired",
    paired: { remote, words, runId: state.inviterNonce, session, keys },
  };
}

/** Opens what a side committed to and checks its signature; undefined when anything does not fit. */
export function checkOpening<Identity extends { readonly deviceId: DeviceId }>(
  crypto: Crypto,
  options: {
    readonly plaintext: Uint8Array;
    readonly commitment: Uint8Array;
    readonly text: Uint8Array;
    readonly decodeIdentity: (
      bytes: Uint8Array,
    ) => { readonly ok: true; readonly message: Identity } | { readonly ok: false };
  },
): { readonly opening: Opening; readonly identity: Identity } | undefined {
  const opening = decodeOpening(options.plaintext);
  if (!opening.ok) return undefined;
  if (!tagsEqual(commitmentOf(crypto, opening.message), options.commitment)) return undefined;
  const identity = options.decodeIdentity(opening.message.identity);
  if (!identity.ok) return undefined;
  const publicKey = publicKeyOf(identity.message.deviceId);
  const { signature } = opening.message;
  if (!crypto.verify({ publicKey, message: options.text, signature })) return undefined;
  return { opening: opening.message, identity: identity.message };
}

function unexpected(reply: PairingReply): JoinerStep {
  return failed(`the other device answered out of turn ("${reply.type}")`);
}

function failed(reason: string): JoinerStep {
  return { type: "failed", reason };
}
