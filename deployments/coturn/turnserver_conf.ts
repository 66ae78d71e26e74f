/**
 * Writes a configuration of coturn that is a relay for one mesh and nothing else: credentials that expire, no relaying into the
 * network behind the server, no TCP relaying, quotas, no command line.
 *
 *     deno run -A deployments/coturn/turnserver_conf.ts --realm turn.example.org --secret "$(openssl rand -hex 32)"
 */

/** What a TURN server needs to know. Ports are UDP unless they say otherwise. */
export interface TurnServerOptions {
  /** Shown to clients; usually the server's name. */
  readonly realm: string;
  /** The same as `ice.turnSecret` of the devices. */
  readonly secret: string;
  readonly port?: number;
  /** The server's own address, where it has several or none that is public. */
  readonly listeningIp?: string;
  /** "public" or "public/private" for a server behind a router. */
  readonly externalIp?: string;
  /** First and last port of relayed addresses. */
  readonly relayPorts?: readonly [number, number];
  /** PEM files: clients then reach it as "turns:" as well. */
  readonly tls?: { readonly certificate: string; readonly key: string; readonly port?: number };
  /** Where it may write its few files. */
  readonly stateDirectory?: string;
  /** Lets it relay to itself and to private networks. Only for tests. */
  readonly allowPrivatePeers?: boolean;
}

/** Networks that a relay on the internet must never reach for a stranger (RFC 6890, RFC 8155). */
export const DENIED_PEERS: readonly string[] = [
  "0.0.0.0-0.255.255.255",
  "10.0.0.0-10.255.255.255",
  "100.64.0.0-100.127.255.255",
  "127.0.0.0-127.255.255.255",
  "169.254.0.0-169.254.255.255",
  "172.16.0.0-172.31.255.255",
  "192.0.0.0-192.0.0.255",
  "192.0.2.0-192.0.2.255",
  "192.88.99.0-192.88.99.255",
  "192.168.0.0-192.168.255.255",
  "198.18.0.0-198.19.255.255",
  "198.51.100.0-198.51.100.255",
  "203.0.113.0-203.0.113.255",
  "240.0.0.0-255.255.255.255",
  "::1",
  "64:ff9b::-64:ff9b::ffff:ffff",
  "::ffff:0.0.0.0-::ffff:255.255.255.255",
  "100::-100::ffff:ffff:ffff:ffff",
  "2001::-2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
  "2002::-2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
  "fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
  "fe80::-febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
];

/** A line of the file must be a line: nothing that comes from outside may add another. */
const VALUE = /^[^\s#"'\\]{1,512}$/;

/** @throws {RangeError} when a value holds spaces, quotes or line breaks */
export function turnServerConfig(options: TurnServerOptions): string {
  const { realm, secret, port = 3_478, relayPorts = [49_160, 50_399], tls } = options;
  const { listeningIp, externalIp, stateDirectory = "/var/lib/turn" } = options;
  const line = (key: string, value: string | number): string => {
    if (VALUE.test(String(value))) return `${key}=${value}`;
    throw new RangeError(
      `Cannot write ${key}: it holds spaces, quotes or line breaks, expected 1 to 512 other characters`,
    );
  };
  const lines = [
    "# Who may use it: devices that know the secret, with credentials they make for an hour.",
    "use-auth-secret",
    line("static-auth-secret", secret),
    line("realm", realm),
    "fingerprint",
    "stale-nonce=600",
    "",
    "# Where it listens.",
    line("listening-port", port),
    ...(listeningIp === undefined
      ? []
      : [line("listening-ip", listeningIp), line("relay-ip", listeningIp)]),
    ...(externalIp === undefined ? [] : [line("external-ip", externalIp)]),
    line("min-port", relayPorts[0]),
    line("max-port", relayPorts[1]),
    ...(tls === undefined ? ["no-tls", "no-dtls"] : [
      line("tls-listening-port", tls.port ?? 5_349),
      line("cert", tls.certificate),
      line("pkey", tls.key),
      "no-dtls",
      "no-tlsv1",
      "no-tlsv1_1",
    ]),
    "",
    "# What it never does: relay TCP, reach the network it stands in, talk to groups, take commands.",
    "no-tcp-relay",
    "no-multicast-peers",
    "no-cli",
    ...(options.allowPrivatePeers === true
      ? ["allow-loopback-peers"]
      : DENIED_PEERS.map((range) => `denied-peer-ip=${range}`)),
    "no-software-attribute",
    "",
    "# How much: allocations per device and in all, bytes per second per allocation. What a device does not use any more is",
    "# given back after ten minutes only, and looking for a direct way takes some anew.",
    "# There is no bps-capacity: coturn would set max-bps aside for every allocation, used or not, and refuse after a few.",
    "user-quota=100",
    "total-quota=1200",
    "max-bps=4000000",
    "max-allocate-lifetime=3600",
    "channel-lifetime=600",
    "permission-lifetime=300",
    "",
    "# What it keeps.",
    line("userdb", `${stateDirectory}/turndb`),
    line("pidfile", `${stateDirectory}/turnserver.pid`),
    "log-file=stdout",
    "simple-log",
  ];
  return lines.join("\n") + "\n";
}

function argument(name: string): string | undefined {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? undefined : Deno.args[at + 1];
}

if (import.meta.main) {
  const realm = argument("realm");
  const secret = argument("secret");
  if (realm === undefined || secret === undefined) {
    console.error(
      "Cannot write a configuration: --realm NAME and --secret TEXT are missing; optional: " +
        "--listening-ip IP --external-ip IP --certificate FILE --key FILE",
    );
    Deno.exit(2);
  }
  const [listeningIp, externalIp] = [argument("listening-ip"), argument("external-ip")];
  const [certificate, key] = [argument("certificate"), argument("key")];
  await Deno.stdout.write(new TextEncoder().encode(turnServerConfig({
    realm,
    secret,
    ...(listeningIp === undefined ? {} : { listeningIp }),
    ...(externalIp === undefined ? {} : { externalIp }),
    ...(certificate === undefined || key === undefined ? {} : { tls: { certificate, key } }),
  })));
}
