/** Scratch as a file without a name that others know; removed when it is closed. */
import type { Scratch } from "../platform/ports.ts";

/** Makes a new file in `directory`, which is made where it is missing. */
export async function openScratchFile(directory: string): Promise<Scratch> {
  await Deno.mkdir(directory, { recursive: true });
  const path = await Deno.makeTempFile({ dir: directory });
  const file = await Deno.open(path, { read: true, write: true });
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
        for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
      }),
    read: (at, into) =>
      inTurn(async () => {
        await file.seek(at, Deno.SeekMode.Start);
        for (let done = 0; done < into.length;) {
          const read = await file.read(into.subarray(done));
          if (read === null) return void into.fill(0, done);
          done += read;
        }
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
