/**
 * How long until devices of one network know of each other, and until they notice that one was killed? Real processes on hosts in
 * network namespaces; a third device joins two and is killed again, round after round. The limit is what the project promises; the
 * answer cannot be faster than the 0.75 s of probing that RFC 6762 prescribes before a name may be announced.
 */
import { startDiscovery } from "../../tests/lab/discovery_program.ts";
import { createLab, labAvailability } from "../../tests/lab/lab.ts";
import type { Figure } from "../harness.ts";

const QUICK_ROUNDS = 2;
const FULL_ROUNDS = 20;
const WAIT_MS = 15_000;

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

/** Measures in the lab; no figures, and the reason printed, where hosts cannot be made. */
export async function run(options: { readonly quick: boolean }): Promise<Figure[]> {
  const available = await labAvailability();
  if (!available.ok) {
    console.log(`discovery is not measured: ${available.reason}`);
    return [];
  }
  const rounds = options.quick ? QUICK_ROUNDS : FULL_ROUNDS;
  const seesOthersMs: number[] = [];
  const isSeenMs: number[] = [];
  const killNoticedMs: number[] = [];
  await using lab = await createLab({ hosts: 3 });
  const stay = [1, 2].map((number) =>
    startDiscovery(lab.host(number), { seed: `h${number}`, displayName: `h${number}`, port: 7_464 })
  );
  for (const program of stay) await program.waitFor(({ type }) => type === "sighted", WAIT_MS);
  for (let round = 0; round < rounds; round++) {
    const seed = `round ${round}`;
    const guest = startDiscovery(lab.host(3), { seed, displayName: seed, port: 7_464 });
    const { atMs: startedMs } = await guest.waitFor(({ type }) => type === "starting", WAIT_MS);
    for (const program of stay) {
      const seen = await guest.waitFor(
        ({ sighting }) => sighting?.deviceId === program.deviceId,
        WAIT_MS,
      );
      seesOthersMs.push(seen.atMs - startedMs);
      const noticed = await program.waitFor(
        ({ sighting }) => sighting?.deviceId === guest.deviceId,
        WAIT_MS,
      );
      isSeenMs.push(noticed.atMs - startedMs);
    }
    const killedMs = Date.now();
    guest.process.kill("SIGKILL");
    for (const program of stay) {
      const gone = await program.waitFor(
        ({ type, deviceId }) => type === "gone" && deviceId === guest.deviceId,
        WAIT_MS,
      );
      killNoticedMs.push(gone.atMs - killedMs);
    }
  }
  const figure = (
    name: string,
    values: readonly number[],
    share: number,
    limit: number,
  ): Figure => ({
    name,
    value: quantile(values, share),
    unit: "ms",
    limit,
    note: `${values.length} measurements, 3 hosts`,
  });
  return [
    figure("a new device sees the others, p50", seesOthersMs, 0.5, 1_000),
    figure("a new device sees the others, p95", seesOthersMs, 0.95, 5_000),
    figure("the others see a new device, p50", isSeenMs, 0.5, 1_000),
    figure("the others see a new device, p95", isSeenMs, 0.95, 5_000),
    figure("a killed device is noticed, p50", killNoticedMs, 0.5, 6_500),
    figure("a killed device is noticed, worst", killNoticedMs, 1, 6_500),
  ];
}

if (import.meta.main) {
  for (const figure of await run({ quick: Deno.args.includes("--quick") })) {
    console.log(
      `${figure.name}: ${figure.value} ${figure.unit} (limit ${figure.limit}; ${figure.note})`,
    );
  }
}
