/**
 * Signalling requests and their handlers, for every transport that is signalled: asking a device at several addresses, and sharing
 * the one channel on which offers arrive.
 */
import type { Clock } from "./ports.ts";
import type { Rendezvous, RendezvousReply, RendezvousRequest } from "./transport.ts";

/** The next address is asked when the one before has not answered for this long, ms. */
const STAGGER_MS = 250;
/** A request without a reply has failed after this long, ms. */
const REQUEST_MS = 4_000;
/** All that a refused stranger is told. */
export const REFUSAL = "Not accepted";

export interface SignalRequests {
  readonly clock: Clock;
  readonly rendezvous: Rendezvous;
  readonly addresses: readonly string[];
  readonly body: Uint8Array;
  /** Takes functions that stop what is under way; then the promise never settles. */
  readonly cancels: (() => void)[];
}

/** Asks one address after the other without waiting for dead ones; the first reply wins. Rejects with the last reason. */
export function firstReply(
  options: SignalRequests,
): Promise<{ readonly address: string; readonly reply: Uint8Array }> {
  const { addresses, clock, rendezvous, body } = options;
  return new Promise((resolve, reject) => {
    let asked = 0;
    let unanswered = 0;
    let lastReason = "no address is known";
    let done = false;
    let cancelStagger: () => void = () => {};
    const requests: (() => void)[] = [];
    const stop = (): void => {
      done = true;
      cancelStagger();
      for (const cancel of requests) cancel();
    };
    const askNext = (): void => {
      cancelStagger();
      const address = addresses[asked];
      if (done) return;
      if (address === undefined) {
        if (unanswered === 0) reject(new Error(lastReason));
        return;
      }
      asked += 1;
      unanswered += 1;
      requests.push(signalRequest(rendezvous, address, body, (reply) => {
        unanswered -= 1;
        if (done) return;
        if (reply.type === "reply") {
          stop();
          return resolve({ address, reply: reply.body });
        }
        lastReason = `${address}: ${reply.reason}`;
        askNext();
      }));
      cancelStagger = clock.schedule(STAGGER_MS, askNext);
    };
    options.cancels.push(stop);
    askNext();
  });
}

/** Asks one address. Returns a function that cancels it. */
export function signalRequest(
  rendezvous: Rendezvous,
  address: string,
  body: Uint8Array,
  onReply: (reply: RendezvousReply) => void,
): () => void {
  return rendezvous.request({ address, channel: "signal", body, timeoutMs: REQUEST_MS }, onReply);
}

/**
 * The same rendezvous for several transports: each gets the signals that it takes, in the order in which they were asked to serve.
 * A signal that nobody takes goes to the first, who refuses it as it refuses everything strange.
 */
export function sharedSignals(rendezvous: Rendezvous): {
  of(takes: (body: Uint8Array) => boolean): Rendezvous;
} {
  type Handler = (request: RendezvousRequest) => void;
  const served: { readonly takes: (body: Uint8Array) => boolean; readonly handler: Handler }[] = [];
  let stop: (() => void) | undefined;
  const dispatch = (request: RendezvousRequest): void => {
    const taker = served.find(({ takes }) => takes(request.body)) ?? served[0];
    if (taker === undefined) request.refuse(REFUSAL);
    else taker.handler(request);
  };
  return {
    of: (takes) => ({
      request: (options, onReply) => rendezvous.request(options, onReply),
      serve(channel, handler) {
        if (channel !== "signal") return rendezvous.serve(channel, handler);
        const entry = { takes, handler };
        served.push(entry);
        stop ??= rendezvous.serve("signal", dispatch);
        return () => {
          const at = served.indexOf(entry);
          if (at >= 0) served.splice(at, 1);
          if (served.length > 0) return;
          stop?.();
          stop = undefined;
        };
      },
    }),
  };
}
