/** QUIC transports in one process, signalled through memory or through a real door. */
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import type { QuicOptions, QuicTransport } from "../../platform/quic_transport.ts";
import { quicTransport } from "../../platform/quic_transport.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { systemRandom } from "../../platform/system_random.ts";
import type { DialOutcome, Rendezvous } from "../../platform/transport.ts";
import { type DeviceId, deviceIdOf } from "../../protocols/ids.ts";

export interface QuicEnd {
  readonly id: DeviceId;
  readonly options: QuicOptions;
}

/** What a QUIC transport of a new device needs; members are decided by `isAdmitted`. */
export function quicEnd(
  rendezvous: Rendezvous,
  isAdmitted: (device: DeviceId) => boolean = () => true,
): QuicEnd {
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
      // Tests meet on loopback whatever this machine's network is.
      interfaces: () => [{
        interfaceName: "lo",
        address: "127.0.0.1",
        family: "IPv4",
        prefixBits: 8,
        internal: true,
        scopeId: 0,
      }],
    },
  };
}

/** Opens one; QUIC is there because the tests run with it. */
export async function openQuic(options: QuicOptions): Promise<QuicTransport> {
  const transport = await quicTransport(options);
  if (transport === null) throw new Error("this Deno has no QUIC, expected --unstable-net");
  return transport;
}

/** The outcome of one dial. */
export function dialled(
  from: QuicTransport,
  deviceId: string,
  address: string,
): Promise<DialOutcome> {
  return new Promise((resolve) => from.dial({ deviceId, addresses: [address] }, resolve));
}
