/** Where the agent learns of pods and tells what became of them: an API server, or folders of the lab. */
import type { Pod, ResourceSource } from '@ambit/kube';
import type { Redirection } from '../pods/eligibility.ts';
import type { Verdict } from '../proof/judge-proof.ts';

export interface MeshSide extends AsyncDisposable {
  readonly source: ResourceSource;
  /** True where only the node writes annotations, so that they may name namespaces. */
  readonly trustsAnnotations: boolean;
  /** Resolves when the source shows everything. */
  start(signal: AbortSignal): Promise<void>;
  /** Looks for news at once, if looking is what brings them. */
  refresh(): void;
  /** Writes the annotation that the control plane reads; undefined removes it. A pod that is gone is no error. */
  annotate(pod: Pod, redirection: Redirection | undefined): Promise<void>;
  /** Tells whether a pod is enforced; at its own pace, the newest state wins. Never throws. */
  report(pod: Pod, verdict: Verdict, sinceWallMs: number): void;
  /** The pod is none of the mesh's any more. */
  retract(pod: Pod): void;
  /**
   * Takes away what pods of this node were told before, except those that are kept: one may have left the mesh while no
   * agent was there. Resolves when all is written.
   */
  clearReports(keeps: (podUid: string) => boolean): Promise<void>;
  /** The node may take pods now. */
  onReady(signal: AbortSignal): Promise<void>;
  /** Asked at the end: true when the agent leaves the node for good, false when another one will follow. */
  isLeaving(): Promise<boolean>;
}
