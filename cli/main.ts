/** The program `submind`: gives the command line its world, and the system the exit code. */
import { VERSION } from "../deployments/version.ts";
import { systemClock } from "../platform/system_clock.ts";
import { systemRandom } from "../platform/system_random.ts";
import { EXIT } from "./exit_codes.ts";
import { systemTerminal } from "./output/terminal.ts";
import { runProgram } from "./program.ts";

const SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

/** The first signal asks to end; a second one ends at once. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const signal of SIGNALS) {
    Deno.addSignalListener(signal, () => {
      if (controller.signal.aborted) Deno.exit(EXIT.interrupted);
      controller.abort();
    });
  }
  return controller.signal;
}

if (import.meta.main) {
  const exitCode = await runProgram({
    args: Deno.args,
    environment: Deno.env.toObject(),
    terminal: systemTerminal,
    clock: systemClock(),
    random: systemRandom(),
    interrupted: interruption(),
    version: VERSION,
  });
  // Listeners for signals and open sockets of libraries would keep the process alive.
  Deno.exit(exitCode);
}
