/** QUIC transports in one process, signalled through memory or through a real door. */
import type { QuicOptions, QuicTransport } from "../../platform/quic_transport.ts";
import { quicTransport } from "../../platform/quic_transport.ts";
import type { DialOutcome, Rendezvous } from "../../platform/transport.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { LOOPBACK, transportEnd } from "./transport_end.ts";

export interface QuicEnd {
  readonly id: DeviceId;
  readonly options: QuicOptions;
}

/** What a QUIC transport of a new device needs; members are decided by `isAdmitted`. */
export function quicEnd(
  rendezvous: Rendezvous,
  isAdmitted?: (device: DeviceId) => boolean,
): QuicEnd {
  const { id, options } = transportEnd(rendezvous, isAdmitted);
  return { id, options: { ...options, interfaces: () => [LOOPBACK] } };
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
