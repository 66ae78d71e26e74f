/** What no GroupCrypto adapter may believe: changed bytes, garbage, what is another's, old or our own. */
import assert from "node:assert/strict";
import { APPLICATION_BYTES_MAX, KEY_PACKAGE_LIFE_MS } from "../../platform/group_crypto.ts";
import { type GroupBench, utf8 } from "./group_crypto_support.ts";

/** Registers the promises about what is refused. */
export function groupRefusalsContract(bench: GroupBench): void {
  const { group, member, test, startMs } = bench;

  test("no changed byte of a message, commit or proposal is believed", async () => {
    const [anna, ben] = await group(2);
    const message = await anna!.says("pay 10");
    const { commit } = await anna!.device.crypto.change(anna!.state, { add: [], remove: [] });
    const { proposal } = await anna!.device.crypto.proposeUpdate(anna!.state);
    for (const bytes of [message, commit, proposal]) {
      const step = Math.max(1, Math.floor(bytes.length / 40));
      for (let at = 0; at < bytes.length; at += step) {
        const outcome = await ben!.device.crypto.process(
          ben!.state,
          bytes.with(at, bytes[at]! ^ 1),
        );
        assert.ok(
          outcome.type === "unreadable" || outcome.type === "ahead",
          `byte ${at}: ${outcome.type}`,
        );
      }
      for (const end of [0, 1, 5, bytes.length >> 1, bytes.length - 1]) {
        const outcome = await ben!.device.crypto.process(ben!.state, bytes.slice(0, end));
        assert.equal(outcome.type, "unreadable");
      }
      const longer = new Uint8Array([...bytes, 0]);
      assert.equal(
        (await ben!.device.crypto.process(ben!.state, longer)).type,
        "unreadable",
        "nothing may follow",
      );
    }
    assert.equal(await ben!.hears(message), `${anna!.id}: pay 10`);
  });

  test("garbage is unreadable, no package, and no welcome", async () => {
    const [anna, ben] = await group(2);
    const carla = member(8);
    await carla.offer();
    for (
      const garbage of [
        new Uint8Array(0),
        new Uint8Array(1),
        new Uint8Array(100).fill(255),
        utf8("hello"),
        Uint8Array.fromHex("0001000200000000"),
        Uint8Array.fromHex("82677765c3"),
      ]
    ) {
      assert.equal((await ben!.takes(garbage)).type, "unreadable");
      assert.equal(await anna!.device.crypto.inspect(garbage), undefined);
      assert.equal(
        await carla.device.crypto.join(garbage, await carla.device.crypto.keyPackage(carla.id)),
        undefined,
      );
      await assert.rejects(
        () => anna!.device.crypto.change(anna!.state, { add: [garbage], remove: [] }),
        RangeError,
      );
    }
  });

  test("a message of another group with the same members is unreadable", async () => {
    const [anna, ben] = await group(2);
    const { crypto } = anna!.device;
    const other = await crypto.create(utf8("another"), await crypto.keyPackage(anna!.id));
    const offered = await ben!.device.crypto.keyPackage(ben!.id);
    const change = await crypto.change(other, { add: [offered.publicPackage], remove: [] });
    const { message } = await crypto.encrypt(change.state, utf8("elsewhere"));
    assert.equal((await ben!.takes(message)).type, "unreadable");
  });

  test("our own message and our own commit come back as unreadable", async () => {
    const [anna] = await group(2);
    assert.equal((await anna!.takes(await anna!.says("echo"))).type, "unreadable");
    assert.equal((await anna!.takes((await anna!.change()).commit)).type, "unreadable");
  });

  test("a package names its device; a changed one names nobody", async () => {
    const [anna, ben] = [member(0), member(1)];
    const offered = await anna.offer();
    assert.deepEqual(await ben.device.crypto.inspect(offered), { deviceId: anna.id });
    for (let at = 0; at < offered.length; at++) {
      const changed = offered.with(at, offered[at]! ^ 1);
      assert.equal(await ben.device.crypto.inspect(changed), undefined, `byte ${at}`);
    }
    assert.equal(await ben.device.crypto.inspect(new Uint8Array([...offered, 0])), undefined);
  });

  test("a device makes no package for another", async () => {
    const [anna, ben] = [member(0), member(1)];
    await assert.rejects(() => anna.device.crypto.keyPackage(ben.id), RangeError);
  });

  test("a package is valid from a day before it was made to 90 days after", async () => {
    const [anna, ben] = [member(0), member(1)];
    const offered = await anna.offer();
    const isValid = async () => await ben.device.crypto.inspect(offered) !== undefined;
    bench.nowMs = startMs + KEY_PACKAGE_LIFE_MS - 1_000;
    assert.ok(await isValid());
    bench.nowMs = startMs + KEY_PACKAGE_LIFE_MS + 2_000;
    assert.ok(!await isValid());
    bench.nowMs = startMs - 23 * 60 * 60 * 1000;
    assert.ok(await isValid());
    bench.nowMs = startMs - 25 * 60 * 60 * 1000;
    assert.ok(!await isValid());
  });

  test("a welcome opens for the package it was made for only", async () => {
    const [anna] = await group(1);
    const [ben, carla] = [member(1), member(2)];
    const offered = await ben.device.crypto.keyPackage(ben.id);
    const { welcome } = await anna!.change([offered.publicPackage]);
    const another = await ben.device.crypto.keyPackage(ben.id);
    assert.equal(await ben.device.crypto.join(welcome!, another), undefined);
    const carlas = await carla.device.crypto.keyPackage(carla.id);
    assert.equal(await carla.device.crypto.join(welcome!, carlas), undefined);
    for (let at = 0; at < welcome!.length; at += 7) {
      const changed = welcome!.with(at, welcome![at]! ^ 1);
      assert.equal(await ben.device.crypto.join(changed, offered), undefined, `byte ${at}`);
    }
    assert.ok(await ben.device.crypto.join(welcome!, offered) !== undefined);
  });

  test("what cannot be is refused with the reason", async () => {
    const [anna, ben] = await group(2);
    const { crypto } = anna!.device;
    const offers = [await ben!.offer(), await ben!.offer()];
    const change = (add: readonly Uint8Array[], remove: readonly string[]) =>
      crypto.change(anna!.state, { add, remove });
    await assert.rejects(() => change([], [anna!.id]), /cannot remove itself/);
    await assert.rejects(() => change(offers, []), /two key packages/);
    await assert.rejects(
      async () => change([await anna!.offer()], []),
      /our own/,
    );
    const tooLong = new Uint8Array(APPLICATION_BYTES_MAX + 1);
    await assert.rejects(() => crypto.encrypt(anna!.state, tooLong), RangeError);
    await assert.rejects(() => crypto.view(new Uint8Array(9)), RangeError);
    // Someone who is not in the group can be removed: nothing changes but our keys.
    const nobody = member(9).id;
    assert.deepEqual(
      (await crypto.view((await change([], [nobody])).state)).members,
      [
        anna!.id,
        ben!.id,
      ].sort(),
    );
  });
}
