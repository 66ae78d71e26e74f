/** Asks the monitoring of a nats-server; bounded in time and size, never throws. */
import type { Clock } from "../../platform/ports.ts";

const ANSWER_MS_MAX = 2_000;
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

/** The JSON object at an address of the monitoring; null when there is none in time. `/healthz` answers with its status even when it is bad. */
export async function fetchMonitoring(
  url: string,
  clock: Pick<Clock, "schedule">,
): Promise<Readonly<Record<string, unknown>> | null> {
  const end = new AbortController();
  const cancel = clock.schedule(ANSWER_MS_MAX, () => end.abort());
  try {
    const response = await fetch(url, { signal: end.signal, redirect: "error" });
    const parts: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    for await (const part of response.body ?? []) {
      length += part.length;
      if (length > ANSWER_BYTES_MAX) return null;
      parts.push(part);
    }
    const value: unknown = JSON.parse(await new Blob(parts).text());
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? value as Record<string, unknown>
      : null;
  } catch {
    return null;
  } finally {
    cancel();
  }
}
