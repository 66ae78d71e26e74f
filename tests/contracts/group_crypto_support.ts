/** Devices and groups for the suites of GroupCrypto. */
import assert from "node:assert/strict";
import type {
  GroupChange,
  GroupCrypto,
  GroupMessageOutcome,
  KeyPackagePair,
} from "../../platform/group_crypto.ts";
import { systemClock } from "../../platform/system_clock.ts";

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

/** The id of every test's group. */
export const GROUP = new TextEncoder().encode("group of sixteen");
/** The bytes of a text. */
export const utf8 = (text: string) => new TextEncoder().encode(text);
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

/** What the suites share: devices on one clock, groups of them, and a test for each sentence. */
export interface GroupBench {
  /** What the devices' clock shows, Unix milliseconds. Set anew for every test. */
  nowMs: number;
  readonly startMs: number;
  member(number: number): Member;
  /** A group of `count` members, founded by the first. */
  group(count: number): Promise<Member[]>;
  /** Registers a test under the adapter's name. */
  test(sentence: string, check: () => Promise<void>): void;
}

/** A bench for one adapter. */
export function groupBench(subject: GroupCryptoSubject): GroupBench {
  // Real time, because the library below looks at the system's clock by itself.
  const startMs = systemClock().wallMs();
  const bench: GroupBench = {
    nowMs: startMs,
    startMs,
    member: (number) => new Member(subject.device(number, () => bench.nowMs)),
    async group(count) {
      const all = Array.from({ length: count }, (_, i) => bench.member(i));
      await all[0]!.create();
      if (count > 1) {
        const { welcome } = await all[0]!.change(
          await Promise.all(all.slice(1).map((one) => one.offer())),
        );
        for (const one of all.slice(1)) await one.join(welcome);
      }
      return all;
    },
    test(sentence, check) {
      Deno.test(`${subject.name}: ${sentence}`, async () => {
        bench.nowMs = startMs;
        await check();
      });
    },
  };
  return bench;
}

/** All of `members` take the commit of one of them. */
export async function everyoneTakes(
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
