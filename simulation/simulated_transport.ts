/** The Transport of one simulated device. Paths open by the rendezvous addresses that discovery tells. */
import type { DialOutcome, DialTarget, Path, Transport } from "../platform/transport.ts";
import type { Network, Station, Way } from "./network.ts";
import { connectStations } from "./simulated_path.ts";

/** After this long without an answer a dial fails, ms. */
const DIAL_TIMEOUT_MS = 10_000;

export interface SimulatedTransport extends Transport {
  /** Hands over a path that another device opened. False: nobody accepts. */
  offer(path: Path): boolean;
}

/** @param transportOf the transport that runs on a device now; undefined while it is down */
export function simulatedTransport(
  network: Network,
  station: Station,
  transportOf: (station: Station) => SimulatedTransport | undefined,
  way: Way = "direct",
): SimulatedTransport {
  const { world } = network;
  const life = station.device.life;
  const paths = new Set<Path>();
  let onAccept: ((path: Path) => void) | undefined;
  let open = true;
  const alive = () => open && station.device.life === life;

  function connect(remote: Station): Path | undefined {
    const theirs = transportOf(remote);
    if (theirs === undefined || !network.reaches(station, remote, way)) return undefined;
    const [here, there] = connectStations(network, [station, remote], way);
    if (theirs.offer(there)) {
      paths.add(here);
      return here;
    }
    there.close("not accepting");
    return undefined;
  }

  return {
    kind: "simulated",
    dial(target: DialTarget, onOutcome: (outcome: DialOutcome) => void) {
      let over = false;
      const finish = (outcome: DialOutcome): void => {
        if (over || !alive()) return;
        over = true;
        cancelTimeout();
        onOutcome(outcome);
      };
      const cancelTimeout = world.after(
        DIAL_TIMEOUT_MS,
        "dial timeout",
        () => finish({ type: "failed", reason: "no answer" }),
      );
      const remotes = target.addresses.map((address) => network.stationAt(address))
        .filter((remote) => remote !== undefined && remote !== station);
      // Opening takes a round trip to the rendezvous and one for the path itself.
      const roundTripMs = 2 * (network.delayMs(way) + network.delayMs(way));
      world.after(roundTripMs, "dial", () => {
        if (over || !alive()) return;
        for (const remote of remotes) {
          const path = connect(remote!);
          if (path !== undefined) return finish({ type: "opened", path });
        }
        if (remotes.length === 0) finish({ type: "failed", reason: "no such address" });
      });
      return () => {
        over = true;
        cancelTimeout();
      };
    },
    accept(onPath) {
      onAccept = onPath;
      return () => {
        if (onAccept === onPath) onAccept = undefined;
      };
    },
    offer(path) {
      if (onAccept === undefined || !alive()) return false;
      paths.add(path);
      onAccept(path);
      return true;
    },
    // deno-lint-ignore require-await -- the port is asynchronous
    async close() {
      open = false;
      for (const path of paths) path.close("transport closed");
    },
  };
}
