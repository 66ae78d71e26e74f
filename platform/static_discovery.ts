/** Discovery for those who switched multicast off: announces nothing, hears nothing, says why. */
import type { Discovery } from "./discovery.ts";

/** A Discovery that only reports that it is off. Peers then come from invites, static addresses and the relay. */
export function noDiscovery(reason: string): Discovery {
  return {
    start(_self, onEvent) {
      onEvent({ type: "availability", multicast: false, interfaces: [], reason });
      return { update() {}, refresh() {}, stop: () => Promise.resolve() };
    },
  };
}
