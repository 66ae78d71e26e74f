/**
 * Ends this process when its main thread stands still for good, so that whoever runs it as a service starts it again. That can only be native
 * code that never returns: the addon of WebRTC has a known deadlock on relayed paths (libdatachannel, pull request 1630). What was acknowledged is on
 * the disk; the end is that of a power cut.
 */

/** For so long nothing is believed of it: the longest work of the main thread, a check of a large database on a slow disk, takes a minute. */
export const STANDSTILL_MS = 300_000;
/** The main thread shows that it goes on this often, ms. */
const BEAT_MS = 5_000;

export interface WatchdogOptions {
  /** Default `STANDSTILL_MS`. */
  readonly standstillMs?: number;
  readonly beatMs?: number;
}

/** What the worker is told. */
export interface Watched {
  /** One number that changes with every beat. */
  readonly beats: Int32Array<SharedArrayBuffer>;
  readonly beatMs: number;
  /** So many looks without a change. Not a time: a machine that sleeps does not look either. */
  readonly looksMax: number;
}

/** Watches from now on. Returns what ends the watching. */
export function startWatchdog(
  { standstillMs = STANDSTILL_MS, beatMs = BEAT_MS }: WatchdogOptions = {},
): () => void {
  const beats = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL("./watchdog_worker.ts", import.meta.url), { type: "module" });
  const watched: Watched = { beats, beatMs, looksMax: Math.ceil(standstillMs / beatMs) };
  worker.postMessage(watched);
  const timer = setInterval(() => Atomics.add(beats, 0, 1), beatMs);
  Deno.unrefTimer(timer);
  return () => {
    clearInterval(timer);
    worker.terminate();
  };
}
