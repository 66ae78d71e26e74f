/** Who leads a conversation after its founder has left, also when the founder had not told everybody of it. */
import assert from "node:assert/strict";
import type { Outcome } from "../../../actors/handle.ts";
import type { MessageView } from "../../../actors/mail_handle.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import type { ConversationId } from "../../../protocols/mailbox/content.ts";
import { type Post, PostOffice, SOON, together } from "./post_office.ts";

/** A group whose founder leaves before it has reached the member that leads after it. */
async function orphaned(): Promise<{ office: PostOffice; knower: Post; successor: Post }> {
  const office = await together(["ada", "ben", "cleo"], SOON);
  const founder = office.post("ada");
  const [successor, knower] = [office.post("ben"), office.post("cleo")]
    .sort((a, b) => a.id < b.id ? -1 : 1) as [Post, Post];
  office.disconnect(founder, successor);
  await office.write(founder, [knower, successor], "hello");
  assert.deepEqual([office.texts(knower), office.texts(successor)], [["hello"], []]);
  office.disconnect(founder, knower);
  office.revoke(founder);
  await office.settle();
  return { office, knower, successor };
}

function groupOf(post: Post): ConversationId {
  const rows = [...post.disk.tables.mail.conversations.values()];
  return rows.find(({ direct }) => direct === 0)!.conversation;
}

Deno.test("a successor that never heard of the conversation is told by a member, and takes the lead", async () => {
  const { office, knower, successor } = await orphaned();
  const conversation = groupOf(knower);
  const sent = await office.send(knower, { conversation, text: "is anybody there?" });
  assert.ok(sent.type === "done");
  await office.pass(120_000);
  assert.deepEqual(office.texts(successor), ["is anybody there?"]);
  assert.equal(office.state(knower, sent.value, successor), "delivered");
  for (const { disk } of [knower, successor]) {
    const row = disk.tables.mail.conversations.get(conversation)!;
    assert.equal(row.leader, successor.id);
    assert.deepEqual(JSON.parse(row.members), [successor.id, knower.id]);
  }
  const answer = await office.send(successor, { conversation, text: "yes" });
  assert.ok(answer.type === "done" && answer.value.protection === "mls");
  await office.pass(2_000);
  assert.deepEqual(office.texts(knower), ["hello", "yes"]);
});

Deno.test("a wish to change a conversation makes its successor take the lead as well", async () => {
  const { office, knower, successor } = await orphaned();
  const conversation = groupOf(knower);
  await office.ask(knower, (ref) => ({
    type: "changeConversation",
    conversation,
    change: { title: "Garden" },
    replyTo: ref as never,
  }));
  assert.equal(successor.disk.tables.mail.conversations.get(conversation)?.title, "Garden");
  assert.equal(knower.disk.tables.mail.conversations.get(conversation)?.title, "Garden");
});

/** Everybody is told some of what the founder did, which then leaves: `told` says who hears of each change. */
interface Half {
  readonly change: { readonly add?: readonly string[]; readonly remove?: readonly string[] };
  readonly told: readonly string[];
}

const NAMES = ["ada", "ben", "cleo", "dan", "eva"] as const;

/** A group of the founder and `members` that was changed several times, each time heard of by few, before its founder left. */
async function halfTold(
  members: readonly string[],
  changes: readonly Half[],
): Promise<{ office: PostOffice; conversation: ConversationId; rest: readonly Post[] }> {
  const office = await together(NAMES, SOON);
  const founder = office.post("ada");
  const rest = office.posts.filter((post) => post !== founder);
  const first = await office.write(founder, members.map((name) => office.post(name)), "hello");
  const { conversation } = first;
  for (const { change, told } of changes) {
    for (const post of rest) office.disconnect(founder, post);
    for (const name of told) office.connect(founder, office.post(name));
    const ids = (names: readonly string[] = []) => names.map((name) => office.post(name).id);
    await office.ask(founder, (ref) => ({
      type: "changeConversation",
      conversation,
      change: { add: ids(change.add), remove: ids(change.remove) },
      replyTo: ref as never,
    }));
  }
  for (const post of rest) office.disconnect(founder, post);
  office.revoke(founder);
  await office.settle();
  return { office, conversation, rest };
}

function rowOn(post: Post, conversation: ConversationId) {
  return post.disk.tables.mail.conversations.get(conversation);
}

function membersOn(post: Post, conversation: ConversationId): readonly string[] {
  const row = rowOn(post, conversation);
  return row === undefined ? [] : JSON.parse(row.members) as string[];
}

/** Every member sees the same leader and members, and whoever believes to be a member is one. */
function assertOneView(posts: readonly Post[], conversation: ConversationId): readonly Post[] {
  const inside = posts.filter((post) => membersOn(post, conversation).includes(post.id));
  const views = inside.map((post) => {
    const { leader, title, members, version } = rowOn(post, conversation)!;
    return JSON.stringify({ leader, title, members: JSON.parse(members), version });
  });
  assert.deepEqual([...new Set(views)].length, inside.length === 0 ? 0 : 1, views.join("\n"));
  if (inside.length > 1) {
    assert.deepEqual(membersOn(inside[0]!, conversation), inside.map(({ id }) => id).sort());
    assert.ok(inside.some(({ id }) => id === rowOn(inside[0]!, conversation)!.leader));
  }
  return inside;
}

/** Whoever is a member reads what every member writes. */
async function assertAllRead(office: PostOffice, inside: readonly Post[], id: ConversationId) {
  const sent = [];
  for (const post of inside) {
    await office.send(post, { conversation: id, text: `from ${post.name}` });
    // When many write at once, an answer waits for others.
    await office.pass(30, 30);
    const outcome = [...post.answers.values()].at(-1) as Outcome<MessageView>;
    assert.ok(outcome.type === "done");
    sent.push({ post, view: outcome.value });
  }
  await office.pass(400_000, 5_000);
  for (const { post, view } of sent) {
    for (const other of inside) {
      if (other === post) continue;
      assert.equal(office.state(post, view, other), "delivered", `${post.name} to ${other.name}`);
      assert.ok(office.texts(other).includes(view.text));
    }
  }
}

Deno.test("of two successors of a leader that left half told, one leads in the end, by the leader's last word", async () => {
  // Whoever has the lowest id is taken out, and does not hear of it: it believes to lead, the next one knows better.
  const office = new PostOffice(NAMES);
  const [lowest, ...others] = office.posts.slice(1).sort((a, b) => a.id < b.id ? -1 : 1);
  const knowers = others.map(({ name }) => name);
  const world = await halfTold([lowest!.name, ...knowers], [
    { change: { remove: [lowest!.name] }, told: knowers.slice(0, 1) },
  ]);
  const { conversation, rest } = world;
  await world.office.pass(30_000);
  const inside = assertOneView(rest, conversation);
  assert.deepEqual(inside.map(({ name }) => name).sort(), knowers.toSorted());
  await assertAllRead(world.office, inside, conversation);
});

Deno.test("whoever was let in by a leader's last word stays in, although its successor had not heard of it", async () => {
  const office = new PostOffice(NAMES);
  const [lowest, second, third, fourth] = office.posts.slice(1).sort((a, b) =>
    a.id < b.id ? -1 : 1
  );
  const world = await halfTold([lowest!.name, second!.name, third!.name], [
    { change: { add: [fourth!.name] }, told: [fourth!.name] },
  ]);
  await world.office.pass(30_000);
  assert.equal(assertOneView(world.rest, world.conversation).length, 4);
  await assertAllRead(world.office, world.rest, world.conversation);
});

Deno.test("whatever part of the changes each had heard of, the rest of a group agrees and reads each other", async () => {
  const random = seededRandom("half told");
  const some = (names: readonly string[], chance: number) =>
    names.filter(() => random.float() < chance);
  for (let world = 0; world < 10; world++) {
    const others = NAMES.slice(1);
    const present = new Set(some(others, 0.8));
    for (const name of others) if (present.size < 2) present.add(name);
    const members = [...present];
    const changes: Half[] = [];
    for (let i = 1 + random.below(3); i > 0; i--) {
      const remove = [...present].slice(1).filter(() => random.below(3) === 0);
      const add = some(others.filter((name) => !present.has(name)), 0.5);
      for (const name of remove) present.delete(name);
      for (const name of add) present.add(name);
      // One of them always hears, and stays: else nobody could know.
      changes.push({ change: { add, remove }, told: [...some(others, 0.4), [...present][0]!] });
    }
    const { office, conversation, rest } = await halfTold(members, changes);
    await office.pass(60_000, 5_000);
    const inside = assertOneView(rest, conversation);
    assert.deepEqual(inside.map(({ name }) => name).sort(), [...present].sort());
    if (inside.length > 1) await assertAllRead(office, inside, conversation);
  }
});

Deno.test("who took the lead and is then taken out by the leader's last word does not bring anybody back", async () => {
  const office = new PostOffice(NAMES);
  const sorted = office.posts.slice(1).sort((a, b) => a.id < b.id ? -1 : 1);
  const [lowest, second, third, fourth] = sorted.map(({ name }) => name) as [
    string,
    string,
    string,
    string,
  ];
  const world = await halfTold([lowest, second, third, fourth], [
    { change: { remove: [fourth] }, told: [third] },
  ]);
  const { conversation } = world;
  // All links of the rest are up, so the evidence has spread already; the first successor took the others' word.
  await world.office.pass(10_000);
  await world.office.ask(world.office.post(lowest), (ref) => ({
    type: "changeConversation",
    conversation,
    change: { remove: [world.office.post(third).id], title: "Garden" },
    replyTo: ref as never,
  }));
  await world.office.pass(10_000);
  const inside = assertOneView(world.rest, conversation);
  assert.deepEqual(inside.map(({ name }) => name).sort(), [lowest, second].sort());
  assert.equal(rowOn(inside[0]!, conversation)?.title, "Garden");
});

Deno.test("what a successor changed before it heard of the leader's last word is kept", async () => {
  const office = new PostOffice(NAMES);
  const sorted = office.posts.slice(1).sort((a, b) => a.id < b.id ? -1 : 1);
  const [lowest, second, third, fourth] = sorted.map(({ name }) => name) as [
    string,
    string,
    string,
    string,
  ];
  const setUp = await together(NAMES, SOON);
  const post = (name: string) => setUp.post(name);
  const founder = post("ada");
  const all = [lowest, second, third].map(post);
  const { conversation } = await setUp.write(founder, all, "hello");
  const change = (by: Post, change: { readonly [key: string]: readonly string[] }) =>
    setUp.ask(by, (ref) => ({
      type: "changeConversation",
      conversation,
      change: Object.fromEntries(
        Object.entries(change).map(([key, names]) => [key, names.map((name) => post(name).id)]),
      ),
      replyTo: ref as never,
    }));
  // The third alone hears that the fourth is in; then it is cut off from everybody.
  for (const name of [lowest, second, fourth]) setUp.disconnect(founder, post(name));
  await change(founder, { add: [fourth] });
  for (const name of ["ada", lowest, second, fourth]) setUp.disconnect(post(third), post(name));
  setUp.revoke(founder);
  await setUp.settle();
  // The first successor takes the second out.
  await change(post(lowest), { remove: [second] });
  await setUp.settle();
  setUp.connectAll();
  await setUp.pass(60_000);
  const inside = assertOneView(setUp.posts.slice(1), conversation);
  assert.deepEqual(inside.map(({ name }) => name).sort(), [lowest, third, fourth].sort());
  await assertAllRead(setUp, inside, conversation);
});

Deno.test("parts of a group that lived apart without their founder come to one leader and one list", async () => {
  const random = seededRandom("apart");
  for (let world = 0; world < 10; world++) {
    const office = await together(NAMES, SOON);
    const founder = office.post("ada");
    const rest = office.posts.filter((post) => post !== founder);
    const { conversation } = await office.write(founder, rest, "hello");
    const apart = (a: Post, b: Post) => {
      if (a !== b) office.disconnect(a, b);
    };
    const changeBy = async (by: Post) => {
      const others = rest.filter((post) => post !== by);
      const other = others[random.below(others.length)]!;
      const inside = membersOn(by, conversation).includes(other.id);
      await office.ask(by, (ref) => ({
        type: "changeConversation",
        conversation,
        change: random.below(3) === 0
          ? { title: `Garden ${random.below(9)}` }
          : inside
          ? { remove: [other.id] }
          : { add: [other.id] },
        replyTo: ref as never,
      }));
    };
    // Two sides; the founder speaks to one of them, then to the other, then leaves.
    const left = rest.filter(() => random.below(2) === 0);
    const right = rest.filter((post) => !left.includes(post));
    for (const a of left) for (const b of right) apart(a, b);
    for (const side of [left, right]) {
      for (const post of rest) apart(founder, post);
      for (const post of side) if (random.below(3) > 0) office.connect(founder, post);
      await changeBy(founder);
      if (random.below(3) === 0) await office.pass(6_000);
    }
    for (const post of rest) apart(founder, post);
    office.revoke(founder);
    await office.settle();
    for (const side of [left, right]) {
      for (let i = random.below(3); i > 0 && side.length > 0; i--) {
        await changeBy(side[random.below(side.length)]!);
        await office.pass(random.below(8_000));
      }
    }
    rest.forEach((a, i) => rest.slice(i + 1).forEach((b) => office.connect(a, b)));
    await office.pass(60_000, 5_000);
    const inside = assertOneView(rest, conversation);
    if (inside.length > 1) await assertAllRead(office, inside, conversation);
  }
});

Deno.test("a leader that was sent away and is admitted again finds the conversation led by another", async () => {
  const { office, conversation, rest } = await halfTold(["ben", "cleo", "dan"], []);
  const founder = office.post("ada");
  await office.pass(10_000);
  office.readmit(founder);
  office.connectAll();
  await office.pass(60_000);
  const inside = assertOneView(rest, conversation);
  assert.deepEqual(inside.map(({ name }) => name).sort(), ["ben", "cleo", "dan"]);
  assert.deepEqual(membersOn(founder, conversation).includes(founder.id), false);
  const leader = office.posts.find(({ id }) => id === rowOn(inside[0]!, conversation)!.leader)!;
  await office.ask(leader, (ref) => ({
    type: "changeConversation",
    conversation,
    change: { add: [founder.id] },
    replyTo: ref as never,
  }));
  await office.pass(10_000);
  assert.equal(assertOneView(office.posts, conversation).length, 4);
  await assertAllRead(office, [founder, ...inside], conversation);
});

Deno.test("a conversation from before statements were signed goes on, and its successor is followed", async () => {
  const office = await together(NAMES, SOON);
  const founder = office.post("ada");
  const others = ["ben", "cleo", "dan"].map((name) => office.post(name));
  const { conversation } = await office.write(founder, others, "hello");
  for (const { disk } of office.posts) {
    const { conversations } = disk.tables.mail;
    const row = conversations.get(conversation);
    if (row === undefined) continue;
    conversations.set(conversation, { ...row, incarnation: 0, statements: null });
  }
  const rename = async (by: Post, title: string) => {
    await office.ask(by, (ref) => ({
      type: "changeConversation",
      conversation,
      change: { title, ...(by === founder && { add: [office.post("eva").id] }) },
      replyTo: ref as never,
    }));
    await office.pass(4_000);
  };
  await rename(founder, "Garden");
  assert.equal(rowOn(office.post("eva"), conversation)?.title, "Garden");
  office.revoke(founder);
  await office.pass(4_000);
  await rename(office.post("ben"), "Kitchen");
  const inside = assertOneView(office.posts.slice(1), conversation);
  assert.equal(inside.length, 4);
  assert.equal(rowOn(inside[0]!, conversation)?.title, "Kitchen");
  await assertAllRead(office, inside, conversation);
});
