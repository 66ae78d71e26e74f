/** What every demo does around its story, with a story of one step. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { CommandContext } from "../../cli/command.ts";
import { type Demo, runStory } from "../../cli/demo/run_story.ts";
import { type CliError, EXIT } from "../../cli/exit_codes.ts";
import { textsOf } from "../../cli/texts.ts";
import { systemClock } from "../../platform/system_clock.ts";

/** Runs a demo and says what it wrote, what was ended when, and whether its folder is left. */
async function told(
  tell: (world: {
    readonly folder: string;
    readonly onEnd: Parameters<Demo<object>["tell"]>[1];
    readonly interrupt: () => void;
    readonly happened: string[];
  }) => Promise<object>,
  { once = true, keep = false, interruptWhenRunning = false } = {},
) {
  const interruption = new AbortController();
  const happened: string[] = [];
  const output = {
    terminal: { colors: { bold: String } },
    note: () => {},
    event: (event: object) => happened.push(JSON.stringify(event)),
  };
  const context = {
    output,
    texts: textsOf("en"),
    clock: systemClock(),
    interrupted: interruption.signal,
  } as unknown as CommandContext;
  let folder = "";
  const exit = await runStory(context, { once, keep }, {
    prefix: "submind-story-",
    title: "A story",
    tell(given, onEnd) {
      folder = given;
      Deno.writeTextFileSync(join(folder, "log"), "what happened");
      return tell({ folder, onEnd, interrupt: () => interruption.abort(), happened });
    },
    sayRunning() {
      happened.push("running");
      if (interruptWhenRunning) interruption.abort();
    },
  }).catch((error: CliError) => error);
  let isLeft = true;
  try {
    Deno.removeSync(folder, { recursive: true });
  } catch {
    isLeft = false;
  }
  return { exit, happened, isLeft };
}

Deno.test("a demo ends what it has started, the last first, before it says that all went well", async () => {
  const { exit, happened, isLeft } = await told(({ onEnd, happened }) => {
    for (const name of ["world", "node"]) {
      onEnd(() => {
        happened.push(`${name} ended`);
        return Promise.resolve();
      });
    }
    return Promise.resolve({ lost: 0 });
  });
  assert.equal(exit, EXIT.ok);
  assert.deepEqual(happened, ["node ended", "world ended", '{"ok":true,"lost":0}']);
  assert.equal(isLeft, false);
});

Deno.test("a demo that goes on running ends with an interrupt, and that is no failure", async () => {
  const { exit, happened, isLeft } = await told(({ onEnd, happened }) => {
    onEnd(() => Promise.resolve(void happened.push("ended")));
    return Promise.resolve({});
  }, { once: false, interruptWhenRunning: true });
  assert.equal(exit, EXIT.ok);
  assert.deepEqual(happened, ['{"ok":true}', "running", "ended"]);
  assert.equal(isLeft, false);
});

Deno.test("a demo that fails leaves its logs, unless nothing had been started, and ends what had", async () => {
  const failing = (begin: boolean) =>
    told(({ onEnd, happened }) => {
      if (begin) onEnd(() => Promise.resolve(void happened.push("ended")));
      return Promise.reject(new Error("nobody came"));
    });
  const begun = await failing(true);
  assert.match(String(begun.exit), /nobody came/);
  assert.deepEqual([begun.happened, begun.isLeft], [["ended"], true]);
  const early = await failing(false);
  assert.match(String(early.exit), /nobody came/);
  assert.equal(early.isLeft, false);
});

Deno.test("what fails because of an interrupt is the interrupt, and leaves nothing", async () => {
  const { exit, isLeft } = await told(({ onEnd, interrupt }) => {
    onEnd(() => Promise.resolve());
    interrupt();
    return Promise.reject(new Error("a node has ended"));
  });
  assert.equal((exit as CliError).exitCode, EXIT.interrupted);
  assert.equal(isLeft, false);
});

Deno.test("a folder that is to be kept is kept", async () => {
  const { exit, isLeft } = await told(() => Promise.resolve({}), { keep: true });
  assert.deepEqual([exit, isLeft], [EXIT.ok, true]);
});
