/** Two devices that pair in memory, message by message, so that a test can stand between them. */
import type { Random } from "../../../platform/ports.ts";
import { nodeCrypto, nodeSigner } from "../../../platform/node_crypto.ts";
import { type DeviceId, deviceIdOf, type MeshId } from "../../../protocols/ids.ts";
import { codeTicket, type InviteTicket } from "../../../protocols/pairing/invite.ts";
import {
  continueInviting,
  type InviterOptions,
  type InviterStep,
  welcomeJoiner,
} from "../../../protocols/pairing/inviter.ts";
import {
  continueJoining,
  type JoinerOptions,
  type JoinerStep,
  startJoining,
} from "../../../protocols/pairing/joiner.ts";
import { decodeRequest } from "../../../protocols/pairing/wire.ts";

export const crypto = nodeCrypto({ workersMax: 0 });
export const mesh = "ab".repeat(32) as MeshId;

/** Bytes that depend on the label and on nothing else. */
export function testRandom(label: string): Random {
  let counter = 0;
  const random: Random = {
    bytes(count) {
      const secret = new TextEncoder().encode(`${label} ${counter++}`);
      const empty = new Uint8Array(0);
      return crypto.hkdf({ secret, salt: empty, info: empty, length: count });
    },
    uint32: () => new DataView(random.bytes(4).buffer).getUint32(0),
    below: (bound) => random.uint32() % bound,
    float: () => random.uint32() / 2 ** 32,
    fork: (name) => testRandom(`${label}/${name}`),
  };
  return random;
}

export function signerFor(name: string) {
  return nodeSigner(crypto.sha256(new TextEncoder().encode(name)));
}

export function joinerOptions(
  name: string,
  ticket: InviteTicket,
  inviter: DeviceId | null = null,
): JoinerOptions {
  const signer = signerFor(name);
  return { crypto, random: testRandom(name), signer, displayName: name, ticket, inviter };
}

export function inviterOptions(name: string, ticket: InviteTicket): InviterOptions {
  const signer = signerFor(name);
  const random = testRandom(name);
  return { crypto, random, signer, displayName: name, mesh, role: "submind", ticket };
}

export const idOf = (name: string) => deviceIdOf(signerFor(name).publicKey);
export const ticket = codeTicket(crypto, "48217730");

/** The inviter as a function from request bytes to a step. */
export function inviterSide(options: InviterOptions): (request: Uint8Array) => InviterStep {
  let state: Extract<InviterStep, { type: "reply" }>["state"] | undefined;
  return (bytes) => {
    const request = decodeRequest(bytes);
    if (!request.ok) return { type: "failed", reason: request.reason };
    let step: InviterStep;
    if (request.message.type === "hello") step = welcomeJoiner(options, request.message);
    else if (request.message.type === "sealed" || state === undefined) {
      return { type: "failed", reason: "out of turn" };
    } else if (request.message.session.toHex() !== state.runId.toHex()) {
      // The actor finds the run by this name.
      return { type: "failed", reason: "unknown run" };
    } else step = continueInviting(state, request.message);
    if (step.type === "reply") state = step.state;
    return step;
  };
}

export interface Outcome {
  readonly joiner: JoinerStep;
  readonly inviter: InviterStep;
}

/** Changes bytes on their way; `index` counts exchanges from 0. */
export interface Tamper {
  readonly request?: (bytes: Uint8Array, index: number) => Uint8Array;
  readonly reply?: (bytes: Uint8Array, index: number) => Uint8Array;
}

/** Runs a handshake to its end. */
export function pair(joiner: JoinerOptions, inviter: InviterOptions, tamper: Tamper = {}): Outcome {
  const answer = inviterSide(inviter);
  let step: JoinerStep = startJoining(joiner);
  let inviterStep: InviterStep = { type: "failed", reason: "not asked" };
  for (let index = 0; step.type === "send"; index++) {
    const request: Uint8Array = tamper.request?.(step.request, index) ?? step.request;
    inviterStep = answer(request);
    if (inviterStep.type === "wrongSecret" || inviterStep.type === "failed") break;
    const reply: Uint8Array = tamper.reply?.(inviterStep.reply, index) ?? inviterStep.reply;
    step = continueJoining(step.state, reply);
  }
  return { joiner: step, inviter: inviterStep };
}
