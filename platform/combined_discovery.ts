/**
 * Several discoveries as one: what they hear of one device becomes one sighting with all its addresses, those of the first discovery in
 * front; a device is gone when it is gone in all of them. Availability is that of the first, which is the local network.
 */
import type {
  Announcement,
  Discovery,
  DiscoveryEvent,
  DiscoverySession,
  Sighting,
} from "./discovery.ts";

/** Addresses of one device from one discovery, at most: no source crowds out another. */
const ADDRESSES_MAX = 8;
/** Devices remembered at most; more are not told of. */
const DEVICES_MAX = 8_192;

interface Known {
  /** By number of the discovery. */
  readonly heard: (Sighting | undefined)[];
  told: string;
}

/** Joins `discoveries`, the local one first. */
export function combinedDiscovery(discoveries: readonly Discovery[]): Discovery {
  return {
    start(self, onEvent) {
      const known = new Map<string, Known>();
      let ended = false;
      const sessions: readonly DiscoverySession[] = discoveries.map((discovery, source) =>
        discovery.start(self, (event) => {
          if (!ended) onHeard(known, source, event, onEvent);
        })
      );
      return {
        update: (next: Announcement) => sessions.forEach((session) => session.update(next)),
        refresh: () => sessions.forEach((session) => session.refresh()),
        async stop() {
          ended = true;
          await Promise.all(sessions.map((session) => session.stop()));
        },
      };
    },
  };
}

function onHeard(
  known: Map<string, Known>,
  source: number,
  event: DiscoveryEvent,
  onEvent: (event: DiscoveryEvent) => void,
): void {
  switch (event.type) {
    case "availability":
      return source === 0 ? onEvent(event) : undefined;
    case "sighted": {
      const { deviceId } = event.sighting;
      if (!known.has(deviceId) && known.size >= DEVICES_MAX) return;
      const entry = known.get(deviceId) ?? { heard: [], told: "" };
      known.set(deviceId, entry);
      entry.heard[source] = event.sighting;
      return tell(entry, onEvent);
    }
    case "gone": {
      const entry = known.get(event.deviceId);
      if (entry === undefined) return;
      entry.heard[source] = undefined;
      if (entry.heard.some((sighting) => sighting !== undefined)) return tell(entry, onEvent);
      known.delete(event.deviceId);
      return onEvent(event);
    }
    default:
      event satisfies never;
  }
}

function tell(entry: Known, onEvent: (event: DiscoveryEvent) => void): void {
  const sightings = entry.heard.filter((sighting) => sighting !== undefined);
  const addresses = [
    ...new Set(sightings.flatMap((sighting) => sighting.addresses.slice(0, ADDRESSES_MAX))),
  ];
  const sighting: Sighting = { ...sightings[0]!, addresses };
  const told = JSON.stringify(sighting);
  if (told === entry.told) return;
  entry.told = told;
  onEvent({ type: "sighted", sighting });
}
