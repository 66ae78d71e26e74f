import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import packet from "dns-packet";
import { parseClaims, publishedRecords } from "../../../protocols/discovery/announcement.ts";
import {
  compareProbes,
  dnsMessage,
  recordBytes,
  recordKey,
} from "../../../protocols/discovery/dns.ts";
import { ipBytes, isOnLink } from "../../../protocols/discovery/ip.ts";
import { parseMessage, toPacket } from "../../../protocols/discovery/message.ts";
import {
  hostName,
  instanceLabel,
  instanceName,
  labelOf,
} from "../../../protocols/discovery/names.ts";
import { announcement } from "./shared_wire.ts";

const self = announcement("Küche (1)");
const names = {
  instance: instanceName(instanceLabel(self.displayName, 1)),
  host: hostName(self.deviceId, 1),
  addresses: ["10.0.0.1", "fe80::1"],
};
const records = publishedRecords(self, names);

Deno.test("what we publish survives the codec and comes back as the same claims", () => {
  const sent = dnsMessage("response", { answers: records });
  const parsed = parseMessage(packet.decode(packet.encode(toPacket(sent) as never)));
  assert.deepEqual(parsed?.answers.map(recordKey), records.map(recordKey));
  assert.deepEqual(parsed?.answers.map(({ flush }) => flush), records.map(({ flush }) => flush));
  const service = parsed?.answers.find((record) => record.type === "SRV");
  const text = parsed?.answers.find((record) => record.type === "TXT");
  assert(service?.type === "SRV" && text?.type === "TXT");
  assert.deepEqual(parseClaims(service, text), self);
});

Deno.test("the size we reckon with is the size on the wire", () => {
  for (const record of records) {
    const bytes = packet.encode(toPacket(dnsMessage("response", { answers: [record] })) as never);
    assert.equal(bytes.length, 12 + recordBytes(record), record.type);
  }
});

Deno.test("the QU bit of a question is understood", () => {
  const bytes = packet.encode({
    type: "query",
    questions: [{ type: "PTR", name: "_kiana._tcp.local" }],
  });
  bytes[bytes.length - 2] = 0x80;
  assert.equal(parseMessage(packet.decode(bytes))?.questions[0]?.unicast, true);
  bytes[bytes.length - 2] = 0;
  assert.equal(parseMessage(packet.decode(bytes))?.questions[0]?.unicast, false);
});

Deno.test("whatever bytes arrive, parsing ends without an error other than the codec's refusal", () => {
  const valid = packet.encode(toPacket(dnsMessage("response", { answers: records })) as never);
  const mutated = fc.tuple(
    fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 12 }),
    fc.nat(valid.length),
  ).map(([changes, cut]) => {
    const bytes = Buffer.from(valid);
    for (const [at, value] of changes) bytes[at] = value;
    return bytes.subarray(0, bytes.length - cut);
  });
  const arbitrary = fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.oneof(mutated, arbitrary), (bytes) => {
      let decoded: unknown;
      try {
        decoded = packet.decode(bytes);
      } catch {
        return;
      }
      const message = parseMessage(decoded);
      for (const record of [...message?.answers ?? [], ...message?.additionals ?? []]) {
        assert(record.ttlS >= 0 && record.ttlS <= 4_500 && record.name.length <= 255);
      }
    }),
    { seed: 20261121, numRuns: 3_000 },
  );
});

Deno.test("whatever the codec might say, parsing never throws", () => {
  fc.assert(
    fc.property(fc.anything(), (value) => {
      parseMessage(value);
      parseMessage({ type: "response", id: 0, answers: [value], questions: [value] });
    }),
    { seed: 20261121, numRuns: 2_000 },
  );
});

Deno.test("claims without a device id, version or port, or with a malformed one, are none", () => {
  const service = records.find((record) => record.type === "SRV");
  assert(service?.type === "SRV");
  const claims = (pairs: Record<string, string>, port = 1) =>
    parseClaims({ ...service, data: { port, target: "a.local" } }, {
      name: service.name,
      type: "TXT",
      ttlS: 1,
      flush: true,
      data: Object.entries(pairs).map(([key, value]) =>
        new TextEncoder().encode(`${key}=${value}`)
      ),
    });
  const good = { device_id: self.deviceId, v: "1" };
  assert(claims(good) !== undefined);
  assert(claims({ ...good, unknown: "ignored" }) !== undefined);
  assert.equal(claims({ v: "1" }), undefined);
  assert.equal(claims({ ...good, device_id: "x" }), undefined);
  for (const v of ["", "0", "-1", "1e3", "999999"]) assert.equal(claims({ ...good, v }), undefined);
  assert.equal(claims(good, 0), undefined);
  assert.equal(claims({ ...good, mesh: "not hex!" })?.meshTag, "");
  const many = Array.from({ length: 40 }, (_, index) => `c${index}`).join(",");
  assert.equal(claims({ ...good, capabilities: many })?.capabilities.length, 16);
});

Deno.test("the example of RFC 6762 §8.2.1 is decided as there", () => {
  const base = { name: "MyPrinter.local", type: "A", ttlS: 120, flush: false } as const;
  const one = [{ ...base, data: "169.254.99.200" }];
  const two = [{ ...base, data: "169.254.200.50" }];
  assert(compareProbes(two, one) > 0 && compareProbes(one, two) < 0);
  assert.equal(compareProbes(one, one), 0);
  assert(compareProbes([...one, ...two], one) > 0, "who has records left over wins");
});

Deno.test("a display name becomes a label of at most 63 bytes that keeps its number", () => {
  assert.equal(instanceLabel("Kitchen", 1), "Kitchen");
  assert.equal(instanceLabel("Kitchen", 2), "Kitchen (2)");
  assert.equal(instanceLabel("", 1), "submind");
  assert.equal(instanceLabel("a.b\u0000\n", 1), "a·b");
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 100 }), fc.nat(99), (name, attempt) => {
      const label = instanceLabel(name, attempt);
      assert(new TextEncoder().encode(label).length <= 63 && label.length > 0);
      assert(!label.includes(".") && label.isWellFormed());
      assert.equal(labelOf(instanceName(label)), label);
    }),
    { seed: 20261121 },
  );
});

Deno.test("addresses are read as node:net reads them", async () => {
  const { isIP } = await import("node:net");
  const texts = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.stringMatching(/^[0-9a-f:.]{0,20}$/),
  );
  fc.assert(
    fc.property(texts, (text) => {
      assert.equal(ipBytes(text)?.length ?? 0, [0, 0, 0, 0, 4, 0, 16][isIP(text)], text);
    }),
    { seed: 20261121, numRuns: 5_000 },
  );
});

Deno.test("an address is on the link when its network is", () => {
  const subnets = [{ address: "10.1.2.3", prefixBits: 22 }, { address: "fd00::1", prefixBits: 64 }];
  assert(isOnLink("10.1.3.255", subnets) && isOnLink("fd00::ffff", subnets));
  assert(!isOnLink("10.1.4.0", subnets) && !isOnLink("fd00:0:0:1::1", subnets));
  assert(!isOnLink("nonsense", subnets));
});
