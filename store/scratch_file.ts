/**
 * Scratch as a file, removed when it is closed. Others' updates lie in it, so its bytes are encrypted (ChaCha20) under a key that is in memory only: what a crash or
 * a thief leaves of it says nothing.
 */
import { createCipheriv } from "node:crypto";
import type { Random, Scratch } from "../platform/ports.ts";

/** Bytes of one block of the stream; a place in the file is a place in the stream. */
const BLOCK_BYTES = 64;
/** Encrypted at once: fits the second-level cache. */
const PIECE_BYTES = 64 * 1024;

/** Makes a new file in `directory`, which is made where it is missing. `random` must be secret and unpredictable. */
export async function openScratchFile(
  directory: string,
  random: Pick<Random, "bytes">,
): Promise<Scratch> {
  await Deno.mkdir(directory, { recursive: true });
  const path = await Deno.makeTempFile({ dir: directory });
  const file = await Deno.open(path, { read: true, write: true });
  const key = random.bytes(32);
  let isClosed = false;
  // The file has one position: whoever moves it must be done before the next does.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = (act: () => Promise<void>): Promise<void> => {
    const mine = last.then(act);
    last = mine.catch(() => undefined);
    return mine;
  };
  return {
    write: (at, bytes) =>
      inTurn(async () => {
        await file.seek(at, Deno.SeekMode.Start);
        const stream = streamFrom(key, at);
        for (let from = 0; from < bytes.length; from += PIECE_BYTES) {
          const piece = stream.update(bytes.subarray(from, from + PIECE_BYTES));
          for (let done = 0; done < piece.length;) done += await file.write(piece.subarray(done));
        }
        stream.final();
      }),
    read: (at, into) =>
      inTurn(async () => {
        await file.seek(at, Deno.SeekMode.Start);
        for (let done = 0; done < into.length;) {
          const read = await file.read(into.subarray(done));
          if (read === null) break;
          done += read;
        }
        const stream = streamFrom(key, at);
        for (let from = 0; from < into.length; from += PIECE_BYTES) {
          into.set(stream.update(into.subarray(from, from + PIECE_BYTES)), from);
        }
        stream.final();
      }),
    close: () =>
      inTurn(async () => {
        if (isClosed) return;
        isClosed = true;
        file.close();
        await Deno.remove(path);
      }),
  };
}

/** The key stream from a place of the file on. Encrypting and decrypting are the same. To be ended with `final`: the runtime keeps its state else. */
function streamFrom(key: Uint8Array, at: number) {
  // Block counter, little-endian, then the nonce: the key is of this file alone.
  const start = new Uint8Array(16);
  new DataView(start.buffer).setUint32(0, Math.floor(at / BLOCK_BYTES), true);
  const cipher = createCipheriv("chacha20", key, start);
  cipher.update(new Uint8Array(at % BLOCK_BYTES));
  return cipher;
}
