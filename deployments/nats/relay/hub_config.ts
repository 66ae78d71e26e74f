/** The configuration of one hub: a cluster of all hubs, leaves of sites, direct devices; each may only what it needs. */
import { inboxPrefixOf } from "../../../platform/nats_broker_link.ts";
import { HUB_DOMAIN, MESH_ACCOUNT } from "../leaf_config.ts";
import type { RelayHub, RelayPlan } from "./plan.ts";

/** What sites hear of each other. Mail stays with the hubs until somebody asks for it; readings of sensors stay in their home. */
const BETWEEN_SITES = [
  "kiana.*.node.>",
  "kiana.*.signal.>",
  "kiana.*.presence",
  "kiana.*.learn.>",
] as const;

/** The configuration file's text of `hub`. */
export function hubConfig(plan: RelayPlan, hub: RelayHub): string {
  const tls = (more: Record<string, unknown> = {}) =>
    plan.tls
      ? {
        tls: {
          cert_file: `${hub.tlsFolder}/cert.pem`,
          key_file: `${hub.tlsFolder}/key.pem`,
          min_version: "1.2",
          timeout: 5,
          ...more,
        },
      }
      : {};
  const others = plan.hubs.filter(({ name }) => name !== hub.name);
  const config = {
    server_name: hub.name,
    host: hub.listen,
    port: hub.clientPort,
    ...tls(),
    // Reached by the exporter beside it; never published to the outside.
    http: `${hub.listen}:${hub.monitoringPort}`,
    max_payload: 1024 * 1024,
    max_connections: plan.connectionsMax,
    max_subscriptions: 1_000,
    max_control_line: 4_096,
    // Who does not read is cut off before it costs more than this.
    max_pending: 16 * 1024 * 1024,
    write_deadline: "5s",
    ping_interval: "5s",
    ping_max: 2,
    lame_duck_duration: "30s",
    lame_duck_grace_period: "2s",
    logfile_size_limit: 10 * 1024 * 1024,
    jetstream: {
      store_dir: `${hub.storeFolder}/jetstream`,
      domain: HUB_DOMAIN,
      max_memory_store: 64 * 1024 * 1024,
      max_file_store: plan.mailBytesMax + 256 * 1024 * 1024,
      sync_interval: "10s",
    },
    ...(others.length === 0 ? {} : {
      cluster: {
        name: "submind",
        host: hub.listen,
        port: hub.clusterPort,
        ...tls({ ca_file: `${hub.tlsFolder}/ca.pem`, verify: true }),
        authorization: { user: "hub", password: plan.clusterPassword, timeout: 3 },
        routes: others.map((other) =>
          `nats-route://hub:${plan.clusterPassword}@${other.host}:${other.clusterPort}`
        ),
        no_advertise: true,
      },
    }),
    leafnodes: { host: hub.listen, port: hub.leafPort, no_advertise: true, ...tls() },
    accounts: {
      [MESH_ACCOUNT]: {
        jetstream: {
          max_memory: 16 * 1024 * 1024,
          // Replicas count: every byte of mail is set aside once per hub.
          max_file: plan.mailBytesMax * plan.hubs.length,
          max_streams: 4,
          max_consumers: 16_384,
        },
        users: [
          {
            nkey: plan.adminNkey,
            allowed_connection_types: ["STANDARD"],
            permissions: {
              publish: { allow: ["$JS.API.>"] },
              subscribe: { allow: [`${inboxPrefixOf(plan.adminNkey)}.>`] },
            },
          },
          ...plan.sites.map((site) => siteUser(site.nkey)),
          ...plan.devices.map((nkey) => deviceUser(nkey)),
        ],
      },
      SYS: { users: [] },
    },
    system_account: "SYS",
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

/** A leaf may only link, speak of meshes, and collect mail: it cannot change streams, and hears nothing else. */
function siteUser(nkey: string) {
  return {
    nkey,
    allowed_connection_types: ["LEAFNODE", "LEAFNODE_WS"],
    permissions: {
      publish: {
        allow: [
          "kiana.*.mail.*",
          ...BETWEEN_SITES,
          "_INBOX.>",
          ...mailRights(`$JS.${HUB_DOMAIN}.API`),
        ],
      },
      subscribe: { allow: [...BETWEEN_SITES, "_INBOX.>"] },
    },
  };
}

function deviceUser(nkey: string) {
  return {
    nkey,
    allowed_connection_types: ["STANDARD", "WEBSOCKET"],
    permissions: {
      publish: {
        allow: ["kiana.*.mail.*", ...BETWEEN_SITES, "_INBOX.>", ...mailRights("$JS.API")],
      },
      subscribe: { allow: [...BETWEEN_SITES, `${inboxPrefixOf(nkey)}.>`] },
    },
  };
}

function mailRights(api: string): readonly string[] {
  return [
    "$JS.ACK.>",
    `${api}.INFO`,
    `${api}.STREAM.INFO.mail`,
    `${api}.CONSUMER.CREATE.mail.*.kiana.*.mail.*`,
    `${api}.CONSUMER.INFO.mail.*`,
    `${api}.CONSUMER.MSG.NEXT.mail.*`,
  ];
}
