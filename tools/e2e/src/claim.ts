/** What the mesh promises on a cluster, and what was seen. */
import type { Cluster } from '@ambit/kube-lab';
import type { Mesh } from './cluster/mesh.ts';
import type { Objects } from './cluster/objects.ts';

/** One promise, held or not. */
export type Claim =
  | { readonly kind: 'proven' | 'refuted'; readonly id: string; readonly text: string; readonly observed: string }
  | { readonly kind: 'skipped'; readonly id: string; readonly text: string; readonly reason: string };

export interface ClaimContext {
  readonly cluster: Cluster;
  readonly objects: Objects;
  readonly mesh: Mesh;
  /** Names of two nodes; callers run on the first. */
  readonly nodes: readonly [string, string];
  /** Says what is being done, for somebody who watches. */
  readonly narrate: (line: string) => void;
  /** Reports a claim; `observed` carries numbers. */
  readonly report: (id: string, text: string, isProven: boolean, observed: string) => void;
  readonly skip: (id: string, text: string, reason: string) => void;
  /** Aborted by Ctrl-C and by the group's deadline. */
  readonly signal: AbortSignal;
}

/** Claims that belong together, in the order in which they are shown. */
export interface ClaimGroup {
  readonly id: string;
  readonly title: string;
  /** A group that hangs is a fault, too. */
  readonly timeoutMs: number;
  /** Throws only when it cannot go on; that counts as a refuted claim. */
  prove(context: ClaimContext): Promise<void>;
}

/** The line of a claim. */
export function claimLine(claim: Claim): string {
  if (claim.kind === 'skipped') return `- ${claim.id} ${claim.text} — skipped: ${claim.reason}`;
  return `${claim.kind === 'proven' ? '✔' : '✘'} ${claim.id} ${claim.text} — ${claim.observed}`;
}

/** The last line, which `.ci/run` adds up. */
export function summaryLine(claims: readonly Claim[]): string {
  const count = (kind: Claim['kind']): number => claims.filter((claim) => claim.kind === kind).length;
  return `${count('proven')} passed, ${count('refuted')} failed, ${count('skipped')} skipped`;
}
