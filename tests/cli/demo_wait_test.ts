/** A story of a demo that does not go on says what it waited for, and what a person can do. */
import assert from "node:assert/strict";
import type { CommandContext } from "../../cli/command.ts";
import { waitFor } from "../../cli/demo/wait_for.ts";
import { CliError } from "../../cli/exit_codes.ts";
import { textsOf } from "../../cli/texts.ts";

Deno.test("whatever a demo waits for in vain, it says what to do, in the language of the person", async () => {
  for (const language of ["en", "de"] as const) {
    const texts = textsOf(language);
    let nowMs = 0;
    const clock = {
      monotonicMs: () => nowMs,
      schedule(ms: number, then: () => void) {
        nowMs += ms;
        queueMicrotask(then);
        return () => {};
      },
    };
    const { signal: interrupted } = new AbortController();
    const context = { clock, interrupted, language, texts } as unknown as CommandContext;
    const what = texts.demoLearn.events.plan;
    const error = await waitFor(
      context,
      { what, timeoutMs: 120_000, everyMs: 1_000 },
      () => Promise.resolve(null),
    ).catch((error: unknown) => error);
    assert.ok(error instanceof CliError, String(error));
    assert.ok(error.message.includes(what) && error.message.includes("2 min"), error.message);
    assert.match(error.hint, language === "en" ? /start the demo again/ : /noch einmal starten/);
  }
});
