/** The lab's routers do to UDP what their names say, seen from both sides: else every figure measured behind them would mean nothing. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { createNatLab, type Machine, NAT_KINDS } from "../../deployments/lab/nat_lab.ts";
import { HostProcess } from "./host_process.ts";
import { labAvailability } from "./lab.ts";
import { skipped } from "../skipped.ts";

const PROGRAM = fileURLToPath(new URL("./udp_program.ts", import.meta.url));
const START_MS = 20_000;
const tag = () => crypto.getRandomValues(new Uint8Array(3)).toHex();

const available = await labAvailability();
const ignore = skipped("routers of the lab", available.ok ? null : available.reason);

function udp(host: Machine, ...args: readonly string[]): HostProcess {
  const deno = [Deno.execPath(), "run", "--quiet", "--no-check", "--unstable-net", "-A", PROGRAM];
  return new HostProcess(host.inside([...deno, ...args]), {});
}

Deno.test({
  name: "each kind of router maps and filters UDP as RFC 4787 names it",
  ignore,
  async fn() {
    const homes = NAT_KINDS.map((nat) => ({ nat }));
    const lab = await createNatLab({ homes, publicHosts: 3, tag: tag() });
    const processes: HostProcess[] = [];
    const start = (...args: Parameters<typeof udp>) => {
      const process = udp(...args);
      processes.push(process);
      return process;
    };
    try {
      const [first, second, third] = lab.publicHosts;
      const echoes = [start(first!, "echo"), start(second!, "echo")];
      for (const echo of echoes) await echo.waitFor((lines) => lines[0], START_MS);
      const servers = [first!.address, second!.address];
      const asking = lab.homes.map((home) => start(home.hosts[0]!, "ask", "5555", ...servers));
      const seen = await Promise.all(
        asking.map((one) =>
          one.waitFor(
            (lines) => lines[0] === undefined ? undefined : JSON.parse(lines[0]),
            START_MS,
          )
        ),
      ) as (string | null)[][];
      const [fullCone, portRestricted, symmetric, blocked] = seen;
      assert.equal(fullCone![0], fullCone![1]);
      assert.equal(portRestricted![0], portRestricted![1]);
      assert.notEqual(symmetric![0], symmetric![1]);
      assert.deepEqual(blocked, [null, null]);
      for (const [i, address] of [fullCone![0], portRestricted![0], symmetric![0]].entries()) {
        assert.ok(address!.startsWith(`${lab.homes[i]!.publicAddress}:`), `${address}`);
      }

      // A third host, to which nobody has written, knocks at the mapped addresses; then the second one, but from another port.
      for (const stranger of [third!, second!]) {
        const targets = seen.flatMap((addresses) => addresses[0] ?? []);
        const status = await start(stranger, "poke", "9001", ...targets).status();
        assert.equal(status.code, 0);
      }
      const poked = (line: string) => (lines: readonly string[]) =>
        lines.includes(line) || undefined;
      await asking[0]!.waitFor(poked(`poked by ${third!.address}`), START_MS);
      await asking[0]!.waitFor(poked(`poked by ${second!.address}`), START_MS);
      for (const one of asking.slice(1)) assert.deepEqual(one.lines.slice(1), []);
    } finally {
      await Promise.all(processes.map((process) => process.end()));
      await lab.close();
    }
  },
});

Deno.test({
  name: "cut homes are silent until healed, separated homes still reach the public hosts",
  ignore,
  async fn() {
    const homes = [{ nat: "port-restricted" }, { nat: "full-cone" }] as const;
    await using stack = new AsyncDisposableStack();
    const lab = await createNatLab({ homes, publicHosts: 1, tag: tag() });
    stack.defer(() => lab.close());
    const [one, other] = lab.homes;
    const reaches = async (address: string): Promise<boolean> => {
      const ping = new HostProcess(one!.hosts[0]!.inside(["ping", "-c1", "-W1", address]), {});
      return (await ping.status()).code === 0;
    };
    const server = lab.publicHosts[0]!.address;
    assert.equal(await reaches(server), true);
    await one!.cut();
    assert.equal(await reaches(server), false);
    await one!.heal();
    // The first packet after that asks for the address of its neighbour anew.
    await reaches(server);
    assert.equal(await reaches(server), true);
    // The other home's full cone lets everybody in, so its host can be a server.
    const echo = udp(other!.hosts[0]!, "echo");
    stack.defer(() => echo.end());
    await echo.waitFor((lines) => lines[0], START_MS);
    const asks = async (): Promise<unknown> => {
      const asking = udp(one!.hosts[0]!, "ask", "0", other!.publicAddress);
      const [line] = await asking.waitFor((lines) => lines[0] && lines, START_MS);
      await asking.end();
      return JSON.parse(line!)[0];
    };
    assert.match(String(await asks()), new RegExp(`^${one!.publicAddress}:`));
    await lab.separate(0, 1);
    assert.equal(await asks(), null);
    assert.equal(await reaches(server), true);
    await lab.join(0, 1);
    assert.match(String(await asks()), new RegExp(`^${one!.publicAddress}:`));
  },
});
