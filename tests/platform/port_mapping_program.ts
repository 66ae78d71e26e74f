/**
 * Maps ports from a host behind a router, looks into the router, and takes them back. Arguments: the router's namespace; "any",
 * "NAT-PMP" (a router that does not know PCP) or "keep" (leaves the mappings there).
 */
import { pcpGateway, type RouterSocket } from "../../platform/pcp.ts";
import { openRouterSocket } from "../../platform/pcp_socket.ts";
import { ROUTER_PORT } from "../../platform/pcp_wire.ts";
import { portMapping } from "../../platform/port_mapping.ts";
import { routerGateway } from "../../platform/port_mapping_router.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { systemRandom } from "../../platform/system_random.ts";

const [router = "", mode = "any"] = Deno.args;

async function rules(): Promise<string> {
  const args = ["netns", "exec", router, "nft", "list", "ruleset"];
  return new TextDecoder().decode((await new Deno.Command("ip", { args }).output()).stdout);
}

/** A socket towards a router that answers version 2 as one of before PCP does. */
function withoutPcp(): RouterSocket | null {
  const socket = openRouterSocket();
  if (socket === null) return null;
  let hear: Parameters<RouterSocket["listen"]>[0] = () => {};
  return {
    ...socket,
    listen(onPacket) {
      hear = onPacket;
      socket.listen(onPacket);
    },
    send(bytes) {
      if (bytes[0] === 0) return socket.send(bytes);
      const refusal = Uint8Array.of(0, 0x80 | bytes[1]!, 0, 1, 0, 0, 0, 1);
      queueMicrotask(() => hear(refusal, { host: socket.router, port: ROUTER_PORT }));
    },
  };
}

const lines: unknown[] = [];
const heard = Promise.withResolvers<void>();
const clock = systemClock();
const random = systemRandom();
const mapping = portMapping({
  clock,
  log: {
    write(level, message, fields) {
      lines.push([level, message, fields]);
      heard.resolve();
    },
  },
  ports: [{ protocol: "TCP", port: 7464 }, { protocol: "UDP", port: 7464 }],
  openGateway: () =>
    mode === "NAT-PMP"
      ? Promise.resolve(pcpGateway({ clock, random, open: withoutPcp }))
      : routerGateway({ clock, random }),
});
const timeout = setTimeout(() => heard.resolve(), 30_000);
await heard.promise;
clearTimeout(timeout);
const outside = mapping.outside("UDP");
const during = await rules();
if (mode !== "keep") await mapping.stop();
const left = await rules();
console.log(JSON.stringify({ mapped: outside !== null, outside, rules: during, left, lines }));
Deno.exit(0);
