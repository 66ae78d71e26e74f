/** Every setting of a node with its bounds and default, in one place. Nothing here reads a file or the environment. */
import { z } from "zod";
import { BODY_BYTES_MAX } from "../protocols/blocks/block.ts";

/** What a field expects, for people. Attached to the schema, so that bounds and words stand side by side. */
export interface Expectation {
  readonly en: string;
  readonly de: string;
  [key: string]: unknown;
}

function described<T extends z.ZodType>(schema: T, en: string, de: string): T {
  return schema.meta({ en, de } satisfies Expectation);
}

function integer(min: number, max: number, unit = "", unitDe = unit) {
  return described(
    z.int().min(min).max(max),
    `an integer from ${min} to ${max}${unit === "" ? "" : ` (${unit})`}`,
    `eine ganze Zahl von ${min} bis ${max}${unitDe === "" ? "" : ` (${unitDe})`}`,
  );
}

const truth = described(z.boolean(), "true or false", "true oder false");
const utf8 = new TextEncoder();

const name = described(
  z.string().refine((text) => {
    const bytes = utf8.encode(text).length;
    // deno-lint-ignore no-control-regex
    return text.trim() === text && bytes >= 1 && bytes <= 63 && !/[\u0000-\u001f\u007f]/.test(text);
  }),
  "a name of 1 to 63 bytes without line breaks or outer spaces",
  "ein Name von 1 bis 63 Bytes ohne Zeilenumbrüche oder Leerzeichen am Rand",
);

const host = described(
  z.string().regex(/^[0-9A-Za-z.:%_-]{1,255}$/),
  'a host name or an IP address, for example "127.0.0.1" or "::"',
  'ein Rechnername oder eine IP-Adresse, zum Beispiel "127.0.0.1" oder "::"',
);

const port = integer(0, 65_535, "0 lets the system choose", "0: das System wählt");

const optionalPath = described(
  z.string().max(4_096),
  "a path of a file, or an empty text for none",
  "ein Dateipfad, oder ein leerer Text für keinen",
);

function isHttpAddress(text: string): boolean {
  if (text.length > 512 || !URL.canParse(text)) return false;
  const url = new URL(text);
  return (url.protocol === "http:" || url.protocol === "https:") && url.pathname === "/" &&
    url.search === "" && url.hash === "" && url.username === "" && url.password === "";
}

const peerAddress = described(
  z.string().refine(isHttpAddress),
  'the rendezvous address of a device, for example "http://192.168.1.7:7464"',
  'die Rendezvous-Adresse eines Geräts, zum Beispiel "http://192.168.1.7:7464"',
);

const topic = described(
  z.string().min(1).refine((text) => utf8.encode(text).length <= 128),
  'topics of 1 to 128 bytes, for example "notes/garden"',
  'Themen von 1 bis 128 Bytes, zum Beispiel "notizen/garten"',
);

const gateway = z.strictObject({
  /** Where people and programs of this device reach the node. Leaving loopback requires TLS. */
  host: host.default("127.0.0.1"),
  port: port.default(7_463),
  /** PEM files; both or none. */
  tlsCertificate: optionalPath.default(""),
  tlsKey: optionalPath.default(""),
  /** Names under which a reverse proxy is reached; requests for other host names are refused. */
  allowedHosts: described(
    z.array(z.string().regex(/^[0-9A-Za-z._-]{1,253}$/)).max(16),
    'at most 16 host names without port, such as "mesh.example.org"',
    'höchstens 16 Rechnernamen ohne Port, wie "mesh.example.org"',
  ).default([]),
});

const rendezvous = z.strictObject({
  /** Where other devices of the network knock; strangers get no further than the handshake. */
  host: host.default("::"),
  port: port.default(7_464),
});

const discovery = z.strictObject({
  multicast: truth.default(true),
  staticPeers: described(
    z.array(peerAddress).max(64),
    'at most 64 addresses such as "http://192.168.1.7:7464"',
    'höchstens 64 Adressen wie "http://192.168.1.7:7464"',
  ).default([]),
});

/** "stun:host", "turn:host:3478", "turn:host:3478?transport=tcp", "turns:host:5349": what both WebRTC libraries understand. */
const STUN_SERVER = /^stun:[0-9a-z.-]{1,253}(:\d{1,5})?$/i;
const TURN_SERVER = /^turns?:[0-9a-z.-]{1,253}(:\d{1,5})?(\?transport=(udp|tcp))?$/i;

const credential = described(
  z.string().max(512),
  "a text, or an empty one for none; keep the file for yourself",
  "ein Text, oder ein leerer für keinen; die Datei geht nur dich etwas an",
);

/** Never shown unless it is asked for. */
const secret = credential.meta({ ...credential.meta(), secret: true });

const ice = z.strictObject({
  /** By these a device learns how its router shows it to others. */
  stunServers: described(
    z.array(z.string().regex(STUN_SERVER)).max(4),
    'at most 4 STUN servers such as "stun:stun.example.org:3478"',
    'höchstens 4 STUN-Server wie "stun:stun.example.org:3478"',
  ).default([]),
  /** These carry encrypted traffic where no direct way exists. */
  turnServers: described(
    z.array(z.string().regex(TURN_SERVER)).max(4),
    'at most 4 TURN servers such as "turn:turn.example.org:3478"',
    'höchstens 4 TURN-Server wie "turn:turn.example.org:3478"',
  ).default([]),
  /** coturn's static-auth-secret: the device makes credentials that expire. Goes before user name and password. */
  turnSecret: secret.default(""),
  turnUsername: credential.default(""),
  turnPassword: secret.default(""),
  /** Only by TURN: shows no address of this device to the others, and finds out whether TURN works. */
  relayOnly: truth.default(false),
});

const quic = z.strictObject({
  /** The fast path between devices; UDP, with the port of the rendezvous where it is free. */
  enabled: truth.default(true),
});

const portMapping = z.strictObject({
  /** Asks the router (PCP, NAT-PMP, UPnP) to let others reach rendezvous and QUIC from outside. */
  enabled: truth.default(true),
});

/** "nats://host:port" and "tls://host:port"; for hubs also "nats-leaf://" and "wss://". */
const BROKER_ADDRESS = /^(nats|tls):\/\/(\[[0-9a-fA-F:.]{2,45}\]|[0-9A-Za-z.-]{1,253})(:\d{1,5})?$/;
const HUB_ADDRESS =
  /^(nats-leaf|tls|wss):\/\/(\[[0-9a-fA-F:.]{2,45}\]|[0-9A-Za-z.-]{1,253})(:\d{1,5})?$/;

const bridge = z.strictObject({
  /** A NATS server of this device's own: the home's broker. `auto`: when nats-server is installed. `false` switches everything about NATS off. */
  enabled: described(
    // In TOML true and false have no quotes.
    z.preprocess(
      (value) => typeof value === "boolean" ? String(value) : value,
      z.enum(["auto", "true", "false"]),
    ),
    "auto, true or false",
    "auto, true oder false",
  ).default("auto"),
  /** Path of nats-server; empty: the first on PATH that is new enough. */
  natsServer: optionalPath.default(""),
  /** Where it listens for the devices of the home, for MQTT and for WebSocket. */
  host: host.default("0.0.0.0"),
  port: port.default(0),
  mqttPort: integer(0, 65_535, "0: no MQTT", "0: kein MQTT").default(0),
  websocketPort: integer(0, 65_535, "0: no WebSocket", "0: kein WebSocket").default(0),
  /** Other brokers to use directly. */
  servers: described(
    z.array(z.string().regex(BROKER_ADDRESS)).max(8),
    'at most 8 addresses such as "tls://relay.example.org:4222"',
    'höchstens 8 Adressen wie "tls://relay.example.org:4222"',
  ).default([]),
  /** Hubs that our own server is a leaf of. */
  hubs: described(
    z.array(z.string().regex(HUB_ADDRESS)).max(8),
    'at most 8 addresses such as "tls://a.example.org:7422"',
    'höchstens 8 Adressen wie "tls://a.example.org:7422"',
  ).default([]),
  /** The file of this site that `submind relay init` wrote. */
  hubCredentials: optionalPath.default(""),
  /** PEM files of authorities that the system does not know. */
  hubCertificateAuthority: optionalPath.default(""),
  certificateAuthority: optionalPath.default(""),
  /** Monitoring of hubs, shown among this node's metrics. */
  monitoring: described(
    z.array(z.string().refine(isHttpAddress)).max(7),
    'at most 7 addresses such as "http://10.0.0.1:8222"',
    'höchstens 7 Adressen wie "http://10.0.0.1:8222"',
  ).default([]),
  /** What our own server may store. */
  storeBytesMax: integer(16_777_216, 1_099_511_627_776, "bytes", "Bytes").default(1_073_741_824),
});

const interest = z.strictObject({
  topics: described(
    z.array(topic).max(64),
    'at most 64 topics such as "notes/garden"; none means all',
    'höchstens 64 Themen wie "notizen/garten"; keine bedeutet alle',
  ).default([]),
  bodyBytesMax: integer(0, BODY_BYTES_MAX, "bytes", "Bytes").default(BODY_BYTES_MAX),
});

const limits = z.strictObject({
  /** Largest request to the gateway; also the largest file that `submind add` takes. */
  bodyBytesMax: integer(65_536, BODY_BYTES_MAX, "bytes", "Bytes").default(64 * 1024 * 1024),
  /** Requests to the gateway in one minute: of one token, of the person at this machine, of one address without a token. */
  requestsPerMinute: integer(10, 1_000_000).default(100),
  ownerRequestsPerMinute: integer(10, 1_000_000).default(6_000),
  strangerRequestsPerMinute: integer(10, 1_000_000).default(100),
  /** Of one device that backs up to this node. */
  backupRequestsPerMinute: integer(10, 1_000_000).default(6_000),
  /** Knocks of one address at the rendezvous in one minute. */
  rendezvousRequestsPerMinute: integer(10, 100_000).default(120),
});

const backups = z.strictObject({
  /** What this node keeps of each device that backs up to it; 0: it keeps nothing for others. */
  bytesPerDeviceMax: integer(0, 999_999_999_999_999, "bytes", "Bytes").default(0),
  /** Backups kept of one device; the oldest go first. */
  versionsMax: integer(1, 1_000).default(10),
});

const log = z.strictObject({
  level: described(
    z.enum(["debug", "info", "warning", "error"]),
    "debug, info, warning or error",
    "debug, info, warning oder error",
  ).default("info"),
  /** JSON lines go to this file; empty: to standard error. */
  file: optionalPath.default(""),
});

/** What may stand in `config.toml`. `dataDirectory` is not among it: the file lies inside that folder. */
export const configFileSchema = z.strictObject({
  displayName: name.optional(),
  gateway: gateway.prefault({}),
  rendezvous: rendezvous.prefault({}),
  discovery: discovery.prefault({}),
  ice: ice.prefault({}),
  quic: quic.prefault({}),
  portMapping: portMapping.prefault({}),
  bridge: bridge.prefault({}),
  interest: interest.prefault({}),
  limits: limits.prefault({}),
  backups: backups.prefault({}),
  log: log.prefault({}),
});

/** The settings a node runs with, complete. Sizes in bytes, times in ms. */
export type Config = Readonly<
  Omit<z.output<typeof configFileSchema>, "displayName"> & {
    /** Shown to people beside the device id. Default: the host name. */
    displayName: string;
    /** The folder that holds everything of this node. */
    dataDirectory: string;
  }
>;
