/**
 * What a refusal is in HTTP: the one table from reasons to statuses, and RFC 9457 problem documents. Nothing else in the
 * gateway names an error status.
 */
import { HTTPException } from "hono/http-exception";
import type { Refusal } from "../actors/handle.ts";
import { StoreError } from "../store/store.ts";

/** One field that was refused, for people and for forms. */
export interface FieldProblem {
  /** Dotted path of the field: "blocks.0.topic", or "query.limit". */
  readonly field: string;
  readonly message: string;
}

/** An RFC 9457 problem document. `reason` is stable for machines. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly reason: ProblemReason;
  readonly detail: string;
  readonly errors?: readonly FieldProblem[];
}

/** Reasons of the node, and those that only HTTP knows. */
export type ProblemReason = Refusal["reason"] | keyof typeof HTTP_TABLE;

type Row = readonly [status: number, title: string, retryAfterSeconds?: number];

const NODE_TABLE: Readonly<Record<Refusal["reason"], Row>> = {
  invalid: [400, "The request is not valid"],
  notFound: [404, "Not found"],
  notPermitted: [403, "Not permitted"],
  noMesh: [409, "This device belongs to no mesh yet"],
  alreadyMember: [409, "Already a member"],
  expired: [410, "Expired"],
  tooLarge: [413, "Too large"],
  busy: [503, "Busy, try again", 1],
  unavailable: [503, "Not available now", 5],
};

const HTTP_TABLE = {
  unauthenticated: [401, "A token is needed"],
  foreignOrigin: [403, "Refused: the request comes from another site"],
  methodNotAllowed: [405, "Method not allowed"],
  conflict: [409, "Already running"],
  unknownHost: [421, "This host name is not served here"],
  unsupportedMediaType: [415, "Unsupported media type"],
  rangeNotSatisfiable: [416, "The body has no such part"],
  rateLimited: [429, "Too many requests"],
  internal: [500, "Something went wrong inside the node"],
  storageFull: [507, "The disk is full"],
  quotaExceeded: [507, "The quota is used up"],
} as const satisfies Record<string, Row>;

const TABLE: Readonly<Record<ProblemReason, Row>> = { ...NODE_TABLE, ...HTTP_TABLE };

/** Every reason with its HTTP status; for the documentation and for tests. */
export const STATUS_OF_REASON: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries(TABLE).map(([reason, row]) => [reason, row[0]]),
);

/** The problem document for a reason. `detail` says what could not be done, the value, and what was expected. */
export function problemOf(
  reason: ProblemReason,
  detail: string,
  errors?: readonly FieldProblem[],
): Problem {
  const [status, title] = TABLE[reason];
  const problem = { type: `urn:submind:problem:${reason}`, title, status, reason, detail };
  return errors === undefined ? problem : { ...problem, errors };
}

/** A response that carries the problem, with `Retry-After` where waiting helps. */
export function problemResponse(
  reason: ProblemReason,
  detail: string,
  options: { errors?: readonly FieldProblem[]; headers?: Readonly<Record<string, string>> } = {},
): Response {
  const problem = problemOf(reason, detail, options.errors);
  const retryAfter = TABLE[reason][2];
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: {
      "Content-Type": "application/problem+json",
      ...(retryAfter === undefined ? {} : { "Retry-After": String(retryAfter) }),
      ...options.headers,
    },
  });
}

/** The response for a refusal of the node. */
export function refusalResponse(refusal: Refusal): Response {
  return problemResponse(refusal.reason, refusal.message);
}

/** What zod found, as field problems: unknown fields are named one by one. At most 20. */
export function fieldProblems(
  issues: readonly {
    readonly code: string;
    readonly path: readonly PropertyKey[];
    readonly message: string;
    readonly keys?: readonly string[];
  }[],
  prefix: string,
): readonly FieldProblem[] {
  const found: FieldProblem[] = [];
  for (const issue of issues) {
    const path = [...(prefix === "" ? [] : [prefix]), ...issue.path.map(String)].join(".");
    if (issue.code === "unrecognized_keys" && issue.keys !== undefined) {
      for (const key of issue.keys) {
        found.push({
          field: (path === "" ? key : `${path}.${key}`).slice(0, 200),
          message: "unknown field; remove it or check its spelling",
        });
      }
    } else found.push({ field: (path || "body").slice(0, 200), message: issue.message });
    if (found.length >= 20) break;
  }
  return found.slice(0, 20);
}

/** The response for input that a schema refused. */
export function invalidResponse(
  issues: Parameters<typeof fieldProblems>[0],
  prefix: string,
): Response {
  const errors = fieldProblems(issues, prefix);
  const first = errors[0];
  const detail = first === undefined
    ? "the input is not as documented"
    : `${first.field}: ${first.message}`;
  return problemResponse("invalid", detail, { errors });
}

/**
 * The response for something thrown while a request was answered. Details of unexpected errors stay in the log: they may
 * hold paths and values that are nobody's business.
 */
export function errorResponse(error: unknown): Response {
  if (error instanceof HTTPException) {
    if (error.status === 413) return problemResponse("tooLarge", "the request body is too large");
    if (error.status >= 500) return problemResponse("internal", "see the log of the node");
    return problemResponse("invalid", error.message);
  }
  if (error instanceof StoreError) {
    const detail = `${error.message}. ${error.hint}`;
    if (error.reason === "full") return problemResponse("storageFull", detail);
    if (error.reason === "locked") return problemResponse("busy", detail);
    if (error.reason === "readOnly") return problemResponse("unavailable", detail);
    return problemResponse("internal", detail);
  }
  return problemResponse("internal", "see the log of the node");
}
