/**
 * QUIC of the runtime behind a small surface, found at run time: a Deno without `--unstable-net`, and every other runtime, simply has
 * none. Nothing here knows of devices.
 */
import "reflect-metadata";
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from "@peculiar/x509";

/** A connection in which no traffic was seen for this long is dead, ms; one side asks after `KEEP_ALIVE_MS`. */
const QUIC_IDLE_MS = 4_000;
const KEEP_ALIVE_MS = 1_000;
/** Frames of up to 256 KiB; `kiana/1` has 64 KiB. Both ends take the newest that both know. */
export const QUIC_PROTOCOL = "kiana/2";
const PROTOCOLS = [QUIC_PROTOCOL, "kiana/1"];
/** Nobody looks this name up: certificates are known by their hash. */
const SERVER_NAME = "kiana.invalid";

const TRANSPORT = {
  alpnProtocols: PROTOCOLS,
  keepAliveInterval: KEEP_ALIVE_MS,
  maxIdleTimeout: QUIC_IDLE_MS,
  maxConcurrentBidirectionalStreams: 1,
  maxConcurrentUnidirectionalStreams: 0,
};

/** A certificate that lives as long as this process, known to others by its hash. */
export interface QuicCertificate {
  readonly certificatePem: string;
  readonly keyPem: string;
  /** SHA-256 of the DER form, 32 bytes. */
  readonly hash: Uint8Array<ArrayBuffer>;
}

/** One UDP port for listening, dialling and punching. */
export interface QuicSocket {
  readonly port: number;
  /** False when the system has no IPv6. */
  readonly ipv6: boolean;
  /** Connects to an address and checks that the certificate there has this hash. */
  dial(
    address: { readonly host: string; readonly port: number },
    certificateHash: Uint8Array,
  ): Promise<Deno.QuicConn>;
  close(): void;
}

/** True when this runtime speaks QUIC. */
export function hasQuic(): boolean {
  return typeof Deno === "object" && typeof Deno.QuicEndpoint === "function" &&
    typeof Deno.connectQuic === "function";
}

/** Makes a certificate: ECDSA on P-256, signed by itself. Its dates say nothing, because clocks of devices may be wrong. */
export async function makeQuicCertificate(): Promise<QuicCertificate> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: "01",
    name: "CN=kiana",
    notBefore: new Date("2000-01-01"),
    notAfter: new Date("2199-01-01"),
    signingAlgorithm: algorithm,
    keys,
    extensions: [new SubjectAlternativeNameExtension([{ type: "dns", value: SERVER_NAME }])],
  });
  const key = new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", certificate.rawData));
  return {
    certificatePem: certificate.toString("pem"),
    keyPem: `-----BEGIN PRIVATE KEY-----\n${key.toBase64()}\n-----END PRIVATE KEY-----\n`,
    hash,
  };
}

/**
 * Opens the socket on `port`, or on any free one when that is taken or 0. `onIncoming` decides about each connection that somebody
 * begins: calling it costs nothing yet, `accept` costs a handshake.
 *
 * @throws when no UDP port can be opened at all
 */
export function openQuicSocket(options: {
  readonly port: number;
  readonly certificate: QuicCertificate;
  readonly onIncoming: (incoming: Deno.QuicIncoming) => void;
}): QuicSocket {
  const { endpoint, ipv6 } = openEndpoint(options.port);
  const listener = endpoint.listen({
    cert: options.certificate.certificatePem,
    key: options.certificate.keyPem,
    ...TRANSPORT,
  });
  listen(listener, options.onIncoming).catch(() => {
    // The listener was stopped.
  });
  return {
    port: endpoint.addr.port,
    ipv6,
    dial: ({ host, port }, certificateHash) =>
      Deno.connectQuic<false>({
        hostname: host,
        port,
        serverName: SERVER_NAME,
        endpoint,
        ...TRANSPORT,
        // Not in the published types; refused with "UnknownIssuer" when the certificate is another.
        ...{ serverCertificateHashes: [{ algorithm: "sha-256", value: certificateHash }] },
      }),
    close() {
      listener.stop();
      endpoint.close();
    },
  };
}

async function listen(
  listener: Deno.QuicListener,
  onIncoming: (incoming: Deno.QuicIncoming) => void,
): Promise<void> {
  while (true) onIncoming(await listener.incoming());
}

function openEndpoint(
  port: number,
): { readonly endpoint: Deno.QuicEndpoint; readonly ipv6: boolean } {
  let failure: unknown;
  for (const wanted of port === 0 ? [0] : [port, 0]) {
    for (const [hostname, ipv6] of [["::", true], ["0.0.0.0", false]] as const) {
      try {
        return { endpoint: new Deno.QuicEndpoint({ hostname, port: wanted }), ipv6 };
      } catch (error) {
        failure = error;
      }
    }
  }
  throw failure;
}
