/** The answering side of WebRTC signalling. Bounded before anything is allocated: by membership, freshness and number. */
import { deviceIdOf, publicKeyOf } from "../protocols/ids.ts";
import {
  ANY_DEVICE,
  decodeSignal,
  encodeSignal,
  fingerprintOf,
  type SignalCandidates,
  type SignalOffer,
  type SignedSignal,
  verifySignal,
  webrtcBinding,
  withoutCandidates,
} from "../protocols/session/signalling.ts";
import { equalBytes } from "../protocols/codec.ts";
import type { DeviceId } from "../protocols/ids.ts";
import type { Path, RendezvousRequest } from "./transport.ts";
import type { Connection } from "./webrtc_library.ts";
import { type WebRtcPath, webrtcPath } from "./webrtc_path.ts";
import { gathered, type Shared } from "./webrtc_shared.ts";

/** Connections that are being opened by others, at most. */
export const HALF_OPEN_MAX = 64;
/** The same per address. */
export const HALF_OPEN_PER_ADDRESS_MAX = 8;
/** One that has not opened by then is closed, ms. */
const HALF_OPEN_MS = 10_000;
/** Ids of offers that are remembered, so that none is answered twice. */
const SEEN_MAX = 4_096;
/** All that a refused stranger is told. */
const REFUSAL = "Not accepted";

export interface WebRtcAnswerer {
  accept(onPath: (path: Path) => void): () => void;
  close(): void;
}

interface HalfOpen {
  readonly connection: Connection;
  readonly device: DeviceId;
  readonly address: string;
  readonly end: () => void;
}

/** Answers offers of members while somebody accepts paths. */
export function webrtcAnswerer(shared: Shared): WebRtcAnswerer {
  const { options, library, open } = shared;
  const self = deviceIdOf(options.signer.publicKey);
  const selfKey = publicKeyOf(self);
  const halfOpen = new Map<string, HalfOpen>();
  const seen = new Set<string>();
  let onPath: ((path: Path) => void) | undefined;
  const stopServing = options.rendezvous.serve("signal", (request) => {
    handle(request).catch(() => request.refuse(REFUSAL));
  });

  async function handle(request: RendezvousRequest): Promise<void> {
    const decoded = decodeSignal(request.body);
    if (!decoded.ok || onPath === undefined) return request.refuse(REFUSAL);
    const { signal } = decoded;
    // Membership before the signature: strangers shall not make us compute.
    if (signal.from === self || !options.isAdmitted(signal.from)) return request.refuse(REFUSAL);
    switch (signal.message.type) {
      case "offer":
        return await onOffer(signal as SignedSignal<SignalOffer>, request);
      case "candidates":
        return await onCandidates(signal as SignedSignal<SignalCandidates>, request);
      case "answer":
        return request.refuse(REFUSAL);
    }
  }

  async function onOffer(
    signal: SignedSignal<SignalOffer>,
    request: RendezvousRequest,
  ): Promise<void> {
    const { message } = signal;
    const key = message.id.toHex();
    const forUs = equalBytes(message.to, selfKey) || equalBytes(message.to, ANY_DEVICE);
    if (!forUs || message.meshTag !== options.meshTag() || seen.has(key)) {
      return request.refuse(REFUSAL);
    }
    if (!verifySignal(signal, options.crypto)) return request.refuse(REFUSAL);
    const theirs = fingerprintOf(message.sdp);
    if (theirs === undefined) return request.refuse(REFUSAL);
    const sameAddress = [...halfOpen.values()].filter((other) => other.address === request.from);
    if (halfOpen.size >= HALF_OPEN_MAX || sameAddress.length >= HALF_OPEN_PER_ADDRESS_MAX) {
      return request.refuse("Busy");
    }
    remember(key);

    const connection = library.connect(options.iceServers?.() ?? [], options.icePolicy);
    open.add(connection);
    const entry = openHalf(connection, signal.from, request.from, key, theirs);
    try {
      const sdp = withoutCandidates(await connection.answer(withoutCandidates(message.sdp)));
      const ours = fingerprintOf(sdp);
      if (ours === undefined) throw new Error("our own answer has no single SHA-256 fingerprint");
      entry.bind(webrtcBinding(options.crypto, ours, theirs));
      const candidates = await gathered(shared, connection);
      const answer = encodeSignal({
        type: "answer",
        id: message.id,
        from: selfKey,
        offerHash: options.crypto.sha256(signal.body),
        sdp,
        candidates,
      }, options.signer);
      request.reply(answer.bytes);
    } catch (error) {
      entry.end();
      throw error;
    }
  }

  function openHalf(
    connection: Connection,
    device: DeviceId,
    address: string,
    key: string,
    theirs: Uint8Array,
  ): { end(): void; bind(binding: Uint8Array): void } {
    let path: WebRtcPath | undefined;
    let binding: Uint8Array = theirs;
    const release = (): void => {
      cancelTimeout();
      halfOpen.delete(key);
      open.delete(connection);
      connection.close();
    };
    const cancelTimeout = options.clock.schedule(HALF_OPEN_MS, release);
    halfOpen.set(key, { connection, device, address, end: release });
    connection.onFailed((reason) => path === undefined ? release() : path.fail(reason));
    connection.onChannel((attach) => {
      if (path !== undefined) return;
      const opening = webrtcPath({
        clock: options.clock,
        attach,
        onOpen() {
          cancelTimeout();
          halfOpen.delete(key);
          opening.settle(() => connection.selectedPair(), binding);
          if (onPath === undefined) return opening.close("not accepting");
          onPath(opening);
        },
        onEnd: release,
      });
      path = opening;
    });
    return { end: release, bind: (value) => void (binding = value) };
  }

  async function onCandidates(
    signal: SignedSignal<SignalCandidates>,
    request: RendezvousRequest,
  ): Promise<void> {
    const entry = halfOpen.get(signal.message.id.toHex());
    if (entry === undefined || entry.device !== signal.from) return request.refuse(REFUSAL);
    if (!verifySignal(signal, options.crypto)) return request.refuse(REFUSAL);
    for (const candidate of signal.message.candidates) {
      await entry.connection.addCandidate(candidate);
    }
    request.reply(new Uint8Array(0));
  }

  function remember(key: string): void {
    seen.add(key);
    if (seen.size <= SEEN_MAX) return;
    const [oldest] = seen;
    if (oldest !== undefined) seen.delete(oldest);
  }

  return {
    accept(listener) {
      onPath = listener;
      return () => {
        if (onPath === listener) onPath = undefined;
      };
    },
    close() {
      stopServing();
      onPath = undefined;
      for (const entry of [...halfOpen.values()]) entry.end();
    },
  };
}
