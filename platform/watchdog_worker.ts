/** The other thread of the watchdog: looks whether the main thread still beats. */
/// <reference lib="deno.worker" />
import type { Watched } from "./watchdog.ts";

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;

scope.onmessage = ({ data: { beats, beatMs, looksMax } }: MessageEvent<Watched>) => {
  let seen = Atomics.load(beats, 0);
  let looks = 0;
  setInterval(() => {
    const now = Atomics.load(beats, 0);
    looks = now === seen ? looks + 1 : 0;
    seen = now;
    if (looks < looksMax) return;
    const seconds = Math.round(looks * beatMs / 1_000);
    console.error(`This node has stood still for ${seconds} s and ends itself; start it again.`);
    // Nothing gentler ends a thread that is inside native code.
    Deno.kill(Deno.pid, "SIGKILL");
  }, beatMs);
};
