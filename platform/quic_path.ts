/** One bidirectional QUIC stream as a Path: frames with a length before them, back-pressure, and one `closed` at the end. */
import { errorText } from "./error_text.ts";
import { PathEvents } from "./path_events.ts";
import type { Clock } from "./ports.ts";
import { QUIC_PROTOCOL } from "./quic_library.ts";
import type { QuicReader } from "./quic_reader.ts";
import type { Path } from "./transport.ts";

/** Before each frame. */
const LENGTH_BYTES = 4;
/** Largest frame, bytes: a message of 64 KiB fits into one, and need not be put together from two. */
export const QUIC_FRAME_BYTES_MAX = 256 * 1024;
/** The same towards an end that has agreed on the first protocol only. */
export const QUIC_FRAME_BYTES_MAX_1 = 64 * 1024;
/** `send` refuses while more than this waits, bytes. */
const QUIC_BUFFER_BYTES_MAX = 2 * 1024 * 1024;
/** `drained` comes when no more than this waits, bytes. */
const BUFFER_BYTES_LOW = 512 * 1024;
/** Frames that wait are put together in pieces of this size, bytes: every write costs a turn of the event loop. */
const PIECE_BYTES = LENGTH_BYTES + QUIC_FRAME_BYTES_MAX;
/** Bytes that may arrive before anybody listens; then the stream is left alone. */
const UNHEARD_BYTES_MAX = 1024 * 1024;
/** How long `close` waits for what is buffered and for the other end to say that it has it, ms. */
const FLUSH_MS = 250;
/** From this size on a frame is written as it is instead of copied, bytes. */
const LARGE_BYTES = 32 * 1024;

export interface QuicPathOptions {
  readonly clock: Clock;
  readonly connection: Deno.QuicConn;
  readonly reader: QuicReader;
  readonly writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly binding: Uint8Array;
  /** After the last event. */
  readonly onEnd: () => void;
}

/** Makes a path of a stream on which both ends have agreed. */
export function quicPath(options: QuicPathOptions): Path {
  const { clock, connection, reader, writer } = options;
  const { hostname, port } = connection.remoteAddr;
  const description = `quic ${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
  const frameBytesMax = connection.protocol === QUIC_PROTOCOL
    ? QUIC_FRAME_BYTES_MAX
    : QUIC_FRAME_BYTES_MAX_1;
  const events = new PathEvents();
  let onHeard: (() => void) | undefined;
  let pieces: Piece[] = [];
  let buffered = 0;
  let writing = false;
  let wantsRoom = false;
  let closing = false;
  let ended = false;
  let cancelFlush: () => void = () => {};

  const end = (reason: string): void => {
    if (ended) return;
    ended = true;
    cancelFlush();
    pieces = [];
    buffered = 0;
    try {
      connection.close({ closeCode: 0, reason: "" });
    } catch {
      // Already closed.
    }
    events.deliver({ type: "closed", reason });
    onHeard?.();
    options.onEnd();
  };
  const pump = async (): Promise<void> => {
    if (writing) return;
    writing = true;
    for (let piece = pieces.shift(); piece !== undefined && !ended; piece = pieces.shift()) {
      await writer.write(piece.bytes.subarray(0, piece.filled));
      buffered -= piece.filled;
      if (!wantsRoom || ended || closing || buffered > BUFFER_BYTES_LOW) continue;
      wantsRoom = false;
      events.deliver({ type: "drained" });
    }
    writing = false;
    // The end of our half; the other end closes the connection when it has read everything.
    if (closing && !ended) await writer.close();
  };
  const fail = (error: unknown): void => end(errorText(error));
  const read = async (): Promise<void> => {
    while (!ended) {
      const header = await reader.exactly(LENGTH_BYTES);
      if (header === undefined) return end("closed by the other end");
      const length = new DataView(header.buffer, header.byteOffset).getUint32(0);
      if (length > frameBytesMax) {
        return end(`frame of ${length} bytes, expected <= ${frameBytesMax}`);
      }
      const frame = await reader.exactly(length);
      if (frame === undefined) return end("closed by the other end inside a frame");
      if (ended) return;
      if (!closing) events.deliver({ type: "frame", frame });
      if (!events.isHeard && events.waitingBytes > UNHEARD_BYTES_MAX) {
        await new Promise<void>((resolve) => onHeard = resolve);
      }
    }
  };
  read().catch(fail);
  connection.closed.then(() => {
    // What arrived before the end is still being read; the reader comes to the end by itself.
    cancelFlush();
    cancelFlush = clock.schedule(FLUSH_MS, () => end("connection closed"));
  }, fail);

  return {
    kind: "quic",
    description,
    binding: options.binding,
    confidential: true,
    relayed: false,
    frameBytesMax,
    bufferedBytes: () => buffered,
    send(frame) {
      if (ended || closing) return false;
      if (frame.length > frameBytesMax) {
        throw new RangeError(
          `Cannot send frame: ${frame.length} bytes, expected <= ${frameBytesMax}`,
        );
      }
      if (buffered + frame.length > QUIC_BUFFER_BYTES_MAX) {
        wantsRoom = true;
        return false;
      }
      append(pieces, frame, writing ? PIECE_BYTES : 0);
      buffered += LENGTH_BYTES + frame.length;
      pump().catch(fail);
      return true;
    },
    close(reason) {
      if (closing || ended) return;
      closing = true;
      cancelFlush = clock.schedule(FLUSH_MS, () => end(reason));
      connection.closed.then(() => end(reason), () => end(reason));
      pump().catch(fail);
    },
    listen(listener) {
      events.listen(listener);
      onHeard?.();
    },
  };
}

/** Frames that are written together. */
interface Piece {
  readonly bytes: Uint8Array;
  filled: number;
}

/**
 * Puts a frame, with its length before it, behind those that wait. A small one is copied into a piece with others, of `pieceBytes` or
 * just of its size; a large one is a piece of its own, which is never changed: frames are handed over.
 */
function append(pieces: Piece[], frame: Uint8Array, pieceBytes: number): void {
  const isLarge = frame.length >= LARGE_BYTES;
  const needed = LENGTH_BYTES + (isLarge ? 0 : frame.length);
  let piece = pieces.at(-1);
  if (piece === undefined || piece.bytes.length - piece.filled < needed) {
    piece = { bytes: new Uint8Array(isLarge ? needed : Math.max(needed, pieceBytes)), filled: 0 };
    pieces.push(piece);
  }
  const { bytes, filled } = piece;
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(filled, frame.length);
  piece.filled += needed;
  if (isLarge) pieces.push({ bytes: frame, filled: frame.length });
  else bytes.set(frame, filled + LENGTH_BYTES);
}
