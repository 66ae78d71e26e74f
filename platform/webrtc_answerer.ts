/** The answering side of WebRTC signalling. */
import {
  decodeSignal,
  encodeSignal,
  fingerprintOf,
  type SignalCandidates,
  type SignalOffer,
  verifySignal,
  webrtcBinding,
  withoutCandidates,
} from "../protocols/session/signalling.ts";
import type { Signed } from "../protocols/session/signed_signal.ts";
import type { DeviceId } from "../protocols/ids.ts";
import { type Answerer, answering, type HalfOpen } from "./answering.ts";
import { REFUSAL } from "./signal_requests.ts";
import type { RendezvousRequest } from "./transport.ts";
import type { Connection } from "./webrtc_library.ts";
import { type WebRtcPath, webrtcPath } from "./webrtc_path.ts";
import { gathered, type Shared } from "./webrtc_shared.ts";

/** One that has not opened by then is closed, ms. */
const HALF_OPEN_MS = 10_000;

interface WebRtcHalfOpen extends HalfOpen {
  readonly connection: Connection;
  readonly device: DeviceId;
}

/** Answers offers of members while somebody accepts paths. */
export function webrtcAnswerer(shared: Shared): Answerer {
  const { options, library, open } = shared;
  const answers = answering<WebRtcHalfOpen>(options, (request) => {
    handle(request).catch(() => request.refuse(REFUSAL));
  });

  async function handle(request: RendezvousRequest): Promise<void> {
    const decoded = decodeSignal(request.body);
    if (!decoded.ok || !answers.hears(decoded.signal.from)) return request.refuse(REFUSAL);
    const { signal } = decoded;
    const { message } = signal;
    switch (message.type) {
      case "offer":
        return await onOffer({ ...signal, message }, request);
      case "candidates":
        return await onCandidates({ ...signal, message }, request);
      case "answer":
        return request.refuse(REFUSAL);
    }
  }

  async function onOffer(
    signal: Signed<SignalOffer>,
    request: RendezvousRequest,
  ): Promise<void> {
    const { message } = signal;
    const key = message.id.toHex();
    const theirs = fingerprintOf(message.sdp);
    if (theirs === undefined) return request.refuse(REFUSAL);
    const refusal = answers.refusalOf(message, {
      address: request.from,
      isSigned: () => verifySignal(signal, options.crypto),
    });
    if (refusal !== undefined) return request.refuse(refusal);

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
        from: options.signer.publicKey,
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
      answers.halfOpen.delete(key);
      open.delete(connection);
      connection.close();
    };
    const cancelTimeout = options.clock.schedule(HALF_OPEN_MS, release);
    answers.halfOpen.set(key, { connection, device, address, end: release });
    connection.onFailed((reason) => path === undefined ? release() : path.fail(reason));
    connection.onChannel((attach) => {
      if (path !== undefined) return;
      const opening = webrtcPath({
        clock: options.clock,
        attach,
        onOpen() {
          cancelTimeout();
          answers.halfOpen.delete(key);
          opening.settle(() => connection.selectedPair(), binding);
          answers.handOver(opening);
        },
        onEnd: release,
      });
      path = opening;
    });
    return { end: release, bind: (value) => void (binding = value) };
  }

  async function onCandidates(
    signal: Signed<SignalCandidates>,
    request: RendezvousRequest,
  ): Promise<void> {
    const entry = answers.halfOpen.get(signal.message.id.toHex());
    if (entry === undefined || entry.device !== signal.from) return request.refuse(REFUSAL);
    if (!verifySignal(signal, options.crypto)) return request.refuse(REFUSAL);
    for (const candidate of signal.message.candidates) {
      await entry.connection.addCandidate(candidate);
    }
    request.reply(new Uint8Array(0));
  }

  return answers;
}
