/** What a relay tier consists of: three hubs or one, the sites that are leaves of them, and devices that come directly. */

/** Limits and places of a relay tier. */
export interface RelayPlan {
  readonly hubs: readonly RelayHub[];
  readonly sites: readonly RelaySite[];
  /** Broker keys ("U…") of devices that connect to the hubs without a home in between. */
  readonly devices: readonly string[];
  /** nkey of whoever makes the streams. */
  readonly adminNkey: string;
  /** Password by which hubs know each other. */
  readonly clusterPassword: string;
  /** False for labs on one machine. */
  readonly tls: boolean;
  /** Bytes of mail that the hubs keep together; every hub has all of them. */
  readonly mailBytesMax: number;
  /** Messages kept for one device. */
  readonly mailPerDeviceMax: number;
  readonly connectionsMax: number;
}

export interface RelayHub {
  /** "hub-1". */
  readonly name: string;
  /** Under which sites, devices and the other hubs reach it. */
  readonly host: string;
  readonly clientPort: number;
  readonly leafPort: number;
  readonly clusterPort: number;
  readonly monitoringPort: number;
  /** Addresses it listens on: "0.0.0.0" in a container. */
  readonly listen: string;
  /** Where certificate and key are, and where it may store. */
  readonly tlsFolder: string;
  readonly storeFolder: string;
}

export interface RelaySite {
  readonly name: string;
  /** Public nkey ("U…"); the seed goes to the site. */
  readonly nkey: string;
}

/** Ports that hubs have by default. */
export const RELAY_PORTS = {
  client: 4_222,
  leaf: 7_422,
  cluster: 6_222,
  monitoring: 8_222,
} as const;
/** Sites and direct devices of one relay tier, at most. */
export const RELAY_SITES_MAX = 64;
export const RELAY_DEVICES_MAX = 1_024;
/** Defaults. */
export const RELAY_LIMITS = {
  mailBytesMax: 2 * 1024 * 1024 * 1024,
  mailPerDeviceMax: 10_000,
  connectionsMax: 12_000,
} as const;

/** The hubs of a plan under their host names, with the usual ports and the paths inside the container. */
export function containerHubs(hosts: readonly string[]): readonly RelayHub[] {
  return hosts.map((host, index) => ({
    name: `hub-${index + 1}`,
    host,
    clientPort: RELAY_PORTS.client,
    leafPort: RELAY_PORTS.leaf,
    clusterPort: RELAY_PORTS.cluster,
    monitoringPort: RELAY_PORTS.monitoring,
    listen: "0.0.0.0",
    tlsFolder: "/etc/nats/tls",
    storeFolder: "/data",
  }));
}
