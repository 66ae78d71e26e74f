/** What every GroupCrypto adapter must do with members: they come, go, renew their keys, and agree. */
import assert from "node:assert/strict";
import { everyoneTakes, GROUP, type GroupBench, utf8 } from "./group_crypto_support.ts";

/** Registers the promises about who is in a group. */
export function groupMembersContract(bench: GroupBench): void {
  const { group, member, test } = bench;

  test("a group begins with its founder alone at epoch 0", async () => {
    const [anna] = await group(1);
    const view = await anna!.device.crypto.view(anna!.state);
    assert.deepEqual(view, { groupId: GROUP, epoch: 0, members: [anna!.id] });
  });

  test("added devices join, all see the same members, and each reads the others", async () => {
    const all = await group(3);
    const ids = all.map((one) => one.id).sort();
    for (const one of all) {
      assert.deepEqual(await one.device.crypto.view(one.state), {
        groupId: GROUP,
        epoch: 1,
        members: ids,
      });
    }
    for (const author of all) {
      const message = await author.says(`hello from ${author.id}`);
      for (const one of all.filter((one) => one !== author)) {
        assert.equal(await one.hears(message), `${author.id}: hello from ${author.id}`);
      }
    }
  });

  test("members take a commit that adds a device, in a later epoch", async () => {
    const all = await group(2);
    const carla = member(7);
    const change = await all[0]!.change([await carla.offer()]);
    assert.equal(change.epoch, 2);
    const outcome = await all[1]!.takes(change.commit);
    assert.ok(outcome.type === "changed", JSON.stringify(outcome));
    assert.equal(outcome.sender, all[0]!.id);
    assert.equal(outcome.epoch, 2);
    assert.deepEqual(outcome.members, [...all, carla].map((one) => one.id).sort());
    await carla.join(change.welcome);
    assert.equal(await all[1]!.hears(await carla.says("hi")), `${carla.id}: hi`);
  });

  test("a removed device learns it and reads nothing that comes after", async () => {
    const [anna, ben, carla] = await group(3);
    const change = await anna!.change([], [carla!.id]);
    assert.equal(change.welcome, null);
    await ben!.takes(change.commit);
    const outcome = await carla!.takes(change.commit);
    assert.ok(outcome.type === "changed", JSON.stringify(outcome));
    assert.deepEqual(outcome.members, [anna!.id, ben!.id].sort());
    assert.deepEqual(await carla!.members(), [anna!.id, ben!.id].sort());
    const secret = await anna!.says("she is gone");
    assert.notEqual((await carla!.takes(secret)).type, "application");
    assert.equal(await ben!.hears(secret), `${anna!.id}: she is gone`);
    const { crypto } = carla!.device;
    await assert.rejects(() => crypto.encrypt(carla!.state, utf8("let me in")), RangeError);
    await assert.rejects(() => crypto.change(carla!.state, { add: [], remove: [] }), RangeError);
    await assert.rejects(() => crypto.proposeUpdate(carla!.state), RangeError);
  });

  test("a device that missed the commit that removed it cannot read on", async () => {
    const [anna, ben, carla] = await group(3);
    await ben!.takes((await anna!.change([], [carla!.id])).commit);
    const outcome = await carla!.takes(await ben!.says("without her"));
    assert.deepEqual(outcome, { type: "ahead", epoch: 2 });
  });

  test("new keys of the committer make an old copy of its state useless", async () => {
    const [anna, ben] = await group(2);
    const stolen = member(0);
    stolen.state = anna!.state;
    await ben!.takes((await anna!.change()).commit);
    const outcome = await stolen.takes(await ben!.says("healed"));
    assert.deepEqual(outcome, { type: "ahead", epoch: 2 });
  });

  test("an update that a member proposes is part of the next commit", async () => {
    const [anna, ben, carla] = await group(3);
    const { crypto } = ben!.device;
    const stolen = member(1);
    stolen.state = ben!.state;
    const update = await crypto.proposeUpdate(ben!.state);
    ben!.state = update.state;
    for (const one of [anna!, carla!]) {
      const outcome = await one.takes(update.proposal);
      assert.ok(outcome.type === "proposed" && outcome.sender === ben!.id);
    }
    // What is said between the proposal and the commit arrives in both directions.
    assert.equal(await anna!.hears(await ben!.says("meanwhile")), `${ben!.id}: meanwhile`);
    assert.equal(await ben!.hears(await anna!.says("yes")), `${anna!.id}: yes`);
    const change = await anna!.change();
    await everyoneTakes([ben!, carla!], change, anna!);
    assert.equal(await ben!.hears(await carla!.says("all new")), `${carla!.id}: all new`);
    assert.equal(await carla!.hears(await ben!.says("indeed")), `${ben!.id}: indeed`);
    // The copy from before lacks the new leaf: it cannot follow the commit.
    assert.notEqual((await stolen.takes(change.commit)).type, "changed");
    // And it goes on from there.
    await everyoneTakes([ben!, carla!], await anna!.change(), anna!);
    assert.equal(await ben!.hears(await anna!.says("again")), `${anna!.id}: again`);
  });

  test("an update that only the committing member saw reaches everybody with its commit", async () => {
    const [anna, ben, carla, dora] = await group(4);
    for (const one of [ben!, dora!]) {
      const update = await one.device.crypto.proposeUpdate(one.state);
      one.state = update.state;
      assert.equal((await anna!.takes(update.proposal)).type, "proposed");
      // Dora hears of Ben's, too; and again with the commit.
      if (one === ben) assert.equal((await dora!.takes(update.proposal)).type, "proposed");
    }
    const change = await anna!.change([], []);
    for (const one of [ben!, carla!, dora!]) {
      const outcome = await one.takes(change.commit);
      assert.equal(outcome.type, "changed", JSON.stringify(outcome));
    }
    for (const one of [ben!, dora!, carla!]) {
      const message = await one.says("renewed");
      for (const other of [anna!, ben!, carla!, dora!].filter((other) => other !== one)) {
        assert.equal(await other.hears(message), `${one.id}: renewed`);
      }
    }
    const next = await anna!.change([], [dora!.id]);
    await everyoneTakes([ben!, carla!], next, anna!);
  });

  test("the founder's update counts when somebody else leads", async () => {
    const [anna, ben, carla] = await group(3);
    const stolen = member(0);
    stolen.state = anna!.state;
    const update = await anna!.device.crypto.proposeUpdate(anna!.state);
    anna!.state = update.state;
    assert.equal((await ben!.takes(update.proposal)).type, "proposed");
    const change = await ben!.change();
    await everyoneTakes([anna!, carla!], change, ben!);
    assert.equal(await anna!.hears(await carla!.says("yes")), `${carla!.id}: yes`);
    assert.notEqual((await stolen.takes(change.commit)).type, "changed");
  });

  test("a proposed update that a commit left out is void, and nothing is lost", async () => {
    const [anna, ben] = await group(2);
    const update = await ben!.device.crypto.proposeUpdate(ben!.state);
    ben!.state = update.state;
    const change = await anna!.change();
    await everyoneTakes([ben!], change, anna!);
    assert.equal((await anna!.takes(update.proposal)).type, "unreadable");
    assert.equal(await ben!.hears(await anna!.says("on")), `${anna!.id}: on`);
    assert.equal(await anna!.hears(await ben!.says("we go")), `${ben!.id}: we go`);
  });

  test("a device that lost its state is added anew in the place of its old self", async () => {
    const [anna, ben, carla] = await group(3);
    const change = await anna!.change([await ben!.offer()]);
    await everyoneTakes([carla!], change, anna!);
    await ben!.join(change.welcome);
    assert.deepEqual(await carla!.members(), [anna!.id, ben!.id, carla!.id].sort());
    assert.equal(await carla!.hears(await ben!.says("back")), `${ben!.id}: back`);
    assert.equal(await ben!.hears(await carla!.says("welcome")), `${carla!.id}: welcome`);
  });

  test("a group of 20 goes on when its members come and go", async () => {
    const all = await group(20);
    const gone = [all[3]!, all[11]!, all[19]!];
    const left = all.filter((one) => !gone.includes(one));
    await everyoneTakes(left, await all[0]!.change([], gone.map((one) => one.id)), all[0]!);
    const fresh = [member(30), member(31)];
    const change = await all[0]!.change(await Promise.all(fresh.map((one) => one.offer())));
    await everyoneTakes(left, change, all[0]!);
    for (const one of fresh) await one.join(change.welcome);
    const everyone = [...left, ...fresh];
    const message = await fresh[1]!.says("made it");
    for (const one of everyone.filter((one) => one !== fresh[1])) {
      assert.equal(await one.hears(message), `${fresh[1]!.id}: made it`);
    }
    await everyoneTakes(everyone, await all[0]!.change(), all[0]!);
    assert.deepEqual(await fresh[0]!.members(), everyone.map((one) => one.id).sort());
  });
}
