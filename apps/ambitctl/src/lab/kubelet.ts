/**
 * The lab's scheduler and kubelets: places pods on nodes, gives them addresses, starts and stops them as the manifests
 * change. Level-triggered, one pass at a time.
 */
import type { Pod, ResourceSource } from '@ambit/kube';
import { formatLocation } from '@ambit/kube';
import { toAmbitError } from '@ambit/runtime';
import { linkAddresses, podAddress, type DualAddress } from './address-plan.ts';
import type { LabNode } from './lab-file.ts';
import type { LabPaths } from './lab-names.ts';
import { PodSandbox } from './pod-sandbox.ts';

export interface KubeletOptions {
  readonly lab: string;
  readonly paths: LabPaths;
  readonly nodes: readonly LabNode[];
  readonly source: ResourceSource;
  readonly variables: Readonly<Record<string, string>>;
  readonly hasMesh: boolean;
  readonly onProblem: (message: string) => void;
  /** After pods came or went. */
  readonly onPodsChanged: () => void;
}

export class Kubelet {
  readonly #options: KubeletOptions;
  /** By `namespace/name`. */
  readonly #sandboxes = new Map<string, PodSandbox>();
  readonly #refused = new Set<string>();
  #subscription: Disposable | undefined;
  #pass: Promise<void> = Promise.resolve();
  #isDirty = false;
  #isStopped = false;

  constructor(options: KubeletOptions) {
    this.#options = options;
  }

  /** Resolves when every pod of the manifests has its network; they get ready later. */
  async start(): Promise<void> {
    this.#subscription = this.#options.source.subscribe((events) => {
      if (events.some((event) => (event.kind === 'delete' ? event.previous : event.resource).kind === 'Pod'))
        void this.sync();
    });
    await this.sync();
  }

  sandboxes(): readonly PodSandbox[] {
    return [...this.#sandboxes.values()].toSorted((a, b) => a.key.localeCompare(b.key));
  }

  sandbox(key: string): PodSandbox | undefined {
    return this.#sandboxes.get(key);
  }

  /** Looks at the manifests again; resolves when they have been carried out. */
  sync(): Promise<void> {
    this.#isDirty = true;
    this.#pass = this.#pass.then(() => this.#runPass());
    return this.#pass;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#subscription?.[Symbol.dispose]();
    await this.#pass;
    await Promise.all(this.sandboxes().map((sandbox) => sandbox.stop()));
    this.#sandboxes.clear();
  }

  async #runPass(): Promise<void> {
    if (!this.#isDirty || this.#isStopped) return;
    this.#isDirty = false;
    const pods = new Map(this.#options.source.list('Pod').map((pod) => [keyOf(pod), pod]));
    const gone = this.sandboxes().filter(({ key, pod }) => !isSamePod(pod, pods.get(key)));
    await Promise.all(gone.map((sandbox) => sandbox.stop()));
    for (const { key } of gone) this.#sandboxes.delete(key);
    const added = [...pods.values()]
      .filter((pod) => !this.#sandboxes.has(keyOf(pod)))
      .map((pod) => this.#startPod(pod));
    await Promise.all(added);
    if (gone.length + added.length > 0) this.#options.onPodsChanged();
  }

  async #startPod(pod: Pod): Promise<void> {
    const key = keyOf(pod);
    const node = this.#nodeFor(pod);
    const address = node && this.#freeAddress(node);
    if (!node || !address) {
      const reason = node ? `node ${node.name} has no free address` : `node ${pod.spec.nodeName} does not exist`;
      if (!this.#refused.has(key))
        this.#options.onProblem(`${formatLocation(pod.origin)}: pod ${key} cannot run: ${reason}`);
      this.#refused.add(key);
      return;
    }
    const { lab, paths, variables, hasMesh, onProblem } = this.#options;
    const nameserver = linkAddresses(node.number).node.v4;
    const sandbox = new PodSandbox({ lab, paths, node, pod, address, nameserver, variables, hasMesh, onProblem });
    this.#sandboxes.set(key, sandbox);
    try {
      await sandbox.start();
    } catch (cause) {
      onProblem(`pod ${key} could not be started: ${toAmbitError(cause).message}`);
      await sandbox.stop();
      this.#sandboxes.delete(key);
    }
  }

  /** The node the manifest names, or the one with the fewest pods. */
  #nodeFor(pod: Pod): LabNode | undefined {
    const { nodes } = this.#options;
    if (pod.spec.nodeName !== '') return nodes.find(({ name }) => name === pod.spec.nodeName);
    const load = (node: LabNode): number => this.sandboxes().filter((sandbox) => sandbox.node === node).length;
    return nodes.toSorted((a, b) => load(a) - load(b))[0];
  }

  #freeAddress(node: LabNode): DualAddress | undefined {
    const taken = new Set(
      this.sandboxes()
        .filter((sandbox) => sandbox.node === node)
        .map(({ address }) => address.v4),
    );
    for (let index = 0; ; index += 1) {
      const address = podAddress(node.number, index);
      if (!address || !taken.has(address.v4)) return address;
    }
  }
}

function keyOf(pod: Pod): string {
  return `${pod.metadata.namespace}/${pod.metadata.name}`;
}

/** A pod's place, account and command are fixed when it is made; to change them, it is deleted and made again. */
function isSamePod(running: Pod, wanted: Pod | undefined): boolean {
  return (
    wanted !== undefined &&
    running.spec.serviceAccountName === wanted.spec.serviceAccountName &&
    JSON.stringify(running.spec.containers) === JSON.stringify(wanted.spec.containers)
  );
}
