/** Readings as blocks and as sensors send them: nothing changes on the way, and garbage is refused with a reason. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decodePayload } from "../../protocols/sensors/payload.ts";
import { decodeReadings, encodeReadings, type Reading } from "../../protocols/sensors/readings.ts";

const utf8 = new TextEncoder();
const readings = fc.array(
  fc.record({
    metric: fc.constantFrom("t", "humidity", "a.b-c_9"),
    value: fc.double({ noNaN: true, noDefaultInfinity: true }),
    atMs: fc.integer({ min: 1_763_700_000_000, max: 1_763_700_900_000 }),
    sequence: fc.option(fc.integer({ min: 0, max: 2 ** 32 - 2 })),
  }),
  { minLength: 1, maxLength: 40 },
);

function sorted(list: readonly Reading[]): string[] {
  return list.map((one) => JSON.stringify([one.metric, one.atMs, one.sequence, one.value])).sort();
}

Deno.test("readings come out of a block as they went in, whatever their order was", () => {
  fc.assert(fc.property(readings, (list) => {
    const body = encodeReadings("attic", list);
    const decoded = decodeReadings(body);
    assert.ok(decoded.ok);
    assert.equal(decoded.message.sensor, "attic");
    assert.deepEqual(sorted(decoded.message.readings), sorted(list));
    assert.ok(body.length <= 120 + 3 * 60 + 16 * list.length);
  }));
});

Deno.test("the body of a block of readings is what the document says, byte by byte", () => {
  const body = encodeReadings("attic", [
    { metric: "t", value: 21.5, atMs: 1_000, sequence: 7 },
    { metric: "t", value: -1, atMs: 1_500, sequence: null },
  ]);
  assert.equal(
    body.toHex(),
    "a36673656e736f72656174746963" + "66736572696573" + "81a5" + "6574696d6573" + "48" +
      "00000000000001f4" + "666d65747269636174" + "6676616c756573" + "50" +
      "4035800000000000bff0000000000000" + "6773746172744d73" + "1903e8" + "6973657175656e636573" +
      "48" + "00000007ffffffff" + "6776657273696f6e01",
  );
});

Deno.test("a body that was cut, changed or made up never throws, and never gives a reading that is not valid", () => {
  const body = encodeReadings("attic", [{ metric: "t", value: 1, atMs: 5, sequence: 1 }]);
  fc.assert(fc.property(
    fc.array(fc.tuple(fc.nat(body.length - 1), fc.nat(255)), { maxLength: 4 }),
    fc.nat(body.length),
    (changes, length) => {
      const damaged = body.slice();
      for (const [at, byte] of changes) damaged[at] = byte;
      const decoded = decodeReadings(damaged.subarray(0, length));
      if (!decoded.ok) return;
      for (const { value } of decoded.message.readings) assert.ok(Number.isFinite(value));
    },
  ));
  assert.equal(decodeReadings(new Uint8Array(70_000)).ok, false);
});

Deno.test("numbers, objects and lists of sensors are understood", () => {
  const read = (text: string, metric: string | null = null) =>
    decodePayload(utf8.encode(text), { metric, receivedAtMs: 9 });
  assert.deepEqual(read("21.5", "t"), {
    ok: true,
    message: [{ metric: "t", value: 21.5, atMs: 9, sequence: null }],
  });
  assert.deepEqual(read('{"t": 1, "open": true, "seq": 3, "at": 5}'), {
    ok: true,
    message: [
      { metric: "t", value: 1, atMs: 5, sequence: 3 },
      { metric: "open", value: 1, atMs: 5, sequence: 3 },
    ],
  });
  assert.deepEqual(read('{"value": 2, "seq": 0}', "t"), {
    ok: true,
    message: [{ metric: "t", value: 2, atMs: 9, sequence: 0 }],
  });
  const list = read('[{"t": 1, "at": 1}, {"t": 2, "at": 2}]');
  assert.ok(list.ok && list.message.length === 2);
});

Deno.test("what a sensor should not send is refused with a reason", () => {
  const cases: readonly [text: string, reason: RegExp][] = [
    ["", /no JSON/],
    ["NaN", /no JSON/],
    ["1e999", /finite|another form/],
    ['"hot"', /another form/],
    ["21.5", /needs a topic/],
    ["{}", /no value/],
    ["[]", /another form/],
    ['{"t": null}', /another form/],
    ['{"t": {"deep": 1}}', /another form/],
    ['{"b ad": 1}', /no name of a metric/],
    ['{"t": 1, "seq": -1}', /sequence/],
    ['{"t": 1, "at": 1.5}', /time/],
    ['{"t": 1, "seq": true}', /numbers/],
    [`[${Array(2_001).fill('{"t":1}').join(",")}]`, /another form/],
    [
      JSON.stringify(Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`m${i}`, i]))),
      /65 values/,
    ],
    [" ".repeat(70_000), /70000 bytes/],
  ];
  for (const [text, reason] of cases) {
    const decoded = decodePayload(utf8.encode(text), { metric: null, receivedAtMs: 0 });
    assert.ok(!decoded.ok, text.slice(0, 40));
    assert.match(decoded.reason, reason, text.slice(0, 40));
  }
  assert.equal(
    decodePayload(new Uint8Array([0xff, 0xfe]), { metric: "t", receivedAtMs: 0 }).ok,
    false,
  );
});

Deno.test("any bytes at all are refused or give valid readings", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 60 }),
        fc.json().map((text) => utf8.encode(text)),
      ),
      (payload) => {
        const decoded = decodePayload(payload, { metric: "t", receivedAtMs: 0 });
        if (decoded.ok) encodeReadings("attic", decoded.message.slice(0, 64));
        else assert.ok(decoded.reason.length > 0);
      },
    ),
  );
});
