/**
 * The Transport port over WebRTC data channels, signalled through a rendezvous: one request carries the offer and brings
 * the answer back, a second one carries our candidates. Candidates are kept out of the descriptions and exchanged in
 * this order, because with ordinary trickling a third of the connects take a second and some fail.
 *
 * Never allocates a connection for an offer that is not signed by an admitted member.
 */
import { publicKeyOf } from "../protocols/ids.ts";
import {
  decodeSignal,
  encodeSignal,
  fingerprintOf,
  verifySignal,
  webrtcBinding,
  withoutCandidates,
} from "../protocols/session/signalling.ts";
import { ANY_DEVICE } from "../protocols/session/signed_signal.ts";
import { errorText } from "./error_text.ts";
import type { Answerer } from "./answering.ts";
import { firstReply, signalRequest } from "./signal_requests.ts";
import { cancellable, checkedAnswer, expectedDevice } from "./signalling.ts";
import type { DialTarget, Path, RendezvousReply, Transport } from "./transport.ts";
import { webrtcAnswerer } from "./webrtc_answerer.ts";
import { type Connection, loadWebRtcLibrary, type WebRtcLibraryName } from "./webrtc_library.ts";
import {
  gathered,
  mayRelay,
  portKeepingHosts,
  type Shared,
  type WebRtcOptions,
} from "./webrtc_shared.ts";
import { type WebRtcPath, webrtcPath } from "./webrtc_path.ts";
export type { WebRtcOptions } from "./webrtc_shared.ts";

/** The transport, and what its library has learned of the network. */
export interface WebRtcTransport extends Transport {
  readonly library: WebRtcLibraryName;
  /**
   * Addresses of this device outside of a router that keeps port numbers, as the STUN servers see them; empty where there is no such
   * router, or no STUN server.
   */
  outsideHosts(): Promise<readonly string[]>;
}

/** Connections tried per dial: now and then a DTLS handshake is lost, and a new connection is the cure. */
const ATTEMPTS_MAX = 3;
/** An attempt is given up after this long, ms. */
const ATTEMPT_MS = 5_000;
/** The same where TURN servers are asked at both ends, one after the other. */
const ATTEMPT_RELAY_MS = 6_000;
/**
 * An attempt that is not the last has this long to open once both ends know all candidates, ms: checks take a few round trips, a DTLS
 * message that was lost comes again after 1 s. Where that is too short the last attempt has its whole time.
 */
const OPEN_MS = 2_500;
/** The libraries finish closing on later turns of the event loop; this is enough of them, ms. */
const CLOSE_MS = 20;

// The addon's threads end only when every connection of the process is closed: the last transport out says so.
const transportsOpen = new Map<WebRtcLibraryName, number>();

/** Loads the library and starts answering offers. */
export async function webrtcTransport(options: WebRtcOptions): Promise<WebRtcTransport> {
  const library = await loadWebRtcLibrary(options.library);
  transportsOpen.set(library.name, (transportsOpen.get(library.name) ?? 0) + 1);
  const open = new Set<Connection>();
  const shared: Shared = { options, library, open };
  const answerer: Answerer = webrtcAnswerer(shared);
  const dials = cancellable((target, onOutcome) => dial(shared, target, onOutcome));
  let closed = false;

  return {
    kind: "webrtc",
    library: library.name,
    dial: dials.dial,
    accept: (onPath) => answerer.accept(onPath),
    outsideHosts: () => outsideHosts(shared),
    async close() {
      if (closed) return;
      closed = true;
      answerer.close();
      dials.cancelAll();
      for (const connection of open) connection.close();
      open.clear();
      await new Promise<void>((resolve) => options.clock.schedule(CLOSE_MS, resolve));
      const left = (transportsOpen.get(library.name) ?? 1) - 1;
      transportsOpen.set(library.name, left);
      if (left === 0) library.cleanup();
    },
  };
}

async function outsideHosts(shared: Shared): Promise<readonly string[]> {
  const { options, library, open } = shared;
  const servers = options.iceServers?.() ?? [];
  if (servers.length === 0 || options.icePolicy === "relay") return [];
  const connection = library.connect(servers);
  open.add(connection);
  try {
    connection.createChannel({ onOpen() {}, onMessage() {}, onLow() {}, onClose() {} });
    await connection.offer();
    return portKeepingHosts(await gathered(shared, connection));
  } finally {
    open.delete(connection);
    connection.close();
  }
}

type Outcome = Parameters<Parameters<Transport["dial"]>[1]>[0];

function dial(
  shared: Shared,
  target: DialTarget,
  onOutcome: (outcome: Outcome) => void,
): () => void {
  let cancelled = false;
  let cancelAttempt: () => void = () => {};
  let attempts = 0;
  const next = (): void => {
    attempts += 1;
    const isLast = attempts === ATTEMPTS_MAX;
    cancelAttempt = attempt(shared, { target, isLast }, (outcome) => {
      if (cancelled) {
        if (outcome.type === "opened") outcome.path.close("cancelled");
        return;
      }
      // Refusals and silence will not get better by trying again at once; a lost DTLS handshake will.
      if (outcome.type === "failed" && outcome.retry && attempts < ATTEMPTS_MAX) return next();
      onOutcome(
        outcome.type === "opened" ? outcome : { type: "failed", reason: outcome.reason },
      );
    });
  };
  // Callers expect the outcome after they know how to cancel.
  const cancelStart = shared.options.clock.schedule(0, next);
  return () => {
    cancelled = true;
    cancelStart();
    cancelAttempt();
  };
}

type AttemptOutcome =
  | { readonly type: "opened"; readonly path: Path }
  | { readonly type: "failed"; readonly reason: string; readonly retry: boolean };

function attempt(
  shared: Shared,
  { target, isLast }: { readonly target: DialTarget; readonly isLast: boolean },
  onOutcome: (outcome: AttemptOutcome) => void,
): () => void {
  const { options, library, open } = shared;
  const connection = library.connect(options.iceServers?.() ?? [], options.icePolicy);
  open.add(connection);
  const cancels: (() => void)[] = [];
  let settled = false;
  let retry = false;
  const settle = (outcome: AttemptOutcome): void => {
    if (settled) return;
    settled = true;
    for (const cancel of cancels) cancel();
    if (outcome.type === "failed") release();
    onOutcome(outcome);
  };
  const release = (): void => {
    open.delete(connection);
    connection.close();
  };
  const fail = (reason: string): void => settle({ type: "failed", reason, retry });
  const path: WebRtcPath = webrtcPath({
    clock: options.clock,
    attach: (events) => connection.createChannel(events),
    onOpen: () => settle({ type: "opened", path }),
    onEnd() {
      release();
      fail("connection closed while opening");
    },
  });
  connection.onFailed((reason) => path.fail(reason));
  const failAfter = (ms: number, since: string): void => {
    cancels.push(options.clock.schedule(ms, () => fail(`not open within ${ms} ms${since}`)));
  };
  failAfter(mayRelay(options) ? ATTEMPT_RELAY_MS : ATTEMPT_MS, "");
  signal(shared, connection, {
    target,
    cancels,
    isOver: () => settled,
    onAnswered(binding) {
      retry = true;
      path.settle(() => connection.selectedPair(), binding);
    },
  }).then(
    () => settled || isLast || failAfter(OPEN_MS, " of knowing all addresses"),
    (error: unknown) => fail(errorText(error)),
  );
  return () => {
    retry = false;
    fail("cancelled");
  };
}

interface Signalling {
  readonly target: DialTarget;
  readonly cancels: (() => void)[];
  readonly isOver: () => boolean;
  readonly onAnswered: (binding: Uint8Array) => void;
}

/** The two requests. Throws with the reason when no path can come of them. */
async function signal(
  shared: Shared,
  connection: Connection,
  signalling: Signalling,
): Promise<void> {
  const { options } = shared;
  const { target } = signalling;
  const expected = expectedDevice(target);
  const offerSdp = withoutCandidates(await connection.offer());
  const ours = fingerprintOf(offerSdp);
  if (ours === undefined) throw new Error("our own offer has no single SHA-256 fingerprint");
  const id = options.random.bytes(16);
  const from = options.signer.publicKey;
  const to = expected === null ? ANY_DEVICE : publicKeyOf(expected);
  const offer = encodeSignal(
    { type: "offer", id, meshTag: options.meshTag(), from, to, sdp: offerSdp },
    options.signer,
  );
  const { clock, rendezvous } = options;
  const { cancels } = signalling;
  const { addresses } = target;
  const { address, reply } = await firstReply({
    clock,
    rendezvous,
    addresses,
    body: offer.bytes,
    cancels,
  });
  if (signalling.isOver()) return;

  const answer = checkedAnswer(options, {
    decoded: decodeSignal(reply),
    type: "answer",
    verify: verifySignal,
    offer: { id, body: offer.body },
    expected,
  });
  const theirs = fingerprintOf(answer.sdp);
  if (theirs === undefined) throw new Error("answer has no single SHA-256 fingerprint");
  signalling.onAnswered(webrtcBinding(options.crypto, ours, theirs));
  await connection.acceptAnswer(withoutCandidates(answer.sdp));
  for (const candidate of answer.candidates) await connection.addCandidate(candidate);
  const candidates = await gathered(shared, connection);
  if (signalling.isOver()) return;
  if (candidates.length === 0 && options.icePolicy === "relay") {
    throw new Error(
      "no TURN server gave us an address: it refused the credentials or cannot be reached",
    );
  }
  const second = encodeSignal({ type: "candidates", id, from, candidates }, options.signer);
  const sent = await new Promise<RendezvousReply>((resolve) => {
    cancels.push(signalRequest(rendezvous, address, second.bytes, resolve));
  });
  if (sent.type !== "reply") throw new Error(`candidates were not taken: ${sent.reason}`);
}
