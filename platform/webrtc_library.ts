/**
 * The two WebRTC libraries behind one small surface: node-datachannel (native, fast) and werift (TypeScript, runs
 * everywhere). Every callback is guarded here, because an exception in one of the addon's callbacks ends the process.
 */

import { bindAddress } from "./webrtc_bind_address.ts";
import { allCandidates } from "./webrtc_candidates.ts";

/** A STUN or TURN server. */
export interface IceServer {
  readonly urls: string;
  readonly username?: string;
  readonly credential?: string;
}

export type WebRtcLibraryName = "node-datachannel" | "werift";

/** The part of the W3C data channel that both libraries have. */
export interface Channel {
  readonly readyState: string;
  readonly bufferedAmount: number;
  bufferedAmountLowThreshold: number;
  send(data: Uint8Array): void;
  close(): void;
}

export interface ChannelEvents {
  onOpen(): void;
  onMessage(bytes: Uint8Array): void;
  onLow(): void;
  onClose(reason: string): void;
}

/** `relay`: only by TURN, for tests and for people who must not show their addresses. */
export type IcePolicy = "all" | "relay";

/** The pair of addresses in use. */
export interface SelectedPair {
  /** "relay 203.0.113.10:49170". */
  readonly description: string;
  /** One of the two ends is at a TURN server. */
  readonly relayed: boolean;
}

/** One peer connection. */
export interface Connection {
  /** Creates the channel; to be called before `offer`. */
  createChannel(events: ChannelEvents): Channel;
  /** Sets who receives the channel that the other side creates. */
  onChannel(listener: (attach: (events: ChannelEvents) => Channel) => void): void;
  onFailed(listener: (reason: string) => void): void;
  offer(): Promise<string>;
  /** Applies an offer and gives our answer. */
  answer(offerSdp: string): Promise<string>;
  acceptAnswer(answerSdp: string): Promise<void>;
  /** Our candidates so far. */
  gathered(): readonly string[];
  /** Resolves when there will be no more. */
  whenGathered(): Promise<void>;
  /** Adds one; false when the library refuses it. */
  addCandidate(candidate: string): Promise<boolean>;
  /** "host 192.168.1.7:51034" for the remote end of the selected pair. */
  selectedPair(): SelectedPair;
  close(): void;
}

export interface WebRtcLibrary {
  readonly name: WebRtcLibraryName;
  connect(iceServers: readonly IceServer[], policy?: IcePolicy): Connection;
  /** Lets go of threads and handles when no connection is open any more. */
  cleanup(): void;
}

/** What is used of either library's peer connection. */
interface PeerConnectionLike {
  readonly connectionState: string;
  readonly iceGatheringState: string;
  onconnectionstatechange: unknown;
  onicecandidate: unknown;
  onicegatheringstatechange: unknown;
  ondatachannel: unknown;
  createDataChannel(label: string, options: { ordered: boolean }): ChannelLike;
  createOffer(): Promise<{ sdp?: string; type: string }>;
  createAnswer(): Promise<{ sdp?: string; type: string }>;
  setLocalDescription(description: never): Promise<unknown>;
  setRemoteDescription(description: never): Promise<unknown>;
  addIceCandidate(candidate: never): Promise<unknown>;
  readonly localDescription: { sdp?: string } | null | undefined;
  close(): unknown;
}

interface ChannelLike extends Channel {
  binaryType?: string;
  onopen: unknown;
  onmessage: unknown;
  onclose: unknown;
  onerror: unknown;
  addEventListener(type: "bufferedamountlow", listener: () => void): void;
}

/**
 * Loads a library: node-datachannel, or werift where its addon cannot be loaded.
 *
 * @param preferred for tests and for people who must avoid native code
 */
export async function loadWebRtcLibrary(
  preferred: WebRtcLibraryName = "node-datachannel",
): Promise<WebRtcLibrary> {
  if (preferred === "werift") return await loadWerift();
  try {
    return await loadNodeDataChannel();
  } catch {
    return await loadWerift();
  }
}

async function loadNodeDataChannel(): Promise<WebRtcLibrary> {
  const { RTCPeerConnection } = await import("node-datachannel/polyfill");
  const native = await import("node-datachannel");
  return {
    name: "node-datachannel",
    connect(iceServers, policy = "all") {
      const bound = bindAddress();
      const pc = new RTCPeerConnection(
        {
          iceServers: iceServers.map((server) => ({
            ...server,
            // The polyfill puts both into a URL without escaping them.
            ...(server.username === undefined
              ? {}
              : { username: encodeURIComponent(server.username) }),
            ...(server.credential === undefined
              ? {}
              : { credential: encodeURIComponent(server.credential) }),
          })),
          iceTransportPolicy: policy,
          ...(bound === undefined ? {} : { bindAddress: bound }),
        } as ConstructorParameters<typeof RTCPeerConnection>[0],
      );
      return adapt(pc as unknown as PeerConnectionLike, policy, () => {
        const pair = (pc as unknown as {
          selectedCandidatePair(): { local: CandidateLike; remote: CandidateLike } | null;
        }).selectedCandidatePair();
        return pair === null ? null : { localType: pair.local.type, remote: pair.remote };
      });
    },
    cleanup: () => native.cleanup(),
  };
}

async function loadWerift(): Promise<WebRtcLibrary> {
  const { RTCPeerConnection } = await import("werift");
  return {
    name: "werift",
    connect(iceServers, policy = "all") {
      const pc = new RTCPeerConnection(
        {
          iceServers: iceServers.map((server) => ({ ...server })),
          iceTransportPolicy: policy,
          // Larger SCTP packets make it several times faster; DTLS and IP fragment them.
          sctp: { mtu: 8_000 },
        } as ConstructorParameters<typeof RTCPeerConnection>[0],
      );
      return adapt(pc as unknown as PeerConnectionLike, policy, () => {
        const pair = pc.iceTransports[0]?.connection.nominated;
        if (pair === undefined) return null;
        const { type, host: address, port } = pair.remoteCandidate;
        return { localType: pair.localCandidate.type, remote: { type, address, port } };
      });
    },
    cleanup() {},
  };
}

interface CandidateLike {
  readonly type: string;
  readonly address: string;
  readonly port: number;
}

const UNKNOWN_PAIR: SelectedPair = { description: "unknown path", relayed: false };

/** The pair in use as a library tells it. */
interface RawPair {
  readonly localType: string;
  readonly remote: CandidateLike;
}

/** `relays`: addresses that the other end has told to be at a TURN server. */
function describe({ localType, remote }: RawPair, relays: ReadonlySet<string>): SelectedPair {
  const { type, address, port } = remote;
  // A check that arrives before its candidate is told makes a "peer-reflexive" one of it, which hides what it is.
  const relayed = localType === "relay" || type === "relay" || relays.has(`${address} ${port}`);
  // Whose relay it is does not matter to people; that there is one does.
  const word = relayed ? "relay" : type;
  return {
    description: `${word} ${address.includes(":") ? `[${address}]` : address}:${port}`,
    relayed,
  };
}

function adapt(
  pc: PeerConnectionLike,
  policy: IcePolicy,
  selectedPair: () => RawPair | null,
): Connection {
  const candidates: string[] = [];
  const relays = new Set<string>();
  let onGathered: (() => void) | undefined;
  let failed: ((reason: string) => void) | undefined;
  const gathering = new Promise<void>((resolve) => onGathered = resolve);
  pc.onicecandidate = guarded((event: { candidate?: { candidate?: string } | null }) => {
    const line = event.candidate?.candidate;
    if (line === undefined || line === "") return onGathered?.();
    candidates.push(line);
  });
  const checkGathering = guarded(() => {
    if (pc.iceGatheringState === "complete") onGathered?.();
  });
  pc.onicegatheringstatechange = checkGathering;
  pc.onconnectionstatechange = guarded(() => {
    const state = pc.connectionState;
    if (state === "failed" || state === "closed") failed?.(`connection ${state}`);
  });
  return {
    createChannel: (events) => attach(pc.createDataChannel("kiana", { ordered: true }), events),
    onChannel(listener) {
      pc.ondatachannel = guarded((event: { channel: ChannelLike }) =>
        listener((events) => attach(event.channel, events))
      );
    },
    onFailed(listener) {
      failed = listener;
    },
    async offer() {
      const offer = await pc.createOffer();
      await pc.setLocalDescription(offer as never);
      return pc.localDescription?.sdp ?? offer.sdp ?? "";
    },
    async answer(offerSdp) {
      await pc.setRemoteDescription({ type: "offer", sdp: offerSdp } as never);
      const answer = await pc.createAnswer();
      await pc.setLocalDescription(answer as never);
      return pc.localDescription?.sdp ?? answer.sdp ?? "";
    },
    async acceptAnswer(answerSdp) {
      await pc.setRemoteDescription({ type: "answer", sdp: answerSdp } as never);
    },
    gathered() {
      const all = allCandidates(candidates, pc.localDescription?.sdp ?? "");
      // A device that must not show its addresses does not, whatever a library puts into a description.
      return policy === "relay" ? all.filter((line) => / typ relay\b/i.test(line)) : all;
    },
    whenGathered() {
      checkGathering();
      return gathering;
    },
    async addCandidate(candidate) {
      const told = /^(?:a=)?candidate:\S+ \d+ \S+ \d+ (\S+) (\d+) typ relay/i.exec(candidate);
      if (told !== null) relays.add(`${told[1]} ${told[2]}`);
      try {
        await pc.addIceCandidate({ candidate, sdpMid: "0", sdpMLineIndex: 0 } as never);
        return true;
      } catch {
        return false;
      }
    },
    selectedPair() {
      try {
        const pair = selectedPair();
        if (pair === null) return UNKNOWN_PAIR;
        // Where only relays may be used, a pair has one whatever the library calls its ends.
        return describe(policy === "relay" ? { ...pair, localType: "relay" } : pair, relays);
      } catch {
        return UNKNOWN_PAIR;
      }
    },
    close() {
      try {
        const closing = pc.close();
        if (closing instanceof Promise) closing.catch(() => {});
      } catch {
        // Closing twice, or what never opened.
      }
      onGathered?.();
    },
  };
}

function attach(channel: ChannelLike, events: ChannelEvents): Channel {
  channel.binaryType = "arraybuffer";
  channel.onopen = guarded(() => events.onOpen());
  channel.onmessage = guarded((event: { data: ArrayBuffer | Uint8Array | string }) => {
    const { data } = event;
    if (typeof data === "string") return events.onClose("text message, expected bytes");
    events.onMessage(
      data instanceof Uint8Array
        // A Buffer: others shall see the plain type.
        ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
        : new Uint8Array(data),
    );
  });
  // werift has no property for this one.
  channel.addEventListener("bufferedamountlow", guarded(() => events.onLow()));
  channel.onclose = guarded(() => events.onClose("closed by the other end"));
  channel.onerror = guarded(() => events.onClose("data channel failed"));
  return channel;
}

/** Keeps exceptions out of the libraries; they surface as an unhandled rejection, like any other mistake. */
function guarded<Arguments extends readonly unknown[]>(
  callback: (...args: Arguments) => void,
): (...args: Arguments) => void {
  return (...args) => {
    try {
      callback(...args);
    } catch (error) {
      Promise.reject(error);
    }
  };
}
