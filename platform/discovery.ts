/** The Discovery port: announce this device on the local network and hear of others. Everything heard is a claim. */

/** What a device says of itself in DNS-SD: instance name, SRV port and TXT keys. */
export interface Announcement {
  /** TXT `device_id`. */
  readonly deviceId: string;
  /** A person's name for the device; becomes the DNS-SD instance name (≤ 63 bytes of UTF-8), renamed on conflict. */
  readonly displayName: string;
  /** TXT `role`. */
  readonly role: string;
  /** TXT `capabilities`, comma separated. */
  readonly capabilities: readonly string[];
  /** TXT `mesh`: eight hex digits that tell members of one mesh apart from strangers without naming the mesh. Empty when none. */
  readonly meshTag: string;
  /** TXT `v`. */
  readonly protocolVersion: number;
  /** SRV port: the rendezvous. */
  readonly port: number;
}

/** A device that was heard. Validated and bounded, but still only a claim. */
export interface Sighting extends Announcement {
  /** Rendezvous addresses, most promising first: "http://192.168.1.7:7464", "http://[fe80::1%25eth0]:7464". */
  readonly addresses: readonly string[];
}

export type DiscoveryEvent =
  /** Heard for the first time, or something it says has changed. */
  | { readonly type: "sighted"; readonly sighting: Sighting }
  | { readonly type: "gone"; readonly deviceId: string; readonly reason: "goodbye" | "expired" }
  /** What the adapter can do now; sent on start and on change. */
  | {
    readonly type: "availability";
    readonly multicast: boolean;
    readonly interfaces: readonly string[];
    readonly reason: string;
  };

export interface Discovery {
  /** Starts announcing and browsing. Events come until `stop`. */
  start(self: Announcement, onEvent: (event: DiscoveryEvent) => void): DiscoverySession;
}

export interface DiscoverySession {
  /** Announces a changed description of ourselves. */
  update(self: Announcement): void;
  /** Asks the network again now, for example after a session was lost. */
  refresh(): void;
  /** Sends goodbye and releases every socket. */
  stop(): Promise<void>;
}
