/**
 * A group's life at random: devices come, go, lose their state, renew their keys, hand over the lead, and talk out of order. After every
 * step all who are in it agree, and read each other; nobody else reads anything.
 */
import assert from "node:assert/strict";
import { seededRandom } from "../../platform/seeded_random.ts";
import { systemClock } from "../../platform/system_clock.ts";
import type { GroupCryptoSubject, GroupDevice } from "./group_crypto_support.ts";

export interface WalkOptions {
  readonly devices: number;
  readonly steps: number;
  readonly seed: number;
}

/** Runs one life; throws with the step at which something differs. */
export async function walkGroup(
  subject: GroupCryptoSubject,
  { devices, steps, seed }: WalkOptions,
): Promise<void> {
  const random = seededRandom(`walk ${seed}`);
  const now = systemClock().wallMs();
  const all: GroupDevice[] = Array.from(
    { length: devices },
    (_, i) => subject.device(i, () => now),
  );
  const groupId = random.bytes(16);
  const states = new Map<GroupDevice, Uint8Array>();
  const former = new Map<GroupDevice, Uint8Array>();
  const pick = <T>(items: readonly T[]) => items[random.below(items.length)]!;
  let leader = all[0]!;
  states.set(
    leader,
    await leader.crypto.create(groupId, await leader.crypto.keyPackage(leader.deviceId)),
  );

  async function commit(add: readonly GroupDevice[], remove: readonly GroupDevice[]) {
    const pairs = await Promise.all(add.map((one) => one.crypto.keyPackage(one.deviceId)));
    const change = await leader.crypto.change(states.get(leader)!, {
      add: pairs.map((pair) => pair.publicPackage),
      remove: remove.map((one) => one.deviceId),
    });
    for (const [one, state] of [...states]) {
      if (one === leader || add.includes(one)) continue;
      const outcome = await one.crypto.process(state, change.commit);
      assert.ok(outcome.type === "changed", `${JSON.stringify(outcome)}`);
      assert.equal(outcome.members.includes(one.deviceId), !remove.includes(one));
      states.set(one, outcome.state);
    }
    states.set(leader, change.state);
    for (const one of remove) {
      former.set(one, states.get(one)!);
      states.delete(one);
    }
    for (const [i, one] of add.entries()) {
      const state = await one.crypto.join(change.welcome!, pairs[i]!);
      assert.ok(state !== undefined, "a new member could not join");
      states.set(one, state);
      former.delete(one);
    }
  }

  async function proposeUpdate(one: GroupDevice) {
    const { state, proposal } = await one.crypto.proposeUpdate(states.get(one)!);
    states.set(one, state);
    for (const [other, its] of [...states]) {
      if (other === one) continue;
      const outcome = await other.crypto.process(its, proposal);
      assert.ok(outcome.type === "proposed", JSON.stringify(outcome));
      states.set(other, outcome.state);
    }
  }

  async function talk() {
    const authors = [...states.keys()].filter(() => random.below(3) === 0).slice(0, 3);
    for (const author of authors) {
      const messages: Uint8Array[] = [];
      for (let i = 0; i <= random.below(3); i++) {
        const sent = await author.crypto.encrypt(states.get(author)!, random.bytes(8));
        states.set(author, sent.state);
        messages.push(sent.message);
      }
      if (random.below(2) === 0) messages.reverse();
      for (const message of messages) {
        for (const [one, state] of [...states]) {
          if (one === author) continue;
          const outcome = await one.crypto.process(state, message);
          assert.ok(outcome.type === "application", JSON.stringify(outcome));
          assert.equal(outcome.sender, author.deviceId);
          states.set(one, outcome.state);
        }
        for (const [one, state] of former) {
          const outcome = await one.crypto.process(state, message);
          assert.notEqual(outcome.type, "application", "a former member reads on");
        }
      }
    }
  }

  for (let step = 0; step < steps; step++) {
    try {
      const members = [...states.keys()];
      const others = members.filter((one) => one !== leader);
      const outside = all.filter((one) => !states.has(one));
      const some = <T>(items: readonly T[]) =>
        items.filter(() => random.below(3) === 0).slice(0, 4);
      switch (random.below(7)) {
        case 0:
        case 1:
          await commit(some(outside), []);
          break;
        case 2:
          await commit(some(outside), some(others));
          break;
        case 3:
          await commit([], others.length > 0 ? [pick(others)] : []);
          break;
        case 4:
          // Lost its state: added anew, in one commit with its old leaf's removal.
          await commit(others.length > 0 ? [pick(others)] : [], []);
          break;
        case 5:
          for (const one of some(others)) await proposeUpdate(one);
          if (random.below(2) === 0) await talk();
          await commit([], some(others));
          break;
        case 6:
          leader = pick(members);
          await commit([], []);
          break;
      }
      await talk();
      const views = await Promise.all([...states].map(([one, state]) => one.crypto.view(state)));
      for (const view of views) assert.deepEqual(view, views[0]);
      assert.deepEqual(views[0]!.members, [...states.keys()].map((one) => one.deviceId).sort());
    } catch (error) {
      throw new Error(`${subject.name}: walk ${seed} failed at step ${step}: ${error}`, {
        cause: error,
      });
    }
  }
}
