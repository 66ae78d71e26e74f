/** The Rendezvous of one simulated device: requests that may be lost, answered late, or come twice. */
import {
  type Rendezvous,
  RENDEZVOUS_BYTES_MAX,
  type RendezvousChannel,
  type RendezvousReply,
  type RendezvousRequest,
} from "../platform/transport.ts";
import type { Network, Station } from "./network.ts";

type Handler = (request: RendezvousRequest) => void;

export interface SimulatedRendezvous extends Rendezvous {
  /** A request has come from another device. */
  take(channel: RendezvousChannel, request: RendezvousRequest): void;
}

/** @param rendezvousOf the rendezvous that runs on a device now; undefined while it is down */
export function simulatedRendezvous(
  network: Network,
  station: Station,
  rendezvousOf: (station: Station) => SimulatedRendezvous | undefined,
): SimulatedRendezvous {
  const { world } = network;
  const life = station.device.life;
  const handlers = new Map<RendezvousChannel, Handler>();

  function carry(from: Station, to: Station, label: string, arrive: () => void): void {
    for (const delayMs of network.datagramDelaysMs(from, to)) {
      world.after(delayMs, label, () => {
        if (network.reaches(from, to)) arrive();
      });
    }
  }

  return {
    request({ address, channel, body, timeoutMs }, onReply) {
      if (body.length > RENDEZVOUS_BYTES_MAX) {
        throw new RangeError(
          `Cannot request: body has ${body.length} bytes, expected <= ${RENDEZVOUS_BYTES_MAX}`,
        );
      }
      let over = false;
      const finish = (reply: RendezvousReply): void => {
        if (over || station.device.life !== life) return;
        over = true;
        cancelTimeout();
        onReply(reply);
      };
      const cancelTimeout = world.after(
        timeoutMs,
        "request timeout",
        () => finish({ type: "failed", reason: "no answer in time" }),
      );
      const remote = network.stationAt(address);
      if (remote !== undefined && remote !== station) {
        const bytes = body.slice();
        carry(station, remote, "request", () => {
          const back = (reply: RendezvousReply): void =>
            carry(remote, station, "reply", () => finish(reply));
          rendezvousOf(remote)?.take(channel, {
            from: station.host,
            body: bytes.slice(),
            reply: (answer) => back({ type: "reply", body: answer.slice() }),
            refuse: (reason) => back({ type: "refused", reason }),
          });
        });
      }
      return () => {
        over = true;
        cancelTimeout();
      };
    },
    serve(channel, handler) {
      handlers.set(channel, handler);
      return () => {
        if (handlers.get(channel) === handler) handlers.delete(channel);
      };
    },
    take(channel, request) {
      if (station.device.life !== life) return;
      const handler = handlers.get(channel);
      if (handler === undefined) request.refuse("nothing is served here");
      else handler(request);
    },
  };
}
