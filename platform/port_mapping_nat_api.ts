/** The library behind port mapping: UPnP-IGD and NAT-PMP. It is loaded only when it is used. */
import type { Gateway, PortToMap } from "./port_mapping.ts";

/** What is used of the library, which has no types of its own. */
interface NatApi {
  map(options: object): Promise<boolean>;
  unmap(options: object): Promise<boolean>;
  externalIp(): Promise<string>;
  destroy(): Promise<boolean>;
}

/** Opens the library. Nothing is sent before the first question. */
export async function natGateway(): Promise<Gateway> {
  const { default: NatAPI } = await import("@silentbot1/nat-api");
  // Its own renewal does nothing for NAT-PMP; ours asks for everything again.
  const api: NatApi = new NatAPI({ autoUpdate: false, description: "submind" });
  const options = ({ protocol, port }: PortToMap) => ({
    publicPort: port,
    privatePort: port,
    protocol,
    description: "submind",
  });
  return {
    map: (port, lifetimeS) => api.map({ ...options(port), ttl: lifetimeS }),
    async unmap(port) {
      await api.unmap(options(port));
    },
    externalAddress: () => api.externalIp(),
    async close() {
      await api.destroy();
    },
  };
}
