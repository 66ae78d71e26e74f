/** What every demo does around its story: a folder of its own, an end to all it has started, and cleaning up unless the logs may help. */
import { type CommandContext, throwIfInterrupted } from "../command.ts";
import { EXIT, type ExitCode } from "../exit_codes.ts";
import { sleep } from "../wait.ts";

/** One demo: its name, its story, and its last words. */
export interface Demo<Summary extends object> {
  /** Beginning of the folder's name. */
  readonly prefix: string;
  readonly title: string;
  /** Does everything, in `folder`. What it starts is ended by what it gives to `onEnd`, the last first, whatever happens. */
  tell(folder: string, onEnd: (end: () => Promise<void>) => void): Promise<Summary>;
  /** Says where to look when the story is told and everything goes on running. */
  sayRunning(): void;
}

/** Between two looks whether to go on running, ms; an interrupt ends the wait at once. */
const RUNNING_MS = 60_000;

/** Runs a demo. The last line of `--once --json` is the summary; the exit code is 0 only when all went well. */
export async function runStory<Summary extends object>(
  context: CommandContext,
  { once, keep }: { readonly once: boolean; readonly keep: boolean },
  demo: Demo<Summary>,
): Promise<ExitCode> {
  const { clock, interrupted, output, texts } = context;
  const folder = Deno.makeTempDirSync({ prefix: demo.prefix });
  const ends = new AsyncDisposableStack();
  let begun = false;
  let failed = true;
  try {
    output.note(output.terminal.colors.bold(demo.title));
    const summary = await demo.tell(folder, (end) => {
      begun = true;
      ends.defer(end);
    });
    failed = false;
    if (once) await ends.disposeAsync();
    output.event({ ok: true, ...summary }, () => "");
    if (!once) {
      demo.sayRunning();
      while (!interrupted.aborted) await sleep(clock, RUNNING_MS, interrupted);
    }
    return EXIT.ok;
  } catch (error) {
    // Whatever was under way failed because of it.
    throwIfInterrupted(context);
    throw error;
  } finally {
    await ends.disposeAsync();
    // After a failure the logs are what helps.
    const hasLogs = failed && begun && !interrupted.aborted;
    if (!keep && !hasLogs) {
      Deno.removeSync(folder, { recursive: true });
      if (!once) output.note(texts.demo.cleaned);
    } else output.note(texts.demo.waitedHint(folder));
  }
}
