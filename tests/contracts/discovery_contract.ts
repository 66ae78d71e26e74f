/** What every adapter of the Discovery port promises; each adapter runs this suite. */
import assert from "node:assert/strict";
import type { Announcement, Discovery, DiscoveryEvent } from "../../platform/discovery.ts";
import { announcement } from "../protocols/discovery/shared_wire.ts";

/** One network of the adapter under test. */
export interface DiscoveryNetwork {
  /** The adapter on another device of the network. */
  device(name: string): Discovery;
  /** Lets the time of this network pass until the condition holds; fails after at most 10 s of it. */
  until(condition: () => boolean, what: string): Promise<void>;
  close(): Promise<void>;
}

class Listener {
  readonly events: DiscoveryEvent[] = [];
  readonly session;

  constructor(discovery: Discovery, readonly self: Announcement) {
    this.session = discovery.start(self, (event) => void this.events.push(event));
  }

  sightingOf(deviceId: string) {
    const found = this.events.findLast((event) =>
      event.type === "sighted" && event.sighting.deviceId === deviceId
    );
    return found?.type === "sighted" ? found.sighting : undefined;
  }

  goneReason(deviceId: string): string | undefined {
    const found = this.events.find((event) => event.type === "gone" && event.deviceId === deviceId);
    return found?.type === "gone" ? found.reason : undefined;
  }
}

/** Registers the suite for one adapter. */
export function discoveryContract(
  name: string,
  open: () => DiscoveryNetwork | Promise<DiscoveryNetwork>,
  options: { readonly ignore?: boolean } = {},
): void {
  const ignore = options.ignore ?? false;
  const promise = (what: string, run: (network: DiscoveryNetwork) => Promise<void>) =>
    Deno.test({
      name: `${name}: ${what}`,
      ignore,
      async fn() {
        const network = await open();
        try {
          await run(network);
        } finally {
          await network.close();
        }
      },
    });

  promise(
    "two devices sight each other with all they announced, and never themselves",
    async (network) => {
      const first = new Listener(network.device("a"), announcement("First"));
      const second = new Listener(network.device("b"), announcement("Second", { port: 7_465 }));
      const both = () =>
        first.sightingOf(second.self.deviceId) !== undefined &&
        second.sightingOf(first.self.deviceId) !== undefined;
      await network.until(both, "both are sighted");
      const { addresses, ...claims } = first.sightingOf(second.self.deviceId) ?? { addresses: [] };
      assert.deepEqual(claims, second.self);
      assert(addresses.length > 0);
      for (const address of addresses) {
        assert.match(address, /^http:\/\/(\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]+(%25[^\]]+)?\]):7465$/);
      }
      assert.equal(first.sightingOf(first.self.deviceId), undefined);
      await Promise.all([first.session.stop(), second.session.stop()]);
    },
  );

  promise(
    "a change is sighted, a stop is told as goodbye, and nothing comes after one's own stop",
    async (network) => {
      const first = new Listener(network.device("a"), announcement("First"));
      const second = new Listener(network.device("b"), announcement("Second"));
      const { deviceId } = second.self;
      await network.until(() => first.sightingOf(deviceId) !== undefined, "it is sighted");
      second.session.update({ ...second.self, meshTag: "feedbeef", role: "owner" });
      await network.until(
        () => first.sightingOf(deviceId)?.meshTag === "feedbeef",
        "the change is sighted",
      );
      assert.equal(first.sightingOf(deviceId)?.role, "owner");
      const stopped = second.session.stop();
      await network.until(() => first.goneReason(deviceId) !== undefined, "it is gone");
      assert.equal(first.goneReason(deviceId), "goodbye");
      await stopped;
      await second.session.stop();
      const heard = second.events.length;
      first.session.refresh();
      await first.session.stop();
      assert.equal(second.events.length, heard);
    },
  );

  promise("it says what it can do", async (network) => {
    const only = new Listener(network.device("a"), announcement("Only"));
    const told = () => only.events.find((event) => event.type === "availability");
    await network.until(() => told() !== undefined, "availability is told");
    const event = told();
    assert(event?.type === "availability");
    assert(event.multicast ? event.interfaces.length > 0 : event.reason !== "");
    await only.session.stop();
  });
}
