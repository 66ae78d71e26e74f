/**
 * The Transport port: ordered, reliable frames to one other device over some path, and a rendezvous for the few
 * request/reply exchanges that happen before a path exists. Paths are untrusted: whoever is at the other end is
 * only known after the session handshake.
 *
 * Nothing here returns a promise, because a path takes time to open and in the simulator that time is virtual:
 * outcomes come as callbacks, which actors receive through an inlet.
 */

/** The technologies a frame can travel by, best first when both work. */
export type PathKind = "quic" | "webrtc" | "nats" | "simulated";

export type PathEvent =
  | { readonly type: "frame"; readonly frame: Uint8Array }
  /** After `send` returned false: there is room again. */
  | { readonly type: "drained" }
  /** The last event of a path. */
  | { readonly type: "closed"; readonly reason: string };

/** One open pipe to one remote end. Frames arrive whole, in order, once, or the path closes. */
export interface Path {
  readonly kind: PathKind;
  /** Where it leads, for people: "webrtc host 192.168.1.7:51034". */
  readonly description: string;
  /**
   * Channel binding: bytes that are equal at both ends and that a man in the middle cannot make equal (for WebRTC
   * the hash of both DTLS fingerprints, for QUIC the certificate hashes). Empty when the path offers none.
   */
  readonly binding: Uint8Array;
  /** True when the path encrypts between exactly the two ends that `binding` names; else the session must encrypt. */
  readonly confidential: boolean;
  /** True while frames take a detour over somebody else (TURN, a broker): a direct path is worth looking for. May change during the path's life. */
  readonly relayed: boolean;
  /** Largest frame `send` takes, bytes. */
  readonly frameBytesMax: number;
  /** Bytes handed to `send` that have not left yet. */
  bufferedBytes(): number;
  /** Queues one frame. False: buffer full or closed, the frame was not taken; wait for `drained`. */
  send(frame: Uint8Array): boolean;
  /** Sends what is buffered if that is quick, then closes. The other end gets `closed`; so does our listener. */
  close(reason: string): void;
  /** Sets the only listener. Events that came before are delivered first, in order. */
  listen(listener: (event: PathEvent) => void): void;
}

/** A device to reach and where it may be found. */
export interface DialTarget {
  /** The device we expect there; the handshake decides. Empty: whoever of our mesh is at these addresses. */
  readonly deviceId: string;
  /** Rendezvous addresses: "http://192.168.1.7:7464", or "nats:<device id>" for a device that is heard over the broker. */
  readonly addresses: readonly string[];
}

export type DialOutcome =
  | { readonly type: "opened"; readonly path: Path }
  | { readonly type: "failed"; readonly reason: string };

/** Makes paths of one kind. */
export interface Transport {
  readonly kind: PathKind;
  /** Tries to open a path; exactly one outcome follows unless cancelled by the returned function. */
  dial(target: DialTarget, onOutcome: (outcome: DialOutcome) => void): () => void;
  /** Hands over every path that others open to us. Returns a function that stops accepting. */
  accept(onPath: (path: Path) => void): () => void;
  /** Closes everything; resolves when no handle of the process is held any more. */
  close(): Promise<void>;
}

/** The exchanges that strangers may begin. Everything else needs a session. */
export type RendezvousChannel = "signal" | "pair";

export type RendezvousReply =
  | { readonly type: "reply"; readonly body: Uint8Array }
  | { readonly type: "refused"; readonly reason: string }
  | { readonly type: "failed"; readonly reason: string };

/** A stranger's request. Exactly one of `reply` and `refuse` is called, once. */
export interface RendezvousRequest {
  /** Where it came from ("192.168.1.7"), for rate limits and logs; not an identity. */
  readonly from: string;
  readonly body: Uint8Array;
  reply(body: Uint8Array): void;
  /** `reason` is shown to the stranger: it must not tell more than the stranger knows. */
  refuse(reason: string): void;
}

/** Largest body of a rendezvous request or reply, bytes. */
export const RENDEZVOUS_BYTES_MAX = 64 * 1024;

/** Small request/reply exchanges with an address before any session exists: over HTTP on the LAN, over the broker beyond it. */
export interface Rendezvous {
  /** Sends one request; exactly one reply follows unless cancelled by the returned function. */
  request(
    options: {
      readonly address: string;
      readonly channel: RendezvousChannel;
      readonly body: Uint8Array;
      readonly timeoutMs: number;
    },
    onReply: (reply: RendezvousReply) => void,
  ): () => void;
  /** Sets the handler of a channel. Returns a function that removes it; without one, requests are refused. */
  serve(channel: RendezvousChannel, handler: (request: RendezvousRequest) => void): () => void;
}
