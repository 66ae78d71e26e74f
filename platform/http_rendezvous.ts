/**
 * The Rendezvous port over HTTP on the local network: "the door". It serves three things and nothing else:
 * `POST /kiana/v1/signal`, `POST /kiana/v1/pair` and `GET /healthz`.
 */
import type { Clock } from "./ports.ts";
import type {
  Rendezvous,
  RendezvousChannel,
  RendezvousReply,
  RendezvousRequest,
} from "./transport.ts";
import { exchange } from "./http_rendezvous_client.ts";
import { type Door, type DoorLimits, openDoor } from "./http_rendezvous_server.ts";

export { DoorError, type DoorLimits } from "./http_rendezvous_server.ts";

export interface HttpRendezvousOptions {
  readonly clock: Clock;
  /** Where to listen; null for a device that only asks others. Port 0 takes any free one. */
  readonly listen: { readonly hostname: string; readonly port: number } | null;
  readonly limits?: Partial<DoorLimits>;
}

export interface HttpRendezvous extends Rendezvous {
  /** The port in use; null when not listening. */
  readonly port: number | null;
  /** Stops listening and cancels what is under way; resolves when every socket is closed. */
  close(): Promise<void>;
}

const DEFAULT_LIMITS: DoorLimits = {
  requestsPerWindow: 120,
  rateWindowMs: 60_000,
  concurrentMax: 64,
  bodyTimeoutMs: 5_000,
  handlerTimeoutMs: 15_000,
};

/**
 * Opens the door.
 *
 * @throws {DoorError} when the port is in use or the address is not ours
 */
export function openHttpRendezvous(options: HttpRendezvousOptions): HttpRendezvous {
  const { clock, listen } = options;
  const handlers = new Map<RendezvousChannel, (request: RendezvousRequest) => void>();
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const door: Door | null = listen === null
    ? null
    : openDoor({ clock, limits, handlers, hostname: listen.hostname, port: listen.port });
  const running = new Map<AbortController, Promise<void>>();
  let closed = false;

  return {
    port: door?.port ?? null,

    request(request, onReply) {
      const controller = new AbortController();
      let settled = false;
      const settle = (reply: RendezvousReply): void => {
        if (settled) return;
        settled = true;
        cancelTimeout();
        onReply(reply);
      };
      const cancelTimeout = clock.schedule(request.timeoutMs, () => {
        settle({ type: "failed", reason: `no answer within ${request.timeoutMs} ms` });
        controller.abort();
      });
      const done = closed
        ? Promise.resolve<RendezvousReply>({ type: "failed", reason: "rendezvous is closed" })
        : exchange(request, controller.signal);
      running.set(
        controller,
        done.then((reply) => {
          running.delete(controller);
          settle(reply);
        }),
      );
      return () => {
        settled = true;
        cancelTimeout();
        controller.abort();
      };
    },

    serve(channel, handler) {
      handlers.set(channel, handler);
      return () => {
        if (handlers.get(channel) === handler) handlers.delete(channel);
      };
    },

    async close() {
      closed = true;
      for (const controller of running.keys()) controller.abort();
      await Promise.all([...running.values(), door?.close()]);
    },
  };
}
