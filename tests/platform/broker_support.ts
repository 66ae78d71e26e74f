/** Devices on a broker in memory, in virtual time. */
import { type BrokerMesh, brokerMesh } from "../../platform/broker_mesh.ts";
import { type BrokerTransport, brokerTransport } from "../../platform/broker_transport.ts";
import { type MemoryBroker, memoryBroker } from "../../platform/memory_broker.ts";
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import type { Random, Signer } from "../../platform/ports.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { type DeviceId, deviceIdOf, type MeshId } from "../../protocols/ids.ts";
import { TestClock } from "../actors/pairing_support.ts";

export const crypto = nodeCrypto({ workersMax: 0 });
export const MESH = "ab".repeat(32) as MeshId;
export const OTHER_MESH = "cd".repeat(32) as MeshId;

export interface BrokerDevice {
  readonly deviceId: DeviceId;
  readonly signer: Signer;
  readonly random: Random;
  readonly mesh: BrokerMesh;
  readonly transport: BrokerTransport;
}

export class BrokerWorld {
  readonly clock = new TestClock();
  readonly broker: MemoryBroker = memoryBroker({ clock: this.clock });
  readonly admitted = new Set<DeviceId>();
  readonly devices: BrokerDevice[] = [];

  /** A device that is connected and admitted, unless said otherwise. */
  async device(
    name: string,
    { mesh = MESH, admitted = true }: { mesh?: MeshId; admitted?: boolean } = {},
  ): Promise<BrokerDevice> {
    const random = seededRandom(`device ${name}`);
    const signer = nodeSigner(random.fork("identity").bytes(32));
    const deviceId = deviceIdOf(signer.publicKey);
    if (admitted) this.admitted.add(deviceId);
    const onBroker = brokerMesh({
      broker: this.broker.open(),
      crypto,
      random: random.fork("veil"),
      self: deviceId,
    });
    onBroker.setMesh(mesh);
    const transport = brokerTransport({
      mesh: onBroker,
      clock: this.clock,
      random: random.fork("transport"),
      isAdmitted: (device) => this.admitted.has(device),
    });
    const device = { deviceId, signer, random, mesh: onBroker, transport };
    this.devices.push(device);
    await this.clock.advance(10);
    return device;
  }

  async close(): Promise<void> {
    for (const { transport, mesh } of this.devices) {
      await transport.close();
      await mesh.broker.close();
    }
    this.broker.stop();
  }
}
