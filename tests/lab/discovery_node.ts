/**
 * A program for the lab: discovery alone, one JSON line per event with the time. Arguments: seed of the device id, display
 * name, port. SIGTERM says goodbye.
 */
import { mdnsDiscovery } from "../../platform/mdns.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { systemRandom } from "../../platform/system_random.ts";
import { deviceIdOf } from "../../protocols/ids.ts";

const [seed = "1", displayName = "Lab", port = "7464"] = Deno.args;
const clock = systemClock();
function say(value: object): void {
  console.log(JSON.stringify({ atMs: clock.wallMs(), ...value }));
}

const deviceId = deviceIdOf(seededRandom(`device ${seed}`).bytes(32));
const log = {
  write: (level: string, message: string, fields?: object) =>
    say({ type: "log", level, message, ...fields }),
};
const discovery = mdnsDiscovery({ clock, random: systemRandom(), log });
say({ type: "starting", deviceId });
const session = discovery.start({
  deviceId,
  displayName,
  role: "submind",
  capabilities: ["storage"],
  meshTag: "0123abcd",
  protocolVersion: 1,
  port: Number(port),
}, say);
Deno.addSignalListener("SIGTERM", async () => {
  say({ type: "stopping" });
  await session.stop();
  say({ type: "stopped" });
  Deno.exit(0);
});
