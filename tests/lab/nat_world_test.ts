/**
 * Two homes, each behind its own router, as one mesh: real nodes, real routers, a real TURN server and real brokers. `deno task lab nat` measures
 * every pair of routers; `tests/long` kills what can be killed while ten thousand messages flow.
 */
import assert from "node:assert/strict";
import { converged, until } from "./mesh_lab.ts";
import { withFolder } from "./mesh_steps.ts";
import { countMail, sendAll, sendMail } from "./nat_mail.ts";
import { measureNatPairs } from "./nat_matrix.ts";
import { skipped } from "../skipped.ts";
import { createNatWorld, type NatWorld, wayOf, whyNoNatWorld } from "./nat_world.ts";

const ignore = skipped("two homes behind routers", await whyNoNatWorld());

const UP_MS = 20_000;
/** Better ways are looked for at growing distances: 1 s, 2 s, 4 s, … */
const BETTER_MS = 45_000;
const MAIL_MS = 30_000;

function labTest(name: string, fn: (folder: string) => Promise<void>): void {
  Deno.test({ name, ignore, fn: () => withFolder(fn) });
}

const numbered = (from: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${from} ${index}`);

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
    const event = await anna.event("pathChanged", {
      timeoutMs: UP_MS,
      from: mark,
      fits: ({ from, relayed }) => from === "nats" && !relayed,
    });
    assert.equal(event.deviceId, ben.id);
    const nothing = { sent: 200, lost: 0, duplicated: 0, ordered: true };
    assert.deepEqual(await countMail(ben, toBen, MAIL_MS), nothing);
    assert.deepEqual(await countMail(anna, toAnna, MAIL_MS), nothing);
    await converged([anna, ben], blocks, MAIL_MS);
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
