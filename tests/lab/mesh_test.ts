/**
 * The whole program on hosts of their own: found, paired, fed, searched, unplugged, killed, revoked. Prints the times it measured.
 * Nothing but the command line, its events and the HTTP API is used.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { createLab, type Host, labAvailability } from "./lab.ts";
import type { HostileReport } from "./hostile_program.ts";
import {
  connected,
  converged,
  LabNode,
  meshTag,
  pair,
  refusedPairing,
  RENDEZVOUS_PORT,
  stopwatch,
  until,
} from "./mesh_lab.ts";
import { figuresOf } from "./process_figures.ts";

const available = await labAvailability();
if (!available.ok) console.log(`skipping the lab tests of whole nodes: ${available.reason}`);
const ignore = !available.ok;

const DISCOVERY_MS = 5_000;
/** A session is dead after 4 s of silence and looked at once a second; the rest is for a slow machine. */
const SESSION_DOWN_MS = 6_000;
const STOP_MS = 2_000;
/** Until a session is back after a cable is: discovery asks every two seconds. */
const RECONNECT_MS = 8_000;
const CONVERGED_MS = 15_000;

/** Runs `test` with a folder that is removed at the end. */
async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "mesh-lab-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A step without which the next ones make no sense: a failure ends the test. */
async function step(
  test: Deno.TestContext,
  name: string,
  work: () => Promise<void>,
): Promise<void> {
  if (!await test.step(name, work)) throw new Error(`the step failed: ${name}`);
}

function startAll(
  hosts: readonly Host[],
  names: readonly string[],
  options: { readonly folder: string; readonly args?: readonly string[] },
): Promise<LabNode[]> {
  return Promise.all(
    names.map((name, index) => LabNode.start({ host: hosts[index] as Host, name, ...options })),
  );
}

/** A folder of documents of all kinds that are cut into blocks. */
async function writeDocuments(folder: string): Promise<void> {
  await Deno.mkdir(`${folder}/bees`, { recursive: true });
  const paragraph = "The hive weighed more every week until the lime trees stopped. ";
  for (let index = 1; index <= 8; index += 1) {
    const text = `# Chapter ${index}\n\n${paragraph.repeat(60)}\n\n## Notes\n\n${
      paragraph.repeat(40)
    }`;
    await Deno.writeTextFile(`${folder}/bees/chapter-${index}.md`, text);
  }
  await Deno.writeTextFile(
    `${folder}/clover.txt`,
    "White clover feeds bumblebees in a dry June.\n",
  );
  const page = "<html><body><main><h1>Lavender</h1><p>Cut it in August.</p></main></body></html>";
  await Deno.writeTextFile(`${folder}/lavender.html`, page);
}

async function see(who: LabNode, whom: LabNode, timeoutMs: number): Promise<void> {
  const fits = ({ deviceId }: { deviceId: string }) => deviceId === whom.id;
  await who.event("peerSighted", { timeoutMs, fits });
}

/** Waits until `who` reports that its session with `whom` is down. */
async function down(who: LabNode, whom: LabNode, from: number): Promise<string> {
  const fits = ({ deviceId }: { deviceId: string }) => deviceId === whom.id;
  const event = await who.event("sessionDown", { timeoutMs: SESSION_DOWN_MS + 4_000, from, fits });
  return event.reason;
}

Deno.test({
  name: "a mesh of three devices lives through what happens to devices",
  ignore,
  fn: (test) =>
    withFolder(async (folder) => {
      await using lab = await createLab({ hosts: 4 });
      const nodes = await startAll(lab.hosts, ["Alder", "Birch", "Cedar", "Stranger"], { folder });
      const [alder, birch, cedar, stranger] = nodes as [LabNode, LabNode, LabNode, LabNode];
      using _alder = alder, _birch = birch, _cedar = cedar, _stranger = stranger;
      const members = [alder, birch, cedar];
      const strangersOwn = await foundAndAdd(stranger);

      await step(test, "devices discover each other within 5 s", async () => {
        const ms = await stopwatch(() =>
          Promise.all(
            members.flatMap((who) =>
              members.filter((whom) => whom !== who).map((whom) => see(who, whom, DISCOVERY_MS))
            ),
          )
        );
        console.log(`discovered each other ${ms} ms after the last answered`);
      });

      await step(test, "an invite admits one device and no guesser", async () => {
        const guessed = await alder.invite({ role: "submind" });
        const last = guessed.code.at(-1) === "0" ? "1" : "0";
        const wrong = await refusedPairing(birch, guessed.code.slice(0, -1) + last);
        assert.match(wrong, /wrong|burned/i);
        const burned = await refusedPairing(birch, guessed.code);
        console.log(`a wrong code: ${wrong}\nthe right code after it: ${burned}`);

        const invite = await alder.invite({ role: "owner" });
        const words = await pair(alder, birch, invite.link);
        assert.equal(words[0], words[1]);
        assert(words[0].split(" ").length >= 4);
        console.log(`used twice: ${await refusedPairing(cedar, invite.link)}`);
        const second = await birch.invite({ role: "submind" });
        const [here, there] = await pair(birch, cedar, second.code);
        assert.equal(here, there);
        const ms = await stopwatch(() =>
          Promise.all([
            connected(alder, birch, 10_000),
            connected(birch, cedar, 10_000),
            connected(alder, cedar, 10_000),
          ])
        );
        console.log(`all sessions up ${ms} ms after the last pairing`);
      });

      await step(test, "documents and a body of 3 MB arrive everywhere and are found", async () => {
        const documents = `${folder}/documents`;
        await writeDocuments(documents);
        const added = await alder.cli("add", documents);
        assert.equal(added.code, 0, added.stderr);
        const large = crypto.getRandomValues(new Uint8Array(65_536));
        const body = new Uint8Array(3_000_000).map((_, index) =>
          large[index % 65_536]! ^ (index >> 16)
        );
        const answer = await alder.call("/v1/blocks?topic=files", {
          method: "POST",
          headers: { "content-type": "application/octet-stream" },
          body,
        });
        assert.equal(answer.status, 201, answer.text);
        const largeId: string = JSON.parse(answer.text).blocks[0].id;
        let blocks = 0;
        const ms = await stopwatch(async () => {
          blocks = await converged(members, [largeId], CONVERGED_MS);
        });
        const wholeMs = await stopwatch(() =>
          until("the whole body on Birch and Cedar", CONVERGED_MS, async () => {
            const views = await Promise.all(
              [birch, cedar].map((node) =>
                node.json<{ complete: boolean }>(`/v1/blocks/${largeId}`)
              ),
            );
            return views.every(({ complete }) => complete);
          })
        );
        const hashes = await Promise.all(members.map((node) => node.bodyHash(largeId)));
        assert.equal(new Set(hashes).size, 1);
        console.log(
          `${blocks} blocks everywhere ${ms} ms after adding, 3 MB whole ${wholeMs} ms later`,
        );
        const { hits } = await until("the hit on Cedar", 5_000, async () => {
          const page = await cedar.search("bumblebees");
          return page.hits.length > 0 && page;
        });
        assert.match(hits[0]?.snippet ?? "", /clover/i);
        const found = await cedar.cli("search", "lavender august");
        assert.equal(found.code, 0, found.stderr);
        assert.match(found.stdout, /Lavender/);
      });

      await step(test, "an idle mesh is quiet", () => idle(members));

      await step(test, "strangers get nothing", async () => {
        await strangersGetNothing(stranger, members, strangersOwn);
      });

      await step(test, "a device without its cable keeps working and catches up", async () => {
        const marks = members.map(({ mark }) => mark);
        const noticed = new Map<string, number>();
        const startedMs = performance.now();
        await cedar.host.unplug();
        const notice = async (who: LabNode, whom: LabNode, index: number) => {
          await down(who, whom, marks[index] ?? 0);
          noticed.set(`${who.name}–${whom.name}`, Math.round(performance.now() - startedMs));
        };
        await Promise.all([
          notice(alder, cedar, 0),
          notice(birch, cedar, 1),
          notice(cedar, alder, 2),
          notice(cedar, birch, 2),
        ]);
        const said = [...noticed].map(([name, ms]) => `${name} ${ms}`).join(", ");
        console.log(`pulled cable noticed after, ms: ${said}`);
        assert(Math.max(...noticed.values()) <= SESSION_DOWN_MS);

        const alone = await cedar.add("Written on a train without a network");
        const together = await alder.add("Written at home meanwhile");
        const remote = await alder.json<{ members: { deviceId: string }[] }>("/v1/members");
        assert.equal(remote.members.length, 3);
        await converged([alder, birch], [together], 5_000);
        assert(!(await alder.blockIds()).includes(alone));
        // A change of the registry that the third one learns late.
        const renamed = await alder.call(`/v1/members/${birch.id}`, {
          method: "PATCH",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ trust: "high" }),
        });
        assert.equal(renamed.status, 200, renamed.text);
        await cedar.host.plug();
        const backMs = await stopwatch(() =>
          Promise.all([
            connected(alder, cedar, RECONNECT_MS),
            connected(birch, cedar, RECONNECT_MS),
          ])
        );
        const ms = await stopwatch(() => converged(members, [alone, together], CONVERGED_MS));
        console.log(
          `sessions back ${backMs} ms after the cable, equal ${ms} ms later`,
        );
        await equalRegistries(members);
      });

      await step(
        test,
        "a killed device is reported gone and loses nothing it acknowledged",
        async () => {
          const acknowledged: string[] = [];
          for (let index = 0; index < 20; index += 1) {
            acknowledged.push(await birch.add(`Noted just before the power failed, ${index}`));
          }
          const marks = [alder.mark, cedar.mark];
          const goneMs = await stopwatch(async () => {
            await birch.kill();
            await Promise.all([
              down(alder, birch, marks[0] ?? 0),
              down(cedar, birch, marks[1] ?? 0),
            ]);
          });
          assert(goneMs <= SESSION_DOWN_MS, `noticed after ${goneMs} ms`);
          const missed = await alder.add("Added while Birch was dead");
          const startMs = await stopwatch(() => birch.start());
          const ms = await stopwatch(() =>
            converged(members, [...acknowledged, missed], CONVERGED_MS)
          );
          await Promise.all([
            connected(alder, birch, RECONNECT_MS),
            connected(birch, cedar, RECONNECT_MS),
          ]);
          console.log(
            `kill noticed after ${goneMs} ms; start ${startMs} ms, caught up ${ms} ms later`,
          );
        },
      );

      await step(test, "a stopped device says goodbye and ends within 2 s", async () => {
        const [from, other] = [alder.mark, birch.mark];
        const fits = ({ deviceId }: { deviceId: string }) => deviceId === cedar.id;
        const goodbyes = Promise.all([
          alder.event("peerGone", { timeoutMs: STOP_MS, from, fits }),
          birch.event("peerGone", { timeoutMs: STOP_MS, from: other, fits }),
        ]);
        const reasons = Promise.all([down(alder, cedar, from), down(birch, cedar, other)]);
        const { code, ms } = await cedar.stop();
        assert.equal(code, 0, cedar.process.stderr);
        assert(ms <= STOP_MS, `ended after ${ms} ms`);
        for (const { reason } of await goodbyes) assert.equal(reason, "goodbye");
        console.log(`ended ${ms} ms after SIGTERM; sessions: ${(await reasons).join("; ")}`);
        await cedar.start();
        await Promise.all([
          connected(alder, cedar, RECONNECT_MS),
          connected(birch, cedar, RECONNECT_MS),
        ]);
      });

      await step(test, "a revoked member is cut off at once and gets nothing newer", async () => {
        const marks = [alder.mark, birch.mark];
        const startedMs = performance.now();
        const revoked = await alder.cli("members", "revoke", cedar.id, "--yes");
        assert.equal(revoked.code, 0, revoked.stdout);
        const cliMs = Math.round(performance.now() - startedMs);
        const reasons = await Promise.all([
          down(alder, cedar, marks[0] ?? 0),
          down(birch, cedar, marks[1] ?? 0),
        ]);
        const ms = Math.round(performance.now() - startedMs);
        assert(ms <= cliMs + 1_000, `closed after ${ms} ms`);
        const secret = await alder.add("Nothing for Cedar");
        const own = await cedar.add("Nothing from Cedar");
        await converged([alder, birch], [secret], CONVERGED_MS);
        // Long enough for a reconnect, had it been allowed.
        const after = await cedar.event("sessionUp", { timeoutMs: 3_000, from: cedar.mark })
          .then(() => "a session", () => "none");
        assert.equal(after, "none");
        assert(!(await cedar.blockIds()).includes(secret));
        for (const node of [alder, birch]) assert(!(await node.blockIds()).includes(own));
        console.log(
          `sessions of the revoked member closed ${ms} ms after the command began (it took ${cliMs} ms): ${
            reasons.join("; ")
          }`,
        );
        await equalRegistries([alder, birch]);
      });
    }),
});

async function equalRegistries(nodes: readonly LabNode[]): Promise<void> {
  await until("equal registries", 5_000, async () => {
    const [first, ...others] = await Promise.all(nodes.map((node) => node.registry()));
    return others.every((registry) => JSON.stringify(registry) === JSON.stringify(first));
  });
}

/** Gives a node a mesh of its own with one text; its id. */
async function foundAndAdd(node: LabNode): Promise<string> {
  await node.invite({ role: "submind" });
  return await node.add("What a stranger writes");
}

/** Watches for some seconds what nodes cost that have nothing to do. */
async function idle(nodes: readonly LabNode[]): Promise<void> {
  const windowMs = 5_000;
  const before = await Promise.all(nodes.map(({ ready }) => figuresOf(ready.pid)));
  await new Promise((resolve) => setTimeout(resolve, windowMs));
  const after = await Promise.all(nodes.map(({ ready }) => figuresOf(ready.pid)));
  for (const [index, { name }] of nodes.entries()) {
    const [then, now] = [before[index]!, after[index]!];
    const cpu = (now.cpuMs - then.cpuMs) / windowMs * 100;
    const packets = (now.packets - then.packets) * 1_000 / windowMs;
    const kib = (now.bytes - then.bytes) * 1_000 / windowMs / 1_024;
    console.log(
      `${name} idle: ${cpu.toFixed(1)} % of a core, ${packets.toFixed(0)} packets/s (${
        kib.toFixed(1)
      } KiB/s) in and out, ` +
        `${
          now.residentMiB.toFixed(0)
        } MiB, ${now.udpSockets} UDP sockets, ${now.tcpConnections} TCP connections`,
    );
    assert(cpu < 10, `${name} takes ${cpu} % of a core while idle`);
    assert(packets < 60, `${name} sees ${packets} packets/s while idle`);
  }
}

async function strangersGetNothing(
  stranger: LabNode,
  members: readonly LabNode[],
  strangersOwn: string,
): Promise<void> {
  const [alder, birch] = members as [LabNode, LabNode];
  const door = `http://${await alder.host.address(4)}:${RENDEZVOUS_PORT}`;
  await stranger.json("/v1/peers", { address: door });
  await see(stranger, alder, DISCOVERY_MS);
  const { mesh } = await alder.status();
  assert(mesh !== null);
  const before = await figuresOf(alder.ready.pid);
  const program = fileURLToPath(new URL("./hostile_program.ts", import.meta.url));
  const run = await stranger.host.run(
    ...[Deno.execPath(), "run", "--quiet", "--no-check", "-A", program],
    ...[door, alder.id, birch.id, meshTag(mesh)],
  );
  assert.equal(run.code, 0, run.stderr);
  const report = JSON.parse(run.stdout) as HostileReport;
  const after = await figuresOf(alder.ready.pid);
  console.log(`hostile device: ${run.stdout.trim()}`);
  for (const [path, status] of Object.entries(report.reads)) assert.equal(status, 404, path);
  for (const [kind, [status, text]] of Object.entries(report.offers)) {
    assert.equal(status, 403, kind);
    assert.equal(JSON.parse(text).detail, "Not accepted", kind);
  }
  assert.equal(report.garbage["signal"], 403);
  assert.equal(report.garbage["pair"], 403);
  assert.equal(report.garbage["tooLarge"], 413);
  assert(report.flood.passed < 130, `${report.flood.passed} requests passed`);
  assert(Number(report.flood.retryAfter) > 0);
  // Every connection of the library has a UDP socket of its own: none was made.
  assert.equal(after.udpSockets, before.udpSockets);

  const status = await stranger.status();
  assert.equal(status.members, 1);
  assert.equal(status.peersConnected, 0);
  const theirs = await alder.blockIds();
  const ours = await stranger.blockIds();
  assert(ours.includes(strangersOwn));
  assert(ours.every((id) => !theirs.includes(id)));
  for (const node of members) {
    assert(!(await node.blockIds()).includes(strangersOwn));
    const peer = await node.peer(stranger);
    assert(peer === undefined || (!peer.member && peer.state !== "up"));
  }
}

Deno.test({
  name: "two devices with two networks survive the loss of one, and meet over IPv6 alone",
  ignore,
  fn: (test) =>
    withFolder(async (folder) => {
      await using lab = await createLab({ hosts: [[0, 1], [0, 1]] });
      const [alder, birch] = await startAll(lab.hosts, ["Alder", "Birch"], { folder }) as [
        LabNode,
        LabNode,
      ];
      using _alder = alder, _birch = birch;

      await step(test, "over the other network when one is pulled", async () => {
        const invite = await alder.invite({ role: "owner" });
        await pair(alder, birch, invite.link);
        await connected(alder, birch, 10_000);
        const path = (await alder.peer(birch))?.pathDescription ?? "";
        const used = /10\.(5[01])\.0\.\d+/.exec(path)?.[1] === "51" ? 1 : 0;
        await birch.host.unplug(used);
        const id = await alder.add("Sent while a network is missing");
        const ms = await stopwatch(() => converged([alder, birch], [id], 15_000));
        console.log(`path was ${path}; after pulling network ${used} a block arrived in ${ms} ms`);
        console.log(`path is ${(await alder.peer(birch))?.pathDescription}`);
        await birch.host.plug(used);
      });

      await step(test, "over IPv6 when there is no IPv4 any more", async () => {
        for (const [index, { host }] of [alder, birch].entries()) {
          for (const network of [0, 1]) {
            const device = ["dev", `eth${network}`];
            await host.run("ip", "addr", "add", `fd00:${network}::${index + 1}/64`, ...device);
            await host.run("ip", "-4", "addr", "flush", "dev", `eth${network}`);
          }
        }
        const id = await birch.add("Sent without IPv4");
        const ms = await stopwatch(() => converged([alder, birch], [id], 20_000));
        await connected(alder, birch, 10_000);
        const path = (await alder.peer(birch))?.pathDescription ?? "";
        console.log(`without IPv4 a block arrived in ${ms} ms over ${path}`);
        assert.match(path, /fd00/);
      });
    }),
});

Deno.test({
  name: "two devices that have nothing but link-local IPv6 discover, pair and sync",
  ignore,
  fn: () =>
    withFolder(async (folder) => {
      await using lab = await createLab({ hosts: 2 });
      for (const host of lab.hosts) await host.run("ip", "-4", "addr", "flush", "dev", "eth0");
      const [alder, birch] = await startAll(lab.hosts, ["Alder", "Birch"], { folder }) as [
        LabNode,
        LabNode,
      ];
      using _alder = alder, _birch = birch;
      await Promise.all([see(alder, birch, DISCOVERY_MS), see(birch, alder, DISCOVERY_MS)]);
      const invite = await alder.invite({ role: "owner" });
      const ms = await stopwatch(() => pair(alder, birch, invite.link));
      await connected(alder, birch, 10_000);
      const id = await alder.add("IPv6 only");
      await converged([alder, birch], [id], CONVERGED_MS);
      console.log(
        `IPv6 only: paired in ${ms} ms over ${(await alder.peer(birch))?.pathDescription}`,
      );
    }),
});

Deno.test({
  name: "devices on a network without multicast meet through static peers",
  ignore,
  fn: () =>
    withFolder(async (folder) => {
      await using lab = await createLab({ hosts: 2 });
      for (const host of lab.hosts) {
        await host.run("ip", "link", "set", "dev", "eth0", "multicast", "off");
      }
      const [first, second] = lab.hosts as [Host, Host];
      const door = `http://${await first.address(4)}:${RENDEZVOUS_PORT}`;
      const alder = await LabNode.start({ host: first, name: "Alder", folder });
      using _alder = alder;
      const args = ["--no-multicast", "--peer", door];
      const birch = await LabNode.start({ host: second, name: "Birch", folder, args });
      using _birch = birch;
      console.log(`multicast as reported: ${(await alder.status()).multicast}`);
      const invite = await alder.invite({ role: "owner" });
      await pair(alder, birch, invite.link);
      await connected(alder, birch, 10_000);
      const id = await alder.add("Without multicast");
      await converged([alder, birch], [id], CONVERGED_MS);
      // The address that a person gave must be enough after a restart too.
      await birch.kill();
      await birch.start();
      const ms = await stopwatch(() => connected(alder, birch, 10_000));
      const again = await birch.add("After a restart");
      await converged([alder, birch], [again], CONVERGED_MS);
      assert.equal((await birch.status()).multicast, false);
      console.log(`static peers: connected ${ms} ms after a restart`);
    }),
});

Deno.test({
  name: "two devices on one host see each other and keep the wire quiet",
  ignore,
  fn: () =>
    withFolder(async (folder) => {
      await using lab = await createLab({ hosts: 2 });
      const host = lab.host(1);
      const [alder, birch] = await Promise.all([
        LabNode.start({ host, name: "Alder", folder }),
        LabNode.start({ host, name: "Birch", folder, gatewayPort: 7_473 }),
      ]);
      using _alder = alder, _birch = birch;
      await Promise.all([see(alder, birch, DISCOVERY_MS), see(birch, alder, DISCOVERY_MS)]);
      const invite = await alder.invite({ role: "owner" });
      await pair(alder, birch, invite.link);
      await connected(alder, birch, 10_000);
      await idle([alder]);
    }),
});

Deno.test({
  name: "two devices on a computer without any network pair and sync",
  ignore,
  fn: () =>
    withFolder(async (folder) => {
      await using lab = await createLab({ hosts: [[]] });
      const host = lab.host(1);
      const [alder, birch] = await Promise.all([
        LabNode.start({ host, name: "Alder", folder }),
        LabNode.start({ host, name: "Birch", folder, gatewayPort: 7_473 }),
      ]);
      using _alder = alder, _birch = birch;
      await Promise.all([see(alder, birch, DISCOVERY_MS), see(birch, alder, DISCOVERY_MS)]);
      const invite = await alder.invite({ role: "owner" });
      await pair(alder, birch, invite.link);
      await connected(alder, birch, 10_000);
      const id = await birch.add("Written in airplane mode");
      const ms = await stopwatch(() => converged([alder, birch], [id], CONVERGED_MS));
      console.log(`no network: ${(await alder.peer(birch))?.pathDescription}, ${ms} ms`);
    }),
});
