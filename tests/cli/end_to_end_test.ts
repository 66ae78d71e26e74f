/** The program as people run it: real processes, real sockets on loopback, real files. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { MAIN, PROJECT, run, submind, up } from "./real_program.ts";

Deno.test("what was added is found, read, backed up and restored", async () => {
  const folder = Deno.makeTempDirSync();
  const data = join(folder, "data");
  const other = join(folder, "other");
  try {
    const node = await up(data);
    const on = (...args: string[]) => run([...args, "--data", data, "--json"]);
    assert.equal(node.ready.type, "ready");
    assert.equal((Deno.statSync(data).mode ?? 0) & 0o777, 0o700, "others cannot look into it");
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

Deno.test("paths are meant from where `deno task` was called, not from the project's folder", async () => {
  const folder = Deno.realPathSync(Deno.makeTempDirSync());
  const pathWith = async (cwd: string) => {
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--allow-all", MAIN, "config", "path", "--data", "./data"],
      cwd,
      env: { INIT_CWD: folder },
    });
    return new TextDecoder().decode((await command.output()).stdout).trim();
  };
  try {
    assert.equal(await pathWith(PROJECT), join(folder, "data", "config.toml"));
    const elsewhere = join(folder, "elsewhere");
    Deno.mkdirSync(elsewhere);
    const left = join(elsewhere, "data", "config.toml");
    assert.equal(await pathWith(elsewhere), left, "a variable left over says nothing");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("two devices that both had a mesh of their own end up in one, with the content of both", async () => {
  const folder = Deno.makeTempDirSync();
  const data = (name: string) => ["--data", join(folder, name), "--json"];
  const [host, guest] = await Promise.all(["host", "guest"].map((name) => up(join(folder, name))));
  assert(host !== undefined && guest !== undefined);
  try {
    for (
      const [name, text] of [["host", "Acorns of the host"], ["guest", "Walnuts of the guest"]]
    ) {
      const file = join(folder, `${name}.txt`);
      Deno.writeTextFileSync(file, `${text}\n`);
      assert.equal((await run(["add", file, ...data(name ?? "")])).code, 0);
    }
    const inviting = submind(["pair", "--yes", ...data("host")]).spawn();
    const reader = inviting.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { link } = JSON.parse((await reader.read()).value ?? "");
    const refused = await run(["pair", link, "--yes", ...data("guest")]);
    assert.equal(refused.code, 2, "nobody is there to say whether to leave");
    const joined = await run(["pair", link, "--yes", "--bring", ...data("guest")]);
    assert.equal(joined.code, 0, joined.out + joined.err);
    const types = joined.out.trim().split("\n").map((line) => JSON.parse(line).type);
    assert.deepEqual(types, ["left", "words", "paired", "brought"]);
    await reader.cancel();
    await inviting.stderr.cancel();
    assert.equal((await inviting.status).code, 0);

    for (const name of ["host", "guest"]) {
      for (const word of ["acorns", "walnuts"]) {
        let total = 0;
        for (let attempt = 0; attempt < 50 && total === 0; attempt++) {
          total = JSON.parse((await run(["search", word, ...data(name)])).out).total;
        }
        assert.equal(total, 1, `${word} on ${name}`);
      }
    }
    const again = await run(["add", join(folder, "guest.txt"), ...data("guest")]);
    assert.equal(JSON.parse(again.out).unchanged, 1, "what was brought is known again");
    const leave = await run(["leave", "--yes", ...data("guest")]);
    assert.equal(leave.code, 4, "a mesh with others is not left");
  } finally {
    await host.stop();
    await guest.stop();
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

Deno.test("a signal that comes twice at once is one: the node says goodbye and leaves nothing behind", async () => {
  const data = Deno.makeTempDirSync();
  try {
    const node = await up(data);
    assert.equal(await node.stop(2), 0);
    assert.equal((await run(["status", "--data", data, "--json"])).code, 3);
    assert.deepEqual([...Deno.readDirSync(join(data, "run"))], []);
  } finally {
    Deno.removeSync(data, { recursive: true });
  }
});
