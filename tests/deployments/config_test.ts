import assert from "node:assert/strict";
import { type ConfigOutcome, loadConfig } from "../../deployments/config.ts";
import { CONFIG_FIELDS, fieldOf, nearest } from "../../deployments/config_fields.ts";
import { withSetting } from "../../deployments/config_file.ts";

function load(
  file: string | null,
  environment: Record<string, string> = {},
  overrides: Record<string, unknown> = {},
): ConfigOutcome {
  return loadConfig({
    dataDirectory: "/data",
    environment,
    overrides,
    hostName: "kitchen.example",
    readFile: () => file,
  });
}

function loaded(outcome: ConfigOutcome) {
  assert.equal(outcome.type, "loaded", JSON.stringify(outcome));
  return outcome as Extract<ConfigOutcome, { type: "loaded" }>;
}

function problems(outcome: ConfigOutcome) {
  assert.equal(outcome.type, "invalid");
  return (outcome as Extract<ConfigOutcome, { type: "invalid" }>).problems;
}

Deno.test("a node without any setting runs on loopback with its host name", () => {
  const { config } = loaded(load(null));
  assert.equal(config.gateway.host, "127.0.0.1");
  assert.equal(config.gateway.port, 7_463);
  assert.equal(config.rendezvous.port, 7_464);
  assert.equal(config.displayName, "kitchen.example");
  assert.equal(config.dataDirectory, "/data");
});

Deno.test("the command line wins over variables, variables over the file, the file over defaults", () => {
  const file = 'displayName = "from file"\n[gateway]\nport = 1\n[rendezvous]\nport = 2\n';
  const { config, origins } = loaded(
    load(file, { SUBMIND_GATEWAY_PORT: "3", SUBMIND_RENDEZVOUS_PORT: "4" }, { "gateway.port": 5 }),
  );
  assert.equal(config.displayName, "from file");
  assert.equal(config.gateway.port, 5);
  assert.equal(config.rendezvous.port, 4);
  assert.equal(origins["gateway.port"], "command line");
  assert.equal(origins["rendezvous.port"], "SUBMIND_RENDEZVOUS_PORT");
  assert.equal(origins["displayName"], "/data/config.toml");
  assert.equal(origins["log.level"], "default");
});

Deno.test("an unknown key names itself, the file and the nearest valid key", () => {
  assert.deepEqual(problems(load("[gateway]\nprot = 1\n")), [
    {
      type: "unknownKey",
      where: "/data/config.toml",
      key: "gateway.prot",
      nearest: "gateway.port",
    },
  ]);
  assert.deepEqual(problems(load(null, { SUBMIND_GATEWAY_PROT: "1" })), [
    {
      type: "unknownKey",
      where: "environment",
      key: "SUBMIND_GATEWAY_PROT",
      nearest: "SUBMIND_GATEWAY_PORT",
    },
  ]);
});

Deno.test("a bad value names where it stands, what it is and what was expected", () => {
  const [problem] = problems(load(null, { SUBMIND_GATEWAY_PORT: "many" }));
  assert.equal(problem?.type, "badValue");
  assert.equal(problem?.where, "SUBMIND_GATEWAY_PORT");
  assert.equal(problem?.type === "badValue" ? problem.value : null, "many");
  assert.match(
    problem?.type === "badValue" ? problem.expected.de : "",
    /ganze Zahl von 0 bis 65535/,
  );
});

Deno.test("every problem is reported, not only the first", () => {
  const found = problems(load('displayName = ""\nfoo = 1\n[gateway]\nport = -1\nhost = 7\n'));
  assert.deepEqual(
    found.map((problem) => problem.type === "unreadable" ? "" : problem.key).sort(),
    [
      "displayName",
      "foo",
      "gateway.host",
      "gateway.port",
    ],
  );
});

Deno.test("a file that is not TOML is refused with line and column", () => {
  const [problem] = problems(load("[gateway]\nport = = 1\n"));
  assert.equal(problem?.type, "unreadable");
  assert.match(problem?.type === "unreadable" ? problem.cause : "", /line 2/);
});

Deno.test("leaving loopback without a certificate is refused", () => {
  const [problem] = problems(load('[gateway]\nhost = "0.0.0.0"\n'));
  assert.equal(problem?.type === "badValue" ? problem.key : "", "gateway.host");
  const tls = '[gateway]\nhost = "0.0.0.0"\ntlsCertificate = "/c.pem"\ntlsKey = "/k.pem"\n';
  loaded(load(tls));
  assert.equal(problems(load('[gateway]\ntlsKey = "/k.pem"\n')).length, 1);
});

Deno.test("lists and truths can be given as variables", () => {
  const { config } = loaded(load(null, {
    SUBMIND_DISCOVERY_MULTICAST: "off",
    SUBMIND_DISCOVERY_STATIC_PEERS: "http://10.0.0.1:7464, http://[fe80::1]:7464",
  }));
  assert.equal(config.discovery.multicast, false);
  assert.deepEqual(config.discovery.staticPeers, ["http://10.0.0.1:7464", "http://[fe80::1]:7464"]);
  assert.equal(problems(load(null, { SUBMIND_DISCOVERY_STATIC_PEERS: "10.0.0.1" })).length, 1);
});

Deno.test("every setting has a variable of its own and words in both languages", () => {
  assert.equal(new Set(CONFIG_FIELDS.map((field) => field.variable)).size, CONFIG_FIELDS.length);
  for (const field of CONFIG_FIELDS) {
    assert.notEqual(field.expected.en, "a valid value", field.key);
    assert.notEqual(field.expected.de, field.expected.en, field.key);
  }
});

Deno.test("the nearest key is named only when it is near", () => {
  const keys = CONFIG_FIELDS.map((field) => field.key);
  assert.equal(nearest("log.leven", keys), "log.level");
  assert.equal(nearest("zzzzzzzzzzzz", keys), null);
});

Deno.test("changing a setting keeps comments and everything else", () => {
  const port = fieldOf("gateway.port");
  assert(port);
  const text =
    '# mine\ndisplayName = "x" # name\n\n[gateway]\n# the port\nport = 1\n\n[log]\nlevel = "info"\n';
  assert.equal(withSetting(text, port, 9), text.replace("port = 1", "port = 9"));
  assert.equal(withSetting("", port, 9), "[gateway]\nport = 9\n");
  const level = fieldOf("log.level");
  assert(level);
  assert.equal(
    withSetting("[gateway]\nport = 1\n", level, "debug"),
    '[gateway]\nport = 1\n\n[log]\nlevel = "debug"\n',
  );
  const name = fieldOf("displayName");
  assert(name);
  assert.equal(withSetting("[log]\n", name, "a"), 'displayName = "a"\n[log]\n');
});

Deno.test("changing a setting in a file with inline tables is still right", () => {
  const port = fieldOf("gateway.port");
  assert(port);
  const { config } = loaded(load(withSetting("gateway = { port = 1, host = '::1' }\n", port, 9)));
  assert.equal(config.gateway.port, 9);
  assert.equal(config.gateway.host, "::1");
});

Deno.test("TURN servers need a secret or an account, and relaying only needs one of them or a broker", () => {
  const server = '[ice]\nturnServers = ["turn:turn.example.org:3478"]\n';
  const named = (file: string) =>
    problems(load(file)).map((problem) => "key" in problem ? problem.key : "");
  assert.deepEqual(named(server), ["ice.turnSecret"]);
  assert.deepEqual(named(server + 'turnUsername = "anna"\n'), ["ice.turnSecret"]);
  const relayed = "[ice]\nrelayOnly = true\n";
  assert.deepEqual(named(relayed), ["ice.turnServers"]);
  // A broker carries everything as well, unless it is switched off.
  const broker = `${relayed}[bridge]\nservers = ["nats://a:4222"]\n`;
  assert.deepEqual(named(`${broker}enabled = false\n`), ["ice.turnServers"]);
  assert.equal(loaded(load(broker)).config.ice.relayOnly, true);
  for (const urls of ["stun:[::1]:3478", "http://turn.example.org", "stuns:turn.example.org"]) {
    assert.deepEqual(named(`[ice]\nstunServers = ["${urls}"]\n`), ["ice.stunServers"], urls);
  }
  const { config } = loaded(load(server + 'turnSecret = "s"\nstunServers = ["stun:a:1"]\n'));
  assert.deepEqual(config.ice.stunServers, ["stun:a:1"]);
});
