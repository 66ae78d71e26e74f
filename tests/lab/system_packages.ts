/** Programs of the system that only tests need: present, or installed where that is ours to do. Never starts a service. */

export type Ensured = { readonly ok: true } | { readonly ok: false; readonly reason: string };

const POLICY = "/usr/sbin/policy-rc.d";
const PACKAGE_NAME = /^[a-z0-9][a-z0-9.+-]+$/;

async function succeeds(program: string, args: string[]): Promise<boolean> {
  try {
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    const command = new Deno.Command(program, {
      args,
      env,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    });
    return (await command.output()).success;
  } catch {
    return false;
  }
}

async function isInstalled(name: string): Promise<boolean> {
  try {
    const args = ["-W", "-f", "${db:Status-Status}", name];
    const output = await new Deno.Command("dpkg-query", { args, stderr: "null" }).output();
    return new TextDecoder().decode(output.stdout) === "installed";
  } catch {
    return false;
  }
}

/** Runs `task` while packages that are installed may not start services. */
async function withoutServices<T>(task: () => Promise<T>): Promise<T> {
  const script = "#!/bin/sh\nexit 101\n";
  let ours = false;
  try {
    await Deno.writeTextFile(POLICY, script, { createNew: true, mode: 0o755 });
    ours = true;
  } catch (error) {
    // A rule that is there already is the owner's and stays.
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  try {
    return await task();
  } finally {
    if (ours) await Deno.remove(POLICY);
  }
}

/**
 * Makes sure that Debian packages are installed. Installs missing ones as root with apt, refreshing its lists once if needed;
 * elsewhere says what is missing and why nothing was done.
 */
export async function ensurePackages(names: readonly string[]): Promise<Ensured> {
  for (const name of names) {
    if (!PACKAGE_NAME.test(name)) throw new RangeError(`"${name}" is no package name`);
  }
  const present = await Promise.all(names.map(isInstalled));
  const missing = names.filter((_, index) => present[index] !== true);
  if (missing.length === 0) return { ok: true };
  const list = missing.join(", ");
  if (Deno.build.os !== "linux" || !await succeeds("apt-get", ["--version"])) {
    return { ok: false, reason: `${list} missing, and there is no apt-get to install it` };
  }
  if (Deno.uid() !== 0) {
    return { ok: false, reason: `${list} missing, and only root can install it` };
  }
  const install = ["install", "-y", "--no-install-recommends", ...missing];
  const installed = await withoutServices(async () =>
    await succeeds("apt-get", install) ||
    (await succeeds("apt-get", ["update"]) && await succeeds("apt-get", install))
  );
  return installed
    ? { ok: true }
    : { ok: false, reason: `${list} missing, and apt-get could not install it` };
}
