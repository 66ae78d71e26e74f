/** Commands of the sessions actor: one child per peer, paths below, protocols above. */
import type { DeviceId } from "../../protocols/ids.ts";
import type { ProtocolName } from "../../protocols/envelope.ts";
import type { DialOutcome, Path, PathEvent, PathKind } from "../../platform/transport.ts";
import type { PeerPresence } from "../discovery/commands.ts";
import type { LivenessChanged } from "../liveness/commands.ts";
import type { MembershipChanged } from "../members/commands.ts";
import type { Outcome, SessionState } from "../handle.ts";
import type { Ref, TaskOutcome, Topic } from "../kernel/actor.ts";
import { topic } from "../kernel/bus.ts";

export type SessionsCommand =
  /**
   * Sends one message of a protocol to a peer. Between two paths of a session it waits for the next; without a session, or when 16 MiB wait
   * already, it is dropped (and counted). Never blocks.
   */
  | {
    readonly type: "sendToPeer";
    readonly to: DeviceId;
    readonly protocol: ProtocolName;
    readonly body: Uint8Array;
  }
  /** A person or another actor wants this peer tried now rather than after its backoff. When it is up, that is published again. */
  | { readonly type: "connectNow"; readonly deviceId: DeviceId }
  /**
   * Members that work together keep sessions with each other however large the mesh is: at most `KEPT_MAX` of these. Replaces what was asked for before;
   * only the rounds actor says it.
   */
  | {
    readonly type: "keepSessions";
    readonly devices: readonly DeviceId[];
    /** No more than so many of them: those of the lowest ranks, on which both ends agree. */
    readonly most: number;
  }
  /** A protocol found that the peer broke its rules: counted; enough of them close the session. */
  | { readonly type: "strike"; readonly deviceId: DeviceId; readonly reason: string }
  /** Publish `up` with `resumed` true for every session that is up: a protocol actor has (re)started and knows none. */
  | { readonly type: "repeatPeerSessions" }
  /** Keeps an address to try, across restarts; refused when it is no rendezvous address. */
  | {
    readonly type: "addStaticPeer";
    readonly address: string;
    readonly replyTo: Ref<Outcome<null>>;
  }
  | { readonly type: "listPeers"; readonly replyTo: Ref<readonly SessionSummary[]> }
  | SessionsPrivateCommand;

/** What the sessions actor says to itself: events of paths and topics, timers, reports of its children. */
export type SessionsPrivateCommand =
  | { readonly type: "membershipChanged"; readonly event: MembershipChanged }
  | { readonly type: "livenessChanged"; readonly event: LivenessChanged }
  | { readonly type: "presenceChanged"; readonly event: PeerPresence }
  | { readonly type: "pathAccepted"; readonly path: Path }
  /** Something on a path whose other end is not known yet. */
  | { readonly type: "strangerEvent"; readonly stranger: number; readonly event: PathEvent }
  | { readonly type: "strangerDue"; readonly stranger: number }
  | { readonly type: "staticDue"; readonly address: string }
  | { readonly type: "staticsLoaded"; readonly outcome: TaskOutcome<readonly string[]> }
  | {
    readonly type: "staticSaved";
    readonly address: string;
    readonly outcome: TaskOutcome<void>;
    readonly replyTo: Ref<Outcome<null>>;
  }
  | { readonly type: "staticDialled"; readonly address: string; readonly outcome: DialOutcome }
  | { readonly type: "sessionReport"; readonly report: SessionReport }
  | { readonly type: "sessionEnded"; readonly deviceId: DeviceId; readonly child: number }
  | { readonly type: "respawnDue"; readonly deviceId: DeviceId }
  /** This device's addresses are others than before. */
  | { readonly type: "networkChanged" }
  /** Time to choose whom to keep a session with. */
  | { readonly type: "choiceDue" };

/** How one session stands; sent by it on every change of state and with every heartbeat. */
export interface SessionReport {
  readonly deviceId: DeviceId;
  /** Which life of the session this is about. */
  readonly child: number;
  readonly state: SessionState;
  readonly path: PathKind | null;
  readonly pathDescription: string | null;
  /** The path in use takes a detour over somebody else. */
  readonly relayed: boolean;
  readonly roundTripMs: number | null;
  readonly upSinceMs: number | null;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Messages accepted for the peer that it has not acknowledged. */
  readonly framesUnacknowledged: number;
  readonly retryAtMs: number | null;
  readonly lastProblem: string | null;
}

/** What a protocol actor must accept from sessions. `message` is decoded and validated. */
export interface PeerMessage<Message> {
  readonly type: "peerMessage";
  readonly from: DeviceId;
  readonly message: Message;
}

/** How sessions hand the bodies of one protocol to its actor. */
export interface ProtocolRoute<Message> {
  readonly protocol: ProtocolName;
  /** Strict; the reason is logged and counted as a strike. */
  readonly decode: (
    body: Uint8Array,
  ) => { readonly ok: true; readonly message: Message } | {
    readonly ok: false;
    readonly reason: string;
  };
  readonly to: Ref<PeerMessage<Message>>;
}

/** What the sessions actor knows of one device, member or merely sighted. */
export interface SessionSummary {
  readonly deviceId: DeviceId;
  readonly displayName: string;
  readonly sighted: boolean;
  readonly addresses: readonly string[];
  readonly state: SessionState;
  readonly path: PathKind | null;
  readonly pathDescription: string | null;
  /** The path in use takes a detour over somebody else. */
  readonly relayed: boolean;
  readonly roundTripMs: number | null;
  readonly connectedForMs: number | null;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly framesUnacknowledged: number;
  readonly retryInMs: number | null;
  readonly lastProblem: string | null;
}

/** Sessions coming and going, for protocol actors. `up` with `resumed` false means: the other side remembers nothing of this session. */
export type PeerSessionEvent =
  | { readonly type: "up"; readonly deviceId: DeviceId; readonly resumed: boolean }
  | {
    readonly type: "down";
    readonly deviceId: DeviceId;
    /** Set when one of both ended it: says nothing about whether the other is still there. */
    readonly onPurpose?: true;
  };
export const peerSessions: Topic<PeerSessionEvent> = topic<PeerSessionEvent>("peerSessions");
