/** What an error says, for people and logs: its message, or whatever was thrown in its place as text. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
