/**
 * The whole program on hosts of their own: found, paired, fed, searched, unplugged, killed, revoked. Prints the times it measured.
 * Nothing but the command line, its events and the HTTP API is used.
 */
import assert from "node:assert/strict";
import { createLab } from "./lab.ts";
import { idle } from "./mesh_idle.ts";
import {
  connected,
  converged,
  type LabNode,
  pair,
  refusedPairing,
  stopwatch,
  until,
} from "./mesh_lab.ts";
import {
  CONVERGED_MS,
  DISCOVERY_MS,
  down,
  equalRegistries,
  GOODBYE_MS,
  ignore,
  RECONNECT_MS,
  see,
  SESSION_DOWN_MS,
  startAll,
  step,
  STOP_MS,
  withFolder,
} from "./mesh_steps.ts";
import { foundAndAdd, strangersGetNothing } from "./mesh_strangers.ts";
import { stretched } from "../busy_machine.ts";

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
        assert(Math.max(...noticed.values()) <= stretched(SESSION_DOWN_MS));

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
          assert(goneMs <= stretched(SESSION_DOWN_MS), `noticed after ${goneMs} ms`);
          const missed = await alder.add("Added while Birch was dead");
          const startMs = await stopwatch(() => birch.start());
          const ms = await stopwatch(() =>
            converged(members, [...acknowledged, missed], CONVERGED_MS)
          );
          await Promise.all([
            connected(alder, birch, RECONNECT_MS),
            connected(birch, cedar, RECONNECT_MS),
            // A session may be there first, through the addresses that its peers know.
            see(birch, alder, DISCOVERY_MS),
            see(birch, cedar, DISCOVERY_MS),
          ]);
          console.log(
            `kill noticed after ${goneMs} ms; start ${startMs} ms, caught up ${ms} ms later`,
          );
        },
      );

      await step(test, "a stopped device says goodbye and ends within 2 s", async () => {
        const [from, other] = [alder.mark, birch.mark];
        const fits = ({ deviceId }: { deviceId: string }) => deviceId === cedar.id;
        // All at once, so that none of them is left waiting when another fails.
        const [goodbyes, reasons, { code, ms }] = await Promise.all([
          Promise.all([
            alder.event("peerGone", { timeoutMs: GOODBYE_MS, from, fits }),
            birch.event("peerGone", { timeoutMs: GOODBYE_MS, from: other, fits }),
          ]),
          Promise.all([down(alder, cedar, from), down(birch, cedar, other)]),
          cedar.stop(),
        ]);
        assert.equal(code, 0, cedar.process.stderr);
        assert(ms <= stretched(STOP_MS), `ended after ${ms} ms`);
        for (const { reason } of goodbyes) assert.equal(reason, "goodbye");
        console.log(`ended ${ms} ms after SIGTERM; sessions: ${reasons.join("; ")}`);
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
        assert(ms <= cliMs + stretched(1_000), `closed after ${ms} ms`);
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
