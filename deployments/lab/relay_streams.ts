/** A program for the lab: makes the streams of a relay tier from a host that reaches the hubs. The job comes as JSON in `RELAY_JOB`. */
import { systemClock } from "../../platform/system_clock.ts";
import { makeRelayStreams } from "../nats/relay/streams.ts";

const ATTEMPTS_MS = 30_000;

const job = JSON.parse(Deno.env.get("RELAY_JOB") ?? "{}");
const clock = systemClock();
const deadlineMs = clock.monotonicMs() + ATTEMPTS_MS;
while (true) {
  try {
    const made = await makeRelayStreams({ ...job, caCertificates: [], clock });
    console.log(JSON.stringify(made));
    break;
  } catch (error) {
    // A young cluster has no leader yet.
    if (clock.monotonicMs() > deadlineMs) throw error;
    await new Promise<void>((resolve) => clock.schedule(250, resolve));
  }
}
Deno.exit(0);
