/** Paths over a broker that loses, repeats, vanishes, and lets strangers speak. */
import assert from "node:assert/strict";
import { BROKER_FRAME_BYTES_MAX, BROKER_WINDOW_BYTES } from "../../platform/broker_path.ts";
import { brokerAddressee } from "../../platform/broker_transport.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import type { DialOutcome, Path, PathEvent } from "../../platform/transport.ts";
import { encodeOpenRequest } from "../../protocols/bridge/path_frames.ts";
import { nodeSubject } from "../../protocols/bridge/subjects.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import { transportContract } from "../contracts/transport_contract.ts";
import { type BrokerDevice, BrokerWorld, OTHER_MESH } from "./broker_support.ts";

transportContract("broker transport", async () => {
  const world = new BrokerWorld();
  const [a, b] = [await world.device("a"), await world.device("b")];
  const nobody = "a".repeat(52);
  return {
    a: a.transport,
    b: b.transport,
    toB: { deviceId: b.deviceId, addresses: [`nats:${b.deviceId}`] },
    toNobody: { deviceId: nobody, addresses: [`nats:${nobody}`] },
    close: () => world.close(),
    settle: () => world.clock.advance(100),
  };
});

class End {
  readonly events: PathEvent[] = [];
  constructor(readonly path: Path) {
    path.listen((event) => void this.events.push(event));
  }
  frames(): readonly number[] {
    return this.events.flatMap((event) => event.type === "frame" ? [event.frame[0]!] : []);
  }
  closed(): string | undefined {
    const last = this.events.at(-1);
    return last?.type === "closed" ? last.reason : undefined;
  }
}

function pathTo(world: BrokerWorld, from: BrokerDevice, to: BrokerDevice) {
  return outcomeOf(world, from, to.deviceId, [`nats:${to.deviceId}`]);
}

async function outcomeOf(
  world: BrokerWorld,
  from: BrokerDevice,
  deviceId: string,
  addresses: readonly string[],
  waitMs = 100,
): Promise<DialOutcome> {
  let outcome: DialOutcome | undefined;
  from.transport.dial({ deviceId, addresses }, (got) => outcome = got);
  await world.clock.advance(waitMs);
  assert.ok(outcome !== undefined, "the dial has no outcome");
  return outcome;
}

/** Two devices with a path between them. */
async function connected(): Promise<{ world: BrokerWorld; ours: End; theirs: End }> {
  const world = new BrokerWorld();
  const [a, b] = [await world.device("a"), await world.device("b")];
  const { ours, theirs } = await connect(world, a, b);
  return { world, ours, theirs };
}

async function connect(world: BrokerWorld, a: BrokerDevice, b: BrokerDevice) {
  let theirs: End | undefined;
  b.transport.accept((path) => theirs = new End(path));
  const outcome = await pathTo(world, a, b);
  assert.ok(outcome.type === "opened", JSON.stringify(outcome));
  return { ours: new End(outcome.path), theirs: theirs! };
}

Deno.test("a path over the broker is relayed and leaves encryption to the session", async () => {
  const { world, ours, theirs } = await connected();
  for (const { path } of [ours, theirs]) {
    assert.equal(path.kind, "nats");
    assert.equal(path.relayed, true);
    assert.equal(path.confidential, false);
    assert.equal(path.binding.length, 0);
  }
  await world.close();
});

Deno.test("frames that the broker repeats arrive once", async () => {
  const { world, ours, theirs } = await connected();
  world.broker.tamper(() => 2);
  for (let i = 0; i < 20; i++) ours.path.send(Uint8Array.of(i));
  await world.clock.advance(100);
  assert.deepEqual(theirs.frames(), Array.from({ length: 20 }, (_, i) => i));
  assert.equal(theirs.closed(), undefined);
  await world.close();
});

Deno.test("a frame that the broker loses closes the path at both ends, and nothing comes after the gap", async () => {
  const { world, ours, theirs } = await connected();
  world.broker.tamper((message) => message % 10 === 5 ? 0 : 1);
  for (let i = 0; i < 20; i++) ours.path.send(Uint8Array.of(i));
  await world.clock.advance(100);
  assert.match(theirs.closed() ?? "", /lost 1 frames/);
  assert.ok(ours.closed() !== undefined);
  const frames = theirs.frames();
  assert.deepEqual(frames, frames.map((_, i) => i));
  assert.ok(frames.length < 20);
  await world.close();
});

Deno.test("a last frame that is lost is noticed although nothing follows it", async () => {
  const { world, ours, theirs } = await connected();
  world.broker.tamper(() => 0);
  ours.path.send(Uint8Array.of(1));
  await world.clock.advance(10);
  world.broker.tamper(null);
  await world.clock.advance(15_000);
  assert.match(ours.closed() ?? "", /lost the last frames/);
  assert.ok(theirs.closed() !== undefined);
  await world.close();
});

Deno.test("what is under way to a reader that does not read is bounded by the window", async () => {
  const world = new BrokerWorld();
  const [a, b] = [await world.device("a"), await world.device("b")];
  let slow: Path | undefined;
  b.transport.accept((path) => slow = path);
  const outcome = await pathTo(world, a, b);
  assert.ok(outcome.type === "opened");
  const ours = new End(outcome.path);
  const before = a.mesh.traffic().bytesSent;
  let taken = 0;
  while (ours.path.send(new Uint8Array(BROKER_FRAME_BYTES_MAX).fill(taken))) taken++;
  await world.clock.advance(12_000);
  const sent = a.mesh.traffic().bytesSent - before;
  assert.ok(sent <= BROKER_WINDOW_BYTES + 1_000, `${sent} bytes were given to the broker`);
  assert.equal(ours.closed(), undefined, "slow is not lost");
  const theirs = new End(slow!);
  await world.clock.advance(1_000);
  assert.equal(theirs.frames().length, taken);
  assert.ok(ours.events.some(({ type }) => type === "drained"));
  await world.close();
});

Deno.test("a path whose other end fell silent closes", async () => {
  const { world, ours } = await connected();
  world.broker.tamper(() => 0);
  await world.clock.advance(25_000);
  assert.match(ours.closed() ?? "", /nothing was heard/);
  await world.close();
});

Deno.test("a path that is only idle stays open", async () => {
  const { world, ours, theirs } = await connected();
  await world.clock.advance(120_000);
  assert.equal(ours.closed() ?? theirs.closed(), undefined);
  await world.close();
});

Deno.test("a little now and then is acknowledged now and then, and much of it soon", async () => {
  const { world, ours, theirs } = await connected();
  let messages = 0;
  world.broker.tamper(() => {
    messages++;
    return 1;
  });
  for (let second = 0; second < 60; second++) {
    for (const end of [ours, theirs]) end.path.send(new Uint8Array(40));
    await world.clock.advance(1_000);
  }
  // Frames, and with each twelfth of a minute a ping and an acknowledgement of either end.
  assert.ok(messages <= 2 * (60 + 12 + 12), `${messages} messages`);
  const before = messages;
  ours.path.send(new Uint8Array(BROKER_FRAME_BYTES_MAX));
  ours.path.send(new Uint8Array(BROKER_FRAME_BYTES_MAX));
  await world.clock.advance(30);
  assert.equal(messages - before, 3);
  await world.close();
});

Deno.test("when the broker dies all paths close at once, and new ones open when it is back", async () => {
  const { world, ours, theirs } = await connected();
  world.broker.stop();
  assert.match(ours.closed() ?? "", /broker/);
  assert.match(theirs.closed() ?? "", /broker/);
  const [a, b] = [world.devices[0]!, world.devices[1]!];
  const failed = await pathTo(world, a, b);
  assert.match(failed.type === "failed" ? failed.reason : "", /no connection to a broker/);
  world.broker.start();
  await world.clock.advance(200);
  await connect(world, a, b);
  await world.close();
});

Deno.test("a device that nobody heard over the broker, or that is not connected, is told from each other", async () => {
  const world = new BrokerWorld();
  const a = await world.device("a");
  const absent = "a".repeat(52);
  const unheard = await outcomeOf(world, a, absent, ["http://10.0.0.1:7464"]);
  assert.match(unheard.type === "failed" ? unheard.reason : "", /not heard/);
  const away = await outcomeOf(world, a, absent, [`nats:${absent}`]);
  assert.match(away.type === "failed" ? away.reason : "", /not connected/);
  await world.close();
});

Deno.test("strangers and members of another mesh get no answer, and cost nothing", async () => {
  const world = new BrokerWorld();
  const b = await world.device("b");
  b.transport.accept(() => assert.fail("a stranger was accepted"));
  const stranger = await world.device("s", { admitted: false });
  const outcome = await outcomeOf(world, stranger, b.deviceId, [`nats:${b.deviceId}`], 10_000);
  assert.match(outcome.type === "failed" ? outcome.reason : "", /no answer/);
  const foreign = await world.device("f", { mesh: OTHER_MESH });
  const other = await outcomeOf(world, foreign, b.deviceId, [`nats:${b.deviceId}`]);
  // Other subjects: it does not even reach us.
  assert.match(other.type === "failed" ? other.reason : "", /not connected/);
  assert.equal(b.transport.counters().paths, 0);
  assert.ok(b.transport.counters().ignored >= 2);
  await world.close();
});

Deno.test("garbage on our subject is counted and harms no path", async () => {
  const { world, ours, theirs } = await connected();
  const [a, b] = [world.devices[0]!, world.devices[1]!];
  const subject = nodeSubject(a.mesh.current()!.tag, b.deviceId);
  const random = seededRandom("garbage");
  const before = b.transport.counters().ignored;
  for (let i = 0; i < 500; i++) {
    a.mesh.broker.publish(
      subject,
      random.bytes(random.below(200)),
      i % 2 === 0 ? "x.y" : undefined,
    );
  }
  ours.path.send(Uint8Array.of(7));
  await world.clock.advance(100);
  assert.deepEqual(theirs.frames(), [7]);
  assert.equal(b.transport.counters().ignored - before, 500);
  assert.equal(b.transport.counters().paths, 1);
  await world.close();
});

Deno.test("one name opens at most four paths: the oldest makes room", async () => {
  const world = new BrokerWorld();
  const [a, b] = [await world.device("a"), await world.device("b")];
  const accepted: End[] = [];
  b.transport.accept((path) => void accepted.push(new End(path)));
  for (let i = 0; i < 6; i++) await pathTo(world, a, b);
  assert.equal(accepted.length, 6);
  assert.equal(b.transport.counters().paths, 4);
  assert.deepEqual(accepted.map((end) => end.closed()), ["surplus", "surplus", ...Array(4)]);
  await world.close();
});

Deno.test("an opening request that the broker repeats opens one path", async () => {
  const world = new BrokerWorld();
  const [a, b] = [await world.device("a"), await world.device("b")];
  let count = 0;
  b.transport.accept(() => void count++);
  const { veil, tag } = a.mesh.current()!;
  const request = encodeOpenRequest({ from: a.deviceId as DeviceId, id: "12".repeat(8) });
  const covered = veil.cover("open", b.deviceId, request);
  for (let i = 0; i < 5; i++) {
    a.mesh.broker.request(
      { subject: nodeSubject(tag, b.deviceId), bytes: covered, timeoutMs: 1_000 },
      (reply) => assert.equal(reply.type, "reply"),
    );
  }
  await world.clock.advance(100);
  assert.equal(count, 1);
  await world.close();
});

Deno.test("an acknowledgement of what was never sent closes the path", async () => {
  const { world, ours, theirs } = await connected();
  const [a, b] = [world.devices[0]!, world.devices[1]!];
  // Whoever could read the ids off the broker: version 1, kind 2, id, number 99.
  const seen: Uint8Array[] = [];
  const subject = nodeSubject(a.mesh.current()!.tag, b.deviceId);
  a.mesh.broker.subscribe(subject, ({ bytes }) => void seen.push(bytes));
  await world.clock.advance(10);
  ours.path.send(Uint8Array.of(1));
  await world.clock.advance(10);
  const forged = seen[0]!.slice(0, 14);
  forged[1] = 2;
  forged[13] = 99;
  a.mesh.broker.publish(subject, forged);
  await world.clock.advance(10);
  assert.match(theirs.closed() ?? "", /never sent/);
  assert.match(ours.closed() ?? "", /never sent/);
  await world.close();
});

Deno.test("leaving the mesh closes its paths", async () => {
  const { world, ours } = await connected();
  world.devices[0]!.mesh.setMesh(null);
  assert.match(ours.closed() ?? "", /mesh/);
  const outcome = await pathTo(world, world.devices[0]!, world.devices[1]!);
  assert.match(outcome.type === "failed" ? outcome.reason : "", /no mesh/);
  await world.close();
});

Deno.test("addresses of the broker name a device, others do not", () => {
  const device = "a".repeat(52);
  assert.equal(brokerAddressee(`nats:${device}`), device);
  for (const other of ["http://1.2.3.4:7464", "nats:", "nats:x", `nats:${device}b`]) {
    assert.equal(brokerAddressee(other), undefined);
  }
});
