/** Maps ports from a host behind a router, looks into the router, and takes them back. The argument is the router's namespace. */
import { natGateway } from "../../platform/port_mapping_nat_api.ts";
import { portMapping } from "../../platform/port_mapping.ts";
import { systemClock } from "../../platform/system_clock.ts";

const [router = ""] = Deno.args;

async function rules(): Promise<string> {
  const args = ["netns", "exec", router, "nft", "list", "ruleset"];
  return new TextDecoder().decode((await new Deno.Command("ip", { args }).output()).stdout);
}

const lines: unknown[] = [];
const heard = Promise.withResolvers<void>();
const mapping = portMapping({
  clock: systemClock(),
  log: {
    write(level, message, fields) {
      lines.push([level, message, fields]);
      heard.resolve();
    },
  },
  ports: [{ protocol: "TCP", port: 7464 }, { protocol: "UDP", port: 7464 }],
  openGateway: natGateway,
});
const timeout = setTimeout(() => heard.resolve(), 15_000);
await heard.promise;
clearTimeout(timeout);
const outside = mapping.outside("UDP");
const during = await rules();
await mapping.stop();
const left = await rules();
console.log(JSON.stringify({ mapped: outside !== null, outside, rules: during, left, lines }));
Deno.exit(0);
