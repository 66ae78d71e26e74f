/** A device that accepts QUIC paths and does nothing else until it is killed. Prints where it is. */
import { openHttpRendezvous } from "../../platform/http_rendezvous.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { openQuic, quicEnd } from "./quic_support.ts";

const door = openHttpRendezvous({
  clock: systemClock(),
  listen: { hostname: "127.0.0.1", port: 0 },
});
const end = quicEnd(door);
const transport = await openQuic(end.options);
transport.accept((path) => path.listen(() => {}));
console.log(JSON.stringify({ deviceId: end.id, address: `http://127.0.0.1:${door.port}` }));
