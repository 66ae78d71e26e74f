/** Backups on another node as people make them: real processes, killed where it hurts. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { systemRandom } from "../../platform/system_random.ts";
import { run, submind, up } from "./real_program.ts";

/** A keeper on a given port; 0 takes any. It can be killed as a crash would. */
async function startMother(data: string, gatewayPort: number) {
  const { ready, stop } = await up(data, { name: "Mother", gatewayPort });
  const gatewayUrl: string = ready.gatewayUrl;
  return {
    gatewayUrl,
    port: Number(new URL(gatewayUrl).port),
    end: (signal: Deno.Signal) => stop(1, signal),
  };
}

function countPieces(folder: string): number {
  try {
    return [...Deno.readDirSync(folder)].flatMap(({ name }) =>
      [...Deno.readDirSync(join(folder, name))].filter((file) => /^[0-9a-f]{64}$/.test(file.name))
    ).length;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

/** Resolves when the keeper has more than `count` pieces. */
async function untilMore(vault: string, count: number): Promise<void> {
  Deno.mkdirSync(vault, { recursive: true });
  using watcher = Deno.watchFs(vault, { recursive: true });
  const pieces = join(vault, "laptop", "pieces");
  if (countPieces(pieces) > count) return;
  for await (const _ of watcher) if (countPieces(pieces) > count) return;
}

Deno.test("a backup survives the death of the one who brings it and of the one who keeps it", async () => {
  const folder = Deno.makeTempDirSync();
  const [data, mother, other] = ["laptop", "mother", "restored"].map((name) => join(folder, name));
  assert(data !== undefined && mother !== undefined && other !== undefined);
  const vault = join(mother, "backups");
  Deno.mkdirSync(mother);
  const set = ["config", "set", "backups.bytesPerDeviceMax", "1000000000", "--data", mother];
  assert.equal((await run(set)).code, 0);
  let keeper = await startMother(mother, 0);
  const node = await up(data);
  try {
    const token = join(folder, "token");
    const minted = await run(["token", "laptop", "--scope", "backup", "--data", mother]);
    assert.equal(minted.code, 0, minted.err);
    Deno.writeTextFileSync(token, minted.out);
    const passphrase = join(folder, "passphrase");
    Deno.writeTextFileSync(passphrase, "nobody guesses this one\n");

    const random = systemRandom();
    const film = new Uint8Array(40 * 1024 * 1024);
    for (let at = 0; at < film.length; at += 65_536) film.set(random.bytes(65_536), at);
    Deno.writeFileSync(join(folder, "film.bin"), film);
    Deno.writeTextFileSync(join(folder, "garden.md"), "# Garden\n\nRoses need *sun*.\n");
    for (const name of ["film.bin", "garden.md"]) {
      assert.equal((await run(["add", join(folder, name), "--data", data])).code, 0);
    }

    const reach = ["--token-file", token, "--passphrase-file", passphrase];
    const args = [
      "backup",
      "--to",
      keeper.gatewayUrl,
      ...reach,
      "--keys",
      "--json",
      "--data",
      data,
    ];
    const killed = submind(args).spawn();
    await untilMore(vault, 5);
    killed.kill("SIGKILL");
    await Promise.all([killed.stdout.cancel(), killed.stderr.cancel()]);
    await killed.status;
    const list = ["restore", "--from", keeper.gatewayUrl, ...reach, "--json"];
    const none = await run([...list, "--list", "--data", other]);
    assert.deepEqual(JSON.parse(none.out).versions, [], "half a backup is none");

    const before = countPieces(join(vault, "laptop", "pieces"));
    const second = submind(args).spawn();
    const output = Promise.all([
      new Response(second.stdout).text(),
      new Response(second.stderr).text(),
    ]);
    await untilMore(vault, before + 5);
    await keeper.end("SIGKILL");
    keeper = await startMother(mother, keeper.port);
    const [out, err] = await output;
    assert.equal((await second.status).code, 0, out + err);
    const { version, pieces, broughtPieces } = JSON.parse(out);
    assert.equal(version, 1);
    assert(pieces > 150 && broughtPieces <= pieces - 5, `${broughtPieces} of ${pieces}`);
    assert.equal(await node.stop(), 0);

    const restored = await run([...list, "--keys", "--yes", "--data", other]);
    assert.equal(restored.code, 0, restored.out + restored.err);
    const again = await up(other);
    try {
      assert.equal(again.ready.deviceId, node.ready.deviceId, "it is the same device again");
      const hits = await run(["search", "roses", "--data", other, "--json"]);
      assert.equal(JSON.parse(hits.out).total, 1);
      const found = JSON.parse((await run(["search", "film", "--data", other, "--json"])).out);
      const copy = join(folder, "copy.bin");
      const got = await run(["get", found.hits[0].blockId, "-o", copy, "--data", other]);
      assert.equal(got.code, 0, got.err);
      assert.deepEqual(Deno.readFileSync(copy), film);
    } finally {
      await again.stop();
    }
  } finally {
    await keeper.end("SIGTERM");
    await node.stop().catch(() => {});
    Deno.removeSync(folder, { recursive: true });
  }
});
