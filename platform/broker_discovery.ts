/**
 * Discovery over a broker: members say under the mesh's veil that they are here, signed, again and again, and who comes asks for it. What
 * is heard is verified before it is believed; a broker that repeats old presences gets nothing but a dial that fails.
 */
import { decodePresence, encodePresence, type Presence } from "../protocols/bridge/presence.ts";
import { presenceSubject } from "../protocols/bridge/subjects.ts";
import type { DeviceId } from "../protocols/ids.ts";
import type { BrokerMessage } from "./broker.ts";
import type { BrokerMesh, MeshOnBroker } from "./broker_mesh.ts";
import { BROKER_ADDRESS_PREFIX } from "./broker_transport.ts";
import type { Announcement, Discovery, DiscoveryEvent, DiscoverySession } from "./discovery.ts";
import type { Clock, Crypto, Random, Signer } from "./ports.ts";

/** Everybody says this often that it is here, ms; a tenth more or less, so that devices do not speak in step. */
export const PRESENCE_EVERY_MS = 30_000;
/** After a start presence is said again after these times, ms: the broker may let us speak a little later than we try. */
const AGAIN_MS = [1_500, 5_000] as const;
/** Who was not heard for this long is gone, ms: three presences may be lost. */
export const PRESENCE_EXPIRY_MS = 100_000;
/** Answers to a newcomer are spread over this much for each device that is present, ms, */
const ANSWER_SPREAD_MS = 20;
/** but not over more than this. */
const ANSWER_SPREAD_MAX_MS = 5_000;
/** Whoever asks more often than this is not answered anew, ms. */
const ANSWER_EVERY_MS = 1_000;
/** Devices remembered, at most; the one silent longest is forgotten. */
const DEVICES_MAX = 4_096;
/** Presences kept of devices that are no members: a member's device may be heard before its admission has come here. */
const UNKNOWN_MAX = 64;

export interface BrokerDiscoveryOptions {
  readonly mesh: BrokerMesh;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Pick<Crypto, "verify">;
  /** Its device must be the one that is announced. */
  readonly signer: Signer;
  /** Where this device may be reached without the broker, best first. */
  readonly addresses: () => readonly string[];
  /** Who else than members says something is ignored. */
  readonly isAdmitted: (device: DeviceId) => boolean;
}

export interface BrokerDiscovery extends Discovery {
  /** Others may have been admitted: presences of devices that were no members yet are looked at again. */
  membersChanged(): void;
  /** Presences that were not under our veil, malformed, forged, or older than what is known. */
  ignored(): number;
}

interface Heard {
  /** The newest sequence; nothing older is believed, also not after a goodbye. */
  sequence: number;
  /** What was told of it; null after a goodbye. */
  told: string | null;
  cancelExpiry: () => void;
}

/** Makes the adapter; one session at a time. */
export function brokerDiscovery(options: BrokerDiscoveryOptions): BrokerDiscovery {
  const counters = { ignored: 0 };
  let session: Session | undefined;
  return {
    start: (self, onEvent) => session = new Session(options, self, onEvent, counters),
    membersChanged: () => session?.membersChanged(),
    ignored: () => counters.ignored,
  };
}

class Session implements DiscoverySession {
  readonly #options: BrokerDiscoveryOptions;
  readonly #onEvent: (event: DiscoveryEvent) => void;
  readonly #counters: { ignored: number };
  readonly #heard = new Map<DeviceId, Heard>();
  /** Newest presence of devices that are no members, as it came. */
  readonly #unknown = new Map<DeviceId, BrokerMessage>();
  readonly #stops: readonly (() => void)[];
  #self: Announcement;
  #sequence = 0;
  #ended = false;
  #answeredAtMs = -Infinity;
  #cancelAnnounce = () => {};
  #cancelAgain = () => {};
  #cancelAnswer: (() => void) | null = null;

  constructor(
    options: BrokerDiscoveryOptions,
    self: Announcement,
    onEvent: (event: DiscoveryEvent) => void,
    counters: { ignored: number },
  ) {
    this.#options = options;
    this.#self = self;
    this.#onEvent = onEvent;
    this.#counters = counters;
    const { mesh } = options;
    this.#stops = [
      mesh.subscribe(presenceSubject, (message, current) => this.#onMessage(message, current)),
      mesh.watchMesh(() => this.#onMeshChanged()),
      mesh.broker.watch((state) => {
        if (state.type === "connected") this.#begin();
      }),
    ];
    this.#cancelAnnounce = options.clock.schedule(0, () => {
      this.#onEvent({
        type: "availability",
        multicast: false,
        interfaces: [],
        reason: "presence over a broker",
      });
      this.#begin();
    });
  }

  update(self: Announcement): void {
    if (this.#ended) return;
    this.#self = self;
    this.#say("here", false);
  }

  refresh(): void {
    if (!this.#ended) this.#say("here", true);
  }

  membersChanged(): void {
    const current = this.#options.mesh.current();
    if (this.#ended || current === null) return;
    for (const [device, message] of [...this.#unknown]) {
      if (!this.#options.isAdmitted(device)) continue;
      this.#unknown.delete(device);
      this.#onMessage(message, current);
    }
  }

  // deno-lint-ignore require-await -- the port is asynchronous
  async stop(): Promise<void> {
    if (this.#ended) return;
    this.#say("goodbye", false);
    this.#ended = true;
    for (const stop of this.#stops) stop();
    this.#cancelAnnounce();
    this.#cancelAgain();
    this.#cancelAnswer?.();
    for (const { cancelExpiry } of this.#heard.values()) cancelExpiry();
    this.#heard.clear();
  }

  /** We have just come, or come back. */
  #begin(times = 0): void {
    if (this.#ended) return;
    this.#announceRegularly(times === 0 || this.#heard.size === 0);
    this.#cancelAgain();
    const delayMs = AGAIN_MS[times];
    if (delayMs === undefined) return;
    this.#cancelAgain = this.#options.clock.schedule(delayMs, () => this.#begin(times + 1));
  }

  #announceRegularly(asks: boolean): void {
    if (this.#ended) return;
    this.#cancelAnnounce();
    this.#say("here", asks);
    const { clock, random } = this.#options;
    const delayMs = PRESENCE_EVERY_MS * (0.9 + random.float() * 0.2);
    this.#cancelAnnounce = clock.schedule(delayMs, () => this.#announceRegularly(false));
  }

  #say(kind: Presence["kind"], asks: boolean): void {
    const { mesh, clock, signer, addresses } = this.#options;
    const current = mesh.current();
    if (current === null || mesh.broker.state().type !== "connected") return;
    // The clock carries the sequence over restarts; a clock that is set back is outrun by counting.
    this.#sequence = Math.max(this.#sequence + 1, Math.floor(clock.wallMs()));
    const presence: Presence = {
      kind,
      asks,
      sequence: this.#sequence,
      tag: current.tag,
      self: this.#self,
      addresses: addresses(),
    };
    const subject = presenceSubject(current.tag);
    const bytes = encodePresence(presence, signer);
    mesh.broker.publish(subject, current.veil.cover("presence", subject, bytes));
  }

  #onMeshChanged(): void {
    for (const device of [...this.#heard.keys()]) this.#onGone(device, "expired");
    this.#heard.clear();
    this.#unknown.clear();
    this.#begin();
  }

  #onMessage(message: BrokerMessage, current: MeshOnBroker): void {
    if (this.#ended) return;
    const presence = this.#believed(message, current);
    if (presence === undefined) return void this.#counters.ignored++;
    if (presence === "own") return;
    const device = presence.self.deviceId as DeviceId;
    const heard = this.#note(device, presence.sequence);
    if (presence.kind === "goodbye") return this.#onGone(device, "goodbye");
    const addresses = [`${BROKER_ADDRESS_PREFIX}${device}`, ...presence.addresses];
    const sighting = { ...presence.self, addresses };
    const told = JSON.stringify(sighting);
    if (heard.told !== told) {
      heard.told = told;
      this.#onEvent({ type: "sighted", sighting });
    }
    if (presence.asks) this.#answerSoon();
  }

  /** What can be believed of it; undefined when nothing can. */
  #believed(message: BrokerMessage, current: MeshOnBroker): Presence | "own" | undefined {
    const { crypto, isAdmitted, mesh } = this.#options;
    const plain = current.veil.lift("presence", message.subject, message.bytes);
    const decoded = plain === undefined ? undefined : decodePresence(plain);
    if (decoded?.ok !== true) return undefined;
    const { presence, verify } = decoded.message;
    const device = presence.self.deviceId as DeviceId;
    if (device === mesh.self) return "own";
    if (presence.tag !== current.tag) return undefined;
    if (!isAdmitted(device)) {
      this.#noteUnknown(device, message);
      return undefined;
    }
    const known = this.#heard.get(device);
    if (known !== undefined && presence.sequence <= known.sequence) return undefined;
    // Last, because it costs most.
    return verify(crypto) ? presence : undefined;
  }

  #noteUnknown(device: DeviceId, message: BrokerMessage): void {
    this.#unknown.delete(device);
    this.#unknown.set(device, message);
    if (this.#unknown.size <= UNKNOWN_MAX) return;
    const [oldest] = this.#unknown.keys();
    this.#unknown.delete(oldest!);
  }

  #note(device: DeviceId, sequence: number): Heard {
    const known = this.#heard.get(device);
    known?.cancelExpiry();
    // Deleting first keeps the map in the order in which devices were heard.
    this.#heard.delete(device);
    const cancelExpiry = this.#options.clock.schedule(PRESENCE_EXPIRY_MS, () => {
      this.#onGone(device, "expired");
      this.#heard.delete(device);
    });
    const heard: Heard = { sequence, told: known?.told ?? null, cancelExpiry };
    this.#heard.set(device, heard);
    if (this.#heard.size > DEVICES_MAX) {
      const [oldest] = this.#heard.keys();
      this.#onGone(oldest!, "expired");
      this.#heard.get(oldest!)?.cancelExpiry();
      this.#heard.delete(oldest!);
    }
    return heard;
  }

  /** Its entry stays until it expires, so that what it said before its goodbye cannot be repeated. */
  #onGone(deviceId: DeviceId, reason: "goodbye" | "expired"): void {
    const heard = this.#heard.get(deviceId);
    if (heard === undefined || heard.told === null) return;
    heard.told = null;
    this.#onEvent({ type: "gone", deviceId, reason });
  }

  #answerSoon(): void {
    const { clock, random } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#cancelAnswer !== null || nowMs - this.#answeredAtMs < ANSWER_EVERY_MS) return;
    const spreadMs = Math.min(ANSWER_SPREAD_MAX_MS, ANSWER_SPREAD_MS * (1 + this.#heard.size));
    this.#cancelAnswer = clock.schedule(random.float() * spreadMs, () => {
      this.#cancelAnswer = null;
      this.#answeredAtMs = clock.monotonicMs();
      this.#say("here", false);
    });
  }
}
