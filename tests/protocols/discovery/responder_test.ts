import assert from "node:assert/strict";
import { seededRandom } from "../../../platform/seeded_random.ts";
import { publishedRecords } from "../../../protocols/discovery/announcement.ts";
import { dnsMessage, type DnsRecord } from "../../../protocols/discovery/dns.ts";
import {
  hostName,
  instanceName,
  SERVICE,
  SERVICE_ENUMERATION,
} from "../../../protocols/discovery/names.ts";
import { type Outgoing, Responder } from "../../../protocols/discovery/responder.ts";
import { announcement } from "./shared_wire.ts";

const self = announcement("Kitchen");
const instance = instanceName("Kitchen");
const host = hostName(self.deviceId, 1);
const records = publishedRecords(self, { instance, host, addresses: ["10.0.0.1", "fe80::1"] });
const pointer = records[0] as DnsRecord;
const peer = { address: "10.0.0.2", port: 5353 };
const browse = { name: SERVICE, type: "PTR", unicast: false } as const;

/** Runs a responder until `untilMs` and lists what it sent with the time. */
function run(
  responder: Responder,
  fromMs: number,
  untilMs: number,
): (Outgoing & { atMs: number })[] {
  const out: (Outgoing & { atMs: number })[] = [];
  while (responder.nextMs() <= untilMs) {
    const atMs = Math.max(fromMs, responder.nextMs());
    for (const outgoing of responder.tick(atMs)) out.push({ ...outgoing, atMs });
  }
  return out;
}

function settled(seed: number): Responder {
  const responder = new Responder(seededRandom(seed));
  responder.probe({ instance, records, nowMs: 0 });
  run(responder, 0, 10_000);
  return responder;
}

Deno.test("a name is probed for three times, 250 ms apart, then announced twice, a second apart", () => {
  const responder = new Responder(seededRandom(1));
  responder.probe({ instance, records, nowMs: 0 });
  const sent = run(responder, 0, 10_000);
  assert.deepEqual(sent.map(({ message }) => message.kind), [
    "query",
    "query",
    "query",
    "response",
    "response",
  ]);
  const times = sent.map(({ atMs }) => atMs - (sent[0]?.atMs ?? 0));
  assert.deepEqual(times, [0, 250, 500, 750, 1_750]);
  assert((sent[0]?.atMs ?? 999) <= 250);
  const probe = sent[0]?.message;
  assert.deepEqual(probe?.questions.map(({ type }) => type), ["ANY", "ANY"]);
  assert(probe?.authorities.every(({ flush }) => !flush), "RFC 6762 §10.2: never in a query");
});

Deno.test("a shared answer waits 20 to 120 ms, and carries all that is needed to connect", () => {
  const delays: number[] = [];
  for (let seed = 0; seed < 200; seed++) {
    const responder = settled(seed);
    assert.deepEqual(
      responder.onQuery(dnsMessage("query", { questions: [browse] }), peer, 20_000),
      [],
    );
    const [answer] = run(responder, 20_000, 30_000);
    delays.push((answer?.atMs ?? 0) - 20_000);
    assert.deepEqual(answer?.message.answers, [pointer]);
    const types = answer?.message.additionals.map(({ type }) => type);
    assert.deepEqual(types?.toSorted(), ["A", "AAAA", "SRV", "TXT"]);
  }
  assert(Math.min(...delays) >= 20 && Math.max(...delays) <= 120, `${delays}`);
  assert(Math.max(...delays) - Math.min(...delays) > 80, "random");
});

Deno.test("an answer about a name that only we have is sent at once", () => {
  const responder = settled(1);
  const questions = [{ name: instance.toUpperCase(), type: "SRV", unicast: false }] as const;
  responder.onQuery(dnsMessage("query", { questions }), peer, 20_000);
  const [answer] = run(responder, 20_000, 30_000);
  assert.equal(answer?.atMs, 20_000);
  assert.equal(answer?.message.answers[0]?.type, "SRV");
  assert.equal(answer?.message.answers[0]?.flush, true);
});

Deno.test("what the asker knows for at least half its time is not repeated, else it is", () => {
  for (const [ttlS, answers] of [[4_500, 0], [2_250, 0], [2_249, 1]] as const) {
    const responder = settled(1);
    const known = [{ ...pointer, ttlS }];
    responder.onQuery(dnsMessage("query", { questions: [browse], answers: known }), peer, 20_000);
    assert.equal(run(responder, 20_000, 30_000).length, answers, `known for ${ttlS} s`);
  }
});

Deno.test("known answers that follow a truncated query count too", () => {
  const responder = settled(1);
  const first = dnsMessage("query", { questions: [browse], truncated: true });
  const second = dnsMessage("query", { answers: [{ ...pointer, ttlS: 4_000 }] });
  responder.onQuery(first, peer, 20_000);
  responder.onQuery(second, peer, 20_010);
  assert.deepEqual(run(responder, 20_010, 30_000), []);
  responder.onQuery(first, peer, 40_000);
  const [answer] = run(responder, 40_000, 50_000);
  assert(answer !== undefined && answer.atMs >= 40_420 && answer.atMs <= 40_620);
});

Deno.test("no record is multicast twice within a second, whoever asks how often", () => {
  const responder = settled(1);
  const spoken: number[] = [];
  for (let nowMs = 20_000; nowMs < 25_000; nowMs += 50) {
    responder.onQuery(dnsMessage("query", { questions: [browse] }), peer, nowMs);
    for (const { atMs } of run(responder, nowMs, nowMs + 49)) spoken.push(atMs);
  }
  assert(spoken.length >= 4, "but it is repeated");
  spoken.slice(1).forEach((atMs, index) => assert(atMs - (spoken[index] ?? 0) >= 1_000));
});

Deno.test("a question that welcomes unicast gets it when the group has heard the answer lately", () => {
  const responder = settled(1);
  const questions = [{ ...browse, unicast: true }];
  const [direct] = responder.onQuery(dnsMessage("query", { questions }), peer, 20_000);
  assert.deepEqual(direct?.to, peer);
  const late = 20_000 + 4_500 * 250;
  assert.deepEqual(responder.onQuery(dnsMessage("query", { questions }), peer, late), []);
  assert.equal(run(responder, late, late + 500)[0]?.to, undefined);
});

Deno.test("a one-shot question is answered to its port, without flush bits, for ten seconds", () => {
  const responder = settled(1);
  const questions = [{ name: instance, type: "SRV", unicast: false }] as const;
  const source = { address: "10.0.0.2", port: 40_000 };
  const query = dnsMessage("query", { id: 4711, questions });
  const [answer] = responder.onQuery(query, source, 20_000);
  assert.deepEqual(answer?.to, source);
  assert.equal(answer?.message.id, 4711);
  assert.deepEqual(answer?.message.questions, questions);
  const all = [...answer?.message.answers ?? [], ...answer?.message.additionals ?? []];
  assert(all.length >= 3 && all.every(({ ttlS, flush }) => ttlS <= 10 && !flush));
});

Deno.test("a missing type of a name that only we have is denied", () => {
  const responder = new Responder(seededRandom(1));
  const only4 = publishedRecords(self, { instance, host, addresses: ["10.0.0.1"] });
  responder.probe({ instance, records: only4, nowMs: 0 });
  run(responder, 0, 10_000);
  const questions = [{ name: host, type: "AAAA", unicast: false }] as const;
  responder.onQuery(dnsMessage("query", { questions }), peer, 20_000);
  const [answer] = run(responder, 20_000, 21_000);
  const [denial] = answer?.message.answers ?? [];
  assert(denial?.type === "NSEC");
  assert.deepEqual(denial.data, { nextDomain: host, rrtypes: ["A"] });
});

Deno.test("the list of service types is not said again when another host has just said it", () => {
  const responder = settled(1);
  const questions = [{ name: SERVICE_ENUMERATION, type: "PTR", unicast: false }] as const;
  responder.onQuery(dnsMessage("query", { questions }), peer, 20_000);
  const same = records.filter(({ name }) => name === SERVICE_ENUMERATION);
  responder.onResponse(dnsMessage("response", { answers: same }), 20_001);
  assert.deepEqual(run(responder, 20_001, 30_000), []);
});

Deno.test("nothing is answered before the name is ours", () => {
  const responder = new Responder(seededRandom(1));
  responder.probe({ instance, records, nowMs: 0 });
  run(responder, 0, 300);
  const query = dnsMessage("query", { questions: [browse] });
  assert.deepEqual(responder.onQuery(query, peer, 300), []);
  assert(run(responder, 300, 400).every(({ message }) => message.kind === "query"));
});

Deno.test("the goodbye takes back all that is ours and nothing that others share", () => {
  const [farewell] = settled(1).goodbye();
  assert(farewell?.message.answers.every(({ ttlS }) => ttlS === 0));
  assert(farewell?.message.answers.every(({ name }) => name !== SERVICE_ENUMERATION));
  assert.equal(farewell?.message.answers.length, records.length - 1);
});

Deno.test("the loser of two simultaneous probes waits a second before it tries again", () => {
  for (const [port, loses] of [[self.port + 1, true], [self.port - 1, false]] as const) {
    const responder = new Responder(seededRandom(1));
    responder.probe({ instance, records, nowMs: 0 });
    run(responder, 0, 260);
    const authorities = [
      { name: instance, type: "SRV", ttlS: 120, flush: false, data: { port, target: "x.local" } },
      ...records.filter(({ type }) => type === "TXT"),
    ] as const;
    responder.onQuery(dnsMessage("query", { authorities }), peer, 260);
    assert.equal(responder.nextMs() === 1_260, loses, `port ${port}`);
  }
});
