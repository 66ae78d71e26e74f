/**
 * What an actor is. Promises of the kernel:
 *
 * 1. `receive` is synchronous, one command at a time.
 * 2. Every effect (`send`, `publish`, `spawn`, timers, tasks, …) is buffered: committed in order when `receive` or `init`
 *    returns, discarded when it throws.
 * 3. `perform` is the only asynchrony; its outcome returns as a command, dropped if the actor has restarted or stopped.
 * 4. State is a plain value the kernel holds: supervisors reset it, checkers read it. `receive` may change it in place.
 * 5. A `Ref` is a stable path: a restart does not break its senders.
 * 6. Every mailbox has a bound and a declared overflow policy.
 */
import type { Log, Random } from "../../platform/ports.ts";

/** Where to send commands of type `Message`. A ref that accepts less cannot stand for one that accepts more. */
export interface Ref<in Message> {
  /** "node/replication/sync"; stable across restarts. */
  readonly path: string;
  readonly __accepts?: (message: Message) => void;
}

/** A one-to-many channel inside one process; equality is by identity of the object made by `topic`. */
export interface Topic<out Event> {
  readonly name: string;
  /** True: its last event is told to everyone who subscribes later. */
  readonly retained: boolean;
  readonly __carries?: () => Event;
}

/** What happens to a command that finds its mailbox full. The loss is counted, and the command becomes a dead letter. */
export interface MailboxPolicy {
  /** Commands waiting at most. */
  readonly capacity: number;
  /** `reject`: the new command is dropped. `dropOldest`: the oldest waiting one is. `crash`: the receiver is failed and restarted by its supervisor. Never throws into the sender. */
  readonly overflow: "reject" | "dropOldest" | "crash";
}

/** Capacity 10,000, overflow `reject`. */
export const DEFAULT_MAILBOX: MailboxPolicy = { capacity: 10_000, overflow: "reject" };

export type TaskOutcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: unknown };

export type ExitReason =
  /** It stopped itself or was stopped by its parent. */
  | { readonly type: "stopped" }
  /** It crashed and its supervisor will not restart it (any more). */
  | { readonly type: "failed"; readonly error: unknown }
  /** It was dead, or had never lived, when the watch was set. */
  | { readonly type: "unknown" };

/** When a child that ended is started again. `transient`: only after a crash. */
export type RestartType = "permanent" | "transient" | "temporary";

export interface SpawnOptions {
  /** Default `transient`. */
  readonly restart?: RestartType;
  /** How many crashes in which time this child is allowed; its own budget, shared with nobody. Default 3 in 60,000 ms. */
  readonly intensity?: RestartIntensity;
  /** Wait before a restart; default none for the first, then 100 ms doubling up to 10,000 ms, with jitter. */
  readonly backoff?: RestartBackoff;
}

export interface RestartIntensity {
  readonly restartsMax: number;
  readonly withinMs: number;
}

export interface RestartBackoff {
  readonly firstMs: number;
  readonly factor: number;
  readonly maxMs: number;
}

/** What an actor may do while it handles a command. All of it is buffered until the handler returns. */
export interface Context<Message> {
  readonly self: Ref<Message>;
  readonly log: Log;
  /** This actor's own generator, forked from the node's by path: equal seeds give equal draws. */
  readonly random: Random;
  /** As in `Clock`; constant during one command. */
  wallMs(): number;
  /** As in `Clock`; constant during one command. */
  monotonicMs(): number;
  send<M>(to: Ref<M>, message: NoInfer<M>): void;
  publish<Event>(topic: Topic<Event>, event: NoInfer<Event>): void;
  /** Events become commands of this actor until it restarts or stops; subscribe again in `init`. Subscribing twice to one topic replaces. */
  subscribe<Event>(topic: Topic<Event>, toCommand: (event: Event) => Message): void;
  /** Starts a child under `self`. A key that is in use is a programming error (the actor crashes). */
  spawn<M, S>(key: string, behaviour: Behaviour<M, S>, options?: SpawnOptions): Ref<M>;
  /** Ends a child, after the commands it already has were dropped. Unknown refs are ignored. */
  stopChild(child: Ref<never>): void;
  /** Ends this actor after the current command. */
  stopSelf(): void;
  /** One command when `ref` ends for good (restarts are not ends), also when it already has. */
  watch(ref: Ref<never>, toCommand: (reason: ExitReason) => Message): void;
  /** One command after `delayMs`; the same key again replaces the earlier timer. Gone when the actor restarts or stops. */
  startTimer(key: string, delayMs: number, message: Message): void;
  cancelTimer(key: string): void;
  /**
   * Runs `task` outside the actor. It must settle by its own (disk, processor), never wait for node time to pass or
   * for another actor: in the simulator the world stands still until it has settled.
   */
  perform<T>(task: () => Promise<T> | T, toCommand: (outcome: TaskOutcome<T>) => Message): void;
  /**
   * A function that the outside world (a socket, a path) may call at any time; each call becomes a command. Calls after a
   * restart or stop are dropped. The one way in for event sources.
   */
  inlet<Event>(toCommand: (event: Event) => Message): (event: Event) => void;
}

/** An actor as a value: how it starts and what it does with each command. */
export interface Behaviour<Message, State> {
  /** For logs and counters; the address comes from the place in the tree. */
  readonly name: string;
  /** Default `DEFAULT_MAILBOX`. */
  readonly mailbox?: MailboxPolicy;
  /** What happens to the siblings of a child that crashes; default `oneForOne`. See `supervisor.ts`. */
  readonly strategy?: "oneForOne" | "restForOne" | "oneForAll";
  /** Makes the first state, again after every restart. Effects are allowed. A throw counts as a crash. */
  init(context: Context<Message>): State;
  receive(context: Context<Message>, state: State, message: Message): void;
  /** Releases what `init` or `receive` took from the outside (paths, sockets). Called once per life, on stop and before a restart; also after a crash. Must not throw. */
  release?(state: State): void;
}
