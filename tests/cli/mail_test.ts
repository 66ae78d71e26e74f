import assert from "node:assert/strict";
import { join } from "node:path";
import type { MessageId } from "../../protocols/mailbox/content.ts";
import { OTHER, SELF } from "../gateway/fake_node.ts";
import { run, withRealGateway } from "./fake_world.ts";

Deno.test("send finds people by their name and says how far the message has come", () =>
  withRealGateway(async ({ run, node }) => {
    const people = await run(["send", "garden", "supper is ready"]);
    assert.equal(people.exitCode, 0, people.err);
    assert.match(people.out, /^you → garden .* queued\n {2}supper is ready\n/);
    const german = await run(["send", OTHER.slice(0, 6), "Essen", "--lang", "de"]);
    assert.match(german.out, /^du → garden .* wartet\n/);
    const machine = JSON.parse((await run(["send", "garden", "x", "--json"])).out);
    assert.deepEqual(machine.deliveries.map(({ deviceId }: { deviceId: string }) => deviceId), [
      OTHER,
    ]);
    const again = await run(["send", machine.conversation, "to the conversation", "--json"]);
    assert.equal(JSON.parse(again.out).conversation, machine.conversation);
    assert.equal((await node.mail.conversations())[0]?.messages, 4);
  }));

Deno.test("the same key sends once", () =>
  withRealGateway(async ({ run, node }) => {
    await run(["send", "garden", "x", "--key", "k-1"]);
    assert.equal((await run(["send", "garden", "x", "--key", "k-1"])).exitCode, 0);
    assert.equal((await node.mail.conversations())[0]?.messages, 1);
  }));

Deno.test("send says what is wrong with what was named, and what to do", () =>
  withRealGateway(async ({ run }) => {
    const cases: readonly (readonly [args: string[], exitCode: number, error: RegExp])[] = [
      [["garden"], 2, /nothing to send[\s\S]*submind send NAME/],
      [["nobody", "x"], 4, /"nobody" is no member and no conversation[\s\S]*submind members/],
      [["kitchen", "x"], 2, /goes nowhere/],
      [["garden", "x", "--expires", "soon"], 2, /--expires is "soon".*7d/],
      [["garden", "x", "--expires", "31d"], 2, /at most 30d/],
      [["garden", "x", "--title", "t"], 2, /title is for groups/],
      [["garden", "x".repeat(70_000)], 2, /70 kB[\s\S]*--attach/],
      [["garden", "--attach", "/no/such/file"], 2, /Cannot attach "\/no\/such\/file"/],
      [["garden", "", "--json"], 2, /usage/],
    ];
    for (const [args, exitCode, error] of cases) {
      const outcome = await run(["send", ...args]);
      assert.equal(outcome.exitCode, exitCode, outcome.err);
      assert.match(outcome.err + outcome.out, error);
    }
  }));

Deno.test("a file travels with a message and is saved under a harmless name", () =>
  withRealGateway(async ({ run, node, data }) => {
    const folder = join(data, "files");
    Deno.mkdirSync(folder);
    const body = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7) % 256);
    Deno.writeFileSync(join(folder, "photo.bin"), body);
    const sent = await run(["send", "garden", "--attach", join(folder, "photo.bin"), "--json"]);
    assert.equal(sent.exitCode, 0, sent.out);
    const { message, text, attachments } = JSON.parse(sent.out);
    assert.equal(text, "");
    assert.deepEqual(
      attachments.map(({ name, bytes }: { name: string; bytes: number }) => [
        name,
        bytes,
      ]),
      [["photo.bin", 100_000]],
    );

    const target = join(folder, "copy.bin");
    const saved = await run(["inbox", "save", message, "0", "-o", target]);
    assert.equal(saved.exitCode, 0, saved.err);
    assert.deepEqual(Deno.readFileSync(target), body);
    const twice = await run(["inbox", "save", message, "0", "-o", target]);
    assert.equal(twice.exitCode, 4);
    assert.match(twice.err, /--force/);

    const evil = node.mail.arrive(OTHER, "", { name: "../../.profile", body });
    const before = Deno.cwd();
    Deno.chdir(folder);
    try {
      const short = await run(["inbox", "save", evil, "0", "--json"]);
      assert.equal(JSON.parse(short.out).file, "profile");
      assert.equal(Deno.statSync(join(folder, "profile")).size, body.length);
    } finally {
      Deno.chdir(before);
    }
    const none = await run(["inbox", "save", evil, "3"]);
    assert.match(none.err, /no attachment 3: it has 1/);
    assert.match((await run(["inbox", "save", "ffffff", "0"])).err, /submind inbox --all/);
  }));

Deno.test("send --wait ends when everybody has it, or says who has not", () =>
  withRealGateway(async ({ run, node }) => {
    const unsubscribe = node.subscribe((event) => {
      if (event.type !== "conversationChanged") return;
      void node.mail.conversation(event.conversation).then((outcome) => {
        if (outcome.type !== "done" || outcome.value.last?.text !== "wait for me") return;
        if (outcome.value.last.deliveries[0]?.state !== "queued") return;
        node.mail.deliver(outcome.value.last.message, OTHER, "delivered");
      });
    });
    const there = await run(["send", "garden", "wait for me", "--wait", "delivered"]);
    unsubscribe();
    assert.equal(there.exitCode, 0, there.err);
    assert.match(there.out, /delivered/);
    assert.match(there.err, /garden: delivered/);
    const late = await run(["send", "garden", "y", "--wait", "read", "--timeout", "1s"]);
    assert.equal(late.exitCode, 1);
    assert.match(late.err, /Not yet there: garden \(queued\)[\s\S]*nothing has to be sent again/);
  }));

Deno.test("the inbox shows what nobody has read and marks what a person was shown", () =>
  withRealGateway(async ({ run, node }) => {
    node.mail.arrive(OTHER, "one\n\u001b[2Jtwo");
    const machine = await run(["inbox", "--json"]);
    assert.equal(JSON.parse(machine.out).text, "one\n\u001b[2Jtwo");
    assert.equal((await node.mail.status()).unread, 1, "a program marks nothing by itself");
    const peeked = await run(["inbox", "--peek"]);
    assert(!peeked.out.includes("\u001b"), "nobody else steers the terminal");
    assert.match(peeked.out, /^garden .*\n {2}one\n {2}�\[2Jtwo/);
    assert.equal((await node.mail.status()).unread, 1);
    assert.equal((await run(["inbox"])).exitCode, 0);
    assert.equal((await node.mail.status()).unread, 0);
    const empty = await run(["inbox"]);
    assert.deepEqual([empty.exitCode, empty.out, empty.err], [0, "", "Nothing new.\n"]);
    assert.match((await run(["inbox", "--all"])).out, /one/);
    node.mail.arrive(OTHER, "three");
    assert.equal((await run(["inbox", "--json", "--mark-read"])).exitCode, 0);
    assert.equal((await node.mail.status()).unread, 0);
  }));

Deno.test("a long backlog is read from its beginning, and only what was shown counts as read", () =>
  withRealGateway(async ({ run, node }) => {
    for (let n = 0; n < 450; n++) node.mail.arrive(OTHER, `n${n}`);
    const first = await run(["inbox", "--limit", "420"]);
    assert.match(first.out, /n0\n[\s\S]*n419\n/);
    assert.equal((await node.mail.status()).unread, 30);
    assert.match((await run(["inbox"])).out, /^garden[^\n]*\n {2}n420\n/);
    assert.equal((await node.mail.status()).unread, 0);
  }));

Deno.test("inbox --watch shows what waits and then what arrives, each once", () =>
  withRealGateway(async ({ run, node }) => {
    node.mail.arrive(OTHER, "before");
    const stop = new AbortController();
    const seen: string[] = [];
    const { exitCode, err } = await run(["inbox", "--watch", "--json", "--mark-read"], {
      interrupted: stop.signal,
      onLine: (line) => {
        seen.push(JSON.parse(line).text);
        if (seen.length === 1) node.mail.arrive(OTHER, "live");
        if (seen.length === 2) stop.abort();
      },
    });
    assert.equal(exitCode, 0, err);
    assert.deepEqual(seen, ["before", "live"]);
  }));

Deno.test("conversations are listed, shown and named by the other person", () =>
  withRealGateway(async ({ run, node }) => {
    assert.match((await run(["conversations"])).out, /No conversations yet/);
    for (let n = 1; n <= 3; n++) node.mail.arrive(OTHER, `hello ${n}`);
    const list = await run(["conversations"]);
    assert.match(list.out, /garden +3 +3 +sealed, forward secret +hello 3/);
    const shown = await run(["conversations", "show", "garden", "--limit", "2"]);
    assert(!shown.out.includes("hello 1") && shown.out.includes("hello 2"), shown.out);
    assert.match(shown.err, /Older ones/);
    const machine = JSON.parse((await run(["conversations", "--json"])).out);
    assert.equal(machine.conversations[0].unread, 3);
    const title = await run(["conversations", "title", "garden", "Family"]);
    assert.equal(title.exitCode, 4, "two people have no title");
  }));

Deno.test("a group gets another title and other members", () =>
  withRealGateway(async ({ run, node }) => {
    const sent = await node.mail.send({ to: [OTHER], text: "x" });
    assert(sent.type === "done");
    const seen: unknown[] = [];
    node.mail.changeConversation = (id, change) => {
      seen.push(change);
      return node.mail.conversation(id);
    };
    const id = sent.value.conversation.slice(0, 32);
    assert.equal((await run(["conversations", "add", id, "garden", "kitchen"])).exitCode, 0);
    assert.equal((await run(["conversations", "remove", id, "garden"])).exitCode, 0);
    const titled = await run(["conversations", "title", id, "Beds"]);
    assert.match(titled.out, /changed on this device/);
    assert.deepEqual(seen, [{ add: [OTHER, SELF] }, { remove: [OTHER] }, { title: "Beds" }]);
  }));

Deno.test("a message that can never arrive ends the wait with its reason", () =>
  withRealGateway(async ({ run, node }) => {
    const send = node.mail.send;
    node.mail.send = async (message, key) => {
      const outcome = await send(message, key);
      if (outcome.type === "done") {
        node.mail.deliver(outcome.value.message as MessageId, OTHER, "failed");
      }
      return outcome;
    };
    const { exitCode, err } = await run(["send", "garden", "x", "--wait", "read"]);
    assert.equal(exitCode, 1);
    assert.match(err, /never reach garden/);
  }));

Deno.test("help of the commands for messages is there in German", async () => {
  for (const name of ["send", "inbox", "conversations"]) {
    const { exitCode, out } = await run([name, "--help", "--lang", "de"]);
    assert.equal(exitCode, 0);
    assert.match(out, /Nachricht|Gespräch|schreiben/, name);
  }
});
