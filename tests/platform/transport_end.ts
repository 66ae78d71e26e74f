/** What every transport of a new device needs in tests, and two of them that signal through real doors. */
import { openHttpRendezvous } from "../../platform/http_rendezvous.ts";
import type { InterfaceAddress } from "../../platform/mdns_interfaces.ts";
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { systemRandom } from "../../platform/system_random.ts";
import type { Rendezvous, Transport } from "../../platform/transport.ts";
import { type DeviceId, deviceIdOf } from "../../protocols/ids.ts";
import type { TransportPair } from "../contracts/transport_contract.ts";

/** The only interface of tests that meet on loopback, whatever this machine's network is. */
export const LOOPBACK: InterfaceAddress = {
  interfaceName: "lo",
  address: "127.0.0.1",
  family: "IPv4",
  prefixBits: 8,
  internal: true,
  scopeId: 0,
};

/** A new device, and what of its transport's options does not depend on the kind of transport; members are decided by `isAdmitted`. */
export function transportEnd(
  rendezvous: Rendezvous,
  isAdmitted: (device: DeviceId) => boolean = () => true,
) {
  const random = systemRandom();
  const signer = nodeSigner(random.bytes(32));
  return {
    id: deviceIdOf(signer.publicKey),
    options: {
      signer,
      crypto: nodeCrypto(),
      clock: systemClock(),
      random,
      rendezvous,
      isAdmitted,
      meshTag: () => "0a1b2c3d",
    },
  };
}

/** Two transports for the contract; the second has a door on loopback. */
export async function throughDoors(
  open: (door: Rendezvous) => Promise<{ readonly id: DeviceId; readonly transport: Transport }>,
): Promise<TransportPair> {
  const clock = systemClock();
  const doorA = openHttpRendezvous({ clock, listen: null });
  const doorB = openHttpRendezvous({ clock, listen: { hostname: "127.0.0.1", port: 0 } });
  const { transport: a } = await open(doorA);
  const { id: deviceId, transport: b } = await open(doorB);
  return {
    a,
    b,
    toB: { deviceId, addresses: ["http://127.0.0.1:9", `http://127.0.0.1:${doorB.port}`] },
    toNobody: { deviceId, addresses: ["http://127.0.0.1:9"] },
    async close() {
      await Promise.all([a.close(), b.close()]);
      await Promise.all([doorA.close(), doorB.close()]);
    },
  };
}
