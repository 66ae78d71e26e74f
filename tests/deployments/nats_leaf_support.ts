/** Leaves, hubs and devices for tests of deployments/nats. */
import assert from "node:assert/strict";
import { createUser } from "@nats-io/nkeys";
import {
  type Leaf,
  type LeafAccess,
  type LeafSettings,
  startLeaf,
} from "../../deployments/nats/leaf.ts";
import type { Broker, KeepOutcome } from "../../platform/broker.ts";
import { publicKeyOfNkey } from "../../platform/nats_broker_nkey.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { systemRandom } from "../../platform/system_random.ts";
import { brokerAt, SERVER, until } from "../platform/nats_support.ts";

export const TAG = "00112233445566ff";
export const utf8 = new TextEncoder();
export const silent = { write: () => {} };

export const SETTINGS: LeafSettings = {
  enabled: "true",
  natsServer: SERVER.ok ? SERVER.path : "",
  host: "127.0.0.1",
  port: 0,
  mqttPort: 0,
  websocketPort: 0,
  hubs: [],
  hubCredentials: "",
  hubCertificateAuthority: "",
  storeBytesMax: 1024 * 1024 * 1024,
};

/** A device that can log in at a broker. */
export interface TestDevice {
  readonly device: string;
  readonly brokerKey: Uint8Array;
  readonly login: { readonly publicKey: Uint8Array; sign(nonce: Uint8Array): Uint8Array };
}

/** A device with a broker key that NATS's own library made. */
export function device(name: string): TestDevice {
  const pair = createUser();
  const brokerKey = publicKeyOfNkey(pair.getPublicKey());
  assert.ok(brokerKey !== undefined);
  return {
    device: name,
    brokerKey,
    login: { publicKey: brokerKey, sign: (nonce: Uint8Array) => pair.sign(nonce) },
  };
}

export async function withLeaf(
  { access, settings = {}, folder }: {
    readonly access: LeafAccess;
    readonly settings?: Partial<LeafSettings>;
    readonly folder: string;
  },
  body: (leaf: Leaf) => Promise<void>,
): Promise<void> {
  const outcome = await startLeaf({
    self: "alice",
    settings: { ...SETTINGS, ...settings },
    dataDirectory: folder,
    environment: {},
    access,
    clock: systemClock(),
    log: silent,
  });
  assert.ok(outcome.type === "started", JSON.stringify(outcome));
  try {
    await until("the leaf runs", () => outcome.leaf.view().state === "running");
    await body(outcome.leaf);
  } finally {
    await outcome.leaf.stop();
  }
}

/** Alice's leaf with Bob as another member, and both of their connections to it. */
export interface TwoMembers {
  readonly leaf: Leaf;
  readonly access: LeafAccess;
  readonly alice: TestDevice;
  /** Alice's connection. */
  readonly a: Broker;
  /** Bob's connection. */
  readonly b: Broker;
}

/** Runs `body` when both members of a fresh leaf are in. */
export function withTwoMembers(
  body: (members: TwoMembers, folder: string) => Promise<void>,
): Promise<void> {
  return inFolder(async (folder) => {
    const [alice, bob] = [device("alice"), device("bob")];
    const access = { tag: TAG, members: [alice, bob], sensors: [] };
    await withLeaf({ access, folder }, async (leaf) => {
      const a = brokerAt(() => leaf.servers(), { login: alice.login });
      const b = brokerAt(() => leaf.servers(), { login: bob.login });
      await until("both are in", () => isUp(a) && isUp(b));
      await body({ leaf, access, alice, a, b }, folder);
      await a.close();
      await b.close();
    });
  });
}

export async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "submind-leaf-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

export const isUp = (broker: Broker) => broker.state().type === "connected";

export function keep(broker: Broker, subject: string, messageId: string): Promise<KeepOutcome> {
  return new Promise((resolve) =>
    broker.keep({ subject, messageId, bytes: utf8.encode(messageId) }, resolve)
  );
}

/** A question goes to the server and back: what was asked before is in effect. */
export function settle(broker: Broker): Promise<void> {
  return new Promise((resolve) =>
    broker.request({
      subject: `kiana.${TAG}.void`,
      bytes: new Uint8Array(),
      timeoutMs: 5_000,
    }, () => resolve())
  );
}

/**
 * A port that nobody listens on, below those that systems hand out by themselves: a connection of somebody else cannot take it before
 * it is used.
 */
export function freePort(): number {
  while (true) {
    const port = 20_000 + Math.floor(systemRandom().float() * 10_000);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}
