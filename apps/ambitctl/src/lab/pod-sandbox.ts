/** One pod on one node, as a kubelet runs it: network, start after the mesh agreed, containers, readiness, status. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { delay, LAB_MARKER, runCommand, TaskScope, toAmbitError } from '@ambit/runtime';
import { removePodStatus, writePodStatus, type Pod, type PodPhase } from '@ambit/kube';
import type { DualAddress } from './address-plan.ts';
import { cniAdd } from './cni-plugin.ts';
import { enclose, type Enclosure } from './enclosure.ts';
import type { LabNode } from './lab-file.ts';
import { machineNamespace, namespacePath, podNamespace, type LabPaths } from './lab-names.ts';
import { connectInNamespace, httpInNamespace } from './namespace-socket.ts';
import { createPodNetwork, deleteNamespace } from './network.ts';
import { readPodManifest, type ContainerCommand, type PodManifest, type ReadinessProbe } from './pod-manifest.ts';
import { SupervisedProcess } from './supervised-process.ts';

export interface PodSandboxOptions {
  readonly lab: string;
  readonly paths: LabPaths;
  readonly node: LabNode;
  readonly pod: Pod;
  readonly address: DualAddress;
  readonly nameserver: string;
  /** Environment of every container; also what `$(NAME)` in commands stands for. */
  readonly variables: Readonly<Record<string, string>>;
  /** False: there is no agent in this lab, pods start without asking. */
  readonly hasMesh: boolean;
  readonly onProblem: (message: string) => void;
}

const STATUS_WRITER = 'kubelet';
const PROBE_TIMEOUT_MS = 2_000;
const CNI_RETRY_MS = 500;

export class PodSandbox {
  readonly uid: string = randomUUID();
  readonly #options: PodSandboxOptions;
  readonly #scope = new TaskScope({
    onError: (name, error) => this.#options.onProblem(`${name}: ${error.message}`),
    graceMs: 2_000,
  });
  readonly #processes: SupervisedProcess[] = [];
  #phase: PodPhase = 'Pending';
  #isReady = false;
  #stopped: Promise<void> | undefined;

  constructor(options: PodSandboxOptions) {
    this.#options = options;
  }

  get key(): string {
    const { namespace, name } = this.#options.pod.metadata;
    return `${namespace}/${name}`;
  }

  get pod(): Pod {
    return this.#options.pod;
  }

  get node(): LabNode {
    return this.#options.node;
  }

  get address(): DualAddress {
    return this.#options.address;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  get netnsPath(): string {
    const { lab, pod } = this.#options;
    return namespacePath(podNamespace(lab, pod.metadata.namespace, pod.metadata.name));
  }

  /** Outer process ids of the containers that run. */
  get pids(): readonly number[] {
    return this.#processes.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  get restarts(): number {
    return this.#processes.reduce((sum, process) => sum + process.restarts, 0);
  }

  /** Makes the pod's network and writes its first status; the rest goes on in the background. */
  async start(): Promise<void> {
    const { lab, node, pod, address } = this.#options;
    const { namespace, name } = pod.metadata;
    this.#writeFiles();
    await createPodNetwork(lab, node, namespace, name, address);
    this.#writeStatus();
    const manifest = readPodManifest(pod, this.#variables());
    this.#scope.run(`pod ${this.key}`, (signal) => this.#run(manifest, signal));
  }

  /** Where to run something beside the pod's own containers: same network, names and resolver. */
  enclosure(): Enclosure {
    const directory = this.#directory;
    return {
      netns: this.netnsPath,
      overlays: [
        [join(directory, 'resolv.conf'), '/etc/resolv.conf'],
        [join(directory, 'hosts'), '/etc/hosts'],
      ],
    };
  }

  /** Ends everything of the pod and takes its network and status away. */
  stop(): Promise<void> {
    this.#stopped ??= this.#end();
    return this.#stopped;
  }

  /** Kills the containers; they are started again. */
  kill(signal: NodeJS.Signals): void {
    for (const process of this.#processes) process.kill(signal);
  }

  async #run(manifest: PodManifest, signal: AbortSignal): Promise<void> {
    await this.#joinMesh(signal);
    for (const container of manifest.containers)
      this.#processes.push(this.#startContainer(container, manifest.restarts));
    this.#phase = 'Running';
    const probes = manifest.containers.flatMap(({ probe }) => (probe ? [probe] : []));
    if (probes.length === 0) this.#isReady = true;
    this.#writeStatus();
    if (probes.length > 0) await this.#watchReadiness(probes, signal);
  }

  /** No mesh, no pod: a pod whose agent is away waits. Istio: the plugin fails the pod's start. */
  async #joinMesh(signal: AbortSignal): Promise<void> {
    if (!this.#options.hasMesh) return;
    const { paths, node, pod } = this.#options;
    let lastProblem = '';
    for (;;) {
      signal.throwIfAborted();
      try {
        await cniAdd({
          runDir: paths.cniDirectory(node.name),
          netnsPath: this.netnsPath,
          namespace: pod.metadata.namespace,
          name: pod.metadata.name,
        });
        return;
      } catch (cause) {
        const problem = toAmbitError(cause).message;
        if (problem !== lastProblem) this.#options.onProblem(problem);
        lastProblem = problem;
        await delay(CNI_RETRY_MS, { signal });
      }
    }
  }

  #startContainer(container: ContainerCommand, restarts: boolean): SupervisedProcess {
    const { paths, pod, lab } = this.#options;
    const process = new SupervisedProcess({
      name: `${this.key}/${container.name}`,
      command: () => ({
        argv: enclose({ ...this.enclosure(), ownProcesses: true }, container.argv),
        env: { ...this.#variables(), ...container.env, [LAB_MARKER]: lab, HOSTNAME: pod.metadata.name },
        cwd: this.#directory,
      }),
      logFile: paths.log(`pod.${pod.metadata.namespace}.${pod.metadata.name}`),
      isWrapped: true,
      restarts,
      onExit: (description) => {
        this.#options.onProblem(`${this.key}/${container.name} ended: ${description}`);
        this.#isReady = false;
        if (!restarts) this.#phase = description === 'code 0' ? 'Succeeded' : 'Failed';
        this.#writeStatus();
      },
    });
    process.start();
    return process;
  }

  async #watchReadiness(probes: readonly ReadinessProbe[], signal: AbortSignal): Promise<void> {
    const periodMs = Math.min(...probes.map((probe) => probe.periodMs));
    for (;;) {
      const results = await Promise.all(probes.map((probe) => this.#probe(probe)));
      const isReady = results.every(Boolean) && this.#phase === 'Running';
      if (signal.aborted) return;
      if (isReady !== this.#isReady) {
        this.#isReady = isReady;
        this.#writeStatus();
      }
      // A pod that starts is looked at more often, so that a lab comes up quickly.
      await delay(isReady ? periodMs : Math.min(periodMs, 150), { signal });
    }
  }

  /** Probes come from the node, as the kubelet's do. */
  async #probe(probe: ReadinessProbe): Promise<boolean> {
    const { lab, node, address } = this.#options;
    const machine = namespacePath(machineNamespace(lab, node.name));
    const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
    try {
      switch (probe.kind) {
        case 'tcp': {
          const socket = await connectInNamespace(machine, address.v4, probe.port, { signal });
          socket.destroy();
          return true;
        }
        case 'http':
          return (await httpInNamespace(machine, address.v4, probe.port, probe.path, { signal })).status < 400;
        case 'exec':
          return (
            (
              await runCommand(enclose(this.enclosure(), probe.command), {
                timeoutMs: PROBE_TIMEOUT_MS,
                env: { [LAB_MARKER]: lab },
              })
            ).code === 0
          );
      }
    } catch {
      return false;
    }
  }

  #variables(): Readonly<Record<string, string>> {
    const { variables, pod, node, address } = this.#options;
    return {
      ...variables,
      POD_NAME: pod.metadata.name,
      POD_NAMESPACE: pod.metadata.namespace,
      POD_IP: address.v4,
      POD_IP6: address.v6,
      NODE_NAME: node.name,
      POD_DIR: this.#directory,
    };
  }

  get #directory(): string {
    return this.#options.paths.pod(this.#options.pod.metadata.namespace, this.#options.pod.metadata.name);
  }

  #writeFiles(): void {
    const { pod, address, nameserver } = this.#options;
    const { namespace, name } = pod.metadata;
    mkdirSync(this.#directory, { recursive: true });
    const search = `${namespace}.svc.cluster.local svc.cluster.local cluster.local`;
    writeFileSync(
      join(this.#directory, 'resolv.conf'),
      `nameserver ${nameserver}\nsearch ${search}\noptions ndots:5\n`,
    );
    writeFileSync(
      join(this.#directory, 'hosts'),
      `127.0.0.1 localhost\n::1 localhost ip6-localhost\n${address.v4} ${name}\n${address.v6} ${name}\n`,
    );
  }

  #writeStatus(): void {
    const { paths, node, pod, address } = this.#options;
    writePodStatus(paths.status, pod.metadata.namespace, pod.metadata.name, STATUS_WRITER, {
      uid: this.uid,
      nodeName: node.name,
      podIPs: [address.v4, address.v6],
      phase: this.#phase,
      isReady: this.#isReady,
      annotations: { 'ambit.dev/netns': this.netnsPath },
    });
  }

  async #end(): Promise<void> {
    const { paths, lab, pod } = this.#options;
    const { namespace, name } = pod.metadata;
    await Promise.all(this.#processes.map((process) => process.stop()));
    await this.#scope[Symbol.asyncDispose]();
    removePodStatus(paths.status, namespace, name, STATUS_WRITER);
    await deleteNamespace(podNamespace(lab, namespace, name));
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
