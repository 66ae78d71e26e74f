/** Why a round's updates make no version. */
export class ReleaseError extends Error {
  override readonly name = "ReleaseError";
}
