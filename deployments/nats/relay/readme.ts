/** What stands beside the files of a relay tier. */
import { NATS_SERVER_MIN } from "../program.ts";
import type { RelayPlan } from "./plan.ts";

/** The README of a relay folder. */
export function relayReadme(plan: RelayPlan): string {
  const [first] = plan.hubs;
  const scheme = plan.tls ? "tls" : "nats";
  const many = plan.hubs.length > 1;
  return `# A relay for submind

${plan.hubs.map(({ name, host }) => `- \`${name}/\` runs on \`${host}\``).join("\n")}

The hubs carry sealed bytes: they see which devices speak with each other, when and how much, never what. They keep mail for devices that
are off, at most ${plan.mailPerDeviceMax} messages for one device and ${plan.mailBytesMax} bytes together; what does not fit is refused and stays with its sender.

## Start

1. ${
    plan.tls
      ? `Put a certificate for each hub's host name into \`<hub>/tls\`: \`cert.pem\`, \`key.pem\`${
        many
          ? ", and `ca.pem` of the authority that signed the hubs' certificates for each other (server and client usage)"
          : ""
      }.`
      : "This tier was made without TLS: for labs only, never over the internet."
  } The container runs as user 10001: it must be able to read them and \`nats.conf\` (\`chown 10001\`, mode 0400).
2. Copy each hub's folder to its machine and run \`docker compose up -d\` there; or, without containers, \`nats-server -c nats.conf\`
   (version ${NATS_SERVER_MIN} or newer; adjust the paths \`/data\` and \`/etc/nats/tls\`).
3. Once, when all hubs are up, make the stream of mail (${plan.hubs.length} ${
    many ? "replicas" : "replica"
  }):
   \`submind relay streams --server ${scheme}://${first?.host}:${first?.clientPort} --credentials admin.seed --replicas ${plan.hubs.length}\`
4. Give each site its folder from \`sites/\`: the seed (mode 0600) and the lines for its configuration.

Open to the world: ${
    many ? "4222, 7422; only to the other hubs: 6222" : "4222 and 7422"
  }. Never open: 8222 (monitoring, unauthenticated), 7777 (metrics; on loopback here).

## Rules that are in force

- Sites log in with a key of their own and only as leaves: they can link meshes and collect mail, not change streams, not read monitoring, not see accounts.
- One connection: 1,000 subscriptions, 1 MiB a message, 16 MiB unread before it is cut off. One hub: ${plan.connectionsMax} connections.
- Readings of sensors do not leave their home.
- To revoke a site or device, remove its \`nkey\` from every \`nats.conf\` and send \`SIGHUP\` (\`docker compose kill -s HUP nats\`): its connections end at once.
- ${
    many
      ? "One hub may fail without loss; with two down, connections still work but no mail is kept."
      : "One hub only: while it is down, homes reach each other by direct paths or not at all."
  }
- \`admin.seed\` can delete the stream. Keep it off the hubs.
`;
}
