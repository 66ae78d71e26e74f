/** Which of several NATS servers is nearest: all are knocked at together, and what answers soonest counts. */
import { errorText } from "./error_text.ts";
import { openTcp, readInfo } from "./nats_broker_socket.ts";
import type { Clock } from "./ports.ts";

/** Most servers a list may have. */
export const SERVERS_MAX = 16;
/** How long a server may take to say who it is, ms. */
const KNOCK_MS_MAX = 1_500;
/** After the first answer the others have as long again, but at least this, ms. */
const OTHERS_MS_MIN = 25;

/** Where a server is. */
export interface ServerAddress {
  /** As it was configured: "tls://relay.example.org:4222". */
  readonly url: string;
  readonly hostname: string;
  readonly port: number;
  readonly tls: boolean;
}

/** Reads "nats://host:port" or "tls://host:port" (port 4222 when none is given); undefined when it is neither. */
export function parseServerAddress(url: string): ServerAddress | undefined {
  const match = /^(nats|tls):\/\/(\[[0-9a-fA-F:.]{2,45}\]|[0-9A-Za-z.-]{1,253})(?::(\d{1,5}))?\/?$/
    .exec(url);
  if (match === null) return undefined;
  const port = Number(match[3] ?? 4_222);
  if (port < 1 || port > 65_535) return undefined;
  const hostname = (match[2] ?? "").replace(/^\[|\]$/g, "");
  return { url, hostname, port, tls: match[1] === "tls" };
}

/** True for a server on this machine: always the nearest, and the one whose mail waits here. */
function isHere({ hostname }: ServerAddress): boolean {
  return hostname === "localhost" || hostname === "::1" || /^127\./.test(hostname);
}

/** A server and how soon it answered, ms. */
export interface Knocked {
  readonly address: ServerAddress;
  readonly tookMs: number;
}

/**
 * Knocks at every server and returns those that answered, nearest first; a server on this machine comes before all others. Does not wait for
 * stragglers once one has answered.
 */
export async function nearestServers(
  servers: readonly ServerAddress[],
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<{ readonly found: readonly Knocked[]; readonly problems: readonly string[] }> {
  const found: Knocked[] = [];
  const problems: string[] = [];
  const end = new AbortController();
  const stop = () => end.abort(new Error("ended"));
  signal.addEventListener("abort", stop, { once: true });
  const cancels = [
    clock.schedule(KNOCK_MS_MAX, () => end.abort(new Error(`no answer in ${KNOCK_MS_MAX} ms`))),
  ];
  const startedMs = clock.monotonicMs();
  try {
    await Promise.all(
      servers.slice(0, SERVERS_MAX).map(async (address) => {
        try {
          await knock(address, end.signal);
          const tookMs = clock.monotonicMs() - startedMs;
          found.push({ address, tookMs });
          if (found.length === 1) {
            cancels.push(clock.schedule(Math.max(OTHERS_MS_MIN, tookMs), stop));
          }
        } catch (error) {
          problems.push(
            `${address.url}: ${errorText(error)}`,
          );
        }
      }),
    );
  } finally {
    for (const cancel of cancels) cancel();
    signal.removeEventListener("abort", stop);
  }
  const rank = ({ address, tookMs }: Knocked) => isHere(address) ? -1 : tookMs;
  return { found: found.toSorted((a, b) => rank(a) - rank(b)), problems };
}

async function knock(address: ServerAddress, signal: AbortSignal): Promise<void> {
  const connection = await openTcp(address, signal);
  let open = true;
  const close = () => {
    if (open) connection.close();
    open = false;
  };
  signal.addEventListener("abort", close, { once: true });
  try {
    await readInfo(connection);
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", close);
    close();
  }
}

/** True when `other` is so much nearer than `current` that moving there is worth it. */
export function isWorthMoving(current: Knocked, other: Knocked): boolean {
  if (isHere(current.address)) return false;
  if (isHere(other.address)) return true;
  return other.tookMs * 2 < current.tookMs && current.tookMs - other.tookMs >= 10;
}
