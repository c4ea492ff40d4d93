import type { SpiffeId } from '@ambit/identity';
import { WatchedFile } from '@ambit/runtime';
import { type NodeAssignments, type PodCaller, impersonationRefused } from './node-authorizer.ts';

/**
 * Which identities have a pod on which node, from a JSON file `{"<node>": ["spiffe://...", ...]}` that whoever schedules
 * the pods maintains. A file that is missing or does not parse assigns nothing.
 */
export class AssignmentsFile implements NodeAssignments {
  readonly #file: WatchedFile<ReadonlyMap<string, ReadonlySet<string>>>;

  constructor(path: string) {
    this.#file = new WatchedFile(path, parseAssignments);
  }

  nodeOf({ pod }: PodCaller): string {
    if (pod.node === '') throw impersonationRefused("the caller's token does not name its node");
    return pod.node;
  }

  hasPod(node: string, identity: SpiffeId): boolean {
    return this.#file.current().get(node)?.has(identity) ?? false;
  }
}

/** For a CA that knows of no pods: nobody may impersonate. */
export const noAssignments: NodeAssignments = {
  nodeOf: () => {
    throw impersonationRefused('this CA does not know which pods run where');
  },
  hasPod: () => false,
};

function parseAssignments(text: string): ReadonlyMap<string, ReadonlySet<string>> {
  const document: unknown = JSON.parse(text);
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw new Error('not a JSON object');
  const nodes = new Map<string, ReadonlySet<string>>();
  for (const [node, identities] of Object.entries(document)) {
    if (!Array.isArray(identities) || !identities.every((identity) => typeof identity === 'string')) {
      throw new Error(`node ${node}: not a list of identities`);
    }
    nodes.set(node, new Set(identities));
  }
  return nodes;
}
