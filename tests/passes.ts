/** Which test files run together in one `deno test`. */

/**
 * Each of these has a process of its own. `deno test` gives every file a new isolate, and the WebRTC addon, loaded a second
 * time, calls back into the first one, which is gone: Deno then panics.
 */
export const OWN_PROCESS: readonly string[] = [
  "tests/bench/benches_test.ts",
  "tests/platform/turn_stream_test.ts",
  "tests/platform/turn_test.ts",
  "tests/platform/webrtc_transport_test.ts",
];

/** Only for `--long`. */
export const LONG = "tests/long";

/** What waits most, for processes, servers and networks of its own, so that two of them share a machine well; the slowest first. */
const GROUPS: readonly string[] = ["tests/lab", "tests/cli", "tests/platform", "tests/deployments"];

/** What needs no program that is not there already: everything outside of GROUPS. */
const PURE: Pass = { paths: ["tests/"], without: [...OWN_PROCESS, ...GROUPS, LONG] };

/** The paths of one `deno test`, and what it leaves out of them. */
export interface Pass {
  readonly paths: readonly string[];
  readonly without: readonly string[];
}

/** Every test file once; the first pass may begin before servers and packages for tests are there. */
export function allPasses(long: boolean): readonly Pass[] {
  const groups = long ? [LONG, ...GROUPS] : GROUPS;
  return [
    PURE,
    ...groups.map((group) => ({ paths: [group], without: OWN_PROCESS })),
    ...OWN_PROCESS.map((file) => ({ paths: [file], without: [] })),
  ];
}
