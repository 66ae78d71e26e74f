/** A peer that is a program in Python: asked over its standard input, answers on its standard output, both JSON. Where it cannot run, a line says so. */

/** The answer; null where no Python has `what`. Python is the one that SUBMIND_BENCH_PYTHON names, or python3. */
export async function askPython<Answer>(
  { script, what, question }: {
    /** Path of the program. */
    readonly script: string;
    /** For people: "PyTorch". */
    readonly what: string;
    readonly question: unknown;
  },
): Promise<Answer | null> {
  const python = Deno.env.get("SUBMIND_BENCH_PYTHON") ?? "python3";
  try {
    const child = new Deno.Command(python, {
      args: [script],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(JSON.stringify(question)));
    await writer.close();
    const { success, stdout, stderr } = await child.output();
    if (!success) {
      throw new Error(new TextDecoder().decode(stderr).trim().split("\n").at(-1) ?? "it failed");
    }
    return JSON.parse(new TextDecoder().decode(stdout)) as Answer;
  } catch (error) {
    console.error(
      `${what} is not measured: ${python}: ${error}. Set SUBMIND_BENCH_PYTHON to a Python that has it.`,
    );
    return null;
  }
}
