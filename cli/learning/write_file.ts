/** Files that commands of learning write: nothing is replaced unasked. */
import type { CommandContext } from "../command.ts";
import { CliError, EXIT } from "../exit_codes.ts";
import { exists, writeStream } from "../folder.ts";

/** Refuses a file that is there already, unless `force`. */
export function refuseExisting(
  context: CommandContext,
  { out, force }: { readonly out: string; readonly force: boolean },
): void {
  if (force || !exists(out)) return;
  const texts = context.texts.learnRuns;
  throw new CliError(texts.exists(out), {
    code: "refused",
    exitCode: EXIT.refused,
    hint: texts.existsHint,
  });
}

/** Writes the file; how many bytes it has. */
export async function writeOut(
  context: CommandContext,
  path: string,
  body: ReadableStream<Uint8Array>,
): Promise<number> {
  try {
    return await writeStream(body, path);
  } catch (error) {
    // Only what the file system says; a broken connection has its own words.
    if (
      !(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied ||
        error instanceof Deno.errors.IsADirectory || error instanceof Deno.errors.NotADirectory)
    ) {
      throw error;
    }
    throw new CliError(context.texts.learnRuns.cannotWrite(path, error.message), {
      code: "cannotWrite",
      exitCode: EXIT.failed,
      cause: error,
    });
  }
}
