/** What transports that are signalled have in common: which offers of others are answered, and how dials are stopped. */
import assert from "node:assert/strict";
import {
  answering,
  HALF_OPEN_MAX,
  HALF_OPEN_PER_ADDRESS_MAX,
  type HalfOpen,
} from "../../platform/answering.ts";
import { cancellable, expectedDevice } from "../../platform/signalling.ts";
import type { DialOutcome, Path } from "../../platform/transport.ts";
import { type DeviceId, deviceIdOf } from "../../protocols/ids.ts";
import { ANY_DEVICE } from "../../protocols/session/signed_signal.ts";
import { MemoryRendezvous } from "./memory_rendezvous.ts";
import { transportEnd } from "./transport_end.ts";

const member = deviceIdOf(new Uint8Array(32).fill(1));
const stranger = deviceIdOf(new Uint8Array(32).fill(2));
const isSigned = () => true;

/** One answering device, and offers to it. */
function answeringEnd() {
  const { id: self, options } = transportEnd(
    new MemoryRendezvous().at("b"),
    (device) => device === member,
  );
  const answers = answering<HalfOpen>(options, (request) => request.refuse("unread"));
  let offers = 0;
  const offer = (change: { readonly meshTag?: string; readonly to?: Uint8Array } = {}) => {
    const id = new Uint8Array(16);
    new DataView(id.buffer).setUint32(0, offers++);
    return { id, meshTag: options.meshTag(), to: options.signer.publicKey, ...change };
  };
  return { self, answers, offer };
}

Deno.test("only other members are heard, and only while somebody accepts paths", () => {
  const { self, answers } = answeringEnd();
  const heard = (device: DeviceId) => answers.hears(device);
  assert.deepEqual([member, stranger, self].map(heard), [false, false, false]);
  const stop = answers.accept(() => {});
  assert.deepEqual([member, stranger, self].map(heard), [true, false, false]);
  stop();
  assert.equal(heard(member), false);
});

Deno.test("an offer is answered once, and only by a device of the mesh that it is for", () => {
  const { answers, offer } = answeringEnd();
  const refusalOf = (one: ReturnType<typeof offer>, signed = true) =>
    answers.refusalOf(one, { address: "10.0.0.1", isSigned: () => signed });
  assert.equal(refusalOf(offer({ meshTag: "other" })), "Not accepted");
  assert.equal(refusalOf(offer({ to: new Uint8Array(32).fill(9) })), "Not accepted");
  const first = offer();
  // Whoever forges it uses up nobody's id.
  assert.equal(refusalOf(first, false), "Not accepted");
  assert.equal(refusalOf(first), undefined);
  assert.equal(refusalOf(first), "Not accepted");
  assert.equal(refusalOf(offer({ to: ANY_DEVICE })), undefined);
});

Deno.test("no more attempts are half open than can be kept, of one address and together", () => {
  const { answers, offer } = answeringEnd();
  const open = (address: string) => {
    const one = offer();
    const refusal = answers.refusalOf(one, { address, isSigned });
    if (refusal === undefined) {
      answers.halfOpen.set(one.id.toHex(), { address, end: () => {} });
    }
    return refusal;
  };
  for (let i = 0; i < HALF_OPEN_PER_ADDRESS_MAX; i++) assert.equal(open("10.0.0.1"), undefined);
  assert.equal(open("10.0.0.1"), "Busy");
  for (let i = HALF_OPEN_PER_ADDRESS_MAX; i < HALF_OPEN_MAX; i++) {
    assert.equal(open(`10.0.1.${i}`), undefined);
  }
  assert.equal(open("10.0.2.1"), "Busy");
  const [[key]] = answers.halfOpen as unknown as [[string]];
  answers.halfOpen.delete(key);
  assert.equal(open("10.0.2.1"), undefined);
});

Deno.test("ids of offers take bounded memory: the oldest is forgotten first", () => {
  const { answers, offer } = answeringEnd();
  const check = { address: "10.0.0.1", isSigned };
  const [first, ...others] = Array.from({ length: 4_097 }, () => offer());
  for (const one of [first!, ...others]) assert.equal(answers.refusalOf(one, check), undefined);
  assert.equal(answers.refusalOf(others[0]!, check), "Not accepted");
  assert.equal(answers.refusalOf(first!, check), undefined);
});

Deno.test("closing ends what is half open, and a path that opens after that is closed", () => {
  const { answers } = answeringEnd();
  const accepted: Path[] = [];
  const closed: string[] = [];
  const path = { close: (reason: string) => void closed.push(reason) } as unknown as Path;
  answers.accept((one) => void accepted.push(one));
  answers.handOver(path);
  let ended = 0;
  answers.halfOpen.set("00", { address: "10.0.0.1", end: () => ended++ });
  answers.close();
  answers.handOver(path);
  assert.deepEqual([accepted.length, ended, closed], [1, 1, ["not accepting"]]);
});

Deno.test("closing cancels the dials that have no outcome, and no other", () => {
  const cancelled: string[] = [];
  const outcomes = new Map<string, (outcome: DialOutcome) => void>();
  const dials = cancellable(({ deviceId }, onOutcome) => {
    outcomes.set(deviceId, onOutcome);
    return () => void cancelled.push(deviceId);
  });
  const heard: DialOutcome[] = [];
  const dial = (deviceId: string) =>
    dials.dial({ deviceId, addresses: [] }, (outcome) => heard.push(outcome));
  dial("over");
  dial("under way");
  const cancel = dial("cancelled");
  outcomes.get("over")!({ type: "failed", reason: "nobody there" });
  cancel();
  dials.cancelAll();
  assert.deepEqual(cancelled, ["cancelled", "under way"]);
  assert.deepEqual(heard, [{ type: "failed", reason: "nobody there" }]);
});

Deno.test("a dial names a device, or nobody in particular, and nothing else", () => {
  assert.equal(expectedDevice({ deviceId: member, addresses: [] }), member);
  assert.equal(expectedDevice({ deviceId: "", addresses: [] }), null);
  assert.throws(() => expectedDevice({ deviceId: "anna", addresses: [] }), /"anna".*52 base32/);
});
