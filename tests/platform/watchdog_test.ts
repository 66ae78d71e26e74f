/** A process whose main thread stands still for good ends; one that works does not. */
import assert from "node:assert/strict";

const WATCHDOG = new URL("../../platform/watchdog.ts", import.meta.url).href;

/** Runs a program beside a watchdog that allows half a second. */
async function run(
  program: string,
): Promise<{ code: number; signal: string | null; said: string }> {
  const source = `
    import { startWatchdog } from ${JSON.stringify(WATCHDOG)};
    const end = startWatchdog({ standstillMs: 500, beatMs: 50 });
    ${program}
  `;
  const { code, signal, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-all",
      "--no-check",
      `data:application/typescript,${encodeURIComponent(source)}`,
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  return { code, signal, said: new TextDecoder().decode(stderr) };
}

Deno.test("a main thread that stands still for good ends its process, which says why", async () => {
  const { signal, said } = await run(`
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  `);
  assert.equal(signal, "SIGKILL");
  assert.match(said, /has stood still for/);
});

Deno.test("a main thread that goes on between pieces of work is left alone, and what no longer watches keeps nobody", async () => {
  const { code, said } = await run(`
    const wait = new Int32Array(new SharedArrayBuffer(4));
    for (let i = 0; i < 10; i++) {
      Atomics.wait(wait, 0, 0, 150);
      await new Promise((done) => setTimeout(done, 60));
    }
    end();
  `);
  assert.deepEqual({ code, said }, { code: 0, said: "" });
});
