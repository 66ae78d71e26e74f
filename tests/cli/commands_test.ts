import assert from "node:assert/strict";
import { type Answer, problem, run, type Seen, withFakeNode } from "./fake_world.ts";
import { openerOf } from "../../cli/commands/open.ts";
import { writeNodeFile } from "../../cli/node_file.ts";

const DEVICE = "a".repeat(52);
const BLOCK = "0123456789abcdef".repeat(4);

const status = {
  deviceId: DEVICE,
  displayName: "Kitchen",
  mesh: BLOCK,
  role: "owner",
  version: "0.1.0",
  uptimeMs: 65_000,
  blocks: 12_345,
  blockBytes: 2_500_000,
  blocksWithoutPayload: 0,
  chunks: 0,
  chunkBytes: 0,
  members: 2,
  peersConnected: 1,
  peersSighted: 2,
  multicast: true,
  rendezvousAddresses: ["http://192.0.2.1:7464"],
  damage: [],
};

const bridge = {
  state: "connected",
  server: "nats://192.0.2.9:4222",
  serverName: "home",
  roundTripMs: 1,
  durable: true,
  problem: null,
  failovers: 0,
  learnedServers: [],
  present: 3,
  messagesSent: 0,
  messagesReceived: 0,
  bytesSent: 0,
  bytesReceived: 0,
};

const answers = (table: Record<string, unknown>): Answer => (seen) => {
  const value = table[`${seen.method} ${seen.path}`];
  return value === undefined ? undefined : Response.json(value);
};

Deno.test("status says it to people and to machines", async () => {
  await withFakeNode(
    answers({ "GET /v1/status": status, "GET /v1/bridge": bridge }),
    async (node) => {
      const people = await node.run(["status"]);
      assert.equal(people.exitCode, 0, people.err);
      for (
        const word of [
          "Kitchen",
          "12,345",
          "2.5 MB",
          "1 connected, 2 seen",
          "nats://192.0.2.9:4222, 3",
        ]
      ) {
        assert(people.out.includes(word), word);
      }
      assert(!people.out.includes("\u001b"), "no colours into pipes");
      const german = await node.run(["status", "--lang", "de"]);
      assert(german.out.includes("12.345"));
      const machine = JSON.parse((await node.run(["status", "--json"])).out);
      assert.equal(machine.blocks, 12_345);
      assert.equal(node.seen[0]?.headers.get("Authorization"), "Bearer secret-token");
    },
  );
});

Deno.test("search shows titles, marks hits bold and keeps control characters away from the terminal", async () => {
  const hit = {
    blockId: BLOCK,
    title: "Evil \u001b]0;title\u0007",
    topic: "notes",
    author: DEVICE,
    timeMs: 0,
    snippet: "the \u0002white\u0003 clover\n\u001b[2J",
    score: 1,
  };
  const answer = answers({ "GET /v1/search": { hits: [hit], total: 1_000 } });
  await withFakeNode(answer, async (node) => {
    const { out } = await node.run(["search", "white -lawn"], { colors: true });
    assert.deepEqual(node.seen.at(-1)?.query["text"], ["white -lawn"]);
    assert(!out.includes("\u001b]0") && !out.includes("\u001b[2J") && !out.includes("\u0007"));
    const bold = await node.run(["search", "white"], { colors: true });
    assert(bold.out.includes("\u001b[1mwhite\u001b[22m clover"), JSON.stringify(bold.out));
    assert(bold.out.includes("1,000+"));
    assert.deepEqual(node.seen.at(-1)?.query, { text: ["white"], limit: ["10"], offset: ["0"] });
  });
});

Deno.test("a refusal of the node ends with code 4 and its own words", async () => {
  const answer = () => problem(403, "notPermitted", "cannot revoke: needs members.administer");
  await withFakeNode(answer, async (node) => {
    const people = await node.run(["peers"]);
    assert.equal(people.exitCode, 4);
    assert.match(people.err, /needs members\.administer/);
    const machine = JSON.parse((await node.run(["peers", "--json"])).out);
    assert.equal(machine.error.code, "notPermitted");
  });
});

Deno.test("a fault of the node ends with code 1, something else on its port with code 3", async () => {
  await withFakeNode(() => problem(500, "internal", "see the log"), async (node) => {
    assert.equal((await node.run(["status"])).exitCode, 1);
  });
  await withFakeNode(() => new Response("<html>hello</html>"), async (node) => {
    const { exitCode, err } = await node.run(["status"]);
    assert.equal(exitCode, 3);
    assert.match(err, /not a submind node/);
  });
});

Deno.test("a node that was killed is told apart from one that never ran", async () => {
  const data = Deno.makeTempDirSync();
  try {
    // Process ids end at 4,194,304 on Linux.
    writeNodeFile(data, {
      pid: 99_999_999,
      gatewayUrl: "http://127.0.0.1:1",
      token: "t",
      tlsCertificate: "",
    });
    const { exitCode, err } = await run(["status", "--data", data]);
    assert.equal(exitCode, 3);
    assert.match(err, /99999999 is gone/);
    assert.equal(Deno.statSync(`${data}/run/node.json`).mode! & 0o777, 0o600);
    writeNodeFile(data, {
      pid: Deno.pid,
      gatewayUrl: "http://127.0.0.1:1",
      token: "t",
      tlsCertificate: "",
    });
    assert.equal((await run(["status", "--data", data])).exitCode, 3);
  } finally {
    Deno.removeSync(data, { recursive: true });
  }
});

/** A node that remembers what is added. */
function remembering() {
  const blocks: { id: string; header: Record<string, unknown> }[] = [];
  const posted: { kind: string; tags: string[]; body?: string; target?: string }[] = [];
  const answer = async (seen: Seen): Promise<Response | undefined> => {
    if (seen.path === "/v1/status") return Response.json(status);
    if (seen.path !== "/v1/blocks") return undefined;
    if (seen.method === "GET") {
      return Response.json({ blocks, nextCursor: null });
    }
    const drafts = JSON.parse(seen.body).blocks as typeof posted;
    for (const draft of drafts) {
      posted.push(draft);
      const body = Uint8Array.fromBase64(draft.body ?? "");
      const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", body)).toHex();
      const gone = blocks.findIndex((block) => block.id === draft.target);
      if (gone !== -1) blocks.splice(gone, 1);
      if (draft.kind === "tombstone") continue;
      const id = posted.length.toString(16).padStart(64, "0");
      blocks.push({ id, header: { ...draft, bodyBytes: body.length, payloadHash: hash } });
    }
    return Response.json({ blocks: drafts.map(() => ({ id: BLOCK, sequence: 1 })) }, {
      status: 201,
    });
  };
  return { answer: answer as unknown as Answer, blocks, posted };
}

Deno.test("add publishes new parts, nothing when added again, and only what changed afterwards", async () => {
  const { answer, posted } = remembering();
  const folder = Deno.makeTempDirSync();
  try {
    const long = "word ".repeat(400);
    const write = (middle: string) =>
      Deno.writeTextFileSync(
        `${folder}/a.md`,
        `# A\n\n${long}\n\n## B\n\n${middle} ${long}\n\n## C\n\n${long}\n`,
      );
    write("first");
    await withFakeNode(answer, async (node) => {
      const add = async (...more: string[]) => {
        const { exitCode, out, err } = await node.run(["add", folder, "--json", ...more]);
        assert.equal(exitCode, 0, err + out);
        const { added, superseded, removed, unchanged } = JSON.parse(out);
        return { added, superseded, removed, unchanged };
      };
      assert.deepEqual(await add(), { added: 3, superseded: 0, removed: 0, unchanged: 0 });
      assert.deepEqual(await add(), { added: 0, superseded: 0, removed: 0, unchanged: 3 });
      write("second");
      assert.deepEqual(await add(), { added: 0, superseded: 1, removed: 0, unchanged: 2 });
      Deno.removeSync(`${folder}/a.md`);
      Deno.writeTextFileSync(`${folder}/b.txt`, "new");
      assert.deepEqual(await add("--prune"), { added: 1, superseded: 0, removed: 3, unchanged: 0 });
    });
    assert.deepEqual(posted.map((draft) => draft.kind), [
      ...["put", "put", "put", "supersede", "put", "tombstone", "tombstone", "tombstone"],
    ]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("add names a file that is not there and what it expects", async () => {
  await withFakeNode(() => undefined, async (node) => {
    const { exitCode, err } = await node.run(["add", "/no/such/file"]);
    assert.equal(exitCode, 2);
    assert.match(err, /\/no\/such\/file/);
    assert.match(err, /standard input/);
  });
});

Deno.test("add counts what it skipped and fails when a file could not be understood", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${folder}/broken.pdf`, "%PDF-1.4 nothing");
    Deno.writeTextFileSync(`${folder}/.hidden`, "x");
    Deno.writeTextFileSync(`${folder}/good.md`, "# Good\n");
    await withFakeNode(remembering().answer, async (node) => {
      const { exitCode, out } = await node.run(["add", folder, "--json"]);
      const summary = JSON.parse(out);
      assert.equal(exitCode, 1);
      assert.equal(summary.added, 1);
      assert.deepEqual(summary.skippedCounts, { hidden: 1, damaged: 1 });
      assert.match(summary.problems[0].path, /broken\.pdf/);
    });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("a member is found by name or by the beginning of the id, never by guessing", async () => {
  const member = (name: string, id: string) => ({
    deviceId: id,
    displayName: name,
    role: "guest",
    permissions: [],
    trust: "normal",
    revoked: false,
    admittedBy: null,
    admittedAtMs: 0,
    self: false,
  });
  const members = [member("Anna", `aaaa${"a".repeat(48)}`), member("Ben", `aaab${"a".repeat(48)}`)];
  const answer: Answer = (seen) => {
    if (seen.method === "GET") return Response.json({ members });
    return seen.path.endsWith("/revoke")
      ? Response.json({ ...members[0], revoked: true })
      : undefined;
  };
  await withFakeNode(answer, async (node) => {
    assert.equal((await node.run(["members", "revoke", "Anna", "--yes"])).exitCode, 0);
    assert.equal(node.seen.at(-1)?.path, `/v1/members/${members[0]?.deviceId}/revoke`);
    assert.equal((await node.run(["members", "revoke", "aaa", "--yes"])).exitCode, 4);
    assert.equal((await node.run(["members", "revoke", "Clara", "--yes"])).exitCode, 4);
    assert.equal((await node.run(["members", "revoke", "Anna"])).exitCode, 2, "nobody to ask");
    assert.equal((await node.run(["members", "update", "Anna"])).exitCode, 2, "nothing named");
  });
});

Deno.test("get writes bytes as they are", async () => {
  const bytes = Uint8Array.of(0, 255, 10, 13);
  const file = Deno.makeTempFileSync();
  try {
    const answer: Answer = (seen) =>
      seen.path === `/v1/blocks/${BLOCK}/body` ? new Response(bytes) : undefined;
    await withFakeNode(answer, async (node) => {
      assert.equal((await node.run(["get", BLOCK, "-o", file])).exitCode, 4, "it is there");
      assert.equal(Deno.statSync(file).size, 0);
      assert.equal((await node.run(["get", BLOCK, "-o", file, "--force"])).exitCode, 0);
      assert.deepEqual(Deno.readFileSync(file), bytes);
      assert.equal((await node.run(["get", "xyz"])).exitCode, 2);
    });
  } finally {
    Deno.removeSync(file);
  }
});

Deno.test("pair takes the steps of both people and fails when the words were refused", async () => {
  let phase = "confirming";
  const view = () => ({
    pairingId: "p1",
    side: "joiner",
    phase,
    words: ["apple", "river", "stone"],
    remoteDeviceId: DEVICE,
    remoteDisplayName: "Hub",
    problem: null,
  });
  const answer: Answer = (seen) => {
    if (seen.path === "/v1/pairings/p1/confirm") {
      phase = JSON.parse(seen.body).wordsMatch ? "completed" : "refused";
      return Response.json(view());
    }
    if (seen.path !== "/v1/pairings") return undefined;
    return Response.json(seen.method === "POST" ? view() : { pairings: [view()] });
  };
  await withFakeNode(answer, async (node) => {
    const { exitCode, out } = await node.run(["pair", "4821-7730", "--yes", "--json"]);
    assert.equal(exitCode, 0);
    const lines = out.trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(lines.map((line) => line.type), ["words", "paired"]);
    phase = "refused";
    assert.equal((await node.run(["pair", "4821-7730", "--yes"])).exitCode, 4);
    const nobody = await node.run(["pair", "4821-7730"]);
    assert.equal(nobody.exitCode, 2);
    assert.match(nobody.err, /--yes/);
  });
});

Deno.test("backup follows the progress of the node and reports a failure in its words", async () => {
  let last = '{"type":"done"}';
  const answer: Answer = (seen) =>
    seen.path === "/v1/backup"
      ? new Response(`{"type":"progress","done":1,"total":2}\n${last}\n`)
      : undefined;
  await withFakeNode(answer, async (node) => {
    const folder = `${node.data}/backup`;
    assert.equal((await node.run(["backup", folder])).exitCode, 0);
    assert.equal(JSON.parse(node.seen.at(-1)?.body ?? "").directory, folder);
    assert.match((await node.run(["backup", folder])).err, /stranger/);
    last = '{"type":"failed","message":"the disk is full"}';
    const { exitCode, err } = await node.run(["backup", folder]);
    assert.equal(exitCode, 1);
    assert.match(err, /the disk is full/);
  });
});

Deno.test("open gives a fresh login link, as a line or as JSON", async () => {
  const answer = answers({ "POST /v1/login-codes": { path: "/login?code=abc", validMs: 300_000 } });
  await withFakeNode(answer, async (node) => {
    const people = await node.run(["open"]);
    assert.equal(people.exitCode, 0, people.err);
    assert.match(people.out, /^http:\/\/127\.0\.0\.1:\d+\/login\?code=abc\n$/);
    const machine = JSON.parse((await node.run(["open", "--json"])).out);
    assert.equal(machine.loginUrl, people.out.trim());
    assert.equal(machine.validMs, 300_000);
  });
});

Deno.test("a browser is opened only where somebody sits before a screen", () => {
  assert.deepEqual(openerOf("linux", { DISPLAY: ":0" }), ["xdg-open"]);
  assert.equal(openerOf("linux", {}), null);
  assert.equal(openerOf("darwin", { SSH_CONNECTION: "192.0.2.1 1 192.0.2.2 22" }), null);
});

Deno.test("a search for nothing says so before it asks the node", async () => {
  await withFakeNode(() => undefined, async (node) => {
    const { exitCode, err } = await node.run(["search", "  "]);
    assert.equal(exitCode, 2);
    assert.match(err, /Nothing to search for/);
    assert.equal(node.seen.length, 0);
  });
});

Deno.test("restore looks for the backup before it asks whether to replace anything", async () => {
  const data = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${data}/node.db`, "");
    const { exitCode, err } = await run(["restore", `${data}/none`, "--data", data]);
    assert.equal(exitCode, 4);
    assert.match(err, /no finished backup/);
  } finally {
    Deno.removeSync(data, { recursive: true });
  }
});
