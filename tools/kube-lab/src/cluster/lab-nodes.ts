/** The machines of a lab. */
import { join } from 'node:path';
import { mustRun } from '@ambit/runtime';
import { KubeLabError } from '../kube-lab-error.ts';
import { CachePaths, LabPaths } from '../lab-paths.ts';
import type { LabSettings } from '../lab-settings.ts';
import type { BackgroundProcesses } from '../machine/background-process.ts';
import { logTail } from '../machine/log-tail.ts';
import { namespacePath } from '../machine/network-namespace.ts';
import { waitUntil } from '../machine/wait-until.ts';
import { MAX_NODES, nodeNumbers } from './address-plan.ts';
import type { LabMachines } from './cluster.ts';
import { controlPlaneNamespace, nodeLink } from './cluster-network.ts';
import type { LabDescription } from './lab-description.ts';
import { NodeMachine } from './node-machine.ts';

const DNS_MANIFEST = join(import.meta.dirname, '../../assets/coredns.yaml');
const READY_SECONDS = 180;
const IMPORT_TIMEOUT_MS = 180_000;

export class LabNodes implements LabMachines {
  readonly #settings: LabSettings;
  readonly #lab: LabDescription;
  readonly #nodes: readonly NodeMachine[];

  constructor(settings: LabSettings, lab: LabDescription, processes: BackgroundProcesses) {
    this.#settings = settings;
    this.#lab = lab;
    this.#nodes = nodeNumbers.map((number) => new NodeMachine(number, settings, processes));
  }

  commandInNetwork(argv: readonly string[]): readonly string[] {
    return ['nsenter', `--net=${namespacePath(controlPlaneNamespace(this.#settings.name))}`, '--', ...argv];
  }

  commandOnNode(node: number, argv: readonly string[]): readonly string[] {
    const command = this.#node(node).command(argv);
    if (command === undefined) throw new KubeLabError('NOT_UP', `node${node} is not running`);
    return command;
  }

  commandInNodeNetwork(node: number, argv: readonly string[]): readonly string[] {
    const command = this.#node(node).networkCommand(argv);
    if (command === undefined) throw new KubeLabError('NOT_UP', `node${node} is not running`);
    return command;
  }

  linkOf(node: number): string {
    return nodeLink(this.#node(node).number);
  }

  async addNode(node?: number): Promise<number> {
    const number = node ?? this.#nodes.find(({ hasDisk }) => !hasDisk)?.number ?? MAX_NODES + 1;
    const machine = this.#node(number);
    if (machine.isRunning) throw new KubeLabError('ALREADY_UP', `${machine.name} is running`);
    const before = Date.now();
    await machine.boot(this.#lab);
    // A node that comes back shows its old condition until its lease runs out: wait for a new sign of life.
    const isAlive = await waitUntil(READY_SECONDS * 1_000, () => this.#hasRenewedLease(machine.name, before), 200);
    if (!isAlive) throw this.#notReady(number);
    await this.untilReady([number]);
    return number;
  }

  async killNode(node: number): Promise<void> {
    const machine = this.#node(node);
    if (!machine.isRunning) throw new KubeLabError('NOT_UP', `${machine.name} is not running`);
    await machine.kill();
  }

  async boot(numbers: readonly number[]): Promise<void> {
    await Promise.all(numbers.map((number) => this.#node(number).boot(this.#lab)));
  }

  /** Brings the cluster's DNS and waits for the nodes and for it. Nothing to do without nodes. */
  async untilReady(numbers: readonly number[]): Promise<void> {
    if (numbers.length === 0) return;
    await this.#kubectl(['apply', '--server-side', '-f', DNS_MANIFEST]);
    const dual = '{"spec":{"ipFamilyPolicy":"PreferDualStack"}}';
    if (this.#lab.isDual) await this.#kubectl(['-n', 'kube-system', 'patch', 'service', 'kube-dns', '-p', dual]);
    await Promise.all(
      numbers.map(async (number) => {
        try {
          for (const what of ['create', 'condition=Ready'])
            await this.#kubectl(['wait', `--for=${what}`, `node/node${number}`, `--timeout=${READY_SECONDS}s`]);
        } catch (cause) {
          throw this.#notReady(number, cause);
        }
      }),
    );
    await this.#kubectl([
      '-n',
      'kube-system',
      'rollout',
      'status',
      'deployment/coredns',
      `--timeout=${READY_SECONDS}s`,
    ]);
  }

  /** Into every node that runs. By standard input, as parts of the machine's disk are hidden inside. */
  async importImage(file: string): Promise<void> {
    const running = this.#nodes.filter(({ isRunning }) => isRunning);
    await Promise.all(
      running.map(async (node) => {
        const command = this.commandOnNode(node.number, ['ctr', '-n', 'k8s.io', 'images', 'import', '-']);
        await mustRun(['sh', '-c', 'file=$1; shift; exec "$@" <"$file"', 'import', file, ...command], {
          timeoutMs: IMPORT_TIMEOUT_MS,
        });
      }),
    );
  }

  /** Removes what nodes leave outside of their disks. */
  async clear(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.clear()));
  }

  #node(number: number): NodeMachine {
    const node = this.#nodes[number - 1];
    if (node === undefined) throw new KubeLabError('BAD_ARGUMENT', `nodes are numbered from 1 to ${MAX_NODES}`);
    return node;
  }

  async #hasRenewedLease(name: string, sinceWallMs: number): Promise<boolean> {
    const time = ['-o', 'jsonpath={.spec.renewTime}', '--ignore-not-found'];
    return Date.parse(await this.#kubectl(['-n', 'kube-node-lease', 'get', 'lease', name, ...time])) > sinceWallMs;
  }

  #notReady(number: number, cause?: unknown): KubeLabError {
    const logs = join(new LabPaths(this.#settings).disk(number), 'log');
    const tail = logTail(join(logs, 'kubelet.log')) || logTail(join(logs, 'containerd.log'));
    return new KubeLabError('NOT_READY', `node${number} is not Ready; the end of its log:\n${tail}`, cause);
  }

  #kubectl(args: readonly string[]): Promise<string> {
    const kubectl = new CachePaths(this.#settings).program('kubectl');
    const env = { KUBECONFIG: new LabPaths(this.#settings).kubeconfig('admin') };
    return mustRun([kubectl, ...args], { env, timeoutMs: (READY_SECONDS + 10) * 1_000 });
  }
}
