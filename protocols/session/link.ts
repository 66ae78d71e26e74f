/**
 * A link outlives the paths it runs over: envelopes go in at one end and come out at the other, in order and once,
 * however often the path breaks, until both ends agree to begin afresh, which is then declared.
 *
 * Positions count bytes of a stream rather than frames: a path with smaller frames can then go on exactly where one
 * with larger frames broke off, many small messages share a frame, and no envelope is sent twice for its missing end.
 *
 * Invariants:
 * - At most `LINK_QUEUE_BYTES_MAX` bytes wait; what does not fit is refused, never dropped later.
 * - At most `LINK_WINDOW_BYTES` bytes are under way without acknowledgement.
 * - A gap, a false acknowledgement or an impossible length breaks the path; nothing is guessed.
 */
import { equalBytes } from "../codec.ts";
import { type Envelope, ENVELOPE_BYTES_MAX, ENVELOPE_HEADER_BYTES } from "../envelope.ts";
import type { DataFrame, ResumeFrame } from "./messages.ts";
import { type ReceiveOutcome, ReceiveStream } from "./receive_stream.ts";
import { LENGTH_BYTES, SendStream } from "./send_stream.ts";
import { POSITION_MAX } from "./wire.ts";

/** Bytes accepted and not acknowledged, at most: a peer that does not read costs no more. */
export const LINK_QUEUE_BYTES_MAX = 16 * 1024 * 1024;
/** Bytes sent and not acknowledged, at most: 100 MB/s at a round trip of 80 ms. */
export const LINK_WINDOW_BYTES = 8 * 1024 * 1024;
/** An acknowledgement goes out at once when this much has arrived without one. */
export const LINK_ACK_BYTES = 512 * 1024;
/** Bytes of a session id. */
export const LINK_ID_BYTES = 16;

const NO_ID = new Uint8Array(LINK_ID_BYTES);

export type LinkRole = "initiator" | "responder";

export type ResumeOutcome =
  /** Nothing was lost: both streams go on. */
  | { readonly type: "resumed" }
  /** Both streams begin at zero. What had been queued here and not acknowledged is gone. */
  | { readonly type: "fresh" }
  | { readonly type: "violation"; readonly reason: string };

/** After a gap a new path can resume; after a violation only a new link helps. */
export type DataOutcome = ReceiveOutcome;

/** One end of a link. */
export class Link {
  readonly #newId: () => Uint8Array;
  #localId: Uint8Array;
  #remoteId: Uint8Array = NO_ID;
  #send = new SendStream();
  #receive = new ReceiveStream();
  #acknowledgementSent = 0;

  /** `newId` draws 16 random bytes. */
  constructor(newId: () => Uint8Array) {
    this.#newId = newId;
    this.#localId = newId();
  }

  /** True once both ends have agreed on this link, until it is given up. */
  get established(): boolean {
    return !equalBytes(this.#remoteId, NO_ID);
  }

  /** Bytes accepted and not acknowledged. */
  get bufferedBytes(): number {
    return this.#send.buffered;
  }

  /** Envelopes accepted and not acknowledged to their end. */
  get unacknowledgedMessages(): number {
    return this.#send.messages;
  }

  /** Position that the other side has acknowledged: stands still when it does not read. */
  get acknowledged(): number {
    return this.#send.acknowledged;
  }

  /** Position to acknowledge in the next frame of any kind that carries one. */
  get received(): number {
    return this.#receive.received;
  }

  /** Position of the envelope that has come only in part: stands still when its end never comes. Null between two envelopes. */
  get unfinishedFrom(): number | null {
    return this.#receive.unfinishedFrom;
  }

  /** Bytes that have arrived since an acknowledgement was sent. */
  get unacknowledgedReceived(): number {
    return this.#receive.received - this.#acknowledgementSent;
  }

  /** Takes one envelope; false when the queue has no room for it, and then it was not taken. */
  enqueue(envelope: Envelope): boolean {
    const bytes = LENGTH_BYTES + ENVELOPE_HEADER_BYTES + envelope.body.length;
    if (bytes > LENGTH_BYTES + ENVELOPE_BYTES_MAX) return false;
    if (this.#send.buffered + bytes > LINK_QUEUE_BYTES_MAX) return false;
    if (this.#send.end + bytes > POSITION_MAX) return false;
    this.#send.append(envelope);
    return true;
  }

  /** Our half, for the resume frame of a new path. */
  resume(): Pick<ResumeFrame, "localId" | "remoteId" | "received"> {
    return {
      localId: this.#localId,
      remoteId: this.#remoteId,
      received: this.#receive.received,
    };
  }

  /**
   * Takes the other side's resume frame on a new path. The initiator has sent its own before; the responder answers
   * with `resume()` afterwards, unless this is a violation.
   */
  onResume(frame: ResumeFrame, role: LinkRole): ResumeOutcome {
    const knowsUs = equalBytes(frame.remoteId, this.#localId);
    if (knowsUs && equalBytes(frame.localId, this.#remoteId)) {
      this.#acknowledgementSent = this.#receive.received;
      return this.#send.rewind(frame.received) ? { type: "resumed" } : violation(
        `resume position is ${frame.received}, expected ${this.#send.acknowledged}-${this.#send.end}`,
      );
    }
    if (role === "initiator" && !knowsUs) return violation("resume answers another session");
    if (frame.received !== 0 && role === "initiator") {
      return violation(`resume position is ${frame.received}, expected 0`);
    }
    // The responder takes a new name, so that the initiator sees that its old half is gone.
    if (role === "responder" && !this.#pristine()) this.#localId = this.#newId();
    this.#remoteId = frame.localId;
    this.#send = new SendStream();
    this.#receive = new ReceiveStream();
    this.#acknowledgementSent = 0;
    return { type: "fresh" };
  }

  /** True when there is a data frame to send and the window has room. */
  get canSend(): boolean {
    return this.#send.pending && this.#send.unacknowledged < LINK_WINDOW_BYTES;
  }

  /** The next data frame, encoded; undefined when there is none or the window is full. It counts as sent. */
  nextFrame(frameBytesMax: number): Uint8Array | undefined {
    if (!this.canSend) return undefined;
    return this.#send.cut(frameBytesMax, this.takeAcknowledgement());
  }

  /** Position to put into an outgoing frame; counts as sent. */
  takeAcknowledgement(): number {
    this.#acknowledgementSent = this.#receive.received;
    return this.#acknowledgementSent;
  }

  /** Takes a data frame. */
  onData(frame: DataFrame): DataOutcome {
    const refused = this.onAcknowledgement(frame.acknowledged);
    return refused ?? this.#receive.take(frame.offset, frame.bytes);
  }

  /** Takes an acknowledgement; a violation when it covers what was never sent, else undefined. */
  onAcknowledgement(
    position: number,
  ): { readonly type: "violation"; readonly reason: string } | undefined {
    if (this.#send.acknowledge(position)) return undefined;
    return violation(`acknowledged position is ${position}, expected what was sent`);
  }

  #pristine(): boolean {
    return equalBytes(this.#remoteId, NO_ID) && this.#send.end === 0;
  }
}

function violation(reason: string): { readonly type: "violation"; readonly reason: string } {
  return { type: "violation", reason };
}
