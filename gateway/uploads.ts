/** The routes whose bodies are large or not JSON. Everything else takes small JSON only. */
import { SEALED_PIECE_BYTES_MAX, VERSION_BYTES_MAX } from "../protocols/backup/format.ts";
import type { GatewayLimits } from "./environment.ts";

interface UploadRoute {
  readonly method: string;
  readonly path: RegExp;
  /** Largest body, bytes. */
  readonly bytesMax: (limits: GatewayLimits) => number;
}

/** What stands around the attachments of a message: its text, recipients, names and the lines of the form; bytes. */
const LETTER_BYTES_MAX = 128 * 1024;

const UPLOADS: readonly UploadRoute[] = [
  { method: "POST", path: /^\/v1\/blocks$/, bytesMax: (limits) => limits.bodyBytesMax },
  {
    method: "POST",
    path: /^\/v1\/messages$/,
    bytesMax: (limits) => limits.bodyBytesMax + LETTER_BYTES_MAX,
  },
  {
    method: "PUT",
    path: /^\/v1\/backups\/[^/]+\/pieces\/[^/]+$/,
    bytesMax: () => SEALED_PIECE_BYTES_MAX,
  },
  {
    method: "POST",
    path: /^\/v1\/backups\/[^/]+\/versions$/,
    bytesMax: () => VERSION_BYTES_MAX,
  },
];

/** How many bytes a request may bring when it is an upload; undefined for every other request. */
export function uploadBytesMax(
  { method, path }: { readonly method: string; readonly path: string },
  limits: GatewayLimits,
): number | undefined {
  const route = UPLOADS.find((each) => each.method === method && each.path.test(path));
  return route?.bytesMax(limits);
}
