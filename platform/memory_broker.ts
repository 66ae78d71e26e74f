/** The Broker port over a hub in the same process. What lies between client and hub is handed in as a wire. */
import {
  type Broker,
  BROKER_BYTES_MAX,
  type BrokerMessage,
  type BrokerReply,
  type BrokerState,
  type KeepOutcome,
  type KeptMessage,
} from "./broker.ts";
import { BrokerHub, emptyHubDisk, type HubCalls, type HubPeer } from "./memory_broker_hub.ts";
import type { Clock } from "./ports.ts";

/** A connection to a hub that stands. */
export interface HubWire {
  readonly server: string;
  readonly serverName: string;
  readonly roundTripMs: number | null;
  readonly durable: boolean;
  /** Lets something happen at the hub, in order; what comes back goes through `back`, in order too. */
  toHub(
    byteCount: number,
    run: (session: HubCalls, back: (run: () => void) => void) => void,
  ): void;
  /** Bytes handed to `toHub` that have not left yet. */
  bufferedBytes(): number;
  close(): void;
}

export interface HubBrokerOptions {
  /** Letters and digits; differs between all clients of the hubs. */
  readonly name: string;
  readonly clock: Pick<Clock, "schedule">;
  /** Tries to connect; null when no hub can be reached. `onLost` is called at most once. */
  readonly connect: (peer: HubPeer, onLost: (reason: string) => void) => HubWire | null;
  /** How long after a failure it tries again, ms. */
  readonly retryMs: number;
}

/** More than this is not taken before it has left, bytes. */
const BUFFER_BYTES_MAX = 8 * 1024 * 1024;

interface Collecting {
  readonly subject: string;
  readonly onMessage: (message: KeptMessage) => void;
}

/** A client of hubs. It connects at once and again whenever it lost its hub. */
export function hubBroker(options: HubBrokerOptions): Broker & { tryNow(): void } {
  const { name, clock } = options;
  const watchers = new Set<(state: BrokerState) => void>();
  const subscriptions = new Map<
    number,
    { readonly subject: string; readonly onMessage: (message: BrokerMessage) => void }
  >();
  const collections = new Map<number, Collecting>();
  const questions = new Map<string, (reply: BrokerReply) => void>();
  const keeping = new Set<(outcome: KeepOutcome) => void>();
  let state: BrokerState = { type: "disconnected", reason: "not connected yet" };
  let wire: HubWire | null = null;
  /** Counts connections: what an earlier one still delivers is not for us. */
  let connection = 0;
  let nextId = 1;
  let closed = false;
  let cancelRetry = () => {};
  const inbox = `_INBOX.${name}`;

  const tell = (next: BrokerState): void => {
    state = next;
    for (const watcher of [...watchers]) watcher(next);
  };
  const peerOf = (ours: number): HubPeer => ({
    message(id, message) {
      if (ours !== connection) return;
      if (id === 0) {
        return onReply(message.subject, { type: "reply", bytes: message.bytes.slice() });
      }
      const { subject, bytes, replyTo } = message;
      subscriptions.get(id)?.onMessage({ subject, bytes: bytes.slice(), replyTo });
    },
    mail(id, mail, { subject, bytes }, { delivery, keptAtMs }) {
      if (ours !== connection) return;
      const settle = (taken: boolean) => {
        if (ours === connection) wire?.toHub(0, (session) => session.settle(mail, taken));
      };
      collections.get(id)?.onMessage({
        subject,
        bytes: bytes.slice(),
        delivery,
        keptAtMs,
        acknowledge: () => settle(true),
        reject: () => settle(false),
      });
    },
  });
  const onReply = (subject: string, reply: BrokerReply): void => {
    const onAnswer = questions.get(subject);
    questions.delete(subject);
    onAnswer?.(reply);
  };
  const onLost = (reason: string): void => {
    wire = null;
    connection++;
    tell({ type: "disconnected", reason });
    const lost: BrokerReply & KeepOutcome = { type: "failed", reason };
    const waiting = [...questions.keys()];
    for (const subject of waiting) onReply(subject, lost);
    for (const onOutcome of [...keeping]) onOutcome(lost);
    cancelRetry = clock.schedule(options.retryMs, tryNow);
  };
  const tryNow = (): void => {
    if (closed || wire !== null) return;
    cancelRetry();
    const ours = ++connection;
    wire = options.connect(peerOf(ours), (reason) => {
      if (ours === connection && !closed) onLost(reason);
    });
    if (wire === null) {
      cancelRetry = clock.schedule(options.retryMs, tryNow);
      return;
    }
    wire.toHub(0, (session) => session.subscribe(0, `${inbox}.*`));
    for (const [id, { subject }] of subscriptions) {
      wire.toHub(0, (session) => session.subscribe(id, subject));
    }
    for (const [id, { subject }] of collections) {
      wire.toHub(0, (session) => session.collect(id, subject));
    }
    const { server, serverName, roundTripMs, durable } = wire;
    tell({ type: "connected", server, serverName, roundTripMs, durable });
  };
  const take = (bytes: Uint8Array): boolean => {
    if (bytes.length > BROKER_BYTES_MAX) {
      throw new RangeError(
        `Cannot publish: message has ${bytes.length} bytes, expected <= ${BROKER_BYTES_MAX}`,
      );
    }
    return wire !== null && wire.bufferedBytes() + bytes.length <= BUFFER_BYTES_MAX;
  };

  cancelRetry = clock.schedule(0, tryNow);
  return {
    tryNow,
    state: () => state,
    watch(listener) {
      watchers.add(listener);
      return () => void watchers.delete(listener);
    },
    publish(subject, bytes, replyTo) {
      if (!take(bytes)) return false;
      const message = { subject, bytes: bytes.slice(), replyTo: replyTo ?? null };
      wire!.toHub(bytes.length, (session) => void session.publish(message));
      return true;
    },
    bufferedBytes: () => wire?.bufferedBytes() ?? 0,
    subscribe(subject, onMessage) {
      const id = nextId++;
      subscriptions.set(id, { subject, onMessage });
      wire?.toHub(0, (session) => session.subscribe(id, subject));
      return () => {
        if (!subscriptions.delete(id)) return;
        wire?.toHub(0, (session) => session.unsubscribe(id));
      };
    },
    request({ subject, bytes, timeoutMs }, onAnswer) {
      const replyTo = `${inbox}.${nextId++}`;
      let cancelTimeout = () => {};
      questions.set(replyTo, (reply) => {
        cancelTimeout();
        onAnswer(reply);
      });
      const fail = (reason: string) => onReply(replyTo, { type: "failed", reason });
      if (!take(bytes)) {
        const reason = state.type === "disconnected" ? state.reason : "too much waits to be sent";
        cancelTimeout = clock.schedule(0, () => fail(reason));
      } else {
        cancelTimeout = clock.schedule(timeoutMs, () => fail("no answer in time"));
        const message = { subject, bytes: bytes.slice(), replyTo };
        wire!.toHub(bytes.length, (session, back) => {
          if (!session.publish(message)) back(() => onReply(replyTo, { type: "nobody" }));
        });
      }
      return () => {
        questions.delete(replyTo);
        cancelTimeout();
      };
    },
    keep({ subject, messageId, bytes }, onOutcome) {
      const finish = (outcome: KeepOutcome): void => {
        if (keeping.delete(finish)) onOutcome(outcome);
      };
      keeping.add(finish);
      if (!take(bytes)) {
        const reason = state.type === "disconnected" ? state.reason : "too much waits to be sent";
        clock.schedule(0, () => finish({ type: "failed", reason }));
        return;
      }
      const mail = { subject, messageId, bytes: bytes.slice() };
      wire!.toHub(bytes.length, (session, back) => {
        const outcome = session.keep(mail);
        back(() => finish(outcome));
      });
    },
    collect({ subject }, onMessage) {
      const id = nextId++;
      collections.set(id, { subject, onMessage });
      wire?.toHub(0, (session) => session.collect(id, subject));
      return () => {
        if (!collections.delete(id)) return;
        wire?.toHub(0, (session) => session.endCollection(id));
      };
    },
    // deno-lint-ignore require-await -- the port is asynchronous
    async close() {
      if (closed) return;
      closed = true;
      cancelRetry();
      connection++;
      wire?.close();
      wire = null;
      questions.clear();
      keeping.clear();
      tell({ type: "disconnected", reason: "closed" });
      watchers.clear();
    },
  };
}

/** A hub for tests, its clients, and the power to take it away. */
export interface MemoryBroker {
  readonly hub: BrokerHub;
  /** Another client. */
  open(): Broker & { tryNow(): void };
  /** The process dies; what it kept is on its disk. */
  stop(): void;
  /** It is back, with its disk or (`loseDisk`) an empty one. */
  start(options?: { readonly loseDisk?: boolean }): void;
  /** From now on this decides which messages from clients reach the hub, and how often; default once. */
  tamper(copies: ((message: number) => number) | null): void;
}

/** Makes one. Everything arrives in a later microtask, in order. */
export function memoryBroker(
  options: {
    readonly clock: Pick<Clock, "monotonicMs" | "schedule" | "wallMs">;
    readonly retryMs?: number;
  },
): MemoryBroker {
  const { clock } = options;
  let disk = emptyHubDisk();
  let hub: BrokerHub | null = new BrokerHub({ name: "memory", clock, disk });
  const losses = new Set<(reason: string) => void>();
  let clients = 0;
  let carried = 0;
  let copies: ((message: number) => number) | null = null;

  function connect(peer: HubPeer, onLost: (reason: string) => void): HubWire | null {
    if (hub === null) return null;
    let open = true;
    const later = (run: () => void): void => queueMicrotask(() => open && run());
    const session = hub.attach({
      message: (id, message) => later(() => peer.message(id, message)),
      mail: (...mail) => later(() => peer.mail(...mail)),
    });
    const lose = (reason: string): void => {
      if (!open) return;
      open = false;
      losses.delete(lose);
      session.detach();
      onLost(reason);
    };
    losses.add(lose);
    return {
      server: "memory://hub",
      serverName: "memory",
      roundTripMs: 0,
      durable: true,
      bufferedBytes: () => 0,
      toHub(byteCount, run) {
        const times = byteCount > 0 && copies !== null ? copies(carried++) : 1;
        for (let i = 0; i < times; i++) later(() => run(session, later));
      },
      close() {
        // What was handed over before still arrives.
        queueMicrotask(() => {
          open = false;
          losses.delete(lose);
          session.detach();
        });
      },
    };
  }

  return {
    get hub() {
      if (hub === null) throw new Error("Cannot use the hub: it is stopped");
      return hub;
    },
    open: () =>
      hubBroker({ name: `m${++clients}`, clock, connect, retryMs: options.retryMs ?? 50 }),
    stop() {
      hub?.end();
      hub = null;
      for (const lose of [...losses]) lose("the broker is gone");
    },
    start({ loseDisk = false } = {}) {
      if (loseDisk) disk = emptyHubDisk();
      hub ??= new BrokerHub({ name: "memory", clock, disk });
    },
    tamper(next) {
      copies = next;
    },
  };
}
