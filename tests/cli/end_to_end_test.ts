/** The program as people run it: real processes, real sockets on loopback, real files. */
import assert from "node:assert/strict";
import { join } from "node:path";

const MAIN = new URL("../../cli/main.ts", import.meta.url).pathname;

function submind(args: readonly string[]) {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-all", MAIN, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

async function run(args: readonly string[]) {
  const { code, stdout, stderr } = await submind(args).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

/** Starts a node and gives it back once it answers. */
async function up(data: string) {
  const process = submind([
    ...["up", "--json", "--no-multicast", "--data", data],
    ...["--gateway-port", "0", "--rendezvous-port", "0", "--name", "Test"],
  ]).spawn();
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`The node ended: ${await new Response(process.stderr).text()}`);
    text += value;
  }
  const ready = JSON.parse(text.split("\n")[0] ?? "");
  return {
    ready,
    async stop() {
      process.kill("SIGTERM");
      await reader.cancel();
      await process.stderr.cancel();
      return (await process.status).code;
    },
  };
}

Deno.test("what was added is found, read, backed up and restored", async () => {
  const folder = Deno.makeTempDirSync();
  const data = join(folder, "data");
  const other = join(folder, "other");
  try {
    const node = await up(data);
    const on = (...args: string[]) => run([...args, "--data", data, "--json"]);
    assert.equal(node.ready.type, "ready");
    assert.equal((await run(["up", "--data", data])).code, 4, "a second node is refused");

    Deno.writeTextFileSync(join(folder, "garden.md"), "# Garden\n\nRoses need *sun*.\n");
    const added = JSON.parse((await on("add", join(folder, "garden.md"), "--topic", "notes")).out);
    assert.equal(added.added, 1);
    const again = JSON.parse((await on("add", join(folder, "garden.md"), "--topic", "notes")).out);
    assert.deepEqual([again.added, again.unchanged], [0, 1]);

    const found = JSON.parse((await on("search", "roses")).out);
    assert.equal(found.total, 1);
    const id = found.hits[0].blockId;
    assert.equal((await run(["get", id, "--data", data])).out, "# Garden\n\nRoses need *sun*.\n");
    assert.equal(JSON.parse((await on("status")).out).displayName, "Test");

    const backup = await on("backup", join(folder, "backup"), "--keys");
    assert.equal(backup.code, 0, backup.out);
    assert.equal((await run(["restore", join(folder, "backup"), "--yes", "--data", data])).code, 4);
    assert.equal(await node.stop(), 0);
    assert.equal((await on("status")).code, 3, "a stopped node leaves nothing behind");

    const restored = await run(["restore", join(folder, "backup"), "--keys", "--data", other]);
    assert.equal(restored.code, 0, restored.err);
    const second = await up(other);
    assert.equal(second.ready.deviceId, node.ready.deviceId);
    const hits = JSON.parse((await run(["search", "roses", "--data", other, "--json"])).out);
    assert.equal(hits.total, 1);
    assert.equal(await second.stop(), 0);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("the demo tells its whole story without multicast and ends with the figures", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(join(folder, "bees.md"), "# Bees\n\nPollination of the orchard.\n");
    const args = ["demo", "--once", "--json", "--no-multicast", "--docs", folder];
    const { code, out, err } = await run(args);
    assert.equal(code, 0, out + err);
    const summary = JSON.parse(out.trim().split("\n").at(-1) ?? "");
    const { ok, nodes, blocks, hits } = summary;
    assert.deepEqual({ ok, nodes, blocks, hits }, { ok: true, nodes: 3, blocks: 1, hits: 1 });
    const figures = ["discovered", "connected", "converged", "down_noticed", "caught_up"];
    for (const name of figures) assert(summary[`${name}_ms`] >= 0, name);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
