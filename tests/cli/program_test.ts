import assert from "node:assert/strict";
import { run } from "./fake_world.ts";

const COMMANDS = [
  ...["up", "demo", "add", "search", "get", "status", "peers", "pair", "members", "interest"],
  ...["doctor", "backup", "restore", "config", "send", "inbox", "conversations"],
];

Deno.test("help names every command, in both languages", async () => {
  for (const lang of ["en", "de"]) {
    const { exitCode, out } = await run(["--help"], { environment: { SUBMIND_LANG: lang } });
    assert.equal(exitCode, 0);
    for (const name of COMMANDS) assert.match(out, new RegExp(`^ +${name} `, "m"), name);
  }
  const german = await run(["up", "--help", "--lang", "de"]);
  assert.match(german.out, /Der Name dieses Geräts/);
});

Deno.test("every command explains itself and each of its options", async () => {
  for (const name of COMMANDS) {
    const { exitCode, out, err } = await run([name, "--help"]);
    assert.equal(exitCode, 0, `${name}: ${err}`);
    assert.match(out, /--json/, name);
    for (const line of out.split("\n")) {
      if (/^ {2}-/.test(line)) assert.match(line, /^ {2}-.{4,60}? {2}\S/, `${name}: ${line}`);
    }
  }
});

Deno.test("a misspelt command ends with code 2 and names the nearest one", async () => {
  const { exitCode, out, err } = await run(["serch", "x"]);
  assert.equal(exitCode, 2);
  assert.equal(out, "");
  assert.match(err, /"serch"/);
  assert.match(err, /search/);
});

Deno.test("wrong arguments in machine form are one JSON value on standard output", async () => {
  const { exitCode, out, err } = await run(["search", "a", "--limit", "0", "--json"]);
  assert.equal(exitCode, 2);
  assert.equal(err, "");
  const { ok, error } = JSON.parse(out);
  assert.equal(ok, false);
  assert.equal(error.code, "usage");
  assert.match(error.message, /--limit.*1.*0/);
});

Deno.test("options that all commands share stand before or after the command", async () => {
  const data = "/nowhere/at/all";
  const before = await run(["--json", "--data", data, "status"]);
  const after = await run(["status", "--json", "--data", data]);
  assert.equal(before.exitCode, 3);
  assert.deepEqual(before, after);
});

Deno.test("without a node the message names the folder and the command that starts one", async () => {
  const { exitCode, err } = await run(["status", "--data", "/nowhere"]);
  assert.equal(exitCode, 3);
  assert.match(err, /\/nowhere/);
  assert.match(err, /submind up --data \/nowhere/);
  const german = await run(["status", "--data", "/nowhere", "--lang=de"]);
  assert.match(german.err, /läuft kein Knoten/);
});

Deno.test("the version is printed alone", async () => {
  assert.equal((await run(["--version"])).out.trim(), "1.2.3");
});

Deno.test("a broken configuration names key, place and nearest key, and ends with code 2", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${folder}/config.toml`, "[gateway]\nprot = 1\n");
    const { exitCode, err } = await run(["config", "show", "--data", folder]);
    assert.equal(exitCode, 2);
    assert.match(err, /config\.toml/);
    assert.match(err, /"gateway\.prot".*"gateway\.port"/);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("config set writes what config get reads, and refuses what does not fit without touching the file", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    const on = (...args: string[]) => run(["config", ...args, "--data", folder]);
    assert.equal((await on("set", "gateway.port", "8000")).exitCode, 0);
    assert.equal((await on("get", "gateway.port")).out, "8000\n");
    const refused = await on("set", "gateway.port", "many");
    assert.equal(refused.exitCode, 2);
    assert.match(refused.err, /"many".*0 .*65535/);
    assert.equal((await on("get", "gateway.port")).out, "8000\n");
    assert.equal(JSON.parse((await on("show", "--json")).out).config.gateway.port, 8000);
    const unknown = await on("get", "gateway.prot");
    assert.equal(unknown.exitCode, 2);
    assert.match(unknown.err, /gateway\.port/);
    assert.equal(Deno.statSync(`${folder}/config.toml`).mode! & 0o777, 0o600);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("no command shows a secret setting unless it is asked to, in no language and not as JSON", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    const outputs: string[] = [];
    const on = async (...args: string[]) => {
      const { out, err } = await run(["config", ...args, "--data", folder]);
      outputs.push(out, err);
      return { out, err };
    };
    assert.equal((await on("get", "ice.turnSecret")).out.trim(), "");
    for (const key of ["ice.turnSecret", "ice.turnPassword"]) {
      assert.match((await on("set", key, "north-of-42")).out, /\*{8}/);
      const hidden = await on("get", key);
      assert.equal(hidden.out, "********\n");
      assert.match(hidden.err, /is secret.*--reveal/);
      assert.match((await on("get", key, "--lang=de")).err, /ist geheim/);
      assert.equal(JSON.parse((await on("get", key, "--json")).out), "********");
    }
    await on("set", "ice.turnUsername", "anna");
    assert.equal((await on("get", "ice.turnUsername")).out, "anna\n");
    assert.match((await on("show")).out, /ice\.turnSecret.*\*{8}/);
    assert.equal(JSON.parse((await on("show", "--json")).out).config.ice.turnSecret, "********");
    assert.doesNotMatch(outputs.join(""), /north-of-42/);

    assert.equal((await on("get", "ice.turnSecret", "--reveal")).out, "north-of-42\n");
    const { ice } = JSON.parse((await on("show", "--json", "--reveal")).out).config;
    assert.equal(ice.turnPassword, "north-of-42");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("pairing without anybody at the keyboard is refused instead of confirmed", async () => {
  const { exitCode, err } = await run(["pair", "--data", "/nowhere"]);
  assert.equal(exitCode, 3, err);
});
