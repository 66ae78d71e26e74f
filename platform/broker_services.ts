/** Everything a node does over a broker, put together: the last transport, signals, presence. The same in production and in the simulator. */
import type { DeviceId, MeshId } from "../protocols/ids.ts";
import type { Broker } from "./broker.ts";
import { type BrokerDiscovery, brokerDiscovery } from "./broker_discovery.ts";
import { type BrokerMesh, brokerMesh } from "./broker_mesh.ts";
import { type BrokerRendezvous, brokerRendezvous } from "./broker_rendezvous.ts";
import { type BrokerTransport, brokerTransport } from "./broker_transport.ts";
import type { Clock, Crypto, Random, Signer } from "./ports.ts";

export interface BrokerServices {
  readonly mesh: BrokerMesh;
  readonly transport: BrokerTransport;
  readonly rendezvous: BrokerRendezvous;
  readonly discovery: BrokerDiscovery;
  /** This device belongs to `mesh` now, or to none; others may have been admitted or revoked. */
  membersChanged(mesh: MeshId | null): void;
  /** Closes all of it, the broker last. */
  close(): Promise<void>;
}

export interface BrokerServicesOptions {
  readonly broker: Broker;
  readonly self: DeviceId;
  readonly signer: Signer;
  readonly crypto: Pick<Crypto, "sha256" | "hkdf" | "seal" | "open" | "verify">;
  readonly random: Random;
  readonly clock: Clock;
  /** Where this device may be reached without the broker, best first. */
  readonly addresses: () => readonly string[];
  readonly isAdmitted: (device: DeviceId) => boolean;
}

/** Puts the parts together; nothing is said before `membersChanged` names a mesh. */
export function brokerServices(options: BrokerServicesOptions): BrokerServices {
  const { broker, random, clock } = options;
  const mesh = brokerMesh({ ...options, random: random.fork("veil") });
  const transport = brokerTransport({ ...options, mesh, random: random.fork("paths") });
  const rendezvous = brokerRendezvous({ mesh, clock });
  const discovery = brokerDiscovery({ ...options, mesh, random: random.fork("presence") });
  return {
    mesh,
    transport,
    rendezvous,
    discovery,
    membersChanged(next) {
      mesh.setMesh(next);
      discovery.membersChanged();
    },
    async close() {
      rendezvous.close();
      await transport.close();
      await broker.close();
    },
  };
}
