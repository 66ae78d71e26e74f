/** A long task as lines of JSON: progress while it runs, its result at the end. A slow reader gets fewer lines, not a queue. */
import type { Outcome } from "../actors/handle.ts";
import { errorResponse, refusalResponse } from "./problems.ts";

const utf8 = new TextEncoder();

function line(value: unknown): Uint8Array {
  return utf8.encode(JSON.stringify(value) + "\n");
}

/**
 * Runs `task` and streams it. A task that refuses or fails before any progress is answered with a problem instead; later
 * the last line says so. The task runs to its end also when nobody reads any more.
 */
export async function progressStream(
  { task, onError }: {
    readonly task: (
      onProgress: (done: number, total: number) => void,
    ) => Promise<Outcome<Readonly<Record<string, unknown>>>>;
    readonly onError: (error: unknown) => void;
  },
): Promise<Response> {
  let newest: Uint8Array | null = null;
  let last: Uint8Array | null = null;
  let wake = () => {};
  let started = () => {};
  const begun = new Promise<void>((resolve) => started = resolve);

  const running = task((done, total) => {
    newest = line({ type: "progress", done, total });
    started();
    wake();
  }).then((outcome) => {
    last = line(outcome.type === "done" ? { type: "done", ...outcome.value } : outcome);
    wake();
    return outcome.type === "refused" ? refusalResponse(outcome) : undefined;
  }, (error: unknown) => {
    onError(error);
    last = line({ type: "failed", message: "see the log of the node" });
    wake();
    return errorResponse(error);
  });

  const early = await Promise.race([running, begun.then(() => undefined)]);
  if (early !== undefined) return early;

  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      while (newest === null && last === null) {
        await new Promise<void>((resolve) => wake = resolve);
      }
      if (newest !== null) {
        controller.enqueue(newest);
        newest = null;
        return;
      }
      if (last !== null) controller.enqueue(last);
      controller.close();
    },
  }, { highWaterMark: 0 });
  return new Response(stream, { headers: { "Content-Type": "application/x-ndjson" } });
}
