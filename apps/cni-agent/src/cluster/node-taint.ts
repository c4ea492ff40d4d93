/** The taint that keeps pods off a node until its agent is there. Pure. Spec: data-plane contract 4.8. */

/** Merge patch that takes the taint off, if the node has it; refused by the server when the node changed meanwhile. */
export function withoutTaint(node: unknown, key: string): Readonly<Record<string, unknown>> | undefined {
  const spec = member(node, 'spec');
  const taints = member(spec, 'taints');
  if (!Array.isArray(taints)) return undefined;
  const rest = taints.filter((taint: unknown) => member(taint, 'key') !== key);
  if (rest.length === taints.length) return undefined;
  return { metadata: { resourceVersion: member(member(node, 'metadata'), 'resourceVersion') }, spec: { taints: rest } };
}

function member(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)).get(key) : undefined;
}
