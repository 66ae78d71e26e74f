/** Discovery between hosts of their own, with real sockets, cables and lost packets. Prints the times it measured. */
import assert from "node:assert/strict";
import { type DiscoveryProgram, startDiscovery } from "../lab/discovery_program.ts";
import { createLab, type Host, labAvailability } from "../lab/lab.ts";
import { skipped } from "../skipped.ts";
import { stretched } from "../busy_machine.ts";

const available = await labAvailability();
const ignore = skipped("discovery between hosts", available.ok ? null : available.reason);

/** What the heartbeat allows: 5 s of silence, one more question, and a slow machine. */
const KILL_NOTICED_MS = 6_500;

function start(host: Host): DiscoveryProgram {
  const port = 7_000 + Number(host.name.slice(1));
  return startDiscovery(host, { seed: host.name, displayName: host.name, port });
}

/** When `who` sighted `whom`, and at which addresses; waits for addresses of all interfaces. */
async function sighted(who: DiscoveryProgram, whom: DiscoveryProgram, timeoutMs = 5_000) {
  return await who.waitFor(
    ({ type, sighting }) => type === "sighted" && sighting?.deviceId === whom.deviceId,
    timeoutMs,
  );
}

function goneOf(who: DiscoveryProgram, whom: DiscoveryProgram) {
  return who.waitFor(
    ({ type, deviceId }) => type === "gone" && deviceId === whom.deviceId,
    KILL_NOTICED_MS + 2_000,
  );
}

async function startMs(program: DiscoveryProgram): Promise<number> {
  return (await program.waitFor(({ type }) => type === "availability", 10_000)).atMs;
}

Deno.test({
  name: "three hosts find each other within 5 s; a goodbye and a kill are noticed in time",
  ignore,
  async fn() {
    await using lab = await createLab({ hosts: 3 });
    const programs = lab.hosts.map(start);
    const [first, second, third] = programs as [
      DiscoveryProgram,
      DiscoveryProgram,
      DiscoveryProgram,
    ];
    const readyMs = Math.max(...await Promise.all(programs.map(startMs)));
    const times: number[] = [];
    for (const who of programs) {
      for (const whom of programs) {
        if (who !== whom) times.push((await sighted(who, whom)).atMs - readyMs);
      }
    }
    console.log(`discovery after the last start: ${times.toSorted((a, b) => a - b).join(", ")} ms`);
    assert(Math.max(...times) < 5_000);
    const { sighting } = await sighted(first, second);
    const [fourth, sixth] = [await lab.host(2).address(4), await lab.host(2).address(6)];
    assert.deepEqual(sighting?.addresses, [
      `http://${fourth}:7002`,
      `http://[${sixth}%25eth0]:7002`,
    ]);

    third.process.kill("SIGTERM");
    const stopping = await third.waitFor(({ type }) => type === "stopping", 2_000);
    const goodbyes = await Promise.all([first, second].map((who) => goneOf(who, third)));
    for (const gone of goodbyes) {
      assert.equal(gone.reason, "goodbye");
      console.log(`goodbye noticed after ${gone.atMs - stopping.atMs} ms`);
      assert(gone.atMs - stopping.atMs < stretched(1_500));
    }

    const killedMs = Date.now();
    second.process.kill("SIGKILL");
    const gone = await goneOf(first, second);
    console.log(`kill noticed after ${gone.atMs - killedMs} ms`);
    assert.equal(gone.reason, "expired");
    assert(gone.atMs - killedMs <= stretched(KILL_NOTICED_MS));
  },
});

Deno.test({
  name: "a pulled cable is noticed on both ends, and all is well after it is plugged in",
  ignore,
  async fn() {
    await using lab = await createLab({ hosts: 2 });
    const [first, second] = lab.hosts.map(start) as [DiscoveryProgram, DiscoveryProgram];
    await Promise.all([sighted(first, second), sighted(second, first)]);
    const unpluggedMs = Date.now();
    await lab.host(2).unplug();
    const [remote, local] = await Promise.all([goneOf(first, second), goneOf(second, first)]);
    console.log(
      `pulled cable noticed after ${local.atMs - unpluggedMs} ms by its host, ` +
        `${remote.atMs - unpluggedMs} ms by the other`,
    );
    await second.waitFor(({ reason }) => /only this machine/.test(reason ?? ""), 5_000);
    const pluggedMs = Date.now();
    await lab.host(2).plug();
    const again = ({ atMs, type }: { atMs: number; type: string }) =>
      atMs >= pluggedMs && type === "sighted";
    const found = await Promise.all([first, second].map((who) => who.waitFor(again, 6_000)));
    console.log(`found again after ${found.map(({ atMs }) => atMs - pluggedMs).join(" and ")} ms`);
  },
});

Deno.test({
  name:
    "a host with two interfaces is seen on both networks, each with the address that works there",
  ignore,
  async fn() {
    await using lab = await createLab({ hosts: [[0, 1], [0], [1], [0, 1]] });
    const programs = lab.hosts.map(start);
    const [both, zero, one, twin] = programs as [
      DiscoveryProgram,
      DiscoveryProgram,
      DiscoveryProgram,
      DiscoveryProgram,
    ];
    const seenFromZero = await sighted(zero, both);
    const seenFromOne = await sighted(one, both);
    const at = (network: number) => lab.host(1).address(4, network);
    assert.equal(seenFromZero.sighting?.addresses[0], `http://${await at(0)}:7001`);
    assert.equal(seenFromOne.sighting?.addresses[0], `http://${await at(1)}:7001`);
    await Promise.all([sighted(both, zero), sighted(both, one)]);

    const addresses = (device: DiscoveryProgram) =>
      twin.said().findLast(({ type, sighting }) =>
        type === "sighted" && sighting?.deviceId === device.deviceId
      )?.sighting?.addresses ?? [];
    const four = await twin.waitFor(() => addresses(both).length === 4, 5_000);
    assert.equal(four.type.length > 0, true);
    const linkLocal = [await lab.host(1).address(6, 0), await lab.host(1).address(6, 1)];
    const expected = [
      `http://${await at(0)}:7001`,
      `http://${await at(1)}:7001`,
      `http://[${linkLocal[0]}%25eth0]:7001`,
      `http://[${linkLocal[1]}%25eth1]:7001`,
    ];
    assert.deepEqual(addresses(both).toSorted(), expected.toSorted());
    assert(zero.said().every(({ sighting }) => sighting?.deviceId !== one.deviceId));

    await lab.host(1).unplug(1);
    await twin.waitFor(() => addresses(both).length === 2, KILL_NOTICED_MS + 2_000);
    const gone = twin.said().filter(({ type, deviceId }) =>
      type === "gone" && deviceId === both.deviceId
    );
    assert.deepEqual(gone, [], "still there on the other network");
  },
});

Deno.test({
  name: "a network that loses a fifth of the packets raises no false alarm",
  ignore,
  async fn(test) {
    await using lab = await createLab({ hosts: 2 });
    const impaired = await Promise.all(
      lab.hosts.map((host) => host.impair({ lossPercent: 20 })),
    );
    if (impaired.includes(false)) {
      skipped(test.name, "the kernel has neither netem nor nftables");
      return;
    }
    const programs = lab.hosts.map(start) as [DiscoveryProgram, DiscoveryProgram];
    const [first, second] = programs;
    await Promise.all([sighted(first, second, 8_000), sighted(second, first, 8_000)]);
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    for (const program of programs) {
      assert(program.said().every(({ type }) => type !== "gone"));
    }
  },
});

Deno.test({
  name: "three processes on a host without any network find each other over loopback",
  ignore,
  async fn() {
    await using lab = await createLab({ hosts: [[]] });
    const programs = ["a", "b", "c"].map((seed, index) =>
      startDiscovery(lab.host(1), { seed, displayName: seed, port: 7_001 + index })
    );
    for (const who of programs) {
      for (const whom of programs) {
        if (who === whom) continue;
        const { sighting } = await sighted(who, whom);
        assert.match(sighting?.addresses.join(" ") ?? "", /^http:\/\/127\.0\.0\.1:700[123]$/);
      }
    }
  },
});
