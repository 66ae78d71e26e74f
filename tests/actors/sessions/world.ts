/** A few nodes with a sessions actor each, on one virtual clock and a network whose paths a test can break. */
import type { Behaviour, Ref } from "../../../actors/kernel/actor.ts";
import { type Dispatcher, runTask, type Turn } from "../../../actors/kernel/dispatcher.ts";
import { ActorSystem } from "../../../actors/kernel/system.ts";
import { type NodeEvent, nodeEvents } from "../../../actors/events.ts";
import { membershipChanged } from "../../../actors/members/commands.ts";
import { type PeerPresence, peerPresence } from "../../../actors/discovery/commands.ts";
import {
  type PeerMessage,
  type PeerSessionEvent,
  peerSessions,
  type SessionsCommand,
} from "../../../actors/sessions/commands.ts";
import { sessions } from "../../../actors/sessions/sessions.ts";
import { nodeCrypto } from "../../../platform/node_crypto.ts";
import type { Clock, Random } from "../../../platform/ports.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import type {
  DialOutcome,
  DialTarget,
  Path,
  PathEvent,
  PathKind,
  Transport,
} from "../../../platform/transport.ts";
import { type DeviceId, type MeshId, parseMeshId } from "../../../protocols/ids.ts";
import type { Member, Registry } from "../../../protocols/registry/registry.ts";
import { DEFAULT_PERMISSIONS } from "../../../protocols/registry/roles.ts";
import type { Store } from "../../../store/store.ts";
import { type TestDevice, testDevice } from "../../protocols/session/support.ts";

const crypto = nodeCrypto();
export const MESH: MeshId = parseMeshId("ab".repeat(32))!;

/** Virtual time: nothing happens unless `run` says so. */
export class TestTime implements Clock {
  nowMs = 0;
  #queue: { readonly dueMs: number; readonly order: number; readonly callback: () => void }[] = [];
  #order = 0;

  wallMs(): number {
    return 1_700_000_000_000 + this.nowMs;
  }
  monotonicMs(): number {
    return this.nowMs;
  }
  schedule(delayMs: number, callback: () => void): () => void {
    const entry = { dueMs: this.nowMs + Math.max(0, delayMs), order: this.#order++, callback };
    this.#queue.push(entry);
    return () => this.#queue = this.#queue.filter((other) => other !== entry);
  }
  /** Lets `ms` pass; promises of tasks settle in between. */
  async run(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    while (true) {
      await Promise.resolve();
      let next = this.#queue[0];
      for (const entry of this.#queue) {
        if (
          next === undefined || entry.dueMs < next.dueMs ||
          (entry.dueMs === next.dueMs && entry.order < next.order)
        ) next = entry;
      }
      if (next === undefined || next.dueMs > untilMs) break;
      this.#queue.splice(this.#queue.indexOf(next), 1);
      this.nowMs = Math.max(this.nowMs, next.dueMs);
      next.callback();
    }
    this.nowMs = untilMs;
  }
  dispatcher(): Dispatcher {
    const again = (turn: Turn): void => {
      if (turn.run()) this.schedule(0, () => again(turn));
    };
    return {
      ready: (turn) => void this.schedule(0, () => again(turn)),
      perform: (task, settled) => runTask(task, settled),
    };
  }
}

/** One end of a path in memory. */
class TestPath implements Path {
  readonly frameBytesMax = 16_000;
  other: TestPath | undefined;
  closed = false;
  /** Takes frames but never delivers them, like a cable that was pulled. */
  silent = false;
  /** Not null: what is to be delivered waits in here, as on a path that sends again what was lost. */
  late: PathEvent[] | null = null;
  /** Bytes under way; beyond a limit `send` refuses. */
  #buffered = 0;
  #wantsRoom = false;
  #listener: ((event: PathEvent) => void) | undefined;
  #early: PathEvent[] = [];

  constructor(
    readonly net: TestNetwork,
    readonly description: string,
    readonly binding: Uint8Array,
    readonly confidential: boolean,
    readonly made: TestKind,
    /** Address of the node at this end. */
    readonly owner: string,
  ) {}

  get kind(): PathKind {
    return this.made.kind;
  }
  get relayed(): boolean {
    return this.made.relayed;
  }
  get #latencyMs(): number {
    return this.made.latencyMs ?? this.net.latencyMs;
  }
  bufferedBytes(): number {
    return this.#buffered;
  }
  send(frame: Uint8Array): boolean {
    if (this.closed) return false;
    if (this.#buffered + frame.length > 256 * 1024) {
      this.#wantsRoom = true;
      return false;
    }
    const copy = frame.slice();
    this.net.frames.push(copy);
    this.#buffered += copy.length;
    this.net.time.schedule(this.#latencyMs, () => {
      if (this.net.stuck.has(this)) return;
      this.#buffered -= copy.length;
      if (!this.silent && this.other?.closed === false) {
        this.other.deliver({ type: "frame", frame: this.net.alter(copy, this.other.owner) });
      }
      if (this.#wantsRoom && !this.closed) {
        this.#wantsRoom = false;
        this.deliver({ type: "drained" });
      }
    });
    return true;
  }
  close(reason: string): void {
    if (this.closed) return;
    this.end(reason);
    const other = this.other;
    if (other !== undefined && !this.silent) {
      this.net.time.schedule(this.#latencyMs, () => other.end(reason));
    }
  }
  end(reason: string): void {
    if (this.closed) return;
    this.closed = true;
    this.deliver({ type: "closed", reason });
  }
  /** What waits arrives now, in order. */
  catchUp(): void {
    const waiting = this.late ?? [];
    this.late = null;
    for (const event of waiting) this.deliver(event);
  }
  deliver(event: PathEvent): void {
    if (this.late !== null) return void this.late.push(event);
    if (this.#listener === undefined) this.#early.push(event);
    else this.#listener(event);
  }
  listen(listener: (event: PathEvent) => void): void {
    this.#listener = listener;
    for (const event of this.#early.splice(0)) listener(event);
  }
}

/** One technology of the test network. */
export interface TestKind {
  readonly kind: PathKind;
  readonly relayed: boolean;
  /** How long a dial takes, ms; default `TestNetwork.dialMs`. */
  readonly dialMs?: number;
  /** One way, ms; default `TestNetwork.latencyMs`. */
  readonly latencyMs?: number;
  /** False: dials fail. */
  works: boolean;
  dials: number;
}

/** Who can be dialled at which address. */
export class TestNetwork {
  latencyMs = 2;
  dialMs = 20;
  /** Every frame that travelled. */
  readonly frames: Uint8Array[] = [];
  readonly paths: TestPath[] = [];
  readonly stuck = new Set<TestPath>();
  confidential = false;
  /** What arrives at a node in place of a frame, as if the other end had made a mistake. */
  alter: (frame: Uint8Array, to: string) => Uint8Array = (frame) => frame;
  /** Technologies of every node, best first; to be set before nodes start. */
  kinds: TestKind[] = [testKind("simulated")];
  readonly #accept = new Map<string, (path: Path) => void>();
  readonly down = new Set<string>();

  constructor(readonly time: TestTime) {}

  get dials(): number {
    return this.kinds.reduce((sum, { dials }) => sum + dials, 0);
  }
  transports(address: string): Transport[] {
    return this.kinds.map((made, index) => ({
      kind: made.kind,
      dial: (target, onOutcome) => this.dial(address, index, target, onOutcome),
      accept: (onPath) => {
        this.#accept.set(`${address}/${index}`, onPath);
        return () => this.#accept.delete(`${address}/${index}`);
      },
      close: () => Promise.resolve(),
    }));
  }
  dial(
    from: string,
    index: number,
    target: DialTarget,
    onOutcome: (outcome: DialOutcome) => void,
  ): () => void {
    const made = this.kinds[index]!;
    made.dials += 1;
    return this.time.schedule(made.dialMs ?? this.dialMs, () => {
      const address = target.addresses.find((one) =>
        this.#accept.has(`${one}/${index}`) && !this.down.has(one)
      );
      if (address === undefined || this.down.has(from) || !made.works) {
        return onOutcome({ type: "failed", reason: "nobody there" });
      }
      const [ours, theirs] = this.connect(from, address, index);
      onOutcome({ type: "opened", path: ours });
      this.#accept.get(`${address}/${index}`)?.(theirs);
    });
  }
  connect(from: string, to: string, index = 0): [TestPath, TestPath] {
    const made = this.kinds[index]!;
    const binding = new Uint8Array([this.paths.length]);
    const ours = new TestPath(this, `to ${to}`, binding, this.confidential, made, from);
    const theirs = new TestPath(this, `from ${from}`, binding, this.confidential, made, to);
    ours.other = theirs;
    theirs.other = ours;
    this.paths.push(ours, theirs);
    return [ours, theirs];
  }
  /** Opens a path to an address as somebody who is no node. */
  knock(address: string): Path {
    const [ours, theirs] = this.connect("stranger", address);
    this.#accept.get(`${address}/0`)?.(theirs);
    return ours;
  }
  /** Closes the open paths of one technology at both ends. */
  breakKind(made: TestKind): void {
    for (const path of this.paths) if (path.made === made) path.end("broken");
  }
  /** Every open path goes silent: both ends must find out by themselves. */
  cut(): void {
    for (const path of this.paths) path.silent = true;
  }
  /** Every open path is closed at both ends. */
  break(reason = "broken"): void {
    for (const path of this.paths) path.end(reason);
  }
  get open(): number {
    return this.paths.filter((path) => !path.closed && !path.silent).length / 2;
  }
}

/** A technology that works. */
export function testKind(kind: PathKind, options: Partial<TestKind> = {}): TestKind {
  return { kind, relayed: false, works: true, dials: 0, ...options };
}

export interface TestNode {
  readonly device: TestDevice;
  readonly address: string;
  readonly system: ActorSystem;
  readonly sessions: Ref<SessionsCommand>;
  readonly received: { readonly from: DeviceId; readonly body: Uint8Array }[];
  readonly sessionEvents: PeerSessionEvent[];
  readonly events: NodeEvent[];
  join(registry: Registry | null): void;
  sight(other: TestNode): void;
  /** Its own addresses have changed. */
  moved(): void;
  send(to: TestNode, body: Uint8Array): void;
}

type Relay = { readonly registry: Registry | null } | { readonly presence: PeerPresence };

/** Starts a node. */
export function startNode(net: TestNetwork, name: string, seed = name): TestNode {
  const device = testDevice(name);
  const received: { from: DeviceId; body: Uint8Array }[] = [];
  const random: Random = seededRandom(seed);
  const system = new ActorSystem({
    clock: net.time,
    random,
    log: { write() {} },
    dispatcher: net.time.dispatcher(),
  });
  const collector: Behaviour<PeerMessage<Uint8Array>, null> = {
    name: "collector",
    init: () => null,
    receive: (_context, _state, message) =>
      void received.push({ from: message.from, body: message.message }),
  };
  const relay: Behaviour<Relay, null> = {
    name: "relay",
    init: () => null,
    receive(context, _state, message) {
      if ("registry" in message) context.publish(membershipChanged, message);
      else context.publish(peerPresence, message.presence);
    },
  };
  const to = system.spawn("sync", collector);
  const relayRef = system.spawn("relay", relay);
  let moved = () => {};
  const saved = new Map<string, unknown>();
  const settings = {
    get: (key: string) => Promise.resolve(saved.get(key)),
    entries: (prefix: string) =>
      Promise.resolve([...saved].filter(([key]) => key.startsWith(prefix))),
    set: (changes: Readonly<Record<string, unknown>>) => {
      for (const [key, value] of Object.entries(changes)) saved.set(key, value);
      return Promise.resolve();
    },
  } as Store["settings"];
  const sessionsRef = system.spawn(
    "sessions",
    sessions({
      self: device.id,
      store: { settings },
      transports: net.transports(name),
      watchNetwork: (onChange) => {
        moved = onChange;
        return () => moved = () => {};
      },
      routes: [{
        protocol: "sync",
        decode: (body: Uint8Array) =>
          body[0] === 0xff
            ? { ok: false, reason: "bad body" }
            : { ok: true, message: body.slice() },
        to,
      }],
      crypto,
      signer: device.signer,
    }),
  );
  const sessionEvents: PeerSessionEvent[] = [];
  const events: NodeEvent[] = [];
  system.subscribe(peerSessions, (event) => void sessionEvents.push(event));
  system.subscribe(nodeEvents, (event) => void events.push(event));
  return {
    device,
    address: name,
    system,
    sessions: sessionsRef,
    received,
    sessionEvents,
    events,
    moved: () => moved(),
    join: (registry) => system.tell(relayRef, { registry }),
    sight: (other) =>
      system.tell(relayRef, {
        presence: {
          type: "sighted",
          deviceId: other.device.id,
          sighting: {
            deviceId: other.device.id,
            displayName: other.address,
            role: "submind",
            capabilities: [],
            meshTag: "",
            protocolVersion: 1,
            port: 1,
            addresses: [other.address],
          },
        },
      }),
    send: (other, body) =>
      system.tell(sessionsRef, { type: "sendToPeer", to: other.device.id, protocol: "sync", body }),
  };
}

/** A registry with these members. */
export function registryOf(
  members: readonly DeviceId[],
  revoked: readonly DeviceId[] = [],
): Registry {
  return {
    mesh: MESH,
    founder: members[0]!,
    heads: [],
    members: new Map(members.map((deviceId) => [deviceId, {
      deviceId,
      displayName: deviceId.slice(0, 4),
      role: "submind",
      permissions: new Set(DEFAULT_PERMISSIONS.submind),
      trust: "normal",
      revoked: revoked.includes(deviceId),
      validUpToSequence: null,
      admittedBy: null,
      admittedAtMs: 0,
      incarnation: 0,
      version: 0,
      spans: [],
    } as Member])),
  };
}
