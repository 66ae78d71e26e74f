/** Makes a relay tier: draws its keys, plans it, writes its folder. */
import { dirname, join } from "node:path";
import { nkeys } from "@nats-io/nats-core";
import { publicKeyOfNkey } from "../../../platform/nats_broker_nkey.ts";
import type { Random } from "../../../platform/ports.ts";
import { type RelayFile, relayFiles } from "./files.ts";
import { containerHubs, RELAY_DEVICES_MAX, RELAY_LIMITS, RELAY_SITES_MAX } from "./plan.ts";

/** What a person asked for cannot be made. */
export class RelayError extends Error {
  override readonly name = "RelayError";
}

export interface RelayRequest {
  readonly sites: readonly string[];
  /** Host names or IP addresses; one or three. */
  readonly hubs: readonly string[];
  /** Broker keys ("U…") of devices that come directly. */
  readonly devices: readonly string[];
  readonly tls: boolean;
}

const SITE = /^[a-z0-9][a-z0-9-]{0,31}$/;
const HOST = /^[0-9A-Za-z.-]{1,253}$/;

/** All files with keys drawn anew. @throws {RelayError} when the request makes no sense */
export function makeRelay(request: RelayRequest, random: Random): readonly RelayFile[] {
  check(request);
  const admin = nkeys.createUser();
  const sites = request.sites.map((name) => ({ name, pair: nkeys.createUser() }));
  const seedOf = (pair: { getSeed(): Uint8Array }) => new TextDecoder().decode(pair.getSeed());
  const plan = {
    hubs: containerHubs(request.hubs),
    sites: sites.map(({ name, pair }) => ({ name, nkey: pair.getPublicKey() })),
    devices: request.devices,
    adminNkey: admin.getPublicKey(),
    clusterPassword: random.bytes(24).toBase64({ alphabet: "base64url" }),
    tls: request.tls,
    ...RELAY_LIMITS,
  };
  return relayFiles(plan, {
    adminSeed: seedOf(admin),
    siteSeeds: Object.fromEntries(sites.map(({ name, pair }) => [name, seedOf(pair)])),
  });
}

function check({ sites, hubs, devices }: RelayRequest): void {
  const fail = (what: string, value: string, expected: string): never => {
    throw new RelayError(`Cannot make a relay: ${what} is "${value}", expected ${expected}`);
  };
  if (hubs.length !== 1 && hubs.length !== 3) {
    fail("the list of hubs", hubs.join(","), "one host, or three for replicas");
  }
  if (sites.length + devices.length === 0 || sites.length > RELAY_SITES_MAX) {
    fail("the list of sites", sites.join(","), `1 to ${RELAY_SITES_MAX} names, or devices`);
  }
  if (devices.length > RELAY_DEVICES_MAX) {
    fail("the list of devices", `${devices.length} long`, `at most ${RELAY_DEVICES_MAX}`);
  }
  for (const host of hubs) {
    if (!HOST.test(host)) fail("a hub", host, "a host name or an IPv4 address");
  }
  for (const site of sites) {
    if (!SITE.test(site)) fail("a site", site, "1 to 32 lower-case letters, digits and dashes");
  }
  for (const device of devices) {
    if (publicKeyOfNkey(device) === undefined) {
      fail("a device", device, 'the key that "submind relay key" prints on it');
    }
  }
  for (const list of [sites, hubs, devices]) {
    if (new Set(list).size < list.length) fail("a list", list.join(","), "every name once");
  }
}

/** Writes the files into a folder that is new or empty. @throws {RelayError} when it is not */
export async function writeRelay(folder: string, files: readonly RelayFile[]): Promise<void> {
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  for await (const entry of Deno.readDir(folder)) {
    // Keys that are in use must never be replaced by new ones.
    throw new RelayError(
      `Cannot write a relay into "${folder}": "${entry.name}" is there, expected an empty folder`,
    );
  }
  for (const { path, text, secret } of files) {
    const full = join(folder, path);
    await Deno.mkdir(dirname(full), { recursive: true, mode: 0o700 });
    await Deno.writeTextFile(full, text, { createNew: true, mode: secret ? 0o600 : 0o644 });
  }
}
