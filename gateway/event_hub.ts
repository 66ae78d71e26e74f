/**
 * The node's events for many slow readers: numbered, the newest kept for those who come back, and never buffered
 * without limit for one who does not read.
 */
import type { NodeHandle } from "../actors/handle.ts";
import type { NodeEvent } from "../actors/events.ts";
import type { Clock, Random } from "../platform/ports.ts";

/** Events kept for readers that reconnect. */
export const EVENTS_KEPT = 1_000;
/** Chunks that may wait for one reader; one more and its connection is dropped. It may resume from the kept events. */
export const CHUNKS_WAITING_MAX = 1_200;
/** Readers at once. */
export const READERS_MAX = 64;
/** A comment is sent and the reader's token looked at this often: dead connections, proxies and ended logins are noticed, ms. */
export const HEARTBEAT_MS = 15_000;

const utf8 = new TextEncoder();

interface Numbered {
  readonly number: number;
  readonly chunk: Uint8Array;
}

interface Reader {
  readonly isStillAllowed: () => Promise<boolean>;
  send(chunk: Uint8Array): void;
  end(): void;
}

export interface EventHub {
  /**
   * A server-sent event stream, starting after `lastEventId` where that is still known. When it is not, the first event
   * is `resync`: the client has missed something and reads the state anew. Undefined when there are too many readers. The
   * stream ends within `HEARTBEAT_MS` after `isStillAllowed` says no, or fails.
   */
  open(options: {
    readonly lastEventId: string | undefined;
    readonly isStillAllowed: () => Promise<boolean>;
  }): ReadableStream<Uint8Array> | undefined;
  readers(): number;
  /** Connections dropped because they did not read. */
  dropped(): number;
  /** Ends every stream and stops watching the node; resolves when no token is being looked at any more. */
  close(): Promise<void>;
}

/** Watches `node` until closed. */
export function eventHub(
  { node, clock, random }: { node: NodeHandle; clock: Clock; random: Random },
): EventHub {
  // Numbers begin anew with each start, so ids carry which start they belong to.
  const start = random.bytes(4).toHex();
  const kept: Numbered[] = [];
  const readers = new Set<Reader>();
  let number = 0;
  let dropped = 0;
  let closed = false;
  let cancelHeartbeat = () => {};
  /** Resolves when the tokens that are being looked at have been. */
  let checks: Promise<unknown> = Promise.resolve();

  function frame(type: string, data: unknown): Uint8Array {
    return utf8.encode(`id: ${start}-${number}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  function publish(event: NodeEvent): void {
    number++;
    const chunk = frame(event.type, event);
    kept.push({ number, chunk });
    if (kept.length > EVENTS_KEPT) kept.shift();
    for (const reader of readers) reader.send(chunk);
  }

  function beat(): void {
    const comment = utf8.encode(": heartbeat\n\n");
    for (const reader of readers) reader.send(comment);
    checks = Promise.all([checks, ...[...readers].map(endUnlessAllowed)]);
    cancelHeartbeat = clock.schedule(HEARTBEAT_MS, beat);
  }

  async function endUnlessAllowed(reader: Reader): Promise<void> {
    if (!await reader.isStillAllowed().catch(() => false)) reader.end();
  }

  /** What a reader that has seen `lastEventId` has missed; undefined when we no longer know. */
  function missed(lastEventId: string): readonly Numbered[] | undefined {
    const [epoch, text] = lastEventId.split("-");
    const seen = Number(text);
    if (epoch !== start || text === undefined || !Number.isInteger(seen) || seen > number) {
      return undefined;
    }
    const oldest = kept[0]?.number ?? number + 1;
    if (seen < oldest - 1) return undefined;
    return kept.filter((event) => event.number > seen);
  }

  const unsubscribe = node.subscribe(publish);
  cancelHeartbeat = clock.schedule(HEARTBEAT_MS, beat);

  return {
    open({ lastEventId, isStillAllowed }) {
      if (closed || readers.size >= READERS_MAX) return undefined;
      let reader: Reader;
      return new ReadableStream<Uint8Array>({
        start(controller) {
          reader = {
            isStillAllowed,
            send(chunk) {
              if ((controller.desiredSize ?? 0) > 0) return controller.enqueue(chunk);
              // An error, not an end: it frees what waits for this reader at once.
              readers.delete(reader);
              dropped++;
              controller.error(new Error("the reader of the events is too slow"));
            },
            end() {
              // Left, dropped or ended before: there is no stream any more.
              if (!readers.delete(reader)) return;
              controller.close();
            },
          };
          readers.add(reader);
          reader.send(utf8.encode("retry: 2000\n: welcome\n\n"));
          const backlog = lastEventId === undefined ? [] : missed(lastEventId);
          if (backlog === undefined) reader.send(frame("resync", { type: "resync" }));
          else for (const event of backlog) reader.send(event.chunk);
        },
        cancel() {
          readers.delete(reader);
        },
      }, new CountQueuingStrategy({ highWaterMark: CHUNKS_WAITING_MAX }));
    },
    readers: () => readers.size,
    dropped: () => dropped,
    async close() {
      if (!closed) {
        closed = true;
        cancelHeartbeat();
        unsubscribe();
        for (const reader of [...readers]) reader.end();
      }
      await checks;
    },
  };
}
