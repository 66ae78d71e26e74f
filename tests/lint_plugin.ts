/** Lint rules of the project: time and chance come in through ports, so only `platform/`, tests and benches may take them from the air. */

// By name and property: what would make a node depend on more than it was handed.
const AMBIENT: Readonly<Record<string, readonly string[]>> = {
  Date: ["now"],
  Math: ["random"],
  performance: ["now"],
  crypto: ["getRandomValues", "randomUUID"],
};
const AMBIENT_CALLS = ["setTimeout", "setInterval"];
const EXEMPT = ["/platform/", "/tests/", "/bench/", "/gateway/page/", "/gateway/dashboard/"];

const plugin: Deno.lint.Plugin = {
  name: "submind",
  rules: {
    "no-ambient": {
      create(context) {
        const path = context.filename.replaceAll("\\", "/");
        if (EXEMPT.some((folder) => path.includes(folder))) return {};
        return {
          MemberExpression(node) {
            if (node.object.type !== "Identifier" || node.property.type !== "Identifier") return;
            if (!Object.hasOwn(AMBIENT, node.object.name)) return;
            if (!AMBIENT[node.object.name]?.includes(node.property.name)) return;
            context.report({
              node,
              message:
                `${node.object.name}.${node.property.name} is ambient: take Clock or Random from platform/ports.ts`,
            });
          },
          CallExpression(node) {
            if (node.callee.type !== "Identifier" || !AMBIENT_CALLS.includes(node.callee.name)) {
              return;
            }
            context.report({
              node,
              message: `${node.callee.name} is ambient: use Clock.schedule or an actor's timer`,
            });
          },
          NewExpression(node) {
            if (
              node.callee.type !== "Identifier" || node.callee.name !== "Date" ||
              node.arguments.length > 0
            ) return;
            context.report({
              node,
              message: "new Date() is ambient: take Clock from platform/ports.ts",
            });
          },
        };
      },
    },
  },
};

export default plugin;
