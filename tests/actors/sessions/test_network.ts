/** A network in memory, whose paths a test can break, silence and delay. */
import { PathEvents } from "../../../platform/path_events.ts";
import type {
  DialOutcome,
  DialTarget,
  Path,
  PathEvent,
  PathKind,
  Transport,
} from "../../../platform/transport.ts";
import type { TestTime } from "./test_time.ts";

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
  readonly #events = new PathEvents();

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
    this.#events.deliver(event);
  }
  listen(listener: (event: PathEvent) => void): void {
    this.#events.listen(listener);
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
