/**
 * Liveness actors alone, over a network that is only a model: thousands of virtual hours of a mesh, where whole nodes would take too
 * long. The actors are the real ones, and so are their messages; sessions, registry and disk are missing.
 *
 * The model: who has a session with whom follows from `choosePeers`. A session carries messages in order. A lost frame is sent again
 * after 200 ms, then 400 ms, … (TCP's least retransmission time, RFC 6298 as Linux has it), and holds up what comes behind it. A session
 * on which nothing arrives for 4 s breaks, and comes back after a second. A device that stalls handles nothing until it goes on.
 */
import type { Behaviour, Context, Ref, Topic } from "../actors/kernel/actor.ts";
import {
  type LivenessChanged,
  livenessChanged,
  type LivenessCommand,
} from "../actors/liveness/commands.ts";
import { liveness } from "../actors/liveness/liveness.ts";
import type { LivenessState } from "../actors/liveness/state.ts";
import type { SessionsCommand } from "../actors/sessions/commands.ts";
import { choosePeers } from "../actors/sessions/peer_choice.ts";
import type { Random } from "../platform/ports.ts";
import { seededRandom } from "../platform/seeded_random.ts";
import { type DeviceId, deviceIdOf, type MeshId } from "../protocols/ids.ts";
import type { LivenessMessage } from "../protocols/liveness/messages.ts";
import type { Member, Registry } from "../protocols/registry/registry.ts";
import { EventQueue } from "./event_queue.ts";
import { bytesOf } from "./liveness_bytes.ts";

/** A session on which nothing arrives for so long has ended (`protocols/session/heartbeat.ts`), ms. */
const SILENCE_MS = 4_000;
const RECONNECT_MS = 1_000;
const RETRANSMIT_MS = 200;
const LATENCY_MS = { least: 2, most: 5 };
/** What envelope (6), data frame (about 9) and seal (16) add to a message, bytes. */
const FRAME_BYTES = 31;

export interface LivenessMeshOptions {
  readonly seed: number | string;
  readonly nodes: number;
  /** How likely one transmission of a frame is lost, 0–1. */
  readonly loss?: number;
  readonly onChange?: (change: LivenessMeshChange) => void;
}

/** One device believes something else of another. */
export interface LivenessMeshChange extends LivenessChanged {
  readonly observer: LivenessDevice;
  readonly subject: LivenessDevice;
  readonly atMs: number;
}

/** One device of the model. */
export interface LivenessDevice {
  readonly index: number;
  readonly id: DeviceId;
  readonly state: LivenessState;
  isUp: boolean;
  /** It handles nothing until then, virtual ms. */
  stalledUntilMs: number;
}

const sessionsRef: Ref<SessionsCommand> = { path: "node/network/sessions" };
export class LivenessMesh {
  readonly random: Random;
  readonly devices: readonly LivenessDevice[];
  readonly #devices: SimulatedDevice[];
  readonly #byId = new Map<DeviceId, SimulatedDevice>();
  readonly #queue = new EventQueue();
  readonly #options: LivenessMeshOptions;
  /** When the frame before arrives, per way of a session, virtual ms; the pair is a ∙ nodes + b. */
  readonly #arrivals: Float64Array;
  readonly #partnerIds = new Map<DeviceId, ReadonlySet<DeviceId>>();
  readonly #islands = new Map<DeviceId, number>();
  loss: number;
  nowMs = 0;
  bytes = 0;
  messages = 0;

  constructor(options: LivenessMeshOptions) {
    this.#options = options;
    this.random = seededRandom(`liveness mesh ${options.seed}`);
    this.loss = options.loss ?? 0;
    this.#arrivals = new Float64Array(options.nodes ** 2);
    const ids = Array.from(
      { length: options.nodes },
      () => deviceIdOf(this.random.bytes(32)),
    );
    const registry = registryOf(ids);
    this.#devices = ids.map((id, index) => new SimulatedDevice(this, id, index, registry));
    this.devices = this.#devices;
    for (const device of this.#devices) this.#byId.set(device.id, device);
    for (const device of this.#devices) {
      for (const peer of choosePeers(device.id, ids.filter((id) => id !== device.id))) {
        const other = this.#byId.get(peer)!;
        device.partners.add(other);
        other.partners.add(device);
      }
    }
    for (const { id, partners } of this.#devices) {
      this.#partnerIds.set(id, new Set([...partners].map((partner) => partner.id)));
    }
    for (const device of this.#devices) device.start();
    this.#connectEverybody();
  }

  /** Lives through `ms` of virtual time. */
  advance(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const nextMs = this.#queue.nextMs();
      if (nextMs === undefined || nextMs > untilMs) break;
      const { event, run } = this.#queue.take()!;
      this.nowMs = event.atMs;
      run();
    }
    this.nowMs = untilMs;
  }

  after(delayMs: number, run: () => void): () => void {
    return this.#queue.add(this.nowMs + delayMs, "", run);
  }

  /** Power fails: the others find out by silence. */
  crash(device: LivenessDevice): void {
    const crashed = this.#devices[device.index]!;
    crashed.stop();
    for (const partner of crashed.partners) this.#breakSession(crashed, partner);
  }

  /** Its process ends, and its system tells everybody at once that nobody is there any more. */
  kill(device: LivenessDevice): void {
    const killed = this.#devices[device.index]!;
    killed.stop();
    for (const partner of killed.partners) {
      this.after(LATENCY_MS.least, () => {
        const event = { type: "down", deviceId: killed.id } as const;
        if (partner.isUp) partner.handle({ type: "sessionChanged", event });
      });
      this.#connectSoon(killed, partner);
    }
  }

  /** Comes back knowing nothing, with its sessions a moment later. */
  restart(device: LivenessDevice): void {
    this.#devices[device.index]!.start();
    this.#connectEverybody();
  }

  /** Handles nothing for `ms`; what comes waits. */
  stall(device: LivenessDevice, ms: number): void {
    device.stalledUntilMs = Math.max(device.stalledUntilMs, this.nowMs + ms);
  }

  /** Groups that do not reach each other; sessions between them break by silence. */
  partition(islandOf: (device: LivenessDevice) => number): void {
    for (const device of this.#devices) this.#islands.set(device.id, islandOf(device));
    for (const device of this.#devices) {
      for (const partner of device.partners) {
        if (device.index < partner.index && !this.#reaches(device, partner)) {
          this.#breakSession(device, partner);
        }
      }
    }
  }

  /** Everybody reaches everybody again. */
  heal(): void {
    this.#islands.clear();
    this.#connectEverybody();
  }

  believes(observer: LivenessDevice, subject: LivenessDevice): string {
    return observer.state.members.get(subject.id)?.rumour?.state ?? "unknown";
  }

  /** Who shares a session with `member`. */
  partnersOf(member: DeviceId): ReadonlySet<DeviceId> {
    return this.#partnerIds.get(member) ?? new Set();
  }

  /** An actor publishes what it believes. */
  changed(observer: SimulatedDevice, event: LivenessChanged): void {
    const subject = this.#byId.get(event.deviceId)!;
    this.#options.onChange?.({ ...event, observer, subject, atMs: this.nowMs });
  }

  /** One message over one session. */
  carry(from: SimulatedDevice, to: DeviceId, message: LivenessMessage): void {
    const other = this.#byId.get(to)!;
    this.messages++;
    this.bytes += FRAME_BYTES + bytesOf(message);
    if (!other.isUp || !this.#reaches(from, other)) return;
    let delayMs = LATENCY_MS.least + this.random.float() * (LATENCY_MS.most - LATENCY_MS.least);
    for (let waitMs = RETRANSMIT_MS; this.loss > 0 && this.random.float() < this.loss;) {
      delayMs += waitMs;
      waitMs *= 2;
    }
    if (delayMs > SILENCE_MS) return this.#breakSession(from, other);
    const way = from.index * this.#devices.length + other.index;
    const arrivesAtMs = Math.max(this.#arrivals[way]!, this.nowMs + delayMs);
    this.#arrivals[way] = arrivesAtMs;
    const { life } = other;
    this.after(arrivesAtMs - this.nowMs, () => {
      if (other.life !== life || !this.#reaches(from, other)) return;
      other.handle({ type: "peerMessage", from: from.id, message });
    });
  }

  #reaches(a: LivenessDevice, b: LivenessDevice): boolean {
    return this.#islands.size === 0 ||
      (this.#islands.get(a.id) ?? 0) === (this.#islands.get(b.id) ?? 0);
  }

  #connectEverybody(): void {
    for (const device of this.#devices) {
      for (const partner of device.partners) {
        if (device.index < partner.index) this.#connectSoon(device, partner);
      }
    }
  }

  #connectSoon(a: SimulatedDevice, b: SimulatedDevice): void {
    this.after(RECONNECT_MS * (0.5 + this.random.float()), () => {
      if (!a.isUp || !b.isUp || !this.#reaches(a, b)) return;
      if (a.state.up.has(b.id) && b.state.up.has(a.id)) return;
      for (const [here, there] of [[a, b], [b, a]] as const) {
        here.handle({
          type: "sessionChanged",
          event: { type: "up", deviceId: there.id, resumed: false },
        });
      }
    });
  }

  /** Both ends notice the silence, each by itself, and try again. */
  #breakSession(a: SimulatedDevice, b: SimulatedDevice): void {
    const noticeMs = SILENCE_MS + this.random.float() * 1_000;
    const lives = [a.life, b.life];
    this.after(noticeMs, () => {
      for (const [i, here, there] of [[0, a, b], [1, b, a]] as const) {
        if (!here.isUp || here.life !== lives[i]) continue;
        here.handle({ type: "sessionChanged", event: { type: "down", deviceId: there.id } });
      }
      this.#connectSoon(a, b);
    });
  }
}

/** One actor with a context of its own. */
class SimulatedDevice implements LivenessDevice {
  readonly partners = new Set<SimulatedDevice>();
  readonly #mesh: LivenessMesh;
  readonly #registry: Registry;
  readonly #behaviour: Behaviour<LivenessCommand, LivenessState>;
  readonly #timers = new Map<string, () => void>();
  readonly #context: Context<LivenessCommand>;
  #encoded: LivenessMessage | undefined;
  #waiting: LivenessCommand[] = [];
  state!: LivenessState;
  isUp = false;
  stalledUntilMs = 0;
  life = 0;

  constructor(
    mesh: LivenessMesh,
    readonly id: DeviceId,
    readonly index: number,
    registry: Registry,
  ) {
    this.#mesh = mesh;
    this.#registry = registry;
    this.#behaviour = liveness({
      self: id,
      sessions: sessionsRef,
      partnersOf: (member) => mesh.partnersOf(member),
      // The model carries messages as they are; `bytesOf` says what they would take.
      encode: (message) => {
        this.#encoded = message;
        return new Uint8Array(0);
      },
    });
    this.#context = this.#makeContext();
  }

  start(): void {
    this.life += 1;
    this.isUp = true;
    this.stalledUntilMs = 0;
    this.#waiting = [];
    this.state = this.#behaviour.init(this.#context);
    this.handle({ type: "membershipChanged", event: { registry: this.#registry } });
  }

  stop(): void {
    this.life += 1;
    this.isUp = false;
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  /** Now, or when it goes on after a stall. */
  handle(command: LivenessCommand): void {
    if (!this.isUp) return;
    const { stalledUntilMs } = this;
    if (stalledUntilMs <= this.#mesh.nowMs && this.#waiting.length === 0) {
      return this.#behaviour.receive(this.#context, this.state, command);
    }
    this.#waiting.push(command);
    if (this.#waiting.length === 1) this.#wakeAt(stalledUntilMs);
  }

  #wakeAt(atMs: number): void {
    const { life } = this;
    this.#mesh.after(Math.max(0, atMs - this.#mesh.nowMs), () => {
      if (life !== this.life) return;
      if (this.stalledUntilMs > this.#mesh.nowMs) return this.#wakeAt(this.stalledUntilMs);
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const command of waiting) this.handle(command);
    });
  }

  #send(message: SessionsCommand | LivenessCommand): void {
    if (message.type === "sendToPeer") this.#mesh.carry(this, message.to, this.#encoded!);
  }

  #makeContext(): Context<LivenessCommand> {
    const mesh = this.#mesh;
    const random = mesh.random.fork(this.id);
    const unused = (): never => {
      throw new Error("the liveness actor is not expected to need this");
    };
    return {
      self: { path: this.id },
      log: { write() {} },
      random,
      wallMs: () => mesh.nowMs,
      monotonicMs: () => mesh.nowMs,
      send: (_to, message) => this.#send(message as SessionsCommand),
      publish: <Event>(topic: Topic<Event>, event: Event) => {
        if (topic as unknown === livenessChanged) mesh.changed(this, event as LivenessChanged);
      },
      subscribe() {},
      startTimer: (key, delayMs, message) => {
        this.#timers.get(key)?.();
        this.#timers.set(
          key,
          mesh.after(delayMs, () => {
            this.#timers.delete(key);
            this.handle(message);
          }),
        );
      },
      cancelTimer: (key) => {
        this.#timers.get(key)?.();
        this.#timers.delete(key);
      },
      spawn: unused,
      stopChild: unused,
      stopSelf: unused,
      watch: unused,
      perform: unused,
      inlet: unused,
    };
  }
}

function registryOf(ids: readonly DeviceId[]): Registry {
  const members = ids.map((deviceId) =>
    [deviceId, { deviceId, revoked: false } as Member] as const
  );
  return { mesh: "" as MeshId, founder: ids[0]!, members: new Map(members), heads: [] };
}
