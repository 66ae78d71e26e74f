/** The library behind UPnP-IGD. It is loaded only when it is used. */
import type { Gateway, PortToMap } from "./port_mapping.ts";

/** What is used of the library, which has no types of its own. */
interface NatApi {
  map(options: object): Promise<boolean>;
  unmap(options: object): Promise<boolean>;
  externalIp(): Promise<string>;
  destroy(): Promise<boolean>;
}

/** Opens the library. Nothing is sent before the first question. */
export async function upnpGateway(): Promise<Gateway> {
  const { default: NatAPI } = await import("@silentbot1/nat-api");
  // Renewals are ours, and so is NAT-PMP: the library does not say which port a router has given.
  const api: NatApi = new NatAPI({ autoUpdate: false, enablePMP: false, description: "submind" });
  const options = ({ protocol, port }: PortToMap) => ({
    publicPort: port,
    privatePort: port,
    protocol,
    description: "submind",
  });
  return {
    async map(port, lifetimeS) {
      if (!await api.map({ ...options(port), ttl: lifetimeS })) return null;
      return { host: await api.externalIp(), port: port.port, lifetimeS, by: "UPnP" };
    },
    async unmap(port) {
      await api.unmap(options(port));
    },
    async close() {
      await api.destroy();
    },
  };
}
