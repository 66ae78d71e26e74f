/** The program `submind`: gives the command line its world, and the system the exit code. */
import { VERSION } from "../deployments/version.ts";
import type { Clock } from "../platform/ports.ts";
import { systemClock } from "../platform/system_clock.ts";
import { systemRandom } from "../platform/system_random.ts";
import { dirname } from "node:path";
import { EXIT } from "./exit_codes.ts";
import { systemTerminal } from "./output/terminal.ts";
import { runProgram } from "./program.ts";

const SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

/** Under npx and `deno task` one Ctrl-C comes twice: from the terminal, and handed on. A person's second one comes later, ms. */
const ONE_INTERRUPTION_MS = 500;

/** The first signal asks to end; a second one, from somebody who has seen that it takes long, ends at once. */
function interruption(clock: Clock): AbortSignal {
  const controller = new AbortController();
  let firstMs = 0;
  for (const signal of SIGNALS) {
    Deno.addSignalListener(signal, () => {
      const nowMs = clock.monotonicMs();
      if (!controller.signal.aborted) firstMs = nowMs;
      else if (nowMs - firstMs >= ONE_INTERRUPTION_MS) Deno.exit(EXIT.interrupted);
      controller.abort();
    });
  }
  return controller.signal;
}

/** `deno task` runs us in the project's folder; paths of people are meant from where they called it (INIT_CWD). */
function returnToCaller(): void {
  const called = Deno.env.get("INIT_CWD") ?? "";
  const project = import.meta.dirname === undefined ? null : dirname(import.meta.dirname);
  // Elsewhere the variable is left over from some outer task and says nothing about this call.
  if (called !== "" && project !== null && Deno.cwd() === project) Deno.chdir(called);
}

if (import.meta.main) {
  returnToCaller();
  const clock = systemClock();
  const exitCode = await runProgram({
    args: Deno.args,
    environment: Deno.env.toObject(),
    terminal: systemTerminal,
    clock,
    random: systemRandom(),
    interrupted: interruption(clock),
    version: VERSION,
  });
  // Listeners for signals and open sockets of libraries would keep the process alive.
  Deno.exit(exitCode);
}
