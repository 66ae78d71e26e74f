/** What every GroupCrypto adapter must do, with devices that know nothing of each other but what they were sent. */
import assert from "node:assert/strict";
import {
  APPLICATION_BYTES_MAX,
  FORWARD_STEPS_MAX,
  type GroupChange,
  type GroupCrypto,
  type GroupMessageOutcome,
  KEY_PACKAGE_LIFE_MS,
  type KeyPackagePair,
  PAST_EPOCHS_KEPT,
} from "../../platform/group_crypto.ts";

/** One device of a test. */
export interface GroupDevice {
  readonly deviceId: string;
  readonly crypto: GroupCrypto;
}

/** An adapter under test. */
export interface GroupCryptoSubject {
  readonly name: string;
  /** A device, the same for the same number; `nowMs` is its clock. */
  readonly device: (number: number, nowMs: () => number) => GroupDevice;
}
import { systemClock } from "../../platform/system_clock.ts";

const GROUP = new TextEncoder().encode("group of sixteen");
const utf8 = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** A device together with its state of the group, which each call replaces. */
class Member {
  readonly id: string;
  state: Uint8Array = new Uint8Array(0);
  #packages: KeyPackagePair | undefined;

  constructor(readonly device: GroupDevice) {
    this.id = device.deviceId;
  }

  async offer(): Promise<Uint8Array> {
    this.#packages = await this.device.crypto.keyPackage(this.id);
    return this.#packages.publicPackage;
  }

  async create(): Promise<void> {
    this.state = await this.device.crypto.create(
      GROUP,
      await this.device.crypto.keyPackage(this.id),
    );
  }

  async join(welcome: Uint8Array | null): Promise<void> {
    const state = await this.device.crypto.join(welcome!, this.#packages!);
    assert.ok(state !== undefined, `${this.id} could not join`);
    this.state = state;
  }

  async change(add: readonly Uint8Array[] = [], remove: readonly string[] = []) {
    const change = await this.device.crypto.change(this.state, { add, remove });
    this.state = change.state;
    return change;
  }

  async says(text: string): Promise<Uint8Array> {
    const { state, message } = await this.device.crypto.encrypt(this.state, utf8(text));
    this.state = state;
    return message;
  }

  /** Processes and keeps the new state, if there is one. */
  async takes(message: Uint8Array): Promise<GroupMessageOutcome> {
    const outcome = await this.device.crypto.process(this.state, message);
    if ("state" in outcome) this.state = outcome.state;
    return outcome;
  }

  async hears(message: Uint8Array): Promise<string> {
    const outcome = await this.takes(message);
    assert.equal(outcome.type, "application", JSON.stringify(outcome));
    return outcome.type === "application" ? `${outcome.sender}: ${textOf(outcome.plaintext)}` : "";
  }

  async members(): Promise<readonly string[]> {
    return (await this.device.crypto.view(this.state)).members;
  }
}

/** Registers the suite for one adapter. */
export function groupCryptoContract(subject: GroupCryptoSubject): void {
  // Real time, because the library below looks at the system's clock by itself.
  const startMs = systemClock().wallMs();
  let nowMs = startMs;
  const member = (number: number) => new Member(subject.device(number, () => nowMs));
  const test = (sentence: string, check: () => Promise<void>) =>
    Deno.test(`${subject.name}: ${sentence}`, async () => {
      nowMs = startMs;
      await check();
    });

  /** A group of `count` members, founded by the first. */
  async function group(count: number): Promise<Member[]> {
    const all = Array.from({ length: count }, (_, i) => member(i));
    await all[0]!.create();
    if (count > 1) {
      const { welcome } = await all[0]!.change(
        await Promise.all(all.slice(1).map((one) => one.offer())),
      );
      for (const one of all.slice(1)) await one.join(welcome);
    }
    return all;
  }

  async function everyoneTakes(
    members: readonly Member[],
    change: GroupChange,
    but: Member,
  ): Promise<void> {
    for (const one of members) {
      if (one === but) continue;
      const outcome = await one.takes(change.commit);
      assert.equal(outcome.type, "changed", JSON.stringify(outcome));
    }
  }

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

  test("messages of one epoch are read in any order, each once", async () => {
    const [anna, ben] = await group(2);
    const messages: Uint8Array[] = [];
    for (let i = 0; i < 40; i++) messages.push(await anna!.says(`${i}`));
    const order = messages.map((_, i) => (i * 17 + 39) % 40);
    for (const i of order) {
      assert.equal(await ben!.hears(messages[i]!), `${anna!.id}: ${i}`);
    }
    for (const message of messages) {
      assert.equal((await ben!.takes(message)).type, "unreadable");
    }
  });

  test("a message too far ahead in its epoch is refused without work", async () => {
    const [anna, ben] = await group(2);
    // The same state again and again would be cheaper, but numbers only grow by sending.
    let last = await anna!.says("0");
    for (let i = 1; i <= FORWARD_STEPS_MAX + 1; i++) last = await anna!.says(`${i}`);
    assert.equal((await ben!.takes(last)).type, "unreadable");
  });

  test(`messages of the last ${PAST_EPOCHS_KEPT} epochs are read late, older ones never`, async () => {
    const [anna, ben] = await group(2);
    const late = await anna!.says("late");
    const tooLate = await anna!.says("too late");
    for (let i = 0; i < PAST_EPOCHS_KEPT; i++) {
      await everyoneTakes([ben!], await anna!.change(), anna!);
    }
    const outcome = await ben!.takes(late);
    assert.ok(outcome.type === "application" && outcome.epoch === 1, JSON.stringify(outcome));
    assert.equal((await ben!.takes(late)).type, "unreadable", "and not twice");
    await everyoneTakes([ben!], await anna!.change(), anna!);
    assert.equal((await ben!.takes(tooLate)).type, "unreadable");
  });

  test("what belongs to an epoch to come is told apart and can be read later", async () => {
    const [anna, ben] = await group(2);
    const first = await anna!.change();
    const second = await anna!.change();
    const message = await anna!.says("from epoch 3");
    assert.deepEqual(await ben!.takes(message), { type: "ahead", epoch: 3 });
    assert.deepEqual(await ben!.takes(second.commit), { type: "ahead", epoch: 2 });
    await everyoneTakes([ben!], first, anna!);
    await everyoneTakes([ben!], second, anna!);
    assert.equal(await ben!.hears(message), `${anna!.id}: from epoch 3`);
    assert.equal((await ben!.takes(first.commit)).type, "unreadable", "a commit is taken once");
  });

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
    nowMs = startMs + KEY_PACKAGE_LIFE_MS - 1_000;
    assert.ok(await isValid());
    nowMs = startMs + KEY_PACKAGE_LIFE_MS + 2_000;
    assert.ok(!await isValid());
    nowMs = startMs - 23 * 60 * 60 * 1000;
    assert.ok(await isValid());
    nowMs = startMs - 25 * 60 * 60 * 1000;
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

  test("a device that lost its state is added anew in the place of its old self", async () => {
    const [anna, ben, carla] = await group(3);
    const change = await anna!.change([await ben!.offer()]);
    await everyoneTakes([carla!], change, anna!);
    await ben!.join(change.welcome);
    assert.deepEqual(await carla!.members(), [anna!.id, ben!.id, carla!.id].sort());
    assert.equal(await carla!.hears(await ben!.says("back")), `${ben!.id}: back`);
    assert.equal(await ben!.hears(await carla!.says("welcome")), `${carla!.id}: welcome`);
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

  test("the largest message arrives", async () => {
    const [anna, ben] = await group(2);
    const plaintext = new Uint8Array(APPLICATION_BYTES_MAX).map((_, i) => i * 31);
    const { message } = await anna!.device.crypto.encrypt(anna!.state, plaintext);
    const outcome = await ben!.takes(message);
    assert.ok(outcome.type === "application");
    assert.deepEqual(outcome.plaintext, plaintext);
    assert.ok(message.length < plaintext.length + 1_024);
  });

  test("calls leave the state they were given as it is: one that failed may be tried again", async () => {
    const [anna, ben] = await group(2);
    const before = [anna!.state.slice(), ben!.state.slice()];
    const { message } = await anna!.device.crypto.encrypt(anna!.state, utf8("one"));
    const change = await anna!.device.crypto.change(anna!.state, { add: [], remove: [] });
    await ben!.device.crypto.process(ben!.state, message);
    await ben!.device.crypto.process(ben!.state, change.commit);
    assert.deepEqual([anna!.state, ben!.state], before);
    assert.equal(await ben!.hears(message), `${anna!.id}: one`);
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
