/** A path between two simulated devices: real bytes, in order, once, or it closes. It has a bandwidth and a buffer. */
import type { Path, PathEvent } from "../platform/transport.ts";
import type { Connection, Network, Station, Way } from "./network.ts";

const FRAME_BYTES_MAX = 65_000;
const BUFFER_BYTES_MAX = 1024 * 1024;
/** `drained` is told when this much or less is left. */
const BUFFER_BYTES_LOW = 256 * 1024;
/** What a detour carries of what a direct path does. */
const RELAYED_SHARE = 1 / 8;

/** Makes both ends of a path that is open. */
export function connectStations(
  network: Network,
  stations: readonly [Station, Station],
  way: Way = "direct",
): readonly [Path, Path] {
  // Some technologies encrypt and bind, some do not: the session above must manage with both.
  const confidential = network.random.below(2) === 0;
  const binding = network.random.bytes(confidential ? 32 : 0);
  const pipe = new Pipe(network, stations, way);
  const ends = stations.map((station, side) => {
    const description = `simulated ${way} ${stations[1 - side]!.host}`;
    return new SimulatedPath(pipe, station, { description, binding, confidential });
  }) as [SimulatedPath, SimulatedPath];
  pipe.ends = ends;
  return ends;
}

/** What both ends share. */
class Pipe implements Connection {
  readonly network: Network;
  readonly stations: readonly [Station, Station];
  readonly way: Way;
  ends: readonly [SimulatedPath, SimulatedPath] | undefined;
  /** Nothing is carried any more. */
  broken = false;
  readonly #forget: () => void;

  constructor(network: Network, stations: readonly [Station, Station], way: Way) {
    this.network = network;
    this.stations = stations;
    this.way = way;
    this.#forget = network.track(this);
  }

  otherEnd(end: SimulatedPath): SimulatedPath {
    return this.ends![0] === end ? this.ends![1] : this.ends![0];
  }

  breakSilently(): void {
    if (this.broken) return;
    this.broken = true;
    this.#forget();
    for (const end of this.ends ?? []) {
      this.network.world.after(
        this.network.noticeMs(),
        "path lost",
        () => end.closeHere("connection lost"),
      );
    }
  }

  forget(): void {
    this.#forget();
  }
}

class SimulatedPath implements Path {
  readonly kind = "simulated";
  readonly description: string;
  readonly binding: Uint8Array;
  readonly confidential: boolean;
  readonly relayed: boolean;
  readonly frameBytesMax = FRAME_BYTES_MAX;
  readonly #pipe: Pipe;
  readonly #station: Station;
  readonly #life: number;
  #listener: ((event: PathEvent) => void) | undefined;
  #early: PathEvent[] = [];
  #buffered = 0;
  #wantsDrained = false;
  #closed = false;
  #closing = false;
  /** When the last frame has left, and when it arrives, in world ms. */
  #leftAtMs = 0;
  #arrivesAtMs = 0;

  constructor(
    pipe: Pipe,
    station: Station,
    options: { description: string; binding: Uint8Array; confidential: boolean },
  ) {
    this.#pipe = pipe;
    this.#station = station;
    this.#life = station.device.life;
    this.description = options.description;
    this.binding = options.binding;
    this.confidential = options.confidential;
    this.relayed = pipe.way === "relayed";
  }

  bufferedBytes(): number {
    return this.#buffered;
  }

  send(frame: Uint8Array): boolean {
    if (this.#closed || this.#closing) return false;
    if (frame.length > FRAME_BYTES_MAX) {
      throw new RangeError(
        `Cannot send: frame has ${frame.length} bytes, expected <= ${FRAME_BYTES_MAX}`,
      );
    }
    if (this.#buffered + frame.length > BUFFER_BYTES_MAX) {
      this.#wantsDrained = true;
      return false;
    }
    this.#buffered += frame.length;
    const bytes = frame.slice();
    this.#carry(
      frame.length,
      () => this.#pipe.otherEnd(this).#arrive({ type: "frame", frame: bytes }),
    );
    return true;
  }

  close(reason: string): void {
    if (this.#closed || this.#closing) return;
    this.#closing = true;
    // Behind everything that was sent before.
    this.#carry(0, () => this.#pipe.otherEnd(this).closeHere(reason));
    this.#pipe.network.world.after(0, "path closed", () => this.closeHere(reason));
  }

  listen(listener: (event: PathEvent) => void): void {
    this.#listener = listener;
    const early = this.#early;
    this.#early = [];
    for (const event of early) listener(event);
  }

  /** The last event of this end. */
  closeHere(reason: string): void {
    if (this.#closed) return;
    this.#arrive({ type: "closed", reason });
    this.#closed = true;
    this.#pipe.forget();
  }

  /** Moves `byteCount` bytes over the link, then lets `arrive` happen unless the path broke. */
  #carry(byteCount: number, arrive: () => void): void {
    const { network } = this.#pipe;
    const { world } = network;
    const { way } = this.#pipe;
    const share = way === "direct" ? 1 : RELAYED_SHARE;
    const sendMs = byteCount / (network.quality.bytesPerSecond * share) * 1_000;
    this.#leftAtMs = Math.max(world.nowMs, this.#leftAtMs) + sendMs;
    const delayMs = network.withLosses(network.delayMs(way));
    this.#arrivesAtMs = Math.max(this.#arrivesAtMs, this.#leftAtMs + delayMs);
    if (byteCount > 0) {
      world.after(this.#leftAtMs - world.nowMs, "frame left", () => this.#left(byteCount));
    }
    world.after(this.#arrivesAtMs - world.nowMs, "frame", () => {
      if (!this.#pipe.broken) arrive();
    });
  }

  #left(byteCount: number): void {
    this.#buffered -= byteCount;
    if (!this.#wantsDrained || this.#closed || this.#buffered > BUFFER_BYTES_LOW) return;
    this.#wantsDrained = false;
    this.#arrive({ type: "drained" });
  }

  #arrive(event: PathEvent): void {
    if (this.#closed || this.#life !== this.#station.device.life) return;
    if (event.type === "frame") {
      const { network } = this.#pipe;
      event = { type: "frame", frame: network.corrupted(this.#station, event.frame) };
      network.world.trace.bytes(event.frame);
    }
    if (this.#listener === undefined) this.#early.push(event);
    else this.#listener(event);
  }
}
