/** What the sessions actor knows. Shared by its files; nobody else needs it. */
import type { DeviceId } from "../../protocols/ids.ts";
import type { Registry } from "../../protocols/registry/registry.ts";
import type { HandshakeState } from "../../protocols/session/handshake.ts";
import type { LinkRole } from "../../protocols/session/link.ts";
import type { Context, Ref } from "../kernel/actor.ts";
import type { SessionReport, SessionsCommand } from "./commands.ts";
import type { HeldPath } from "./held_path.ts";
import type { SessionCommand } from "./session_state.ts";

/** A device that is a member or was seen. */
export interface Peer {
  displayName: string;
  sighted: boolean;
  addresses: readonly string[];
  child: {
    readonly ref: Ref<SessionCommand>;
    readonly number: number;
    readonly sinceMs: number;
  } | null;
  /** A person has asked for it or given its address: it is dialled whatever the choice says. */
  pinned: boolean;
  /** `pairRank` with us, once it was needed. */
  rank: number | null;
  /** What its session said last. */
  report: SessionReport | null;
}

/** A path whose other end has not proved who it is. */
export interface Stranger {
  readonly path: HeldPath;
  readonly role: LinkRole;
  /** The static address that was dialled, null for accepted paths. */
  readonly address: string | null;
  handshake: HandshakeState;
}

/** An address that a person gave. */
export interface StaticPeer {
  /** Who was found there last. */
  deviceId: DeviceId | null;
  failures: number;
  /** Which transport is asked next, by index. */
  transport: number;
  /** Set while dialling. */
  cancel: (() => void) | null;
}

export interface SessionsState {
  readonly self: DeviceId;
  registry: Registry | null;
  readonly peers: Map<DeviceId, Peer>;
  /** Whom we dial; null: everybody. */
  chosen: ReadonlySet<DeviceId> | null;
  /** Sessions with these are kept whatever the choice says: they learn together with us. */
  kept: ReadonlySet<DeviceId>;
  /** A new choice is due. */
  choicePending: boolean;
  readonly strangers: Map<number, Stranger>;
  readonly statics: Map<string, StaticPeer>;
  nextId: number;
  /** Stop the transports from accepting, and whatever else calls us. */
  readonly stops: (() => void)[];
}

export type SessionsContext = Context<SessionsCommand>;
export type Of<Type extends SessionsCommand["type"]> = Extract<SessionsCommand, { type: Type }>;
