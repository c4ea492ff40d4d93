/** A Kubernetes of our own on this machine: brought up, reached, broken and taken down. */
import { existsSync, mkdirSync, rmSync, statfsSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { mustRun, runCommand, type RunCommandOptions } from '@ambit/runtime';
import { buildLab } from '../build/lab-builder.ts';
import { contentKey } from '../build/built-record.ts';
import { kubernetesVersion } from '../build/go-programs.ts';
import { KubeLabError } from '../kube-lab-error.ts';
import { CachePaths, LabPaths } from '../lab-paths.ts';
import { isLabName, type LabSettings } from '../lab-settings.ts';
import { BackgroundProcesses } from '../machine/background-process.ts';
import { rememberKernelSettings, restoreKernelSettings } from '../machine/kernel-settings.ts';
import { deleteNamespace } from '../machine/network-namespace.ts';
import { abandonedLabs, isOurs, recordOwner, releaseOwner } from '../machine/owner-record.ts';
import { secondsSince, type Progress } from '../progress.ts';
import { MAX_NODES, nodeNumbers } from './address-plan.ts';
import { makeCertificates } from './certificates.ts';
import type { Cluster } from './cluster.ts';
import { controlPlaneNamespace } from './cluster-network.ts';
import { ControlPlane, isPortTaken } from './control-plane.ts';
import { readLabDescription, writeLabDescription, type LabDescription } from './lab-description.ts';
import { LabNodes } from './lab-nodes.ts';

const OVERLAYFS = 0x794c7630;
/** Every node has these from its first moment. */
const FIRST_IMAGES = ['pause', 'coredns', 'busybox'] as const;

export interface LabOptions extends LabDescription {
  /** 0 to 9. */
  readonly nodes: number;
  /** Besides this process' own. */
  readonly apiServerEnvironment?: Readonly<Record<string, string>>;
  readonly progress: Progress;
}

export class LabCluster implements Cluster {
  readonly kubeconfig: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly machines: LabNodes;
  readonly #settings: LabSettings;
  readonly #programs: CachePaths;

  private constructor(settings: LabSettings, machines: LabNodes) {
    const paths = new LabPaths(settings);
    this.#settings = settings;
    this.#programs = new CachePaths(settings);
    this.machines = machines;
    this.kubeconfig = paths.kubeconfig('admin');
    this.environment = { KUBECONFIG: this.kubeconfig, PATH: `${this.#programs.programs}:${settings.searchPath}` };
  }

  /**
   * Brings a lab up, building first what is missing. It belongs to this process until {@link release}. Labs whose
   * process is gone are removed, and leftovers of one of this name.
   * @throws KubeLabError; nothing is left behind then
   */
  static async up(settings: LabSettings, options: LabOptions): Promise<LabCluster> {
    const { nodes, progress, isControlPlaneOnly } = options;
    if (process.getuid?.() !== 0) throw new KubeLabError('NOT_ROOT', 'a Kubernetes lab needs root');
    if (nodes < 0 || nodes > MAX_NODES) throw new KubeLabError('BAD_ARGUMENT', `a lab has 0 to ${MAX_NODES} nodes`);
    await buildLab(settings, {
      programs: isControlPlaneOnly ? ['kube'] : ['kube', 'coredns', 'helm'],
      withImages: !isControlPlaneOnly,
      progress,
    });
    for (const name of abandonedLabs(new CachePaths(settings).labs)) {
      if (!isLabName(name)) continue;
      progress(`removing lab ${name}, whose process is gone`);
      await LabCluster.down({ ...settings, name });
    }
    if (LabCluster.#controlPlane(settings).isRunning)
      throw new KubeLabError(
        'ALREADY_UP',
        `lab ${settings.name} is up; take it down first, or use AMBIT_KUBE_LAB_NAME`,
      );
    await LabCluster.down(settings);
    try {
      return await LabCluster.#start(settings, options);
    } catch (cause) {
      await LabCluster.down(settings);
      throw cause;
    }
  }

  /** A lab that another process brought up. @throws KubeLabError `NOT_UP` */
  static attach(settings: LabSettings): LabCluster {
    const description = readLabDescription(new LabPaths(settings).description);
    if (description === undefined || !LabCluster.#controlPlane(settings).isRunning)
      throw new KubeLabError('NOT_UP', `no lab ${settings.name} is up`);
    const processes = LabCluster.#processes(settings);
    return new LabCluster(settings, new LabNodes(settings, description, processes));
  }

  /** Removes everything that a lab of this name may have left, whole or crashed. Idempotent. */
  static async down(settings: LabSettings): Promise<void> {
    const paths = new LabPaths(settings);
    const { labs } = new CachePaths(settings);
    if (!existsSync(paths.root)) return;
    const processes = LabCluster.#processes(settings);
    for (const name of processes.names()) processes.stop(name);
    const description = readLabDescription(paths.description);
    if (description !== undefined) await new LabNodes(settings, description, processes).clear();
    const left = await deleteNamespace(controlPlaneNamespace(settings.name));
    if (left.length > 0) process.stderr.write(`kube-lab: still in the lab's network: process ${left.join(', ')}\n`);
    // Should something be mounted in there after all, its content is not ours to remove.
    await mustRun(['rm', '-rf', '--one-file-system', paths.root]);
    restoreKernelSettings(labs);
  }

  /** Takes the lab of this name down if it belongs to this process. */
  static async giveUp(settings: LabSettings): Promise<void> {
    if (isOurs(new LabPaths(settings).root)) await LabCluster.down(settings);
  }

  async kubectl(args: readonly string[], options: RunCommandOptions = {}): Promise<string> {
    return this.#run('kubectl', args, options);
  }

  async helm(args: readonly string[], options: RunCommandOptions = {}): Promise<string> {
    return this.#run('helm', args, options);
  }

  async nodes(): Promise<readonly string[]> {
    const names = await this.kubectl(['get', 'nodes', '-o', 'jsonpath={.items[*].metadata.name}']);
    return names
      .split(' ')
      .filter((name) => name !== '')
      .toSorted();
  }

  async loadImages(files: readonly string[]): Promise<void> {
    const { images } = new LabPaths(this.#settings);
    for (const file of files) {
      const path = resolve(file);
      const link = join(images, `${contentKey([path])}.tar`);
      // For nodes that join later.
      rmSync(link, { force: true });
      symlinkSync(path, link);
      await this.machines.importImage(path);
    }
  }

  release(): void {
    releaseOwner(new LabPaths(this.#settings).root);
  }

  /** Takes the lab down. */
  async [Symbol.asyncDispose](): Promise<void> {
    await LabCluster.down(this.#settings);
  }

  /** One line per process and node, for a person. */
  async status(): Promise<string> {
    const processes = LabCluster.#processes(this.#settings);
    const lines = processes.names().map((name) => `${name}: ${processes.pid(name) ?? 'dead'}`);
    const { stdout, stderr } = await runCommand([this.#programs.program('kubectl'), 'get', 'nodes', '-o', 'wide'], {
      env: this.environment,
    });
    return `Kubernetes ${kubernetesVersion()}\n${lines.join('\n')}\n${stdout}${stderr}`;
  }

  static async #start(settings: LabSettings, options: LabOptions): Promise<LabCluster> {
    const { progress, nodes } = options;
    const startMs = performance.now();
    const paths = new LabPaths(settings);
    const cache = new CachePaths(settings);
    checkFileSystem(settings.home);
    if (await isPortTaken(settings.port))
      throw new KubeLabError('UNSUITABLE_MACHINE', `port ${settings.port} is taken; set AMBIT_KUBE_LAB_PORT`);
    for (const folder of [paths.root, paths.certificates, paths.images])
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    recordOwner(paths.root);
    const { isDual, isControlPlaneOnly, proxyMode, apiServerArguments, kubeletArguments } = options;
    const description = { isDual, isControlPlaneOnly, proxyMode, apiServerArguments, kubeletArguments };
    writeLabDescription(paths.description, description);
    for (const image of FIRST_IMAGES)
      if (existsSync(cache.image(image))) symlinkSync(cache.image(image), join(paths.images, `${image}.tar`));
    const processes = LabCluster.#processes(settings);
    const controlPlane = new ControlPlane(settings, processes);
    const lab = new LabCluster(settings, new LabNodes(settings, description, processes));
    if (!isControlPlaneOnly) {
      rememberKernelSettings(cache.labs);
      // Without br_netfilter a Service does not work between pods of one node.
      await runCommand(['modprobe', '-qa', 'overlay', 'br_netfilter']);
    }
    await makeCertificates(paths, settings.port);
    await controlPlane.start(description, options.apiServerEnvironment);
    // They unpack their images while the API server starts.
    const numbers = nodeNumbers.slice(0, isControlPlaneOnly ? 0 : nodes);
    await lab.machines.boot(numbers);
    await controlPlane.serve(description);
    await lab.machines.untilReady(numbers);
    progress(
      `up in ${secondsSince(startMs)}: Kubernetes ${kubernetesVersion()}, ${isControlPlaneOnly ? 'control plane only' : `${nodes} nodes`}${isDual ? ', dual stack' : ''}`,
    );
    return lab;
  }

  static #processes(settings: LabSettings): BackgroundProcesses {
    return new BackgroundProcesses(new LabPaths(settings), settings.searchPath);
  }

  static #controlPlane(settings: LabSettings): ControlPlane {
    return new ControlPlane(settings, LabCluster.#processes(settings));
  }

  #run(program: string, args: readonly string[], options: RunCommandOptions): Promise<string> {
    const env = { ...this.environment, ...options.env };
    return mustRun([this.#programs.program(program), ...args], { timeoutMs: 180_000, ...options, env });
  }
}

/** The overlays of containerd and Docker cannot lie on an overlay. */
function checkFileSystem(home: string): void {
  if (statfsSync(home).type === OVERLAYFS)
    throw new KubeLabError(
      'UNSUITABLE_MACHINE',
      `${home} lies on overlayfs, where containerd cannot work; set AMBIT_KUBE_LAB_HOME to a folder on a disk or volume`,
    );
}
