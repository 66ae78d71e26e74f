/** Whole nodes on unusual networks: two at once, IPv6 alone, without multicast, two nodes on one host, none at all. */
import assert from "node:assert/strict";
import { createLab, type Host, type LabOptions } from "./lab.ts";
import { idle } from "./mesh_idle.ts";
import { connected, converged, LabNode, pair, RENDEZVOUS_PORT, stopwatch } from "./mesh_lab.ts";
import {
  CONVERGED_MS,
  DISCOVERY_MS,
  ignore,
  see,
  startAll,
  step,
  withFolder,
} from "./mesh_steps.ts";

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

/** Two devices on the only host of a lab, paired and connected. */
function onOneHost(
  hosts: LabOptions["hosts"],
  check: (alder: LabNode, birch: LabNode) => Promise<void>,
): Promise<void> {
  return withFolder(async (folder) => {
    await using lab = await createLab({ hosts });
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
    await check(alder, birch);
  });
}

Deno.test({
  name: "two devices on one host see each other and keep the wire quiet",
  ignore,
  fn: () => onOneHost(2, (alder) => idle([alder])),
});

Deno.test({
  name: "two devices on a computer without any network pair and sync",
  ignore,
  fn: () =>
    onOneHost([[]], async (alder, birch) => {
      const id = await birch.add("Written in airplane mode");
      const ms = await stopwatch(() => converged([alder, birch], [id], CONVERGED_MS));
      console.log(`no network: ${(await alder.peer(birch))?.pathDescription}, ${ms} ms`);
    }),
});
