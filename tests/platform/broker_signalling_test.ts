/** Devices that know each other by a broker only open a direct path: what it needs goes over the broker, the frames do not. */
import assert from "node:assert/strict";
import { type BrokerMesh, brokerMesh } from "../../platform/broker_mesh.ts";
import { brokerRendezvous } from "../../platform/broker_rendezvous.ts";
import { memoryBroker } from "../../platform/memory_broker.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { systemClock } from "../../platform/system_clock.ts";
import type { Path, Rendezvous } from "../../platform/transport.ts";
import { crypto, MESH } from "./broker_support.ts";
import { dialled, openQuic, quicEnd } from "./quic_support.ts";

Deno.test({
  name: "QUIC between two devices that only a broker connects is signalled by it, and goes direct",
  // Connections of the runtime end on later turns of its event loop.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const clock = systemClock();
    const hub = memoryBroker({ clock });
    const device = async (name: string) => {
      // The rendezvous belongs to a device that is made with it.
      const own: { rendezvous?: Rendezvous } = {};
      const end = quicEnd({
        request: (...request) => own.rendezvous!.request(...request),
        serve: (...served) => own.rendezvous!.serve(...served),
      });
      const mesh: BrokerMesh = brokerMesh({
        broker: hub.open(),
        crypto,
        random: seededRandom(name),
        self: end.id,
      });
      mesh.setMesh(MESH);
      own.rendezvous = brokerRendezvous({ mesh, clock });
      while (mesh.broker.state().type !== "connected") {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      return { id: end.id, mesh, transport: await openQuic(end.options) };
    };
    const [a, b] = [await device("a"), await device("b")];
    try {
      const accepted = new Promise<Path>((resolve) => b.transport.accept(resolve));
      const outcome = await dialled(a.transport, b.id, `nats:${b.id}`);
      assert.ok(outcome.type === "opened", JSON.stringify(outcome));
      const theirs = await accepted;
      assert.equal(outcome.path.kind, "quic");
      assert.equal(outcome.path.relayed, false);
      assert.ok(a.mesh.traffic().messagesSent >= 1, "the offer went over the broker");

      const before = a.mesh.traffic().bytesSent;
      const arrived = new Promise<number>((resolve) =>
        theirs.listen((event) => event.type === "frame" && resolve(event.frame.length))
      );
      outcome.path.listen(() => {});
      outcome.path.send(new Uint8Array(50_000));
      assert.equal(await arrived, 50_000);
      assert.equal(a.mesh.traffic().bytesSent, before, "the frame did not");
    } finally {
      await Promise.all([a.transport.close(), b.transport.close()]);
      await Promise.all([a.mesh.broker.close(), b.mesh.broker.close()]);
      hub.stop();
    }
  },
});
