/**
 * Hosts of their own on one machine: network namespaces joined by bridges, with multicast, IPv4 and IPv6. Needs root on Linux;
 * `labAvailability` says why when it cannot be had, and tests then skip and print that. Removes only what it made.
 */
import { errorText } from "../../platform/error_text.ts";
import { HostProcess } from "./host_process.ts";

/** "ok", or why hosts cannot be made here. */
export type Availability = { readonly ok: true } | { readonly ok: false; readonly reason: string };

export interface LabOptions {
  /** How many hosts, all on network 0; or for each host the networks it is plugged into: `[[0], [0, 1]]`. */
  readonly hosts: number | readonly (readonly number[])[];
}

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Impairment {
  /** Added to every packet that leaves, ms. */
  readonly delayMs?: number;
  /** Chance of each packet that leaves to be lost, percent. */
  readonly lossPercent?: number;
}

async function ip(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await finish(["ip", ...args]);
  if (code !== 0) throw new Error(`Cannot run "ip ${args.join(" ")}": ${stderr.trim()}`);
  return stdout;
}

async function finish(
  command: readonly string[],
  env: Record<string, string> = {},
): Promise<Finished> {
  const [program = "", ...args] = command;
  const options = { args, env, stdin: "null", stdout: "piped", stderr: "piped" } as const;
  const output = await new Deno.Command(program, options).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: output.code, stdout: decode(output.stdout), stderr: decode(output.stderr) };
}

let known: Promise<Availability> | undefined;

/** Tries once to make two joined namespaces, and remembers the outcome. */
export function labAvailability(): Promise<Availability> {
  known ??= probe();
  return known;
}

async function probe(): Promise<Availability> {
  if (Deno.build.os !== "linux") return { ok: false, reason: "network namespaces need Linux" };
  if (Deno.uid() !== 0) return { ok: false, reason: "network namespaces need root" };
  try {
    const lab = await createLab({ hosts: 1 });
    await lab.close();
    return { ok: true };
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound
      ? "the program ip (package iproute2) is missing"
      : errorText(error);
    return { ok: false, reason };
  }
}

/** One host: a namespace with an interface `eth<network>` for each network it is plugged into. */
export class Host {
  readonly name: string;
  readonly namespace: string;
  readonly #number: number;
  readonly #networks: readonly { readonly index: number; readonly namespace: string }[];
  readonly #processes: HostProcess[] = [];

  constructor(
    options: {
      number: number;
      prefix: string;
      networks: readonly { index: number; namespace: string }[];
    },
  ) {
    this.name = `h${options.number}`;
    this.namespace = `${options.prefix}${this.name}`;
    this.#number = options.number;
    this.#networks = options.networks;
  }

  /** @private */
  async setUp(): Promise<void> {
    await ip("netns", "add", this.namespace);
    await ip("-n", this.namespace, "link", "set", "lo", "up");
    // Without this, IPv6 addresses are of no use for their first two seconds.
    const noWait = "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad";
    await this.run("sh", "-c", noWait);
    for (const { index, namespace } of this.#networks) {
      const port = `p${this.#number}`;
      const device = `eth${index}`;
      const pair = ["type", "veth", "peer", "name", port, "netns", namespace];
      await ip("-n", this.namespace, "link", "add", device, ...pair);
      await ip("-n", namespace, "link", "set", port, "master", "br0", "up");
      const address = `10.${50 + index}.0.${this.#number}/24`;
      await ip("-n", this.namespace, "addr", "add", address, "dev", device);
      await ip("-n", this.namespace, "link", "set", device, "multicast", "on", "up");
    }
  }

  /** Its address on a network; IPv6 is the link-local one, without zone. */
  async address(family: 4 | 6, network = 0): Promise<string> {
    const listing = await ip("-j", "-n", this.namespace, "addr", "show", "dev", `eth${network}`);
    const [device] = JSON.parse(listing) as [{ addr_info: { family: string; local: string }[] }];
    const wanted = family === 4 ? "inet" : "inet6";
    const found = device.addr_info.find((entry) => entry.family === wanted);
    if (found === undefined) throw new Error(`${this.name} has no IPv${family} address`);
    return found.local;
  }

  /** Runs a program on this host to its end. */
  run(...command: readonly string[]): Promise<Finished> {
    return finish(["ip", "netns", "exec", this.namespace, ...command]);
  }

  /** Starts a program on this host; its process id is the program's own. Ended with the lab at the latest. */
  spawn(command: readonly string[], env: Record<string, string> = {}): HostProcess {
    const process = new HostProcess(["ip", "netns", "exec", this.namespace, ...command], env);
    this.#processes.push(process);
    return process;
  }

  /** Pulls the cable of a network. */
  async unplug(network = 0): Promise<void> {
    await ip("-n", this.#switch(network), "link", "set", `p${this.#number}`, "down");
  }

  /** Puts it back. */
  async plug(network = 0): Promise<void> {
    await ip("-n", this.#switch(network), "link", "set", `p${this.#number}`, "up");
  }

  /**
   * Delays or loses what this host sends on a network; an empty object ends it. False when the kernel can do it neither with netem nor,
   * loss alone, with nftables.
   */
  async impair(impairment: Impairment, network = 0): Promise<boolean> {
    const device = `eth${network}`;
    const { delayMs, lossPercent } = impairment;
    await finish(["tc", "-n", this.namespace, "qdisc", "del", "dev", device, "root"]);
    const clear = ["nft", "delete", "table", "netdev", this.name];
    await finish(["ip", "netns", "exec", this.#switch(network), ...clear]);
    if (delayMs === undefined && lossPercent === undefined) return true;
    const rules = [
      ...delayMs === undefined ? [] : ["delay", `${delayMs}ms`],
      ...lossPercent === undefined ? [] : ["loss", `${lossPercent}%`],
    ];
    const target = ["qdisc", "replace", "dev", device, "root", "netem"];
    const { code } = await finish(["tc", "-n", this.namespace, ...target, ...rules]);
    if (code === 0 || delayMs !== undefined || lossPercent === undefined) return code === 0;
    // At the switch, so that the sender is none the wiser.
    const hook = `type filter hook ingress device p${this.#number} priority 0`;
    const drop = `numgen random mod 1000 < ${Math.round(lossPercent * 10)} drop`;
    const table = `table netdev ${this.name} {\nchain in {\n${hook}\n${drop}\n}\n}`;
    const nft = await finish(["ip", "netns", "exec", this.#switch(network), "nft", table]);
    return nft.code === 0;
  }

  /** @private */
  async tearDown(): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.end()));
    await finish(["ip", "netns", "del", this.namespace]);
  }

  #switch(network: number): string {
    const found = this.#networks.find(({ index }) => index === network);
    if (found === undefined) throw new Error(`${this.name} is not plugged into network ${network}`);
    return found.namespace;
  }
}

/** A set of hosts and the networks between them. */
export class Lab {
  readonly hosts: readonly Host[];
  readonly #networks: readonly string[];

  constructor(hosts: readonly Host[], networks: readonly string[]) {
    this.hosts = hosts;
    this.#networks = networks;
  }

  /** The host of this number, from 1. */
  host(number: number): Host {
    const host = this.hosts[number - 1];
    if (host === undefined) throw new RangeError(`No host ${number} among ${this.hosts.length}`);
    return host;
  }

  /** Ends every process and removes every namespace that this lab made. */
  async close(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.tearDown()));
    for (const network of this.#networks) await finish(["ip", "netns", "del", network]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Makes hosts and networks. On failure nothing is left behind. */
export async function createLab(options: LabOptions): Promise<Lab> {
  const plan = typeof options.hosts === "number"
    ? Array.from({ length: options.hosts }, () => [0])
    : options.hosts;
  const prefix = `sm${crypto.getRandomValues(new Uint8Array(3)).toHex()}`;
  const indexes = [...new Set(plan.flat())];
  const networks = indexes.map((index) => ({ index, namespace: `${prefix}n${index}` }));
  const hosts = plan.map((plugged, position) =>
    new Host({
      number: position + 1,
      prefix,
      networks: networks.filter(({ index }) => plugged.includes(index)),
    })
  );
  const lab = new Lab(hosts, networks.map(({ namespace }) => namespace));
  try {
    for (const { namespace } of networks) {
      await ip("netns", "add", namespace);
      const bridge = ["br0", "type", "bridge", "mcast_snooping", "0"];
      await ip("-n", namespace, "link", "add", ...bridge);
      await ip("-n", namespace, "link", "set", "br0", "up");
    }
    for (const host of hosts) await host.setUp();
    return lab;
  } catch (error) {
    await lab.close();
    throw error;
  }
}
