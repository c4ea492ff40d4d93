/** The cluster that the control plane of a run reads: a stand-in or a real API server. */
export interface BenchCluster extends AsyncDisposable {
  /** What it is, for the report. */
  readonly kind: 'stand-in' | 'apiserver';
  /** File that leads the control plane to it. */
  readonly kubeconfig: string;
  /** Processes whose work is not the control plane's, for the report. */
  readonly pids: readonly number[];
  /** Creates all objects; afterwards every pod runs and is ready. */
  load(tell: (line: string) => void): Promise<void>;
  /** Tokens of the node proxies, by node. Call it after `load`. */
  tokens(): Promise<readonly string[]>;
  /** Gives a pod another mark; resolves when the API server has it. */
  mark(index: number, mark: string): Promise<void>;
}
