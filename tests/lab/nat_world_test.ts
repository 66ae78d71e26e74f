/**
 * Two homes, each behind its own router, as one mesh: real nodes, real routers, a real TURN server and real brokers. `deno task lab nat` measures
 * every pair of routers; `tests/long` kills what can be killed while ten thousand messages flow.
 */
import assert from "node:assert/strict";
import type { NodeEvent } from "../../actors/events.ts";
import { converged, stopwatch, until } from "./mesh_lab.ts";
import { withFolder } from "./mesh_steps.ts";
import { countMail, sendAll, sendMail } from "./nat_mail.ts";
import { measureNatPairs } from "./nat_matrix.ts";
import { stretched } from "../busy_machine.ts";
import { skipped } from "../skipped.ts";
import { createNatWorld, type NatWorld, wayOf, whyNoNatWorld } from "./nat_world.ts";

const ignore = skipped("two homes behind routers", await whyNoNatWorld());

const UP_MS = 20_000;
/** What is promised of a fail-over. */
const FAILOVER_MS = 3_000;
/** Better ways are looked for at growing distances: 1 s, 2 s, 4 s, … */
const BETTER_MS = 45_000;
const MAIL_MS = 30_000;

function labTest(name: string, fn: (folder: string) => Promise<void>): void {
  Deno.test({ name, ignore, fn: () => withFolder(fn) });
}

const numbered = (from: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${from} ${index}`);

/**
 * Whether an event tells of a direct way to a device: it was moved to, from the broker or from TURN, or found by a path for itself; or, where
 * everything stood still for longer than a session lives, it is the first of a new one.
 */
function isDirect(line: string, deviceId: string): boolean {
  if (!/"(pathChanged|sessionUp)"/.test(line)) return false;
  const event = JSON.parse(line) as NodeEvent;
  if (event.type !== "pathChanged" && event.type !== "sessionUp") return false;
  const relayed = event.type === "pathChanged" && event.relayed;
  return event.deviceId === deviceId && event.path !== "nats" && !relayed;
}

async function waitForWay(world: NatWorld, path: string, timeoutMs: number): Promise<void> {
  await until(`the path "${path}" between the homes`, timeoutMs, async () => {
    const [there, back] = [await world.anna.peer(world.ben), await world.ben.peer(world.anna)];
    return wayOf(there)?.path === path && wayOf(back)?.path === path;
  });
}

labTest(
  "two port-restricted routers are crossed directly, two symmetric ones by TURN",
  async (folder) => {
    const results = await measureNatPairs({
      pairs: [["port-restricted", "port-restricted"], ["symmetric", "symmetric"]],
      folder,
      onProgress: () => {},
      onResult: () => {},
    });
    assert.deepEqual(results.map(({ path }) => path), ["direct", "turn"], JSON.stringify(results));
  },
);

labTest(
  "QUIC crosses two port-restricted routers from the one socket on which it also listens",
  async (folder) => {
    const nats = ["port-restricted", "port-restricted"] as const;
    await using world = await createNatWorld({ nats, folder });
    const { anna, ben } = world;
    await Promise.all(world.nodes.map((node) => node.start()));
    await until("a session over QUIC", BETTER_MS, async () => {
      const [there, back] = [await anna.peer(ben), await ben.peer(anna)];
      return wayOf(there)?.transport === "quic" && wayOf(back)?.transport === "quic";
    });
    const peer = await anna.peer(ben);
    assert.equal(peer?.relayed, false);
    // The address of the other home's router, with the port that QUIC has everywhere.
    assert.match(peer?.pathDescription ?? "", /203\.0\.113\.101\b.*\b7464/);
  },
);

labTest(
  "a direct way that breaks without a trace is left for a relay within three seconds, and the session stays up",
  async (folder) => {
    const nats = ["port-restricted", "port-restricted"] as const;
    await using world = await createNatWorld({ nats, folder });
    const { anna, ben, nodes } = world;
    await Promise.all(nodes.map((node) => node.start()));
    await waitForWay(world, "direct", BETTER_MS);
    await sendMail(anna, ben, "before");
    const marks = nodes.map((node) => node.mark);
    await world.lab.separate(0, 1);
    const tookMs = await stopwatch(async () => {
      const { message } = await sendMail(anna, ben, "right after the cut");
      await until("the message to be shown", MAIL_MS, async () => {
        return (await ben.call(`/v1/messages/${message}`)).status === 200;
      });
    });
    assert.ok(tookMs < stretched(FAILOVER_MS), `${tookMs} ms`);
    for (const [index, node] of nodes.entries()) {
      const since = node.process.lines.slice(marks[index]);
      assert.deepEqual(since.filter((line) => line.includes('"sessionDown"')), [], node.name);
    }
  },
);

labTest(
  "a home without UDP talks over the broker, and directly once its router lets it: nothing is lost or shown twice",
  async (folder) => {
    await using world = await createNatWorld({ nats: ["udp-blocked", "port-restricted"], folder });
    const { anna, ben } = world;
    await Promise.all(world.nodes.map((node) => node.start()));
    await waitForWay(world, "nats", UP_MS);
    const mark = anna.mark;
    const [toBen, toAnna] = [numbered("to ben", 200), numbered("to anna", 200)];
    const blocks: string[] = [];
    let direct = false;
    const upgrade = async (): Promise<void> => {
      await world.home(0).setNat("port-restricted");
      await waitForWay(world, "direct", BETTER_MS);
      direct = true;
    };
    const writing = async (): Promise<void> => {
      for (let i = 0; i < 5 || !direct; i++) blocks.push(await anna.add(`written on the way ${i}`));
    };
    await Promise.all([
      upgrade(),
      writing(),
      sendAll({ from: anna, to: ben, texts: toBen }),
      sendAll({ from: ben, to: anna, texts: toAnna }),
    ]);
    await until(
      "the direct way to be told",
      UP_MS,
      () => Promise.resolve(anna.process.lines.slice(mark).some((line) => isDirect(line, ben.id))),
    );
    const nothing = { sent: 200, lost: 0, duplicated: 0, ordered: true };
    assert.deepEqual(await countMail(ben, toBen, MAIL_MS), nothing);
    assert.deepEqual(await countMail(anna, toAnna, MAIL_MS), nothing);
    await converged([anna, ben], blocks, MAIL_MS);
  },
);

labTest(
  "a home without UDP uses TURN over TCP, with a home like it too",
  async (folder) => {
    const nats = ["udp-blocked", "udp-blocked"] as const;
    await using world = await createNatWorld({ nats, folder, turnTcp: true });
    const { anna, ben } = world;
    await Promise.all(world.nodes.map((node) => node.start()));
    await waitForWay(world, "turn", BETTER_MS);
    const texts = numbered("by TCP", 50);
    await sendAll({ from: anna, to: ben, texts });
    const nothing = { sent: 50, lost: 0, duplicated: 0, ordered: true };
    assert.deepEqual(await countMail(ben, texts, MAIL_MS), nothing);
  },
);

labTest(
  "a home that was cut off catches up when it is back, and mail waits at the hub for a device that is off",
  async (folder) => {
    await using world = await createNatWorld({ nats: ["port-restricted", "symmetric"], folder });
    const { anna, ben } = world;
    await Promise.all(world.nodes.map((node) => node.start()));
    await waitForWay(world, "turn", BETTER_MS);
    await sendMail(anna, ben, "before");

    await world.home(1).cut();
    await until(
      "the session to be seen as down",
      UP_MS,
      async () => (await anna.peer(ben))?.state !== "up",
    );
    const [toBen, toAnna] = [numbered("cut, to ben", 50), numbered("cut, to anna", 50)];
    await Promise.all([
      sendAll({ from: anna, to: ben, texts: toBen }),
      sendAll({ from: ben, to: anna, texts: toAnna }),
    ]);
    const blocks = [await anna.add("written while cut, at anna's"), await ben.add("and at ben's")];
    await world.home(1).heal();
    await converged([anna, ben], blocks, MAIL_MS);
    const all = { sent: 50, lost: 0, duplicated: 0, ordered: true };
    assert.deepEqual(await countMail(ben, toBen, MAIL_MS), all);
    assert.deepEqual(await countMail(anna, toAnna, MAIL_MS), all);

    // Ben is off while Anna writes, Anna is off when Ben comes back: only the hub can have it.
    await ben.stop();
    const kept = numbered("for later", 20);
    await sendAll({ from: anna, to: ben, texts: kept });
    await until("the broker to keep the mail", MAIL_MS, async () => {
      const last = await sendMail(anna, ben, kept.at(-1)!);
      const found = await anna.json<{ deliveries: { state: string }[] }>(
        `/v1/messages/${last.message}`,
      );
      return found.deliveries.every(({ state }) => state === "carried");
    });
    await anna.stop();
    await ben.start();
    assert.deepEqual(await countMail(ben, kept, MAIL_MS), { ...all, sent: 20 });
  },
);
