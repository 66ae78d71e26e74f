/**
 * The Transport port over QUIC between Deno nodes, the fast path on a LAN and through routers that let holes be punched. One UDP
 * socket listens, dials and punches. Offer and answer go through the rendezvous in a single request; then both dial each other.
 *
 * Never dials for an offer that is not signed by an admitted member, and answers no UDP packet while no attempt is under way.
 */
import { publicKeyOf } from "../protocols/ids.ts";
import {
  decodeQuicSignal,
  encodeQuicSignal,
  quicBinding,
  verifyQuicSignal,
} from "../protocols/session/quic_signalling.ts";
import { ANY_DEVICE } from "../protocols/session/signed_signal.ts";
import { errorText } from "./error_text.ts";
import { dialAddresses, hostOfAddress } from "./quic_addresses.ts";
import { quicAnswerer } from "./quic_answerer.ts";
import { hasQuic, makeQuicCertificate, openQuicSocket } from "./quic_library.ts";
import { beginMeeting, type Meeting } from "./quic_meeting.ts";
import {
  interfacesOf,
  ownProof,
  quicGatekeeper,
  type QuicOptions,
  type QuicShared,
} from "./quic_shared.ts";
import { firstReply } from "./signal_requests.ts";
import { cancellable, checkedAnswer, expectedDevice } from "./signalling.ts";
import type { DialOutcome, DialTarget, Path, Transport } from "./transport.ts";
export type { QuicOptions } from "./quic_shared.ts";

/** An attempt without a path is over after this long, ms. */
const ATTEMPT_MS = 5_000;
/** How long closing waits for goodbyes on paths, ms. */
const CLOSE_MS = 400;
/** The same when nothing but the goodbyes has to leave, ms: a few turns of the event loop. */
const GOODBYES_MS = 20;

/** The transport, and where it is reached. */
export interface QuicTransport extends Transport {
  /** The UDP port of the one socket. */
  readonly port: number;
}

/** Opens the socket and starts answering offers; null where the runtime has no QUIC. */
export async function quicTransport(options: QuicOptions): Promise<QuicTransport | null> {
  if (!hasQuic()) return null;
  const certificate = await makeQuicCertificate();
  const meetings = new Map<string, Meeting>();
  const socket = openQuicSocket({
    port: options.port ?? 0,
    certificate,
    onIncoming: quicGatekeeper(meetings, options),
  });
  const interfaces = interfacesOf(options);
  const paths = new Set<Path>();
  const shared: QuicShared = { options, certificate, socket, interfaces, meetings, paths };
  const answerer = quicAnswerer(shared);
  const dials = cancellable((target, onOutcome) => dial(shared, target, onOutcome));
  let closed = false;

  return {
    kind: "quic",
    port: socket.port,
    dial: dials.dial,
    accept: (onPath) => answerer.accept(onPath),
    async close() {
      if (closed) return;
      closed = true;
      answerer.close();
      dials.cancelAll();
      const flushing = [...paths].filter((path) => path.bufferedBytes() > 0);
      for (const path of paths) path.close("closing");
      const waitMs = flushing.length > 0 ? CLOSE_MS : GOODBYES_MS;
      await new Promise<void>((resolve) => options.clock.schedule(waitMs, resolve));
      socket.close();
    },
  };
}

function dial(
  shared: QuicShared,
  target: DialTarget,
  onOutcome: (outcome: DialOutcome) => void,
): () => void {
  const { clock } = shared.options;
  const cancels: (() => void)[] = [];
  let over = false;
  const stop = (): void => {
    over = true;
    for (const cancel of cancels) cancel();
  };
  const settle = (outcome: DialOutcome): void => {
    if (over) {
      if (outcome.type === "opened") outcome.path.close("cancelled");
      return;
    }
    stop();
    onOutcome(outcome);
  };
  const fail = (reason: string): void => settle({ type: "failed", reason });
  cancels.push(clock.schedule(ATTEMPT_MS, () => fail(`not open within ${ATTEMPT_MS} ms`)));
  // Callers expect the outcome after they know how to cancel.
  cancels.push(clock.schedule(0, () => {
    meet(shared, target, { cancels, isOver: () => over, settle })
      .catch((error: unknown) => fail(errorText(error)));
  }));
  return stop;
}

interface Attempt {
  readonly cancels: (() => void)[];
  readonly isOver: () => boolean;
  readonly settle: (outcome: DialOutcome) => void;
}

/** Offer, answer, and then both dial. Throws with the reason when no path can come of it. */
async function meet(shared: QuicShared, target: DialTarget, attempt: Attempt): Promise<void> {
  const { options, socket, meetings } = shared;
  const { cancels, isOver, settle } = attempt;
  const expected = expectedDevice(target);
  const id = options.random.bytes(16);
  const { secret, proof } = ownProof(shared);
  const offer = encodeQuicSignal({
    type: "quicOffer",
    id,
    meshTag: options.meshTag(),
    from: options.signer.publicKey,
    to: expected === null ? ANY_DEVICE : publicKeyOf(expected),
    ...proof,
  }, options.signer);
  const { clock, rendezvous } = options;
  const { addresses } = target;
  const { address, reply } = await firstReply({
    clock,
    rendezvous,
    addresses,
    body: offer.bytes,
    cancels,
  });
  if (isOver()) return;
  const answer = checkedAnswer(options, {
    decoded: decodeQuicSignal(reply),
    type: "quicAnswer",
    verify: verifyQuicSignal,
    offer: { id, body: offer.body },
    expected,
  });
  const host = hostOfAddress(address);
  const meeting = beginMeeting({
    role: "offerer",
    clock,
    socket,
    id,
    secret,
    peer: answer,
    binding: quicBinding(options.crypto, { id, offer: proof, answer }),
    addresses: dialAddresses({
      candidates: answer.candidates,
      seenAt: host === null ? null : { host, port: answer.port },
      interfaces: shared.interfaces(),
      ipv6: socket.ipv6,
      port: socket.port,
    }),
    paths: shared.paths,
    withinMs: ATTEMPT_MS,
    onPath: (path) => settle({ type: "opened", path }),
    onFailed: (reason) => settle({ type: "failed", reason }),
    onEnd: () => void meetings.delete(id.toHex()),
  });
  meetings.set(id.toHex(), meeting);
  cancels.push(() => {
    meeting.cancel();
    meetings.delete(id.toHex());
  });
}
