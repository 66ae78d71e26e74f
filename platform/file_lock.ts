/**
 * An exclusive lock on a file, held by the operating system for the life of this process: a crash releases it.
 *
 * The file holds the process id of the holder, for people; the lock itself is never decided by that number.
 */

export type FileLockOutcome =
  | { readonly type: "locked"; readonly lock: FileLock }
  /** Another holder has it. `pid` is what the file says, null when it says nothing. */
  | { readonly type: "busy"; readonly pid: number | null };

export interface FileLock {
  /** Gives the lock back; calling twice is harmless. */
  release(): void;
}

/**
 * Takes the lock without waiting.
 *
 * @param path the lock file; created when it is not there
 * @throws the operating system's error when the file cannot be opened or written
 */
export async function lockFile(path: string): Promise<FileLockOutcome> {
  const file = await Deno.open(path, { read: true, write: true, create: true });
  let taken = false;
  try {
    taken = await file.tryLock(true);
    if (!taken) return { type: "busy", pid: pidIn(await Deno.readTextFile(path)) };
    await file.truncate(0);
    await file.write(new TextEncoder().encode(`${Deno.pid}\n`));
  } catch (error) {
    file.close();
    taken = true;
    throw error;
  } finally {
    if (!taken) file.close();
  }
  let held = true;
  return {
    type: "locked",
    lock: {
      release() {
        if (!held) return;
        held = false;
        // Closing the file gives the lock back; the file stays, for removing it would race with the next holder.
        file.close();
      },
    },
  };
}

function pidIn(text: string): number | null {
  const pid = Number(text.trim());
  return Number.isSafeInteger(pid) && pid > 0 ? pid : null;
}
