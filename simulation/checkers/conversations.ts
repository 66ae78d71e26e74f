/** Whether all who are in a conversation see the same members and the same leader, one of them. */
import type { DeviceId } from "../../protocols/ids.ts";
import type { SimulatedNode } from "../simulated_node.ts";

/** What is wrong with the groups of these nodes, in words: of honest ones that belong to the mesh, after all is well and had time. */
export function conversationProblems(nodes: readonly SimulatedNode[]): readonly string[] {
  const groups = new Set(
    nodes.flatMap(({ disk }) => [...disk.tables.mail.conversations.values()])
      .filter(({ direct }) => direct === 0).map(({ conversation }) => conversation),
  );
  return [...groups].flatMap((conversation) => {
    const views = nodes.flatMap((node) => {
      const row = node.disk.tables.mail.conversations.get(conversation);
      const members = row === undefined ? [] : JSON.parse(row.members) as DeviceId[];
      return row !== undefined && members.includes(node.deviceId) ? [{ node, row, members }] : [];
    });
    const [first, ...others] = views;
    // Whoever is left alone has nobody to agree with.
    if (first === undefined || others.length === 0) return [];
    const inside = new Set(views.map(({ node }) => node.deviceId));
    const problems = others.flatMap(({ node, row, members }) => {
      const same = row.leader === first.row.leader && row.title === first.row.title &&
        members.join() === first.members.join();
      return same ? [] : [
        `${node.name} and ${first.node.name} see group ${conversation} differently: ` +
        `version ${row.version} of ${members.length} and ${first.row.version} of ${first.members.length}`,
      ];
    });
    const unaware = nodes.filter(({ deviceId }) =>
      first.members.includes(deviceId) && !inside.has(deviceId)
    );
    return [
      ...problems,
      ...unaware.map(({ name }) =>
        `${name} does not know to be in group ${conversation} of ${first.node.name}`
      ),
    ];
  });
}
