/** The ways to ask a router, in the order in which they are tried: PCP, NAT-PMP, UPnP. */
import { pcpGateway } from "./pcp.ts";
import { openRouterSocket } from "./pcp_socket.ts";
import type { Gateway, Mapped, PortToMap } from "./port_mapping.ts";
import { upnpGateway } from "./port_mapping_nat_api.ts";
import type { Clock, Random } from "./ports.ts";

/** Opens what this system has. Nothing is sent before the first question. */
export function routerGateway(
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): Promise<Gateway> {
  const pcp = pcpGateway({ clock, random, open: openRouterSocket });
  return Promise.resolve(firstThatAgrees(pcp, upnpGateway));
}

/** Asks the second only for what the first does not map; each takes back what it has mapped. */
export function firstThatAgrees(first: Gateway, openSecond: () => Promise<Gateway>): Gateway {
  let second: Promise<Gateway> | undefined;
  const bySecond = new Set<string>();
  const keyOf = ({ protocol, port }: PortToMap): string => `${port}/${protocol}`;
  return {
    async map(port, lifetimeS): Promise<Mapped | null> {
      const mapped = await first.map(port, lifetimeS);
      if (mapped !== null) return mapped;
      second ??= openSecond();
      const other = await (await second).map(port, lifetimeS);
      if (other !== null) bySecond.add(keyOf(port));
      return other;
    },
    async unmap(port) {
      if (bySecond.delete(keyOf(port))) await (await second)?.unmap(port);
      else await first.unmap(port);
    },
    async close() {
      await first.close();
      await (await second)?.close();
    },
  };
}
