/** Leaving a mesh of one, as `submind leave` and `submind pair` do it: the running node starts anew, and commands wait for it. */
import { join } from "node:path";
import { BRING_FILE, leftMeshFolder } from "../deployments/leaving.ts";
import { clientOf, type CommandContext, dataDirectoryOf, throwIfInterrupted } from "./command.ts";
import { CliError, EXIT } from "./exit_codes.ts";
import { exists } from "./folder.ts";
import { poll } from "./wait.ts";

const EVERY_MS = 200;
/** Stopping gracefully takes up to 5 s, starting may check a lot of blocks. */
const RESTART_TIMEOUT_MS = 60_000;
const BRING_TIMEOUT_MS = 30 * 60_000;

/** Asks the node to leave and waits until it runs again without a mesh. Returns the folder that keeps what was left. */
export async function leaveOwnMesh(
  context: CommandContext,
  options: { readonly mesh: string; readonly bring: boolean },
): Promise<string> {
  await clientOf(context).leaveMesh(options.bring);
  const { clock, interrupted } = context;
  const waiting = {
    clock,
    everyMs: EVERY_MS,
    timeoutMs: RESTART_TIMEOUT_MS,
    signal: interrupted,
  };
  const back = await poll(waiting, async () => {
    try {
      return (await clientOf(context).status()).mesh === null ? true : null;
    } catch (error) {
      // While it starts anew it is not there, or its old token is not known any more.
      if (error instanceof CliError) return null;
      throw error;
    }
  });
  throwIfInterrupted(context);
  if (back === null) {
    throw new CliError(context.texts.leave.notBack, {
      code: "timedOut",
      exitCode: EXIT.failed,
      hint: context.texts.notRunning.hint(context.dataArgument),
    });
  }
  return leftMeshFolder(dataDirectoryOf(context), options.mesh);
}

/** Waits until the node has brought everything along from a mesh that was left; false when it takes too long or was stopped. */
export async function untilBrought(context: CommandContext, folder: string): Promise<boolean> {
  const { clock, interrupted } = context;
  const waiting = { clock, everyMs: EVERY_MS, timeoutMs: BRING_TIMEOUT_MS, signal: interrupted };
  const found = await poll(
    waiting,
    () => Promise.resolve(exists(join(folder, BRING_FILE)) ? null : true),
  );
  return found !== null;
}
