export const clusterKinds = ['api-server', 'stand-in'] as const;
export type ClusterKind = (typeof clusterKinds)[number];

/** The cluster that the control plane of a run reads: a stand-in or a real API server. */
export interface BenchCluster extends AsyncDisposable {
  /** What it is, for the report. */
  readonly kind: ClusterKind;
  /** File that leads the control plane to it. */
  readonly kubeconfig: string;
  /** Creates nodes with their node proxies, which run; nothing else. */
  loadNodes(tell: (line: string) => void): Promise<void>;
  /** Creates everything else; afterwards every pod runs and is ready. */
  loadRest(tell: (line: string) => void): Promise<void>;
  /** Tokens of the node proxies, by node. Call it after `loadNodes`. */
  tokens(): Promise<readonly string[]>;
  /** Gives a pod another mark; resolves when the API server has it. */
  mark(index: number, mark: string): Promise<void>;
}
