/** One Rendezvous over several: requests go by the scheme of their address, and all of them are served. */
import type { Rendezvous } from "./transport.ts";

/**
 * @param byScheme "http" and "nats", say, without the colon
 * @param schedule for refusals, which like all replies come later
 */
export function rendezvousRouter(
  byScheme: Readonly<Record<string, Rendezvous>>,
  schedule: (delayMs: number, callback: () => void) => () => void,
): Rendezvous {
  return {
    request(request, onReply) {
      const scheme = request.address.slice(0, Math.max(0, request.address.indexOf(":")));
      const rendezvous = Object.hasOwn(byScheme, scheme) ? byScheme[scheme] : undefined;
      if (rendezvous !== undefined) return rendezvous.request(request, onReply);
      const schemes = Object.keys(byScheme).join(", ");
      const reason = `Cannot reach "${request.address}": expected an address of ${schemes}`;
      return schedule(0, () => onReply({ type: "failed", reason }));
    },
    serve(channel, handler) {
      const stops = Object.values(byScheme).map((one) => one.serve(channel, handler));
      return () => {
        for (const stop of stops) stop();
      };
    },
  };
}
