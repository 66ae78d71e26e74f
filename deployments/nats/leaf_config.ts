/**
 * The configuration of the node's own nats-server: who may log in, what each may say and hear, how much it may store, and which hubs it is a leaf
 * of. Pure text from a plan; NATS reads JSON as configuration, so nothing has to be quoted by hand.
 */
import { inboxPrefixOf } from "../../platform/nats_broker_link.ts";

/** JetStream domain of hubs: generated configurations of both sides name it. */
export const HUB_DOMAIN = "hub";
/** The account of devices. */
export const MESH_ACCOUNT = "MESH";
const SENSORS_ACCOUNT = "SENSORS";
/** Connections of one leaf, and members and sensors in its configuration, at most. */
export const LEAF_CONNECTIONS_MAX = 1_024;
/** Bytes that MQTT sessions of sensors may use on disk. */
const SENSOR_SESSIONS_BYTES_MAX = 64 * 1024 * 1024;
/** Kinds of mail: streams of that name, and of subjects whose third part is that name. */
export const STREAMS = ["mail", "sensor"] as const;

/** A device that may log in. */
export interface LeafMember {
  readonly device: string;
  /** Its broker key as NATS writes it. */
  readonly nkey: string;
}

/** A sensor that may publish over MQTT. */
export interface LeafSensor {
  /** Lower-case letters, digits, "-" and "_". */
  readonly name: string;
  /** bcrypt of its password. */
  readonly passwordHash: string;
}

export interface LeafPlan {
  /** Whose server it is: what sensors say is for this device only. */
  readonly device: string;
  /** Where the server keeps its files. */
  readonly folder: string;
  readonly serverName: string;
  /** Where it listens for devices; MQTT and WebSocket listen there too. */
  readonly host: string;
  /** 0: the system chooses. */
  readonly port: number;
  /** 0: off. */
  readonly mqttPort: number;
  readonly websocketPort: number;
  /** Stands for the mesh on brokers; null before there is one. */
  readonly tag: string | null;
  readonly members: readonly LeafMember[];
  readonly sensors: readonly LeafSensor[];
  readonly hubs: {
    /** "tls://hub.example.org:7422", "nats-leaf://…" or "wss://…". */
    readonly urls: readonly string[];
    /** nkey seed of the site ("SU…"). */
    readonly seed: string;
    /** PEM file of the authority that signed the hubs' certificates; empty: the system's. */
    readonly caFile: string;
  } | null;
  /** Bytes JetStream may use on disk. */
  readonly storeBytesMax: number;
}

/** The configuration file's text. */
export function leafConfig(plan: LeafPlan): string {
  const tag = plan.tag;
  const sensors = tag === null ? [] : plan.sensors.slice(0, LEAF_CONNECTIONS_MAX);
  const sensorSubjects = tag === null ? null : `kiana.${tag}.sensor.>`;
  const config = {
    server_name: plan.serverName,
    host: plan.host,
    port: plan.port === 0 ? -1 : plan.port,
    http: "127.0.0.1:-1",
    ports_file_dir: plan.folder,
    logtime: false,
    max_payload: 1024 * 1024,
    max_connections: LEAF_CONNECTIONS_MAX,
    max_subscriptions: 10_000,
    max_control_line: 4_096,
    max_pending: 16 * 1024 * 1024,
    write_deadline: "5s",
    ping_interval: "5s",
    ping_max: 2,
    lame_duck_duration: "30s",
    lame_duck_grace_period: "1s",
    jetstream: {
      store_dir: `${plan.folder}/jetstream`,
      domain: plan.serverName,
      max_memory_store: 32 * 1024 * 1024,
      // What the accounts may use is set aside for them: together it must fit.
      max_file_store: plan.storeBytesMax + SENSOR_SESSIONS_BYTES_MAX,
    },
    ...(plan.mqttPort === 0 ? {} : {
      mqtt: { host: plan.host, port: plan.mqttPort, ack_wait: "10s", max_ack_pending: 100 },
    }),
    ...(plan.websocketPort === 0 ? {} : {
      // Login is by signed nonce and everything inside is sealed: plain text hides no less than TLS with a certificate nobody checks.
      websocket: { host: plan.host, port: plan.websocketPort, no_tls: true },
    }),
    accounts: {
      [MESH_ACCOUNT]: {
        jetstream: {
          max_memory: 16 * 1024 * 1024,
          max_file: plan.storeBytesMax,
          max_streams: 8,
          max_consumers: 1_024,
        },
        users: plan.members.slice(0, LEAF_CONNECTIONS_MAX).map((member) =>
          memberUser(plan, member)
        ),
        ...(sensorSubjects === null ? {} : {
          imports: [{ stream: { account: SENSORS_ACCOUNT, subject: sensorSubjects } }],
        }),
      },
      [SENSORS_ACCOUNT]: {
        // MQTT keeps its sessions in JetStream.
        jetstream: {
          max_memory: 8 * 1024 * 1024,
          max_file: SENSOR_SESSIONS_BYTES_MAX,
          max_streams: 16,
          max_consumers: 4_096,
        },
        users: sensors.map((sensor) => sensorUser(tag ?? "", sensor)),
        ...(sensorSubjects === null ? {} : {
          exports: [{ stream: sensorSubjects, accounts: [MESH_ACCOUNT] }],
        }),
      },
      SYS: { users: [] },
    },
    system_account: "SYS",
    ...(plan.hubs === null ? {} : { leafnodes: remotes(plan.hubs, plan) }),
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

function memberUser({ device: owner, tag, hubs }: LeafPlan, { device, nkey }: LeafMember) {
  const mesh = `kiana.${tag}`;
  const rights = [
    ...(hubs === null ? ["$JS.API"] : ["$JS.API", `$JS.${HUB_DOMAIN}.API`]).flatMap((api) => [
      `${api}.INFO`,
      ...streamRights(api, "mail"),
      `${api}.CONSUMER.CREATE.mail.*.${mesh}.mail.${device}`,
    ]),
    // Another member could take readings away that the sensor believes to be kept.
    ...(device === owner
      ? [
        ...streamRights("$JS.API", "sensor"),
        `$JS.API.CONSUMER.CREATE.sensor.*.${sensorsOf(mesh)}`,
      ]
      : []),
  ];
  return {
    nkey,
    permissions: {
      publish: {
        allow: tag === null ? ["$JS.API.INFO"] : [
          `${mesh}.>`,
          "_INBOX.>",
          "$JS.ACK.>",
          ...rights,
        ],
        // Sensors log in themselves; nobody speaks for them.
        ...(tag === null || device === owner ? {} : { deny: [sensorsOf(mesh)] }),
      },
      subscribe: {
        allow: tag === null ? [`${inboxPrefixOf(nkey)}.>`] : [
          ...heard(mesh, device),
          ...(device === owner ? [sensorsOf(mesh)] : []),
          `${inboxPrefixOf(nkey)}.>`,
        ],
      },
    },
  };
}

/** What a device may listen to: what is meant for it or for all. */
function heard(mesh: string, device: string): readonly string[] {
  return [
    `${mesh}.node.${device}.>`,
    `${mesh}.signal.${device}`,
    `${mesh}.signal.${device}.>`,
    `${mesh}.presence`,
    `${mesh}.learn.>`,
  ];
}

function sensorsOf(mesh: string): string {
  return `${mesh}.sensor.>`;
}

/** A device makes streams, and receives from them; what it receives follows from the consumers it may make. */
function streamRights(api: string, stream: typeof STREAMS[number]): readonly string[] {
  return [
    `${api}.STREAM.CREATE.${stream}`,
    `${api}.STREAM.INFO.${stream}`,
    `${api}.CONSUMER.INFO.${stream}.*`,
    `${api}.CONSUMER.MSG.NEXT.${stream}.*`,
  ];
}

function sensorUser(tag: string, { name, passwordHash }: LeafSensor) {
  const subject = `kiana.${tag}.sensor.${name}`;
  return {
    user: name,
    password: passwordHash,
    allowed_connection_types: ["MQTT"],
    permissions: { publish: { allow: [subject, `${subject}.>`] }, subscribe: { deny: [">"] } },
  };
}

/** One link to whichever hub answers. Nothing of other meshes comes in, and nothing but this mesh and its mail goes out. */
function remotes(hubs: NonNullable<LeafPlan["hubs"]>, { serverName, tag }: LeafPlan) {
  const sensors = tag === null ? ">" : sensorsOf(`kiana.${tag}`);
  return {
    // A number would be read as nanoseconds.
    reconnect: "1s",
    remotes: [{
      urls: hubs.urls,
      nkey: hubs.seed,
      account: MESH_ACCOUNT,
      ...(hubs.caFile === "" ? {} : { tls: { ca_file: hubs.caFile, timeout: 5 } }),
      // Hubs neither hear sensors nor speak for them, and do not manage what is kept here.
      deny_imports: [sensors, `$JS.${serverName}.API.>`],
      deny_exports: [sensors],
    }],
  };
}
