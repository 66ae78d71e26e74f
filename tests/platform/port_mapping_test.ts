/** Port mapping against a router that a test plays, and against miniupnpd on a host of its own. Looking at the own network. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { InterfaceAddress } from "../../platform/mdns_interfaces.ts";
import { networkWatch } from "../../platform/network_watch.ts";
import {
  type Gateway,
  isPublic,
  MAPPING_LIFETIME_S,
  portMapping,
  type PortToMap,
} from "../../platform/port_mapping.ts";
import { firstThatAgrees } from "../../platform/port_mapping_router.ts";
import { portKeepingHosts } from "../../platform/webrtc_shared.ts";
import { TestTime } from "../actors/sessions/test_time.ts";
import { createLab, labAvailability } from "../lab/lab.ts";
import { ensurePackages } from "../lab/system_packages.ts";
import { skipped } from "../skipped.ts";

const PORTS: readonly PortToMap[] = [{ protocol: "TCP", port: 7464 }, {
  protocol: "UDP",
  port: 7464,
}];

function playedRouter(address = "203.0.113.9") {
  const router = {
    answers: true,
    address,
    /** Added to the port that was wished for. */
    moves: 0,
    lifetimeS: MAPPING_LIFETIME_S,
    maps: 0,
    unmaps: [] as PortToMap[],
    closed: false,
  };
  const gateway: Gateway = {
    map: ({ port }, lifetimeS) => {
      assert.equal(lifetimeS, MAPPING_LIFETIME_S);
      router.maps += 1;
      if (!router.answers) return Promise.resolve(null);
      const { address: host, moves } = router;
      return Promise.resolve({
        host,
        port: port + moves,
        lifetimeS: router.lifetimeS,
        by: "PCP" as const,
      });
    },
    unmap: (port) => {
      router.unmaps.push(port);
      return Promise.resolve();
    },
    close: () => {
      router.closed = true;
      return Promise.resolve();
    },
  };
  return { router, gateway };
}

function started(gateway: Gateway) {
  const time = new TestTime();
  const lines: string[] = [];
  const mapping = portMapping({
    clock: time,
    log: { write: (level, message) => void lines.push(`${level}: ${message}`) },
    ports: PORTS,
    openGateway: () => Promise.resolve(gateway),
  });
  // Outcomes come by promises: they settle between two steps of time.
  const run = async (ms: number) => {
    await time.run(ms);
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
    await time.run(0);
  };
  return { mapping, lines, run };
}

Deno.test("a router that agrees gives both ports an address outside, is asked again in time, and gets both back", async () => {
  const { router, gateway } = playedRouter();
  const { mapping, lines, run } = started(gateway);
  assert.equal(mapping.outside("UDP"), null);
  await run(1);
  assert.deepEqual(mapping.outside("UDP"), { host: "203.0.113.9", port: 7464 });
  assert.deepEqual(mapping.outside("TCP"), { host: "203.0.113.9", port: 7464 });
  assert.equal(router.maps, 2);
  await run(MAPPING_LIFETIME_S * 1_000 / 2);
  assert.equal(router.maps, 4);
  assert.deepEqual(lines, ["info: router maps ports"]);
  await mapping.stop();
  assert.deepEqual(router.unmaps, PORTS);
  assert.equal(router.closed, true);
  assert.equal(mapping.outside("UDP"), null);
});

Deno.test("the port that the router has given is told, not the one that was wished for, and in time for a short lifetime", async () => {
  const { router, gateway } = playedRouter();
  router.moves = 1_000;
  router.lifetimeS = 300;
  const { mapping, lines, run } = started(gateway);
  await run(1);
  assert.deepEqual(mapping.outside("UDP"), { host: "203.0.113.9", port: 8464 });
  await run(101_000);
  assert.equal(router.maps, 4);
  router.moves = 2_000;
  await run(101_000);
  assert.deepEqual(mapping.outside("TCP"), { host: "203.0.113.9", port: 9464 });
  assert.equal(lines.length, 2);
  await mapping.stop();
});

Deno.test("the second way is asked only for what the first does not map, and each takes back its own", async () => {
  const [one, two] = [playedRouter("203.0.113.1"), playedRouter("203.0.113.2")];
  const both = firstThatAgrees(one.gateway, () => Promise.resolve(two.gateway));
  const [tcp, udp] = PORTS as [PortToMap, PortToMap];
  assert.equal((await both.map(tcp, MAPPING_LIFETIME_S))?.host, "203.0.113.1");
  assert.equal(two.router.maps, 0);
  one.router.answers = false;
  assert.equal((await both.map(udp, MAPPING_LIFETIME_S))?.host, "203.0.113.2");
  await both.unmap(tcp);
  await both.unmap(udp);
  assert.deepEqual([one.router.unmaps, two.router.unmaps], [[tcp], [udp]]);
  await both.close();
  assert.ok(one.router.closed && two.router.closed);
});

Deno.test("where no router answers nobody hears of it, and it is asked again after ten minutes or when the network changes", async () => {
  const { router, gateway } = playedRouter();
  router.answers = false;
  const { mapping, lines, run } = started(gateway);
  await run(60_000);
  assert.equal(router.maps, 2);
  assert.deepEqual(lines, ["debug: no router maps ports here"]);
  mapping.renew();
  await run(1);
  assert.equal(router.maps, 4);
  router.answers = true;
  await run(600_000);
  assert.deepEqual(mapping.outside("TCP")?.host, "203.0.113.9");
  await mapping.stop();
});

Deno.test("an address behind yet another router is not told to anybody", async () => {
  const { gateway } = playedRouter("100.64.3.2");
  const { mapping, lines, run } = started(gateway);
  await run(1);
  assert.equal(mapping.outside("UDP"), null);
  assert.deepEqual(lines, ["info: router maps ports, but has no public address itself"]);
  await mapping.stop();
  for (const address of ["10.1.2.3", "172.20.0.1", "192.168.1.1", "127.0.0.1", "", "fe80::1"]) {
    assert.equal(isPublic(address), false, address);
  }
  for (const address of ["8.8.4.4", "172.32.0.1", "100.128.0.1"]) assert.ok(isPublic(address));
});

Deno.test("a library that fails is no failure of the node", async () => {
  const { gateway } = playedRouter();
  const { mapping, lines, run } = started({
    ...gateway,
    map: () => Promise.reject(new Error("socket in use")),
  });
  await run(1);
  assert.deepEqual(lines, ["debug: port mapping failed"]);
  await mapping.stop();
});

Deno.test("a change of addresses is noticed at the next look, and a change of order is none", async () => {
  const time = new TestTime();
  const eth: InterfaceAddress = {
    interfaceName: "eth0",
    address: "192.168.1.7",
    family: "IPv4",
    prefixBits: 24,
    internal: false,
    scopeId: 0,
  };
  const wlan = { ...eth, interfaceName: "wlan0", address: "10.0.0.2" };
  let machine = [eth, wlan];
  const watch = networkWatch({ clock: time, interfaces: () => machine });
  let changes = 0;
  const stop = watch.watch(() => changes += 1);
  await time.run(10_000);
  machine = [wlan, eth];
  await time.run(10_000);
  assert.equal(changes, 0);
  machine = [wlan];
  await time.run(2_000);
  assert.equal(changes, 1);
  stop();
  machine = [];
  await time.run(10_000);
  assert.equal(changes, 1);
  watch.close();
});

Deno.test("only routers that keep port numbers make an address outside worth a try", () => {
  assert.deepEqual(
    portKeepingHosts([
      "candidate:1 1 UDP 2122317823 192.168.1.7 50000 typ host",
      "candidate:2 1 UDP 1686109951 203.0.113.9 50000 typ srflx raddr 192.168.1.7 rport 50000",
      "candidate:3 1 UDP 1686109951 203.0.113.10 61234 typ srflx raddr 192.168.1.7 rport 50000",
      "candidate:4 1 UDP 8331263 203.0.113.11 49170 typ relay raddr 0.0.0.0 rport 0",
    ]),
    ["203.0.113.9"],
  );
});

Deno.test("a router that keeps port numbers is known as well where the library hides the socket behind an address", () => {
  // As node-datachannel (libjuice) says it.
  const host = "candidate:1 1 UDP 2122317823 192.168.1.7 50000 typ host";
  const outside = (port: number) =>
    `candidate:2 1 UDP 1686109951 203.0.113.9 ${port} typ srflx raddr 0.0.0.0 rport 0`;
  assert.deepEqual(portKeepingHosts([host, outside(50_000)]), ["203.0.113.9"]);
  assert.deepEqual(portKeepingHosts([host, outside(50_001)]), []);
  assert.deepEqual(portKeepingHosts([outside(50_000)]), []);
});

const lab = await labAvailability();
const packages = lab.ok ? await ensurePackages(["miniupnpd", "nftables"]) : lab;

const withoutRouter = skipped(
  "port mapping with miniupnpd",
  packages.ok ? null : packages.reason,
);

for (const by of ["PCP", "NAT-PMP", "UPnP"] as const) {
  Deno.test({
    name: `miniupnpd maps both ports by ${by} and takes them back`,
    ignore: withoutRouter,
    async fn() {
      await withRouter(by !== "UPnP", async ({ map }) => {
        const { mapped, outside, rules, left, lines } = await map(1, by === "NAT-PMP" ? by : "any");
        assert.equal(mapped, true, JSON.stringify(lines));
        assert.equal(lines[0][2].by, by);
        // The router's configured address; its wide area network is a bridge without one.
        assert.deepEqual(outside, { host: "8.8.4.4", port: 7464 });
        assert.equal([...rules.matchAll(/dport 7464 dnat ip to 10\.50\.0\.1:7464/g)].length, 2);
        assert.doesNotMatch(left, /dport 7464/);
      });
    },
  });
}

for (const by of ["PCP", "NAT-PMP"] as const) {
  Deno.test({
    name: `a port that another device has taken is another one by ${by}, and that one is told`,
    ignore: withoutRouter,
    async fn() {
      await withRouter(true, async ({ map }) => {
        const first = await map(3, "keep");
        assert.equal(first.outside.port, 7464);
        const { outside, rules } = await map(1, by === "NAT-PMP" ? by : "any");
        assert.notEqual(outside.port, 7464);
        assert.match(rules, new RegExp(`dport ${outside.port} dnat ip to 10.50.0.1:7464`));
      });
    },
  });
}

/** Two devices and a router with miniupnpd; `map` runs the program on one of the devices. */
async function withRouter(
  enablePcp: boolean,
  use: (world: {
    // deno-lint-ignore no-explicit-any
    map(host: number, mode: string): Promise<any>;
  }) => Promise<void>,
): Promise<void> {
  await using net = await createLab({ hosts: [[0], [0, 1], [0]] });
  const router = net.host(2);
  const inside = await router.address(4, 0);
  const directory = await Deno.makeTempDir({ prefix: "upnp" });
  for (const host of [1, 3]) {
    await net.host(host).run("ip", "route", "add", "default", "via", inside);
  }
  await router.run("sysctl", "-qw", "net.ipv4.ip_forward=1");
  await router.run("ip", "route", "replace", "224.0.0.0/4", "dev", "eth0");
  await Deno.writeTextFile(join(directory, "nft"), NFT);
  assert.equal((await router.run("nft", "-f", join(directory, "nft"))).code, 0);
  await Deno.writeTextFile(join(directory, "conf"), upnpConfig(directory, enablePcp));
  const [conf, pid] = [join(directory, "conf"), join(directory, "pid")];
  const daemon = router.spawn(["miniupnpd", "-d", "-f", conf, "-P", pid]);
  const program = fileURLToPath(new URL("./port_mapping_program.ts", import.meta.url));
  const flags = ["run", "--quiet", "--no-check", "-A"];
  try {
    await use({
      async map(host, mode) {
        const { code, stdout, stderr } = await net.host(host)
          .run(Deno.execPath(), ...flags, program, router.namespace, mode);
        assert.equal(code, 0, stderr);
        return JSON.parse(stdout.trim());
      },
    });
  } finally {
    await daemon.end();
    await Deno.remove(directory, { recursive: true });
  }
}

const NFT = `
table inet miniupnpd {
  chain miniupnpd { }
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname eth0 oifname eth1 accept
    jump miniupnpd
  }
  chain prerouting { type nat hook prerouting priority -100; jump prerouting_miniupnpd; }
  chain postrouting {
    type nat hook postrouting priority 100;
    jump postrouting_miniupnpd
    oifname eth1 masquerade
  }
}
`;

function upnpConfig(directory: string, enablePcp: boolean): string {
  return `ext_ifname=eth1
ext_ip=8.8.4.4
listening_ip=eth0
enable_natpmp=${enablePcp ? "yes" : "no"}
enable_upnp=yes
secure_mode=yes
min_lifetime=120
max_lifetime=86400
upnp_table_name=miniupnpd
upnp_nat_table_name=miniupnpd
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
lease_file=${directory}/leases
uuid=2cde2925-18e4-425a-8ce9-8387a4a884f9
allow 1024-65535 0.0.0.0/0 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
`;
}
