/** Avahi on a host of the lab: its own daemon and message bus, in a mount namespace that hides those of the machine. */
import type { Host } from "./lab.ts";
import type { HostProcess } from "./host_process.ts";

const CONFIGURATION = `[server]
host-name=avahihost
domain-name=local
use-ipv4=yes
use-ipv6=no
enable-dbus=yes
[wide-area]
enable-wide-area=no
[publish]
publish-workstation=no
[reflector]
[rlimits]
`;

/** The Debian packages that `startAvahi` needs. */
export const AVAHI_PACKAGES = ["avahi-daemon", "avahi-utils", "dbus"] as const;

export interface AvahiHost {
  /** Runs an Avahi program beside the daemon to its end. */
  run(...command: readonly string[]): Promise<string>;
  /** Starts one. */
  spawn(...command: readonly string[]): HostProcess;
}

/** Starts the daemon; ended with the lab. */
export async function startAvahi(host: Host): Promise<AvahiHost> {
  const script = `set -e
mount -t tmpfs none /run
mkdir -p /run/dbus /run/avahi-daemon
chown avahi:avahi /run/avahi-daemon
printf '%s' "$AVAHI_CONFIGURATION" > /run/avahi.conf
dbus-daemon --system --nofork --nopidfile &
until [ -S /run/dbus/system_bus_socket ]; do sleep 0.05; done
avahi-daemon -f /run/avahi.conf --no-rlimits --no-drop-root --no-chroot 2>/run/avahi.log &
until grep -q 'startup complete' /run/avahi.log; do sleep 0.05; done
echo ready
wait`;
  // A process id namespace: when its first process is killed, the daemons inside end with it.
  const unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child"];
  const daemon = host.spawn([...unshare, "sh", "-c", script], {
    AVAHI_CONFIGURATION: CONFIGURATION,
  });
  await daemon.waitFor((lines) => lines.includes("ready") || undefined, 10_000);
  const children = await Deno.readTextFile(`/proc/${daemon.pid}/task/${daemon.pid}/children`);
  const inside = ["nsenter", "--mount", "--target", children.trim()];
  return {
    run: async (...command) => (await host.run(...inside, ...command)).stdout,
    spawn: (...command) => host.spawn([...inside, ...command]),
  };
}
