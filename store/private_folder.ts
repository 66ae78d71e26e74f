/** Folders that only their owner may look into. */

/**
 * Creates a folder (and missing ones above it) that only its owner may enter, whatever the umask; one that is there and open
 * to others is closed to them. Files below need no care then.
 *
 * @returns "private" when nothing was open, else the octal mode it had and whether it could be closed: a folder of somebody
 * else, or on a file system without modes, stays as it is
 */
export async function makePrivateFolder(
  directory: string,
): Promise<"private" | { readonly mode: string; readonly closed: boolean }> {
  await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
  if (Deno.build.os === "windows") return "private";
  const mode = ((await Deno.stat(directory)).mode ?? 0o700) & 0o7777;
  if ((mode & 0o077) === 0) return "private";
  try {
    await Deno.chmod(directory, 0o700);
    const now = ((await Deno.stat(directory)).mode ?? 0) & 0o077;
    return { mode: mode.toString(8), closed: now === 0 };
  } catch {
    return { mode: mode.toString(8), closed: false };
  }
}
