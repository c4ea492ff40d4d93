/** What tests may ask of any cluster, and what only a lab can do. */
import type { RunCommandOptions } from '@ambit/runtime';

export interface Cluster extends AsyncDisposable {
  /** Path of a kubeconfig whose current context is this cluster, with all rights. */
  readonly kubeconfig: string;
  /** `KUBECONFIG` and a `PATH` with kubectl and helm: for programs that are started beside it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Undefined for a cluster that was brought along. */
  readonly machines: LabMachines | undefined;
  /** Runs kubectl to its end and gives its standard output. @throws AmbitError `COMMAND_FAILED` */
  kubectl(args: readonly string[], options?: RunCommandOptions): Promise<string>;
  /** Runs helm to its end and gives its standard output. @throws AmbitError `COMMAND_FAILED` */
  helm(args: readonly string[], options?: RunCommandOptions): Promise<string>;
  /** Lets the cluster stay when this process ends. */
  release(): void;
  /** Names of the nodes, sorted. */
  nodes(): Promise<readonly string[]>;
  /** Brings image archives (as of `docker save`) to every node. */
  loadImages(files: readonly string[]): Promise<void>;
}

/** Access to the machines of a lab. Nodes are numbered from 1; node 1 is called `node1`. */
export interface LabMachines {
  /** Command line that runs `argv` where pod addresses and node ports are reachable, Service addresses are not. */
  commandInNetwork(argv: readonly string[]): readonly string[];
  /** Command line that runs `argv` on a node, Service addresses included. @throws KubeLabError `NOT_UP` */
  commandOnNode(node: number, argv: readonly string[]): readonly string[];
  /** The same in the node's network alone; unlike the one above, the process takes signals itself. */
  commandInNodeNetwork(node: number, argv: readonly string[]): readonly string[];
  /** Interface in the network of {@link commandInNetwork} that carries all that a node says and hears. */
  linkOf(node: number): string;
  /** Boots a further node, or a dead one again, and waits until it is Ready. @returns its number */
  addNode(node?: number): Promise<number>;
  /** Power loss: all processes and the network at once; the disk stays. NotReady shows after about 20 s. */
  killNode(node: number): Promise<void>;
}
