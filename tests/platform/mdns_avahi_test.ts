/** A foreign implementation judges ours: Avahi resolves what we announce, and we see what Avahi publishes. */
import assert from "node:assert/strict";
import { seededRandom } from "../../platform/seeded_random.ts";
import { deviceIdOf } from "../../protocols/ids.ts";
import { AVAHI_PACKAGES, startAvahi } from "../lab/avahi.ts";
import { startDiscovery } from "../lab/discovery_program.ts";
import { createLab, labAvailability } from "../lab/lab.ts";
import { ensurePackages } from "../lab/system_packages.ts";
import { skipped } from "../skipped.ts";

const available = await labAvailability();
const packages = available.ok ? await ensurePackages(AVAHI_PACKAGES) : available;
const ignore = skipped("discovery beside Avahi", packages.ok ? null : packages.reason);

Deno.test({
  name: "Avahi resolves our service, and we see one that Avahi publishes",
  ignore,
  async fn() {
    await using lab = await createLab({ hosts: 2 });
    const avahi = await startAvahi(lab.host(2));
    const ours = startDiscovery(lab.host(1), { seed: "ours", displayName: "Küche", port: 7_464 });
    await ours.waitFor(({ type }) => type === "availability", 5_000);

    const browser = avahi.spawn("avahi-browse", "-rp", "_kiana._tcp");
    const line = await browser.waitFor(
      (lines) => lines.find((candidate) => candidate.startsWith("=") && candidate.includes("7464")),
      5_000,
    );
    // =;eth0;IPv4;K\195\188che;_kiana._tcp;local;kiana-….local;10.50.0.1;7464;"v=1" "mesh=…"
    const fields = line.split(";");
    assert.equal(fields[3], "K\\195\\188che");
    assert.equal(fields[7], await lab.host(1).address(4));
    for (const text of [`device_id=${ours.deviceId}`, "role=submind", "mesh=0123abcd", "v=1"]) {
      assert(fields[9]?.includes(text), `${text} in ${fields[9]}`);
    }
    const types = await avahi.run("avahi-browse", "-atp");
    assert(types.includes("_kiana._tcp"), "listed among the service types");

    const theirId = deviceIdOf(seededRandom("published by avahi").bytes(32));
    const text = [`device_id=${theirId}`, "role=sensor", "capabilities=temperature", "v=1"];
    const publish = ["avahi-publish-service", "Avahi's own", "_kiana._tcp", "4009", ...text];
    const publisher = avahi.spawn(...publish);
    const sighted = await ours.waitFor(({ type }) => type === "sighted", 5_000);
    const address = await lab.host(2).address(4);
    // Avahi also names its IPv6 address, unless that came up too late.
    const addresses = sighted.sighting?.addresses.filter((url) => !url.includes("[fe80:"));
    assert.deepEqual({ ...sighted.sighting, addresses }, {
      deviceId: theirId,
      displayName: "Avahi's own",
      role: "sensor",
      capabilities: ["temperature"],
      meshTag: "",
      protocolVersion: 1,
      port: 4_009,
      addresses: [`http://${address}:4009`],
    });

    publisher.kill("SIGTERM");
    const gone = await ours.waitFor(({ type }) => type === "gone", 5_000);
    assert.equal(gone.reason, "goodbye");
    ours.process.kill("SIGTERM");
    await browser.waitFor(
      (lines) => lines.find((candidate) => candidate.startsWith("-;eth0;IPv4;K")),
      5_000,
    );
  },
});

Deno.test({
  name: "a name that Avahi has already is left to it",
  ignore,
  async fn() {
    await using lab = await createLab({ hosts: 2 });
    const avahi = await startAvahi(lab.host(2));
    const publish = "exec avahi-publish-service Kitchen _kiana._tcp 4009 v=1 2>&1";
    const theirs = avahi.spawn("sh", "-c", publish);
    // Before that it would be a race between two who probe.
    await theirs.waitFor((lines) => lines.find((line) => line.includes("Established")), 5_000);
    const browser = avahi.spawn("avahi-browse", "-p", "_kiana._tcp");
    const ours = startDiscovery(lab.host(1), { seed: "ours", displayName: "Kitchen", port: 7_464 });
    const renamed = await ours.waitFor(({ type }) => type === "log", 5_000);
    assert.equal(renamed.newName, "Kitchen (2)");
    await browser.waitFor(
      (lines) =>
        lines.find((line) => line.startsWith("+") && line.includes("Kitchen\\032\\0402\\041")),
      5_000,
    );
    theirs.kill();
  },
});
