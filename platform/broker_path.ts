/**
 * A path over a broker, which may lose, repeat and delay what it is given: frames are numbered, a repetition is dropped, a gap closes the
 * path. What is under way is bounded by a window that the other end opens again as its listener takes frames, so that a slow reader never
 * makes the broker buffer for it.
 */
import { encodePathFrame, type PathFrame, SEQUENCE_MAX } from "../protocols/bridge/path_frames.ts";
import { PathEvents } from "./path_events.ts";
import type { Clock } from "./ports.ts";
import type { Path, PathEvent } from "./transport.ts";

/** Largest frame, bytes; as of the other paths, so that what was cut for one fits the next. */
export const BROKER_FRAME_BYTES_MAX = 65_000;
/** Bytes of one direction of one path that the broker may have to hold. */
export const BROKER_WINDOW_BYTES = 1024 * 1024;
/** `send` refuses while more than this waits for the window, bytes. */
const BUFFER_BYTES_MAX = 1024 * 1024;
/** `drained` comes when no more than this waits, bytes. */
const BUFFER_BYTES_LOW = 256 * 1024;
/** Frames are acknowledged after this many bytes, */
const ACKNOWLEDGE_BYTES = BROKER_WINDOW_BYTES / 4;
/** or this long after so many, */
const ACKNOWLEDGE_SOON_BYTES = BROKER_WINDOW_BYTES / 16;
/** ms; */
const ACKNOWLEDGE_MS = 20;
/** and what is less, this long after the first of it, ms: the window stays open without, and at rest a path would carry as many acknowledgements as heartbeats. */
const ACKNOWLEDGE_FEW_MS = 5_000;
/** Each end says this often that it is here, ms. */
const PING_MS = 5_000;
/** An end that says nothing for this long is gone, ms. */
const SILENCE_MS = 15_000;
/** A frame that the other end has not seen after this long is lost, ms. */
const LOST_MS = 5_000;
/** How long `close` waits for what is buffered, ms. */
const FLUSH_MS = 250;
/** When the broker's own buffer is full, it is tried again after this, ms. */
const AGAIN_MS = 20;

export interface BrokerPathOptions {
  readonly clock: Clock;
  /** For people: "nats abcdefgh via nats://192.168.1.7:4222". */
  readonly description: string;
  /** Sends to the other end; false when that is not possible now. */
  readonly publish: (frame: Uint8Array) => boolean;
  /** After the last event. */
  readonly onEnd: (reason: string) => void;
}

export interface BrokerPathCounters {
  repeated: number;
  gaps: number;
}

export class BrokerPath implements Path {
  readonly kind = "nats";
  readonly binding = new Uint8Array(0);
  readonly confidential = false;
  readonly relayed = true;
  readonly frameBytesMax = BROKER_FRAME_BYTES_MAX;
  readonly counters: BrokerPathCounters = { repeated: 0, gaps: 0 };
  readonly #options: BrokerPathOptions;
  /** The id that the other end gave the path; null until it has answered. */
  #theirId: string | null = null;
  readonly #events = new PathEvents();
  #ended = false;
  #closing: string | null = null;
  /** Waits for the window. */
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #wantsRoom = false;
  /** Sent, not acknowledged; the first has number `#acknowledged`. */
  #underWay: { readonly byteCount: number; readonly atMs: number }[] = [];
  #underWayBytes = 0;
  #acknowledged = 0;
  #nextToSend = 0;
  #nextToReceive = 0;
  /** Frames that the listener has taken and the other end does not know of. */
  #taken = 0;
  #unacknowledgedBytes = 0;
  #heardAtMs: number;
  #cancelAcknowledge: (() => void) | null = null;
  #acknowledgesSoon = false;
  #cancelPing = () => {};
  #cancelFlush = () => {};
  #cancelAgain: (() => void) | null = null;

  constructor(options: BrokerPathOptions) {
    this.#options = options;
    this.#heardAtMs = options.clock.monotonicMs();
    this.#pingLater();
  }

  get description(): string {
    return this.#options.description;
  }

  /** The other end has told its id: from now on frames can be sent. */
  opened(theirId: string): void {
    this.#theirId = theirId;
    this.#pump();
  }

  bufferedBytes(): number {
    return this.#ended ? 0 : this.#queuedBytes;
  }

  send(frame: Uint8Array): boolean {
    if (this.#ended || this.#closing !== null) return false;
    if (frame.length > BROKER_FRAME_BYTES_MAX) {
      throw new RangeError(
        `Cannot send frame: ${frame.length} bytes, expected <= ${BROKER_FRAME_BYTES_MAX}`,
      );
    }
    if (this.#queuedBytes + frame.length > BUFFER_BYTES_MAX) {
      this.#wantsRoom = true;
      return false;
    }
    if (this.#queue.length === 0 && this.#sendNow(frame)) return true;
    if (this.#ended) return false;
    this.#queue.push(frame.slice());
    this.#queuedBytes += frame.length;
    return true;
  }

  close(reason: string): void {
    if (this.#ended || this.#closing !== null) return;
    this.#closing = reason;
    if (this.#queue.length === 0) return this.#finishClosing();
    this.#cancelFlush = this.#options.clock.schedule(FLUSH_MS, () => this.#finishClosing());
  }

  listen(listener: (event: PathEvent) => void): void {
    this.#events.listen((event) => {
      if (event.type === "frame") this.#take(event, listener);
      else listener(event);
    });
  }

  /** A frame for this path has come. */
  receive(frame: PathFrame): void {
    if (this.#ended) return;
    this.#heardAtMs = this.#options.clock.monotonicMs();
    switch (frame.type) {
      case "data":
        return this.#onData(frame.sequence, frame.payload);
      case "acknowledge":
        return this.#onAcknowledged(frame.next);
      case "ping":
        return this.#onPing(frame.next);
      case "close":
        return this.#onClose(frame.sequence, frame.reason);
      default:
        frame satisfies never;
    }
  }

  /** Ends it without a word to the other end, which cannot be reached. */
  fail(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const cancel of [this.#cancelAcknowledge, this.#cancelAgain]) cancel?.();
    this.#cancelPing();
    this.#cancelFlush();
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#underWay = [];
    this.#events.deliver({ type: "closed", reason });
    this.#options.onEnd(reason);
  }

  /** The other end breaks the rules, or the broker does: both ends shall know. */
  #break(reason: string): void {
    this.#publish({ type: "close", id: "", sequence: this.#nextToSend, reason });
    this.fail(reason);
  }

  #onData(sequence: number, payload: Uint8Array): void {
    if (sequence < this.#nextToReceive) {
      this.counters.repeated++;
      return;
    }
    if (sequence > this.#nextToReceive) {
      this.counters.gaps++;
      const lost = sequence - this.#nextToReceive;
      return this.#break(`the broker lost ${lost} frames`);
    }
    this.#nextToReceive++;
    this.#events.deliver({ type: "frame", frame: payload });
    if (this.#events.waitingBytes > BROKER_WINDOW_BYTES + BROKER_FRAME_BYTES_MAX) {
      this.#break("more came than the window allows");
    }
  }

  /** The listener gets a frame; the window opens by as much, soon. */
  #take(event: FrameEvent, listener: (event: PathEvent) => void): void {
    this.#taken++;
    this.#unacknowledgedBytes += event.frame.length;
    listener(event);
    if (this.#ended) return;
    if (this.#unacknowledgedBytes >= ACKNOWLEDGE_BYTES) return this.#acknowledge();
    const isSoon = this.#unacknowledgedBytes >= ACKNOWLEDGE_SOON_BYTES;
    if (isSoon && !this.#acknowledgesSoon) {
      this.#cancelAcknowledge?.();
      this.#cancelAcknowledge = null;
      this.#acknowledgesSoon = true;
    }
    this.#cancelAcknowledge ??= this.#options.clock.schedule(
      isSoon ? ACKNOWLEDGE_MS : ACKNOWLEDGE_FEW_MS,
      () => this.#acknowledge(),
    );
  }

  #acknowledge(): void {
    this.#cancelAcknowledge?.();
    this.#cancelAcknowledge = null;
    this.#acknowledgesSoon = false;
    this.#unacknowledgedBytes = 0;
    this.#publish({ type: "acknowledge", id: "", next: this.#taken });
  }

  #onAcknowledged(next: number): void {
    if (next > this.#nextToSend) return this.#break("acknowledged what was never sent");
    while (this.#acknowledged < next) {
      this.#underWayBytes -= this.#underWay.shift()?.byteCount ?? 0;
      this.#acknowledged++;
    }
    this.#pump();
  }

  /** `next`: what the other end has seen, whether or not its listener has taken it. */
  #onPing(next: number): void {
    if (next > this.#nextToSend) return this.#break("acknowledged what was never sent");
    const oldest = this.#underWay[next - this.#acknowledged];
    if (oldest === undefined) return;
    const lost = this.#options.clock.monotonicMs() - oldest.atMs > LOST_MS;
    if (lost) this.#break("the broker lost the last frames");
  }

  #onClose(sequence: number, reason: string): void {
    const lost = sequence - this.#nextToReceive;
    this.fail(lost > 0 ? `${reason} (the broker lost ${lost} frames before that)` : reason);
  }

  #pump(): void {
    while (!this.#ended && this.#queue.length > 0) {
      const frame = this.#queue[0]!;
      if (!this.#sendNow(frame)) break;
      this.#queue.shift();
      this.#queuedBytes -= frame.length;
    }
    if (this.#ended) return;
    if (this.#closing !== null) {
      if (this.#queue.length === 0) this.#finishClosing();
    } else if (this.#wantsRoom && this.#queuedBytes <= BUFFER_BYTES_LOW) {
      this.#wantsRoom = false;
      this.#events.deliver({ type: "drained" });
    }
  }

  /** False: the window or the broker's buffer is full; it is tried again when that changes. */
  #sendNow(frame: Uint8Array): boolean {
    if (this.#theirId === null) return false;
    const fits = this.#underWayBytes + frame.length <= BROKER_WINDOW_BYTES ||
      this.#underWay.length === 0;
    if (!fits) return false;
    if (this.#nextToSend >= SEQUENCE_MAX) {
      this.#break("all numbers are used");
      return false;
    }
    const sequence = this.#nextToSend;
    if (!this.#publish({ type: "data", id: "", sequence, payload: frame })) {
      this.#cancelAgain ??= this.#options.clock.schedule(AGAIN_MS, () => {
        this.#cancelAgain = null;
        this.#pump();
      });
      return false;
    }
    this.#nextToSend++;
    this.#underWay.push({
      byteCount: frame.length,
      atMs: this.#options.clock.monotonicMs(),
    });
    this.#underWayBytes += frame.length;
    return true;
  }

  #publish(frame: PathFrame): boolean {
    if (this.#theirId === null) return false;
    return this.#options.publish(encodePathFrame({ ...frame, id: this.#theirId }));
  }

  #finishClosing(): void {
    if (this.#ended || this.#closing === null) return;
    this.#break(this.#closing);
  }

  #pingLater(): void {
    this.#cancelPing = this.#options.clock.schedule(PING_MS, () => {
      const silentMs = this.#options.clock.monotonicMs() - this.#heardAtMs;
      if (silentMs > SILENCE_MS) {
        return this.#break(`nothing was heard for ${Math.round(silentMs)} ms`);
      }
      this.#publish({ type: "ping", id: "", next: this.#nextToReceive });
      this.#pingLater();
    });
  }
}

type FrameEvent = Extract<PathEvent, { readonly type: "frame" }>;
