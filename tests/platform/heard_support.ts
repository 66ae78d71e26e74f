/** Whether work that goes on and on lets sockets have their say. */

/** Begins `work` while a word is on its way over a socket; what `progress` said when the word was heard. Resolves when both are over. */
export async function progressWhenHeard(
  work: (isHeard: () => boolean) => unknown,
  progress: () => number,
): Promise<number> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [ours, theirs] = await Promise.all([
    Deno.connect({ port: listener.addr.port }),
    listener.accept(),
  ]);
  try {
    const part = new Uint8Array(1);
    // What has come is read, so that the next word is news.
    await ours.write(part);
    await theirs.read(part);
    let heardAt: number | undefined;
    const heard = theirs.read(part).then(() => heardAt = progress());
    const worked = work(() => heardAt !== undefined);
    await ours.write(part);
    await Promise.all([heard, worked]);
    return heardAt!;
  } finally {
    for (const one of [ours, theirs, listener]) one.close();
  }
}

/** Keeps this thread busy for so long. */
export function busy(ms: number): void {
  const untilMs = performance.now() + ms;
  while (performance.now() < untilMs);
}
