import assert from "node:assert/strict";
import type { DeviceId } from "../../../protocols/ids.ts";
import type { ConversationContent } from "../../../protocols/mailbox/content.ts";
import { problemOfContent } from "../../../protocols/mailbox/content_wire.ts";
import {
  CLOCK_LEAP_MAX,
  clockAfter,
  directConversation,
  directConversationContent,
  isHandedOver,
  leaderOf,
  nextClock,
  problemOfConversation,
} from "../../../protocols/mailbox/conversations.ts";
import { alice, bob, carla, crypto, mesh } from "./support.ts";

const everyone = () => true;
const sorted = [alice.id, bob.id, carla.id].sort() as [DeviceId, DeviceId, DeviceId];

Deno.test("both ends name their direct conversation alike, and no others' so", () => {
  const one = directConversation(crypto, mesh, alice.id, bob.id);
  assert.match(one, /^[0-9a-f]{32}$/);
  assert.equal(directConversation(crypto, mesh, bob.id, alice.id), one);
  assert.notEqual(directConversation(crypto, mesh, alice.id, carla.id), one);
  const content = directConversationContent(crypto, mesh, bob.id, alice.id);
  assert.deepEqual(content, directConversationContent(crypto, mesh, alice.id, bob.id));
  assert.equal(problemOfContent(content), undefined);
});

Deno.test("the clock is past everything seen, and no liar can use it up", () => {
  assert.equal(nextClock(0), 1);
  assert.equal(clockAfter(5, 3), 5);
  assert.equal(clockAfter(5, 9), 9);
  assert.equal(clockAfter(5, Number.MAX_SAFE_INTEGER), 5 + CLOCK_LEAP_MAX);
});

Deno.test("the leader is who is named while admitted, then the lowest of those left", () => {
  const conversation = { members: sorted, leader: sorted[1] };
  assert.equal(leaderOf(conversation, everyone), sorted[1]);
  assert.equal(leaderOf(conversation, (id) => id !== sorted[1]), sorted[0]);
  assert.equal(leaderOf(conversation, (id) => id === sorted[2]), sorted[2]);
  assert.equal(leaderOf(conversation, () => false), undefined);
});

Deno.test("only the leader founds and changes a conversation, each time with a higher version", () => {
  const known: ConversationContent = {
    ...directConversationContent(crypto, mesh, alice.id, bob.id),
    members: sorted,
    leader: sorted[0],
    version: 4,
  };
  const next = { ...known, version: 5, title: "new" };
  assert.equal(problemOfConversation(null, known, sorted[0], everyone), undefined);
  assert.match(problemOfConversation(null, known, sorted[1], everyone)!, /founded by/);
  assert.equal(problemOfConversation(known, next, sorted[0], everyone), undefined);
  assert.match(problemOfConversation(known, next, sorted[1], everyone)!, /only the leader/);
  assert.match(
    problemOfConversation(known, { ...next, version: 4 }, sorted[0], everyone)!,
    /version/,
  );
  const withoutFirst = (id: DeviceId) => id !== sorted[0];
  assert.equal(problemOfConversation(known, next, sorted[1], withoutFirst), undefined);
  assert.match(problemOfConversation(known, next, sorted[0], withoutFirst)!, /only the leader/);
});

Deno.test("the first word of a successor holds with any version, its next ones only with a higher one", () => {
  const members = sorted;
  const title = "";
  const known: ConversationContent = {
    ...directConversationContent(crypto, mesh, alice.id, bob.id),
    ...{ members, title, leader: sorted[0], version: 4 },
  };
  const withoutFirst = (id: DeviceId) => id !== sorted[0];
  const [, second, third] = sorted;
  const first = { ...known, leader: second, version: 2 };
  assert.equal(problemOfConversation(known, first, second, withoutFirst), undefined);
  assert.match(problemOfConversation(known, first, second, everyone)!, /version/);
  assert.match(problemOfConversation(first, first, second, withoutFirst)!, /version/);
  assert.match(problemOfConversation(known, first, third, withoutFirst)!, /version/);
  const asBefore = { ...known, version: 2 };
  assert.match(problemOfConversation(known, asBefore, second, withoutFirst)!, /version/);
});

Deno.test("a member hands a conversation over only to whoever leads it in place of a founder that has left", () => {
  const content: ConversationContent = {
    ...directConversationContent(crypto, mesh, alice.id, bob.id),
    members: sorted,
    leader: sorted[0],
  };
  const [founder, second, third] = sorted;
  const withoutFounder = (id: DeviceId) => id !== founder;
  assert.equal(isHandedOver(content, third, second, withoutFounder), true);
  assert.equal(isHandedOver(content, second, third, withoutFounder), false);
  assert.equal(isHandedOver(content, third, second, everyone), false);
  const without = { ...content, members: [founder, second] };
  assert.equal(isHandedOver(without, third, second, withoutFounder), false);
});
