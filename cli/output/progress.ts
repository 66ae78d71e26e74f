/** Progress of long work. Only for eyes (a terminal on standard error, no `--json`), only when it takes over a second. */
import cliProgress from "cli-progress";
import type { Clock } from "../../platform/ports.ts";
import type { Output } from "./output.ts";

const VISIBLE_AFTER_MS = 1_000;

export interface Progress {
  /** `done` of `total` are done; `what` is being worked on. */
  update(done: number, total: number, what?: string): void;
  stop(): void;
}

interface Bar {
  start(total: number, done: number, payload: unknown): void;
  update(done: number, payload: unknown): void;
  setTotal(total: number): void;
  stop(): void;
}

/** A bar named `label` that appears once the work has taken a second. */
export function startProgress(output: Output, clock: Clock, label: string): Progress {
  if (output.json || !output.terminal.errIsTerminal) return { update() {}, stop() {} };
  const startedMs = clock.monotonicMs();
  let bar: Bar | null = null;
  return {
    update(done, total, what = "") {
      if (bar === null) {
        if (clock.monotonicMs() - startedMs < VISIBLE_AFTER_MS) return;
        bar = new cliProgress.SingleBar(
          {
            format: `${label} {bar} {percentage} % · {value}/{total} · {eta_formatted} {what}`,
            hideCursor: true,
            clearOnComplete: true,
            stopOnComplete: false,
            fps: 10,
          },
          cliProgress.Presets.shades_classic,
        ) as Bar;
        bar.start(total, done, { what });
        return;
      }
      bar.setTotal(total);
      bar.update(done, { what: what.slice(0, 40) });
    },
    stop() {
      bar?.stop();
      bar = null;
    },
  };
}
