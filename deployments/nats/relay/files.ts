/** The folder that `submind relay init` writes: configurations, credentials, containers, monitoring, and how to use them. */
import { stringify as stringifyToml } from "smol-toml";
import { NATS_SERVER_PINNED } from "../program.ts";
import { hubConfig } from "./hub_config.ts";
import { RELAY_PORTS, type RelayPlan } from "./plan.ts";
import { relayReadme } from "./readme.ts";

/** One file of the folder. */
export interface RelayFile {
  /** Relative to the folder. */
  readonly path: string;
  readonly text: string;
  /** Holds something that nobody else may read. */
  readonly secret: boolean;
}

/** Secrets of a relay tier; they stand in the plan only as public keys. */
export interface RelaySecrets {
  readonly adminSeed: string;
  /** By site name. */
  readonly siteSeeds: Readonly<Record<string, string>>;
}

/** Version of the exporter that turns monitoring into metrics. */
const EXPORTER_PINNED = "0.17.3";

/** All files of a relay tier, sorted by path. */
export function relayFiles(plan: RelayPlan, secrets: RelaySecrets): readonly RelayFile[] {
  const open = (path: string, text: string) => ({ path, text, secret: false });
  const secret = (path: string, text: string) => ({ path, text, secret: true });
  const files = [
    ...plan.hubs.map((hub) => secret(`${hub.name}/nats.conf`, hubConfig(plan, hub))),
    ...plan.hubs.map((hub) => open(`${hub.name}/compose.yaml`, compose(plan, hub.name))),
    open("prometheus.yaml", prometheus(plan)),
    secret("admin.seed", `${secrets.adminSeed}\n`),
    ...plan.sites.flatMap(({ name }) => [
      secret(`sites/${name}/site.seed`, `${secrets.siteSeeds[name] ?? ""}\n`),
      open(`sites/${name}/config.toml`, siteSettings(plan, name)),
    ]),
    open("README.md", relayReadme(plan)),
  ];
  return files.toSorted((a, b) => a.path < b.path ? -1 : 1);
}

/** What a site puts into its node's configuration. */
function siteSettings(plan: RelayPlan, site: string): string {
  const scheme = plan.tls ? "tls" : "nats-leaf";
  const hubs = plan.hubs.map(({ host, leafPort }) => `${scheme}://${host}:${leafPort}`);
  return `# For config.toml of the node that runs the leaf of "${site}".\n${
    stringifyToml({ bridge: { hubs, hubCredentials: `/etc/submind/${site}.seed` } })
  }\n`;
}

/** One hub and the exporter beside it; JSON, which is YAML. */
function compose(plan: RelayPlan, hub: string): string {
  const hardened = {
    restart: "unless-stopped",
    read_only: true,
    cap_drop: ["ALL"],
    security_opt: ["no-new-privileges:true"],
    pids_limit: 256,
    logging: { driver: "json-file", options: { "max-size": "10m", "max-file": "5" } },
  };
  const ports = [
    RELAY_PORTS.client,
    RELAY_PORTS.leaf,
    ...plan.hubs.length > 1 ? [RELAY_PORTS.cluster] : [],
  ];
  const config = {
    name: `submind-${hub}`,
    services: {
      nats: {
        image: `nats:${NATS_SERVER_PINNED}-alpine`,
        command: ["-c", "/etc/nats/nats.conf"],
        ...hardened,
        user: "10001:10001",
        // Monitoring is not among them: it tells who is connected.
        ports: ports.map((port) => `${port}:${port}`),
        volumes: [
          "./nats.conf:/etc/nats/nats.conf:ro",
          ...plan.tls ? ["./tls:/etc/nats/tls:ro"] : [],
          "store:/data",
        ],
        tmpfs: ["/tmp"],
        ulimits: { nofile: { soft: 65_536, hard: 65_536 } },
        mem_limit: "2g",
        stop_signal: "SIGUSR2",
        stop_grace_period: "45s",
        healthcheck: {
          test: [
            "CMD",
            "wget",
            "-q",
            "-O",
            "/dev/null",
            `http://127.0.0.1:${RELAY_PORTS.monitoring}/healthz`,
          ],
          interval: "10s",
          timeout: "3s",
          retries: 3,
        },
      },
      exporter: {
        image: `natsio/prometheus-nats-exporter:${EXPORTER_PINNED}`,
        command: [
          "-varz",
          "-leafz",
          "-routez",
          "-jsz=all",
          `http://nats:${RELAY_PORTS.monitoring}`,
        ],
        ...hardened,
        user: "65534:65534",
        ports: ["127.0.0.1:7777:7777"],
        depends_on: ["nats"],
        mem_limit: "128m",
      },
    },
    volumes: { store: {} },
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

function prometheus(plan: RelayPlan): string {
  const config = {
    scrape_configs: [{
      job_name: "submind-hubs",
      scrape_interval: "15s",
      sample_limit: 20_000,
      // The exporter listens on loopback of each hub: reach it by a tunnel or run Prometheus there.
      static_configs: plan.hubs.map(({ name, host }) => ({
        targets: [`${host}:7777`],
        labels: { hub: name },
      })),
    }],
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
