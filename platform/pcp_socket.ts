/** The UDP socket towards the router of this network. */
import { gateway4sync } from "default-gateway";
import { isOnLink } from "../protocols/discovery/ip.ts";
import { systemInterfaces } from "./mdns_interfaces.ts";
import type { RouterSocket } from "./pcp.ts";
import { ROUTER_PORT } from "./pcp_wire.ts";

/** Opens one from the address of ours that is in the router's network; null where there is no router, or none in a network of ours. */
export function openRouterSocket(): RouterSocket | null {
  try {
    const { gateway: router } = gateway4sync();
    const own = systemInterfaces().find((one) => !one.internal && isOnLink(router, [one]));
    if (own === undefined) return null;
    return routerSocket(router, own.address);
  } catch {
    // No default route, or none that this system tells.
    return null;
  }
}

function routerSocket(router: string, clientAddress: string): RouterSocket {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: clientAddress, port: 0 });
  let onPacket: Parameters<RouterSocket["listen"]>[0] = () => {};
  const receive = async (): Promise<void> => {
    for (;;) {
      try {
        const [bytes, from] = await socket.receive();
        const { hostname: host, port } = from as Deno.NetAddr;
        onPacket(bytes, { host, port });
      } catch (error) {
        // A router without such a port says so, which arrives as an error; a closed socket ends it.
        if (!(error instanceof Deno.errors.ConnectionRefused)) return;
      }
    }
  };
  void receive();
  return {
    router,
    clientAddress,
    send(bytes) {
      socket.send(bytes, { transport: "udp", hostname: router, port: ROUTER_PORT }).catch(() => {});
    },
    listen: (listener) => void (onPacket = listener),
    close() {
      onPacket = () => {};
      try {
        socket.close();
      } catch {
        // Already closed.
      }
    },
  };
}
