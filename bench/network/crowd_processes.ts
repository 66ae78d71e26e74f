/** Starts the processes of a crowd, speaks with them, and ends them whatever happens. */
import { readLines } from "../../cli/client_events.ts";
import type { CrowdCommand, CrowdReport, CrowdTask } from "./crowd_messages.ts";

type Of<Type extends CrowdReport["type"]> = Extract<CrowdReport, { readonly type: Type }>;

/** One process of a crowd. */
export class CrowdProcess {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #heard: CrowdReport[] = [];
  readonly #waiting = new Set<() => void>();
  #isOver = false;

  /** `onReport` hears everything it says. */
  constructor(
    readonly task: CrowdTask,
    onReport: (report: CrowdReport) => void = () => {},
  ) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--allow-all",
        "--no-check",
        new URL("./crowd_process.ts", import.meta.url).pathname,
        JSON.stringify(task),
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#listen(onReport);
  }

  say(command: CrowdCommand): void {
    this.#input.write(new TextEncoder().encode(`${JSON.stringify(command)}\n`)).catch(() => {});
  }

  /** The next report of this kind that fits. @throws when the process ends before, or after `withinMs` */
  async hear<Type extends CrowdReport["type"]>(
    type: Type,
    { withinMs, fits = () => true }: {
      readonly withinMs: number;
      readonly fits?: (report: Of<Type>) => boolean;
    },
  ): Promise<Of<Type>> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#wake();
    }, withinMs);
    try {
      while (true) {
        const at = this.#heard.findIndex((one) => one.type === type && fits(one as Of<Type>));
        if (at >= 0) return this.#heard.splice(at, 1)[0] as Of<Type>;
        const { role, from, to } = this.task;
        const who = role === "coordinator" ? "the coordinator" : `clients ${from} to ${to - 1}`;
        if (this.#isOver) throw new Error(`Cannot measure: the process of ${who} has ended`);
        if (isLate) throw new Error(`Cannot measure: no "${type}" of ${who} in ${withinMs} ms`);
        await new Promise<void>((resolve) => this.#waiting.add(resolve));
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends it at once. */
  async end(): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#child.status;
    await this.#input.abort().catch(() => {});
  }

  async #listen(onReport: (report: CrowdReport) => void): Promise<void> {
    try {
      for await (const line of readLines(this.#child.stdout)) {
        const report = JSON.parse(line) as CrowdReport;
        onReport(report);
        // Those that come by the thousand are for `onReport` only.
        if (report.type !== "phase" && report.type !== "problem") this.#heard.push(report);
        this.#wake();
      }
    } catch {
      // It was ended in the middle of a line.
    }
    this.#isOver = true;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

/**
 * Runs `body`, and `clean` after it: also when somebody ends the bench meanwhile. Only a signal that nobody can hear leaves `clean` undone; the processes of
 * a crowd then end with their input.
 */
export async function thenClean<T>(
  body: () => Promise<T>,
  clean: () => Promise<unknown>,
): Promise<T> {
  const signals =
    (Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM", "SIGHUP"]) as Deno.Signal[];
  const onSignal = () => void clean().finally(() => Deno.exit(130));
  for (const signal of signals) Deno.addSignalListener(signal, onSignal);
  try {
    return await body();
  } finally {
    for (const signal of signals) Deno.removeSignalListener(signal, onSignal);
    await clean();
  }
}
