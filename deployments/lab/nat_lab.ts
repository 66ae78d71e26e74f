/**
 * An internet on one machine: homes behind routers, and public hosts between them, as network namespaces. Every packet crosses the
 * kernel's real address translation. Needs root on Linux with `ip` and `nft`; `natLabAvailability` says why when it cannot be had.
 * Removes only what it made, and sends nothing beyond its own namespaces.
 *
 * ```
 * home 0: 192.168.10.0/24 ─ router ─ 203.0.113.100 ┐
 * home 1: 192.168.11.0/24 ─ router ─ 203.0.113.101 ┤ 203.0.113.0/24 (TEST-NET-3) ─ public hosts 203.0.113.10, .11, …
 * ```
 */
import { errorText } from "../../platform/error_text.ts";

/**
 * How a home's router translates UDP (RFC 4787 terms). `full-cone`: endpoint-independent mapping and filtering, for the first host of the home.
 * `port-restricted`: endpoint-independent mapping, address- and port-dependent filtering, what most home routers do. `symmetric`: address- and port-dependent mapping.
 * `udp-blocked`: no UDP at all, TCP outwards only.
 */
export const NAT_KINDS = ["full-cone", "port-restricted", "symmetric", "udp-blocked"] as const;
export type NatKind = typeof NAT_KINDS[number];

export interface NatLabOptions {
  /** At most 8. */
  readonly homes: readonly { readonly nat: NatKind; /** Default 1. */ readonly hosts?: number }[];
  /** Hosts in the public network; default 1. */
  readonly publicHosts?: number;
  /** Six hex digits that make the names of the namespaces unique. */
  readonly tag: string;
}

/** "ok", or why namespaces cannot be made here. */
export type LabAvailability =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: string };

/** A host of the lab: a namespace with one interface `eth0`. */
export interface Machine {
  readonly namespace: string;
  readonly address: string;
  /** The command line that runs `command` on this host; the process is the program's own. */
  inside(command: readonly string[]): readonly string[];
}

export interface Home {
  readonly hosts: readonly Machine[];
  /** Address of its router as the others see it. */
  readonly publicAddress: string;
  readonly router: Machine;
  /** Changes the router's translation; what was translated before is forgotten, as after a restart of the router. */
  setNat(kind: NatKind): Promise<void>;
  /** Pulls the cable between router and internet. */
  cut(): Promise<void>;
  heal(): Promise<void>;
}

export interface NatLab {
  readonly homes: readonly Home[];
  readonly publicHosts: readonly Machine[];
  /** Nothing passes between these two homes (and back) while everything else goes on; TURN and brokers still reach both. */
  separate(a: number, b: number): Promise<void>;
  /** Ends `separate`. */
  join(a: number, b: number): Promise<void>;
  /** Removes every namespace that this lab made. Processes in them must have been ended. */
  close(): Promise<void>;
}

const HOMES_MAX = 8;
const BACKBONE_PREFIX = "203.0.113";

/** Tries once whether a lab can be made. */
export async function natLabAvailability(tag: string): Promise<LabAvailability> {
  if (Deno.build.os !== "linux") return { ok: false, reason: "network namespaces need Linux" };
  if (Deno.uid() !== 0) return { ok: false, reason: "network namespaces need root" };
  try {
    const lab = await createNatLab({ homes: [{ nat: "port-restricted" }], publicHosts: 1, tag });
    await lab.close();
    return { ok: true };
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound
      ? "the programs ip (package iproute2) and nft (package nftables) are needed"
      : errorText(error);
    return { ok: false, reason };
  }
}

/**
 * Makes homes and public hosts. On failure nothing is left behind.
 *
 * @throws when the kernel or a program refuses, with what was tried
 */
export async function createNatLab(options: NatLabOptions): Promise<NatLab> {
  if (options.homes.length > HOMES_MAX) {
    throw new RangeError(
      `Cannot make lab: ${options.homes.length} homes, expected at most ${HOMES_MAX}`,
    );
  }
  if (!/^[0-9a-f]{6}$/.test(options.tag)) {
    throw new RangeError(`Cannot make lab: tag is "${options.tag}", expected six hex digits`);
  }
  const made: string[] = [];
  const add = async (name: string): Promise<string> => {
    const namespace = `sn${options.tag}${name}`;
    await ip("netns", "add", namespace);
    made.push(namespace);
    await ip("-n", namespace, "link", "set", "lo", "up");
    return namespace;
  };
  const close = async (): Promise<void> => {
    for (const namespace of made.splice(0).reverse()) {
      await run(["ip", "netns", "del", namespace]).catch(() => {});
    }
  };
  try {
    const backbone = await add("inet");
    await ip("-n", backbone, "link", "add", "br0", "type", "bridge");
    await ip("-n", backbone, "link", "set", "br0", "up");
    const publicHosts: Machine[] = [];
    for (let i = 0; i < (options.publicHosts ?? 1); i++) {
      const namespace = await add(`p${i}`);
      const address = `${BACKBONE_PREFIX}.${10 + i}`;
      await plug({ namespace, device: "eth0", bridge: backbone, port: `p${i}`, address });
      await silentDefaultRoute(namespace);
      publicHosts.push(machine(namespace, address));
    }
    const homes: Home[] = [];
    for (const [i, { nat, hosts }] of options.homes.entries()) {
      homes.push(await makeHome({ index: i, nat, hosts: hosts ?? 1, backbone, add }));
    }
    const rule = (a: number, b: number) => [homeOf(homes, a), homeOf(homes, b)] as const;
    return {
      homes,
      publicHosts,
      async separate(a, b) {
        const [one, other] = rule(a, b);
        await one.block(other.publicAddress);
        await other.block(one.publicAddress);
      },
      async join(a, b) {
        const [one, other] = rule(a, b);
        await one.unblock(other.publicAddress);
        await other.unblock(one.publicAddress);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

interface BlockingHome extends Home {
  block(address: string): Promise<void>;
  unblock(address: string): Promise<void>;
}

function homeOf(homes: readonly Home[], index: number): BlockingHome {
  const home = homes[index];
  if (home === undefined) throw new RangeError(`No home ${index} among ${homes.length}`);
  return home as BlockingHome;
}

async function makeHome(
  { index, nat, hosts, backbone, add }: {
    readonly index: number;
    readonly nat: NatKind;
    readonly hosts: number;
    readonly backbone: string;
    readonly add: (name: string) => Promise<string>;
  },
): Promise<BlockingHome> {
  const lan = await add(`h${index}l`);
  await ip("-n", lan, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0");
  await ip("-n", lan, "link", "set", "br0", "up");
  const router = await add(`h${index}r`);
  const prefix = `192.168.${10 + index}`;
  const publicAddress = `${BACKBONE_PREFIX}.${100 + index}`;
  const port = `h${index}`;
  await plug({ namespace: router, device: "wan", bridge: backbone, port, address: publicAddress });
  await plug({ namespace: router, device: "lan", bridge: lan, port: "r", address: `${prefix}.1` });
  await silentDefaultRoute(router);
  await inNamespace(router, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward");
  const machines: Machine[] = [];
  for (let i = 0; i < hosts; i++) {
    const namespace = await add(`h${index}m${i}`);
    const address = `${prefix}.${10 + i}`;
    await plug({ namespace, device: "eth0", bridge: lan, port: `m${i}`, address });
    await ip("-n", namespace, "link", "set", "eth0", "multicast", "on");
    await ip("-n", namespace, "route", "add", "default", "via", `${prefix}.1`);
    machines.push(machine(namespace, address));
  }
  const setNat = async (kind: NatKind): Promise<void> => {
    await nft(router, `flush ruleset\n${ruleset(kind, `${prefix}.10`)}`);
    // Translations that exist would otherwise live on under the old rules.
    await run(["ip", "netns", "exec", router, "conntrack", "-F"]).catch(() => {});
  };
  await setNat(nat);
  const wanPort = (state: "up" | "down") => ip("-n", backbone, "link", "set", port, state);
  return {
    hosts: machines,
    publicAddress,
    router: machine(router, publicAddress),
    setNat,
    cut: () => wanPort("down"),
    heal: () => wanPort("up"),
    block: (address) => nft(router, `add element ip filter separated { ${address} }`),
    unblock: (address) => nft(router, `delete element ip filter separated { ${address} }`),
  };
}

/** What a router does with packets. Nothing from outside reaches the home but answers, except through a full cone. */
function ruleset(kind: NatKind, firstHost: string): string {
  const mapping = kind === "symmetric" ? "masquerade fully-random" : "masquerade";
  const cone = kind === "full-cone" ? `iifname "wan" meta l4proto udp dnat to ${firstHost}` : "";
  const udp = kind === "udp-blocked" ? `iifname "lan" meta l4proto udp drop` : "";
  const open = kind === "full-cone"
    ? `iifname "wan" ip daddr ${firstHost} meta l4proto udp accept`
    : "";
  return `
table ip nat {
  chain prerouting {
    type nat hook prerouting priority -100
    ${cone}
  }
  chain postrouting {
    type nat hook postrouting priority 100
    oifname "wan" ${mapping}
  }
}
table ip filter {
  set separated { type ipv4_addr; }
  chain input {
    type filter hook input priority 0; policy accept;
    iifname "wan" ct state new drop
  }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ip saddr @separated drop
    ip daddr @separated drop
    ct state established,related accept
    ${udp}
    ${open}
    iifname "lan" oifname "wan" accept
  }
}
`;
}

async function plug(
  { namespace, device, bridge, port, address }: {
    readonly namespace: string;
    readonly device: string;
    readonly bridge: string;
    readonly port: string;
    readonly address: string;
  },
): Promise<void> {
  const pair = ["type", "veth", "peer", "name", port, "netns", bridge];
  await ip("-n", namespace, "link", "add", device, ...pair);
  await ip("-n", bridge, "link", "set", port, "master", "br0", "up");
  await ip("-n", namespace, "addr", "add", `${address}/24`, "dev", device);
  await ip("-n", namespace, "link", "set", device, "up");
}

/** A way to everywhere that ends nowhere: without one, programs are told "network unreachable" at once, which no real host is. */
async function silentDefaultRoute(namespace: string): Promise<void> {
  await ip("-n", namespace, "route", "add", "default", "via", `${BACKBONE_PREFIX}.254`);
}

function machine(namespace: string, address: string): Machine {
  return {
    namespace,
    address,
    inside: (command) => ["ip", "netns", "exec", namespace, ...command],
  };
}

async function ip(...args: readonly string[]): Promise<void> {
  await run(["ip", ...args]);
}

async function inNamespace(namespace: string, ...command: readonly string[]): Promise<void> {
  await run(["ip", "netns", "exec", namespace, ...command]);
}

async function nft(namespace: string, rules: string): Promise<void> {
  await inNamespace(namespace, "nft", rules);
}

async function run(command: readonly string[]): Promise<void> {
  const [program = "", ...args] = command;
  const { code, stderr } = await new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (code === 0) return;
  const said = new TextDecoder().decode(stderr).trim();
  throw new Error(`Cannot run "${command.join(" ").slice(0, 200)}": ${said}`);
}
