/** Multicast DNS with real sockets on loopback, at a port of its own. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import type { DiscoveryEvent } from "../../platform/discovery.ts";
import { mdnsDiscovery } from "../../platform/mdns.ts";
import { wantedLinks } from "../../platform/mdns_interfaces.ts";
import { noDiscovery } from "../../platform/static_discovery.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { systemRandom } from "../../platform/system_random.ts";
import { discoveryContract } from "../contracts/discovery_contract.ts";
import { announcement } from "../protocols/discovery/shared_wire.ts";
import { LOOPBACK } from "./transport_end.ts";
import { skipped } from "../skipped.ts";
import { stretched } from "../busy_machine.ts";

/** A port nobody uses now. */
async function freePort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const startedMs = performance.now();
  while (!condition()) {
    const waitedMs = performance.now() - startedMs;
    assert(waitedMs < stretched(10_000), `waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Linux lets multicast run on loopback; elsewhere only the lab and real networks are tested. */
const ignore = skipped(
  "discovery on loopback",
  Deno.build.os === "linux" ? null : "only Linux has multicast there",
);

discoveryContract("mdns on loopback", async () => {
  const port = await freePort();
  const interfaces = () => [LOOPBACK];
  const options = { clock: systemClock(), random: systemRandom(), interfaces, port };
  return { device: () => mdnsDiscovery(options), until, close: () => Promise.resolve() };
}, { ignore });

Deno.test({
  name: "mdns survives packets that are no DNS, too large, or full of nonsense",
  ignore,
  async fn() {
    const port = await freePort();
    const interfaces = () => [LOOPBACK];
    const logged: string[] = [];
    const log = { write: (_: string, message: string) => void logged.push(message) };
    const options = { clock: systemClock(), random: systemRandom(), interfaces, port, log };
    const events: DiscoveryEvent[] = [];
    const session = mdnsDiscovery(options).start(
      announcement("A"),
      (event) => void events.push(event),
    );
    await until(() => events.length > 0, "it is ready");
    const socket = createSocket("udp4");
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    for (let index = 0; index < 300; index++) {
      const bytes = crypto.getRandomValues(new Uint8Array(12 + index * 30));
      if (index % 2 === 0) bytes.set([0, 0, 0x84, 0, 0, 0, 0, 200, 0, 0, 0, 0]);
      await new Promise<void>((resolve) => socket.send(bytes, port, "127.0.0.1", () => resolve()));
    }
    const other = mdnsDiscovery(options).start(announcement("B"), () => {});
    await until(() => events.some(({ type }) => type === "sighted"), "it still finds others");
    await Promise.all([session.stop(), other.stop()]);
    await new Promise<void>((resolve) => socket.close(() => resolve()));
    assert.deepEqual(logged, []);
  },
});

Deno.test({
  name: "closing mdns waits for the sockets of a stop that nobody waited for",
  ignore,
  async fn() {
    const port = await freePort();
    const mdns = mdnsDiscovery({
      clock: systemClock(),
      random: systemRandom(),
      interfaces: () => [LOOPBACK],
      port,
    });
    let ready = false;
    const session = mdns.start(announcement("A"), () => ready = true);
    await until(() => ready, "it is ready");
    void session.stop();
    await mdns.close();
    const socket = createSocket("udp4");
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind({ port, address: "0.0.0.0", exclusive: true }, resolve);
    });
    await new Promise<void>((resolve) => socket.close(() => resolve()));
    await mdns.close();
  },
});

Deno.test("mdns without any interface says so and stops cleanly", async () => {
  const options = { clock: systemClock(), random: systemRandom(), interfaces: () => [] };
  const events: DiscoveryEvent[] = [];
  const session = mdnsDiscovery(options).start(
    announcement("A"),
    (event) => void events.push(event),
  );
  assert.deepEqual(events, [{
    type: "availability",
    multicast: false,
    interfaces: [],
    reason: "no network interface with an address is connected",
  }]);
  await session.stop();
});

Deno.test("mdns names the interface and the problem when a socket cannot be had", async () => {
  // 192.0.2.0/24 is for documentation: no interface has it.
  const interfaces =
    () => [{ ...LOOPBACK, interfaceName: "eth7", address: "192.0.2.9", internal: false }];
  const port = await freePort();
  const options = { clock: systemClock(), random: systemRandom(), interfaces, port };
  const events: DiscoveryEvent[] = [];
  const session = mdnsDiscovery(options).start(
    announcement("A"),
    (event) => void events.push(event),
  );
  await until(() => events.length > 0, "it reports");
  const [event] = events;
  assert(event?.type === "availability" && !event.multicast);
  assert.match(event.reason, /^eth7\/4: cannot join the multicast group: /);
  await session.stop();
});

Deno.test("loopback is used only when there is nothing else", () => {
  const outside = { ...LOOPBACK, interfaceName: "eth0", address: "10.0.0.1", internal: false };
  const outside6 = { ...outside, family: "IPv6", address: "fe80::1", prefixBits: 64 } as const;
  assert.deepEqual(wantedLinks([LOOPBACK]).map(({ id }) => id), ["lo/4"]);
  const links = wantedLinks([LOOPBACK, outside, outside6]);
  assert.deepEqual(links.map(({ id }) => id), ["eth0/4", "eth0/6"]);
  assert.deepEqual(links[0]?.subnets.map(({ address }) => address), ["10.0.0.1", "fe80::1"]);
});

Deno.test("discovery that is switched off says why and nothing else", async () => {
  const events: DiscoveryEvent[] = [];
  const session = noDiscovery("switched off").start(
    announcement("A"),
    (event) => void events.push(event),
  );
  session.refresh();
  await session.stop();
  const reason = "switched off";
  assert.deepEqual(events, [{ type: "availability", multicast: false, interfaces: [], reason }]);
});
