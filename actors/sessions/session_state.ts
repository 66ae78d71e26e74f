/** What one session knows, and the commands it takes. Shared by the files of the session; nobody else needs it. */
import type { Crypto, Signer } from "../../platform/ports.ts";
import type { DialOutcome, PathEvent, Transport } from "../../platform/transport.ts";
import type { ProtocolName } from "../../protocols/envelope.ts";
import type { DeviceId, MeshId } from "../../protocols/ids.ts";
import type { HandshakeState } from "../../protocols/session/handshake.ts";
import type { Heartbeat } from "../../protocols/session/heartbeat.ts";
import type { Link, LinkRole } from "../../protocols/session/link.ts";
import type { NoiseChannel } from "../../protocols/session/noise.ts";
import type { Context, Ref } from "../kernel/actor.ts";
import type { ProtocolRoute, SessionsCommand } from "./commands.ts";
import type { HeldPath } from "./held_path.ts";
import type { KindMemory } from "./path_choice.ts";

export type SessionCommand =
  | { readonly type: "sendToPeer"; readonly protocol: ProtocolName; readonly body: Uint8Array }
  | { readonly type: "connectNow" }
  /** Publish `up` again if a path is in use. */
  | { readonly type: "repeatUp" }
  | { readonly type: "strike"; readonly reason: string }
  | { readonly type: "addressesChanged"; readonly addresses: readonly string[] }
  /** This device has other addresses than before: the path in use may be dead without a sign. */
  | { readonly type: "networkChanged" }
  /** A path whose handshake the sessions actor has finished. */
  | {
    readonly type: "adopt";
    readonly path: HeldPath;
    readonly role: LinkRole;
    readonly channel: NoiseChannel;
  }
  | { readonly type: "dialled"; readonly dial: number; readonly outcome: DialOutcome }
  | { readonly type: "pathEvent"; readonly path: number; readonly event: PathEvent }
  | { readonly type: "dialDue"; readonly dial: number }
  /** Time for the next kind of path. */
  | { readonly type: "staggerDue" }
  /** Time to look for a better path. */
  | { readonly type: "upgradeDue" }
  /** A worse path that is ready may take over from a silent one. */
  | { readonly type: "standbyDue"; readonly path: number }
  /** A replaced path need not be kept any longer. */
  | { readonly type: "retiredDue"; readonly path: number }
  | { readonly type: "openingDue"; readonly path: number }
  | { readonly type: "heartbeatDue" }
  | { readonly type: "acknowledgeDue" }
  | { readonly type: "retryDue" }
  | { readonly type: "stableDue" }
  | { readonly type: "forgetDue" };

/** A route whose message type only its own two halves know. */
// deno-lint-ignore no-explicit-any
export type AnyProtocolRoute = ProtocolRoute<any>;

export interface SessionDependencies {
  readonly self: DeviceId;
  readonly peer: DeviceId;
  readonly mesh: MeshId;
  /** Numbers the lives of sessions with this peer. */
  readonly child: number;
  readonly addresses: readonly string[];
  readonly transports: readonly Transport[];
  readonly routes: readonly AnyProtocolRoute[];
  readonly crypto: Crypto;
  readonly signer: Signer;
  readonly reportTo: Ref<SessionsCommand>;
}

/** A path that is not in use yet: handshake, then the exchange of resume frames. */
export interface OpeningPath {
  readonly id: number;
  readonly path: HeldPath;
  readonly role: LinkRole;
  /** Index of the transport that we dialled; null when the peer came to us or was found by address. */
  readonly transport: number | null;
  readonly sinceMs: number;
  handshake: HandshakeState | null;
  channel: NoiseChannel | null;
  /** We have sent our resume frame: the other end may use this path already. */
  resumeSent: boolean;
}

/** The path in use. */
export interface ActivePath {
  readonly id: number;
  readonly path: HeldPath;
  readonly channel: NoiseChannel;
  /** First 8 bytes of the handshake hash: names the path to both ends. */
  readonly tag: Uint8Array;
  /** What the other end drew when its session started. */
  readonly remoteBoot: Uint8Array;
  readonly heartbeat: Heartbeat;
  /** Frames that the path had no room for, ready to be sent as they are. */
  readonly outbox: Uint8Array[];
  blocked: boolean;
  /** What others were told last about `path.relayed`, which may change while the path lives. */
  relayed: boolean;
}

export interface Dial {
  readonly id: number;
  /** Index into the transports. */
  readonly transport: number;
  readonly sinceMs: number;
  readonly cancel: () => void;
}

export interface SessionState {
  readonly boot: Uint8Array;
  addresses: readonly string[];
  link: Link;
  lastPath: Uint8Array;
  readonly dials: Map<number, Dial>;
  /** Transports to dial next in this round. */
  queue: readonly number[];
  /** What is remembered of each transport. */
  readonly kinds: readonly KindMemory[];
  readonly opening: Map<number, OpeningPath>;
  active: ActivePath | null;
  /** The path in use is silent, or was not heard since our network changed: others are opened beside it, and may replace it. */
  doubted: boolean;
  /** Paths that were replaced, until the other end has left them. */
  readonly retired: Map<number, HeldPath>;
  nextId: number;
  failures: number;
  retryAtMs: number | null;
  upSinceMs: number | null;
  strikes: number;
  /** No path of this peer is taken before then. */
  quarantinedUntilMs: number;
  acknowledgeTimer: boolean;
  progress: { position: number; sinceMs: number };
  /** The envelope that the peer has begun and not ended, and since when the path in use is waited for its end. */
  unfinished: { readonly position: number; readonly sinceMs: number } | null;
  /** Where data was missing last: missing there again, it will never come. */
  gapAt: number | null;
  bytesSent: number;
  bytesReceived: number;
  dropped: number;
  lastProblem: string | null;
}

export type SessionContext = Context<SessionCommand>;
