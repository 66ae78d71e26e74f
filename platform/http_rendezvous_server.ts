/** The serving side of the door: every request is bounded in rate, number, size and time before its handler sees it. */
import { RateLimiterMemory } from "rate-limiter-flexible";
import type { Clock } from "./ports.ts";
import {
  RENDEZVOUS_BYTES_MAX,
  type RendezvousChannel,
  type RendezvousRequest,
} from "./transport.ts";
import { rateKeyOf, readBounded, unmapped } from "./http_bounds.ts";
import { CHANNEL_PATHS, RENDEZVOUS_MEDIA_TYPE } from "./http_rendezvous_client.ts";

export interface Door {
  readonly port: number;
  close(): Promise<void>;
}

/** Limits of the door; each has a default. */
export interface DoorLimits {
  /** Requests of one IPv4 address or one IPv6 /64 per `rateWindowMs`. Default 120. */
  readonly requestsPerWindow: number;
  /** Default 60,000. */
  readonly rateWindowMs: number;
  /** Requests being handled at once; more are answered 503. Default 64. */
  readonly concurrentMax: number;
  /** A body must have arrived by then. Default 5,000. */
  readonly bodyTimeoutMs: number;
  /** The handler must have answered by then. Default 15,000. */
  readonly handlerTimeoutMs: number;
}

export type RendezvousHandlers = ReadonlyMap<
  RendezvousChannel,
  (request: RendezvousRequest) => void
>;

/** The door cannot be opened; the message says which address and what to do. */
export class DoorError extends Error {
  override readonly name = "DoorError";
}

interface DoorOptions {
  readonly clock: Clock;
  readonly limits: DoorLimits;
  readonly handlers: RendezvousHandlers;
  readonly hostname: string;
  readonly port: number;
}

const channelByPath = new Map<string, RendezvousChannel>(
  Object.entries(CHANNEL_PATHS).map(([channel, path]) => [path, channel as RendezvousChannel]),
);

/** Starts listening. */
export function openDoor(options: DoorOptions): Door {
  const { clock, limits, handlers } = options;
  const rate = new RateLimiterMemory({
    points: limits.requestsPerWindow,
    duration: limits.rateWindowMs / 1000,
  });
  let concurrent = 0;
  // Ends what still waits for its handler when the door closes.
  const waiting = new Set<() => void>();

  async function handle(request: Request, address: string): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/healthz") return health(request);
    const channel = channelByPath.get(pathname);
    if (channel === undefined) return problem(404, "There is nothing at this path");
    if (request.method !== "POST") {
      return problem(405, `Method is ${request.method}, expected POST`, { allow: "POST" });
    }
    // Not one of the types a web page may send without asking first: pages cannot knock at this door.
    if (request.headers.get("content-type") !== RENDEZVOUS_MEDIA_TYPE) {
      return problem(415, `Content-Type must be ${RENDEZVOUS_MEDIA_TYPE}`);
    }
    try {
      await rate.consume(rateKeyOf(address));
    } catch (refusal) {
      const waitMs = (refusal as { msBeforeNext?: number }).msBeforeNext ?? limits.rateWindowMs;
      return problem(429, `More than ${limits.requestsPerWindow} requests`, {
        "retry-after": String(Math.ceil(waitMs / 1000)),
      });
    }
    if (concurrent >= limits.concurrentMax) {
      return problem(503, "Too many requests at once", { "retry-after": "1" });
    }
    concurrent += 1;
    try {
      return await answer(request, address, channel);
    } finally {
      concurrent -= 1;
    }
  }

  async function answer(
    request: Request,
    address: string,
    channel: RendezvousChannel,
  ): Promise<Response> {
    const body = await readBounded({
      body: request.body,
      bytesMax: RENDEZVOUS_BYTES_MAX,
      declaredBytes: request.headers.get("content-length"),
      timeoutMs: limits.bodyTimeoutMs,
      clock,
    });
    if (body.type === "tooLarge") {
      return problem(413, `Body has more than ${RENDEZVOUS_BYTES_MAX} bytes`);
    }
    if (body.type === "tooSlow") {
      return problem(408, `Body did not arrive within ${limits.bodyTimeoutMs} ms`);
    }
    if (body.type === "broken") return problem(400, "Body broke off");
    const handler = handlers.get(channel);
    if (handler === undefined) return problem(403, "Not accepted");
    return await new Promise<Response>((resolve) => {
      const cancel = clock.schedule(
        limits.handlerTimeoutMs,
        () => settle(problem(504, `No answer within ${limits.handlerTimeoutMs} ms`)),
      );
      const settle = (response: Response) => {
        cancel();
        waiting.delete(giveUp);
        resolve(response);
      };
      const giveUp = () => settle(problem(503, "Closing"));
      waiting.add(giveUp);
      try {
        handler({
          from: address,
          body: body.bytes,
          reply: (bytes) =>
            settle(
              new Response(bytes.slice(), { headers: { "content-type": RENDEZVOUS_MEDIA_TYPE } }),
            ),
          refuse: (reason) => settle(problem(403, reason)),
        });
      } catch {
        // What went wrong inside is nothing a stranger may learn.
        settle(problem(500, "Cannot answer"));
      }
    });
  }

  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve({
      hostname: options.hostname,
      port: options.port,
      onListen() {},
      onError: () => problem(500, "Cannot answer"),
    }, (request, info) => handle(request, unmapped(info.remoteAddr.hostname)));
  } catch (cause) {
    throw doorError(options, cause);
  }
  return {
    port: server.addr.port,
    async close() {
      const stopped = server.shutdown();
      for (const giveUp of [...waiting]) giveUp();
      await stopped;
    },
  };
}

function health(request: Request): Response {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return problem(405, `Method is ${request.method}, expected GET`, { allow: "GET, HEAD" });
  }
  return new Response(request.method === "HEAD" ? null : "ok\n", {
    headers: { "content-type": "text/plain" },
  });
}

/** RFC 9457 problem details. */
function problem(status: number, detail: string, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify({ type: "about:blank", status, detail }), {
    status,
    headers: { "content-type": "application/problem+json", ...headers },
  });
}

function doorError(options: DoorOptions, cause: unknown): DoorError {
  const place = `${options.hostname}:${options.port}`;
  if (cause instanceof Deno.errors.AddrInUse) {
    return new DoorError(
      `Cannot listen on ${place}: the port is in use, expected a free one; stop the other program or choose another port`,
      { cause },
    );
  }
  if (cause instanceof Deno.errors.AddrNotAvailable) {
    return new DoorError(
      `Cannot listen on ${place}: the address is not one of this device, expected for example "0.0.0.0"`,
      { cause },
    );
  }
  return new DoorError(`Cannot listen on ${place}: ${String(cause)}`, { cause });
}
