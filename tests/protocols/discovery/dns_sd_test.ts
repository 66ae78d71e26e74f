import assert from "node:assert/strict";
import { dnsMessage } from "../../../protocols/discovery/dns.ts";
import { SERVICE } from "../../../protocols/discovery/names.ts";
import { announcement, SharedWire, type Station } from "./shared_wire.ts";

const kitchen = announcement("Kitchen");
const study = announcement("Study", { port: 7465, capabilities: [], meshTag: "" });

function met(seed: number): { wire: SharedWire; a: Station; b: Station } {
  const wire = new SharedWire(seed);
  const a = wire.join(kitchen);
  const b = wire.join(study);
  wire.run(3_000);
  return { wire, a, b };
}

Deno.test("two devices sight each other within 1.3 s with everything they announced", () => {
  for (let seed = 0; seed < 20; seed++) {
    const { a, b } = met(seed);
    assert.deepEqual(a.told.map(({ type }) => type), ["sighted"]);
    const [seenByA] = a.told;
    const [seenByB] = b.told;
    assert(seenByA?.type === "sighted" && seenByB?.type === "sighted");
    assert.deepEqual(seenByA.sighting, { ...study, addresses: ["http://10.0.0.2:7465"] });
    assert.deepEqual(seenByB.sighting, { ...kitchen, addresses: ["http://10.0.0.1:7464"] });
    assert(seenByA.atMs - 1_000 <= 1_300, `seed ${seed}: ${seenByA.atMs - 1_000} ms`);
  }
});

Deno.test("a goodbye is told after the second that RFC 6762 grants", () => {
  const { wire, a, b } = met(1);
  const stoppedMs = wire.nowMs;
  wire.event(b, { type: "stop" });
  b.alive = false;
  wire.run(3_000);
  const last = a.told.at(-1);
  assert(last?.type === "gone" && last.reason === "goodbye");
  assert.equal(last.deviceId, study.deviceId);
  assert(last.atMs - stoppedMs <= 1_010, `${last.atMs - stoppedMs} ms`);
});

Deno.test("a device that falls silent is gone between 3 and 5.5 s later", () => {
  for (let seed = 0; seed < 20; seed++) {
    const { wire, a, b } = met(seed);
    wire.run(seed * 173);
    b.alive = false;
    const killedMs = wire.nowMs;
    wire.run(10_000);
    const last = a.told.at(-1);
    assert(last?.type === "gone" && last.reason === "expired", `seed ${seed}`);
    const noticedMs = last.atMs - killedMs;
    assert(noticedMs > 2_500 && noticedMs <= 5_500, `seed ${seed}: ${noticedMs} ms`);
  }
});

Deno.test("no device is called gone in ten minutes on a network that loses a fifth of everything", () => {
  for (let seed = 0; seed < 4; seed++) {
    const wire = new SharedWire(seed);
    wire.lossPercent = 20;
    const stations = ["A", "B", "C"].map((name) => wire.join(announcement(name)));
    wire.run(600_000);
    for (const station of stations) {
      const gone = station.told.filter(({ type }) => type === "gone");
      assert.deepEqual(gone, [], `seed ${seed}, ${station.address}`);
      assert.equal(station.present().length, 2);
    }
  }
});

Deno.test("a goodbye in another's name removes nobody", () => {
  const { wire, a } = met(3);
  const forged = {
    name: SERVICE,
    type: "PTR",
    ttlS: 0,
    flush: false,
    data: `Study.${SERVICE}`,
  } as const;
  // At every moment of the heartbeat, so that it is the question by name that saves it and not chance.
  for (let index = 0; index < 20; index++) {
    wire.inject(a, dnsMessage("response", { answers: [forged] }));
    wire.run(1_700 + index * 30);
  }
  assert.deepEqual(a.told.map(({ type }) => type), ["sighted"]);
});

Deno.test("of two devices with one name exactly one takes another", () => {
  for (let seed = 0; seed < 20; seed++) {
    const wire = new SharedWire(seed);
    const a = wire.join(announcement("Kitchen"));
    const b = wire.join(announcement("Kitchen 2", { displayName: "Kitchen" }));
    wire.run(6_000);
    const renamed = [a, b].flatMap((station) =>
      station.told.flatMap((event) => event.type === "renamed" ? [event.displayName] : [])
    );
    assert.deepEqual(renamed, ["Kitchen (2)"], `seed ${seed}`);
    const names = [a, b].flatMap((station) =>
      station.told.flatMap((event) => event.type === "sighted" ? [event.sighting.displayName] : [])
    );
    assert.deepEqual(names.toSorted(), ["Kitchen", "Kitchen (2)"], `seed ${seed}`);
  }
});

Deno.test("a newcomer with a name in use yields to the one who has it", () => {
  const wire = new SharedWire(5);
  const a = wire.join(announcement("Kitchen"));
  wire.run(5_000);
  const b = wire.join(announcement("Other", { displayName: "kitchen" }));
  wire.run(5_000);
  assert(a.told.every(({ type }) => type !== "renamed"));
  assert(b.told.some((event) => event.type === "renamed" && event.displayName === "kitchen (2)"));
});

Deno.test("endless conflicts make a device wait instead of shouting", () => {
  const wire = new SharedWire(6);
  const a = wire.join(kitchen);
  const endMs = wire.nowMs + 60_000;
  let renames = 0;
  while (wire.nowMs < endMs) {
    wire.run(50);
    renames = a.told.filter(({ type }) => type === "renamed").length;
    const name = `Kitchen${renames === 0 ? "" : ` (${renames + 1})`}.${SERVICE}`;
    const target = { port: 1, target: "evil.local" };
    const claim = { name, type: "SRV", ttlS: 120, flush: true, data: target } as const;
    wire.inject(a, dnsMessage("response", { answers: [claim] }));
  }
  assert(renames > 10 && renames < 40, `${renames} renames in a minute`);
});

Deno.test("a changed announcement reaches the others at once", () => {
  const { wire, a, b } = met(7);
  wire.event(b, { type: "update", self: { ...study, meshTag: "deadbeef", port: 9_000 } });
  wire.run(50);
  const last = a.told.at(-1);
  assert(last?.type === "sighted");
  assert.equal(last.sighting.meshTag, "deadbeef");
  assert.deepEqual(last.sighting.addresses, ["http://10.0.0.2:9000"]);
  wire.run(5_000);
  assert(b.told.every(({ type }) => type !== "renamed"), "our own older words are no conflict");
});

Deno.test("a new display name replaces the old one without a gap", () => {
  const { wire, a, b } = met(8);
  wire.event(b, { type: "update", self: { ...study, displayName: "Library" } });
  wire.run(5_000);
  const last = a.told.at(-1);
  assert(last?.type === "sighted" && last.sighting.displayName === "Library");
  assert.deepEqual(a.present(), [study.deviceId]);
});

Deno.test("when the cable is pulled everybody is gone, and back after it is plugged in", () => {
  const { wire, a } = met(9);
  wire.event(a, { type: "linkDown", linkId: "eth0/4" });
  assert.equal(a.told.at(-1)?.type, "gone");
  const subnets = [{ address: "10.0.0.1", prefixBits: 24 }];
  wire.event(a, { type: "linkUp", link: { id: "eth0/4", interfaceName: "eth0", subnets } });
  wire.run(1_500);
  assert.equal(a.told.at(-1)?.type, "sighted");
});

Deno.test("packets from outside the network of the interface are ignored", () => {
  const { wire, a } = met(10);
  const before = a.told.length;
  const forged = { name: SERVICE, type: "PTR", ttlS: 0, flush: false, data: `Study.${SERVICE}` };
  const message = dnsMessage("response", { answers: [forged as never] });
  wire.inject(a, message, { address: "192.168.9.9", port: 5353 });
  wire.run(1_200);
  const asked = wire.sent.filter((sent) => sent.from === "10.0.0.1" && sent.to === "oneShot");
  assert.equal(asked.length, 0, "it was not even worth a question");
  assert.equal(a.told.length, before);
});

Deno.test("addresses outside the network of the interface are not believed", () => {
  const { wire, a } = met(13);
  const unique = { ttlS: 120, flush: true } as const;
  const name = `Liar.${SERVICE}`;
  const encode = (text: string) => new TextEncoder().encode(text);
  const { deviceId } = announcement("Liar");
  const answers = [
    { name: SERVICE, type: "PTR", ttlS: 120, flush: false, data: name },
    { name, type: "SRV", ...unique, data: { port: 80, target: "liar.local" } },
    { name, type: "TXT", ...unique, data: [encode(`device_id=${deviceId}`), encode("v=1")] },
    { name: "liar.local", type: "A", ...unique, data: "169.254.169.254" },
    { name: "liar.local", type: "A", ...unique, data: "10.0.0.99" },
  ] as const;
  wire.inject(a, dnsMessage("response", { answers }));
  const last = a.told.at(-1);
  assert(last?.type === "sighted");
  assert.deepEqual(last.sighting.addresses, ["http://10.0.0.99:80"]);
});

Deno.test("a process that stood still does not take everybody for gone", () => {
  const { wire, a, b } = met(11);
  // Both machines slept for a minute: nothing was sent nor heard.
  const aliveMachines = [a, b];
  for (const station of aliveMachines) station.alive = false;
  wire.run(60_000);
  for (const station of aliveMachines) station.alive = true;
  wire.run(10_000);
  assert(a.told.every(({ type }) => type !== "gone"), JSON.stringify(a.told));
});

Deno.test("twenty devices find each other, and one question in two seconds serves all of them", () => {
  const wire = new SharedWire(12);
  const stations = Array.from({ length: 20 }, (_, index) => wire.join(announcement(`D${index}`)));
  wire.run(5_000);
  for (const station of stations) assert.equal(station.present().length, 19);
  const before = wire.sent.length;
  wire.run(60_000);
  const recent = wire.sent.slice(before);
  const questions = recent.filter(({ message }) =>
    message.kind === "query" && message.questions.some(({ name }) => name === SERVICE)
  );
  const perTwoSeconds = questions.length / 30;
  assert(perTwoSeconds < 4, `${perTwoSeconds} questions every two seconds`);
});
