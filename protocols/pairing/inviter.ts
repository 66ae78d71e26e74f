/**
 * The inviter's side of the handshake as a pure machine. It tells a stranger nothing about the mesh before the stranger has proved the
 * secret, and it names a wrong secret, so that the caller can burn the invite before answering.
 */
import type { Crypto, Random, Signer } from "../../platform/ports.ts";
import { deviceIdOf, type MeshId } from "../ids.ts";
import type { Role } from "../registry/roles.ts";
import { makeShare, sharedKey } from "./cpace.ts";
import type { InviteTicket } from "./invite.ts";
import { checkOpening, type Paired } from "./joiner.ts";
import type { JoinerIdentity, Opening, PairingRequest } from "./messages.ts";
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
import { decodeJoinerIdentity, encodeInviterIdentity, encodeMessage } from "./wire.ts";

export interface InviterOptions {
  readonly crypto: Crypto;
  readonly random: Random;
  readonly signer: Signer;
  readonly displayName: string;
  readonly mesh: MeshId;
  /** What the joiner will be. */
  readonly role: Role;
  readonly ticket: InviteTicket;
}

interface Common {
  readonly options: InviterOptions;
  /** 16 bytes; names the run on the wire. */
  readonly runId: Uint8Array;
  readonly session: Uint8Array;
  readonly joinerCommitment: Uint8Array;
}

export type InviterState =
  | Common & { readonly phase: "welcomed" }
  | Common & {
    readonly phase: "shared";
    readonly opening: Omit<Opening, "signature">;
    readonly exchange: Exchange;
    readonly keys: PairingKeys;
  };

export type InviterStep =
  | { readonly type: "reply"; readonly state: InviterState; readonly reply: Uint8Array }
  | {
    readonly type: "paired";
    readonly paired: Paired<JoinerIdentity>;
    readonly reply: Uint8Array;
  }
  /** The stranger guessed wrong: it has had its guess. */
  | { readonly type: "wrongSecret" }
  | { readonly type: "failed"; readonly reason: string };

type RequestOf<Type extends PairingRequest["type"]> = Extract<PairingRequest, { type: Type }>;

/** Answers the first request, whose selector belongs to `options.ticket`. */
export function welcomeJoiner(
  options: InviterOptions,
  hello: RequestOf<"hello">,
): Extract<InviterStep, { type: "reply" }> {
  const runId = options.random.bytes(16);
  return {
    type: "reply",
    state: {
      phase: "welcomed",
      options,
      runId,
      session: sessionOf(hello.nonce, runId),
      joinerCommitment: hello.commitment,
    },
    reply: encodeMessage({ type: "welcome", nonce: runId }),
  };
}

/** Answers the requests that follow. */
export function continueInviting(
  state: InviterState,
  request: RequestOf<"share"> | RequestOf<"proof">,
): InviterStep {
  if (state.phase === "welcomed" && request.type === "share") return onShare(state, request);
  if (state.phase === "shared" && request.type === "proof") return onProof(state, request);
  return { type: "failed", reason: "out of turn" };
}

function onShare(
  state: Extract<InviterState, { phase: "welcomed" }>,
  request: RequestOf<"share">,
): InviterStep {
  const { options, session, joinerCommitment } = state;
  const { crypto, random, signer, displayName, mesh, role, ticket } = options;
  const channel = channelOf(ticket.kind, ticket.selector);
  const cpace = makeShare({ password: ticket.password, channel, session }, random.bytes(32));
  const deviceId = deviceIdOf(signer.publicKey);
  const opening = {
    blind: random.bytes(32),
    identity: encodeInviterIdentity({ deviceId, displayName, mesh, role }),
  };
  const commitment = commitmentOf(crypto, opening);
  const isk = sharedKey({
    session,
    scalar: cpace.scalar,
    remoteShare: request.share,
    initiator: { share: request.share, associated: joinerCommitment },
    responder: { share: cpace.share, associated: commitment },
  });
  if (isk === undefined) return { type: "failed", reason: "invalid key share" };
  const exchange: Exchange = {
    channel,
    session,
    joinerShare: request.share,
    joinerCommitment,
    inviterShare: cpace.share,
    inviterCommitment: commitment,
  };
  const keys = keysOf(crypto, exchange, isk);
  return {
    type: "reply",
    state: { ...state, phase: "shared", opening, exchange, keys },
    reply: encodeMessage({ type: "shared", share: cpace.share, commitment }),
  };
}

function onProof(
  state: Extract<InviterState, { phase: "shared" }>,
  request: RequestOf<"proof">,
): InviterStep {
  const { exchange, keys, session, options } = state;
  const { crypto, signer } = options;
  if (!tagsEqual(request.tag, keys.joinerTag)) return { type: "wrongSecret" };
  const plaintext = openAt(crypto, {
    key: keys.joiner,
    session,
    counter: 0,
    sealed: request.sealed,
  });
  const transcript = transcriptHash(crypto, exchange);
  const checked = plaintext === undefined ? undefined : checkOpening(crypto, {
    plaintext,
    commitment: state.joinerCommitment,
    text: signedText("joiner", transcript),
    decodeIdentity: decodeJoinerIdentity,
  });
  if (checked === undefined) return { type: "failed", reason: "identity not proven" };
  const opening: Opening = {
    ...state.opening,
    signature: signer.sign(signedText("inviter", transcript)),
  };
  const sealed = sealAt(crypto, {
    key: keys.inviter,
    session,
    counter: 0,
    plaintext: encodeMessage(opening),
  });
  return {
    type: "paired",
    paired: {
      remote: checked.identity,
      words: wordsOf(crypto, { transcript, joiner: checked.opening, inviter: opening }),
      runId: state.runId,
      session,
      keys,
    },
    reply: encodeMessage({ type: "proven", tag: keys.inviterTag, sealed }),
  };
}
