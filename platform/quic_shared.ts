/** What dialling and answering over QUIC share: the socket, the attempts under way, and who may knock at it. */
import { equalBytes } from "../protocols/codec.ts";
import { QUIC_SECRET_BYTES, type QuicCandidate } from "../protocols/session/quic_signalling.ts";
import { type InterfaceAddress, systemInterfaces } from "./mdns_interfaces.ts";
import { offeredCandidates } from "./quic_addresses.ts";
import type { QuicCertificate, QuicSocket } from "./quic_library.ts";
import { closeQuietly, HELLO_BYTES, type Meeting } from "./quic_meeting.ts";
import { QuicReader } from "./quic_reader.ts";
import type { SignallingOptions } from "./signalling.ts";
import type { Path } from "./transport.ts";

/** Connections of others that have not said yet which attempt they belong to, at most. */
const UNGREETED_MAX = 64;
/** The same per address. */
const UNGREETED_PER_ADDRESS_MAX = 16;
/** The hello must have come by then, ms. */
const HELLO_MS = 3_000;

/** What a QUIC transport needs. */
export interface QuicOptions extends SignallingOptions {
  /** UDP port, the same after every start where it is free. Default 0: any. */
  readonly port?: number;
  /** Addresses of this device as seen from outside: mapped by the router, or found by STUN. Default none. */
  readonly outside?: () => readonly QuicCandidate[];
  /** Default: those of the system. */
  readonly interfaces?: () => readonly InterfaceAddress[];
}

export interface QuicShared {
  readonly options: QuicOptions;
  readonly certificate: QuicCertificate;
  readonly socket: QuicSocket;
  readonly interfaces: () => readonly InterfaceAddress[];
  /** Attempts under way by the hex digits of their ids. */
  readonly meetings: Map<string, Meeting>;
  /** Every open path. */
  readonly paths: Set<Path>;
}

/** Our half of an offer or answer, and the secret that it commits to. */
export function ownProof({ options, certificate, socket, interfaces }: QuicShared) {
  const secret = options.random.bytes(QUIC_SECRET_BYTES);
  return {
    secret,
    proof: {
      certificateHash: certificate.hash,
      commitment: options.crypto.sha256(secret),
      port: socket.port,
      candidates: offeredCandidates({
        interfaces: interfaces(),
        port: socket.port,
        outside: options.outside?.() ?? [],
      }),
    },
  };
}

/** Decides about connections that others begin. While no attempt is under way, nobody gets an answer at all. */
export function quicGatekeeper(
  meetings: ReadonlyMap<string, Meeting>,
  { clock, crypto }: Pick<QuicOptions, "clock" | "crypto">,
): (incoming: Deno.QuicIncoming) => void {
  let ungreeted = 0;
  const byAddress = new Map<string, number>();

  async function admit(incoming: Deno.QuicIncoming): Promise<void> {
    const connection = await incoming.accept<false>();
    const { hostname } = connection.remoteAddr;
    const same = byAddress.get(hostname) ?? 0;
    if (same >= UNGREETED_PER_ADDRESS_MAX) return closeQuietly(connection);
    byAddress.set(hostname, same + 1);
    const cancel = clock.schedule(HELLO_MS, () => closeQuietly(connection));
    try {
      await greet(connection);
    } catch (error) {
      closeQuietly(connection);
      throw error;
    } finally {
      cancel();
      const left = (byAddress.get(hostname) ?? 1) - 1;
      if (left > 0) byAddress.set(hostname, left);
      else byAddress.delete(hostname);
    }
  }

  async function greet(connection: Deno.QuicConn): Promise<void> {
    const streams = connection.incomingBidirectionalStreams.getReader();
    const { value: stream } = await streams.read();
    if (stream === undefined) return closeQuietly(connection);
    const reader = new QuicReader(stream.readable);
    const hello = await reader.exactly(HELLO_BYTES);
    const meeting = hello === undefined ? undefined : meetings.get(hello.subarray(0, 16).toHex());
    if (hello === undefined || meeting === undefined) return closeQuietly(connection);
    if (!equalBytes(crypto.sha256(hello.subarray(16)), meeting.commitment)) {
      return closeQuietly(connection);
    }
    meeting.greet({ connection, reader, writer: stream.writable.getWriter() });
  }

  return (incoming) => {
    if (meetings.size === 0 || ungreeted >= UNGREETED_MAX) return ignore(incoming);
    ungreeted += 1;
    // Whoever breaks off a handshake or says something else is gone; nobody needs to know.
    admit(incoming).catch(() => {}).finally(() => ungreeted -= 1);
  };
}

function ignore(incoming: Deno.QuicIncoming): void {
  try {
    incoming.ignore();
  } catch {
    // It is gone already.
  }
}

/** The interfaces as the options or the system give them. */
export function interfacesOf(options: QuicOptions): () => readonly InterfaceAddress[] {
  return options.interfaces ?? systemInterfaces;
}
