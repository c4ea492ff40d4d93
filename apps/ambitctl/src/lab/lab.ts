/**
 * A lab: nodes and pods made of namespaces, and the mesh's processes on them. Whoever holds it drives it from code; the
 * command line and the demonstration are built on it.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FolderSource, type Pod, type ResourceSource } from '@ambit/kube';
import { AmbitError, delay, LAB_MARKER, runCommand, type CommandResult } from '@ambit/runtime';
import { joinPodCgroup } from './cgroups.ts';
import { describeLab } from './describe-lab.ts';
import { enclose } from './enclosure.ts';
import { IdentityFiles } from './identity-files.ts';
import { Kubelet } from './kubelet.ts';
import { LabError } from './lab-error.ts';
import { LabGuard } from './lab-guard.ts';
import type { LabDescription } from './lab-file.ts';
import { FABRIC, LabPaths, machineNamespace, namespacePath } from './lab-names.ts';
import { isRunning, writeRecord, type LabRecord } from './lab-record.ts';
import { ManifestEditor } from './manifest-editor.ts';
import { LabGateways } from './lab-gateways.ts';
import { LabMesh } from './lab-mesh.ts';
import { LabServices } from './lab-services.ts';
import { logTail } from './log-tail.ts';
import type { MeshProcess } from './mesh-process.ts';
import { httpInNamespace, type HttpAnswer } from './namespace-socket.ts';
import { createFabric, createNode } from './network.ts';
import type { PodSandbox } from './pod-sandbox.ts';
import { sweepLab } from './sweep.ts';

export interface LabOptions {
  readonly description: LabDescription;
  /** Folder that holds one folder per lab. */
  readonly stateRoot: string;
  /** `PATH` of everything that runs in the lab. */
  readonly searchPath: string;
  /** False: only nodes and pods, none of the mesh's processes. Default true. */
  readonly withMesh?: boolean;
  /** What is being done, one line at a time. */
  readonly onProgress?: (line: string) => void;
  /** What did not go as it should, one line at a time. */
  readonly onProblem?: (line: string) => void;
}

export interface WaitOptions {
  /** Default 30,000. */
  readonly timeoutMs?: number;
}

export interface ExecOptions {
  readonly stdin?: string;
  /** Default 30,000. */
  readonly timeoutMs?: number;
}

const REPOSITORY = fileURLToPath(new URL('../../../../', import.meta.url));
const READY_TIMEOUT_MS = 60_000;
const RECORD_INTERVAL_MS = 500;
const CHECK_INTERVAL_MS = 2_000;

export class Lab implements AsyncDisposable {
  readonly description: LabDescription;
  readonly paths: LabPaths;
  /** The manifests in force. */
  readonly manifests: ManifestEditor;
  readonly #options: LabOptions;
  readonly #cleanups: (() => void | Promise<void>)[] = [];
  #source: FolderSource | undefined;
  #kubelet: Kubelet | undefined;
  #services: LabServices | undefined;
  #mesh: LabMesh | undefined;
  #guard: LabGuard | undefined;
  #isUp = false;
  #down: Promise<void> | undefined;

  private constructor(options: LabOptions) {
    this.#options = options;
    this.description = options.description;
    this.paths = new LabPaths(options.stateRoot, options.description.name);
    this.manifests = new ManifestEditor(this.paths.manifests);
  }

  /**
   * Starts a lab; resolves when every process and pod is ready. What a crashed lab of the same name left is removed.
   * @throws LabError `LAB_EXISTS`, `NOT_READY`, or what a step failed with; nothing is left behind then.
   */
  static async up(options: LabOptions): Promise<Lab> {
    const lab = new Lab(options);
    if (isRunning(lab.paths))
      throw new LabError(
        'LAB_EXISTS',
        `a lab called ${lab.name} runs already; stop it with: ambitctl lab down --name ${lab.name}`,
      );
    await sweepLab(lab.name, lab.paths.root);
    lab.#guard = new LabGuard({
      lab: lab.name,
      stateRoot: options.stateRoot,
      program: join(REPOSITORY, 'apps/ambitctl/src/main.ts'),
      env: lab.#environment(),
    });
    try {
      await lab.#start();
    } catch (cause) {
      await lab.down();
      throw cause;
    }
    return lab;
  }

  get name(): string {
    return this.description.name;
  }

  /** Everything in force: manifests with status laid over. */
  get source(): ResourceSource {
    if (!this.#source) throw new LabError('LAB_UNKNOWN', 'the lab has not been started');
    return this.#source;
  }

  /** A pod by `namespace/name`. @throws LabError `POD_UNKNOWN` */
  pod(key: string): PodSandbox {
    const sandbox = this.#kubelet?.sandbox(key);
    if (!sandbox) throw new LabError('POD_UNKNOWN', `there is no pod ${key} in lab ${this.name}`);
    return sandbox;
  }

  pods(): readonly PodSandbox[] {
    return this.#kubelet?.sandboxes() ?? [];
  }

  /** A process of the mesh: `bus`, `ca`, `control-plane`, `cni-agent.<node>`, `ztunnel.<node>`. @throws LabError `PROCESS_UNKNOWN` */
  process(name: string): MeshProcess {
    if (!this.#mesh) throw new LabError('PROCESS_UNKNOWN', `lab ${this.name} runs without the mesh's processes`);
    return this.#mesh.get(name);
  }

  processes(): readonly MeshProcess[] {
    return this.#mesh?.list() ?? [];
  }

  /** Path of the network namespace of a node, or of the `fabric` between them. */
  machine(name: string): string {
    if (name !== FABRIC && !this.description.nodes.some((node) => node.name === name))
      throw new LabError('NODE_UNKNOWN', `there is no node ${name}`);
    return namespacePath(machineNamespace(this.name, name));
  }

  /** Runs a command in a pod's namespaces and waits for its end. */
  exec(pod: string, argv: readonly string[], options: ExecOptions = {}): Promise<CommandResult> {
    return runCommand(enclose(this.pod(pod).enclosure(), argv), { ...options, env: this.#markedEnvironment() });
  }

  /** Starts a command in a pod's namespaces; it is the caller's to end, and dies with this process. */
  spawn(pod: string, argv: readonly string[]): ChildProcess {
    const [program = '', ...args] = enclose(this.pod(pod).enclosure(), argv);
    return spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: this.#markedEnvironment() });
  }

  /** Runs a command on a node, or on the `fabric`. */
  execOn(machine: string, argv: readonly string[], options: ExecOptions = {}): Promise<CommandResult> {
    return runCommand(enclose({ netns: this.machine(machine) }, argv), { ...options, env: this.#markedEnvironment() });
  }

  /** Starts a command on a node, or on the `fabric`, for instance a capture. */
  spawnOn(machine: string, argv: readonly string[]): ChildProcess {
    const [program = '', ...args] = enclose({ netns: this.machine(machine) }, argv);
    return spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: this.#markedEnvironment() });
  }

  /** An HTTP request from a node, for admin and metrics ports. */
  http(
    machine: string,
    port: number,
    path: string,
    { method = 'GET', timeoutMs = 5_000 }: { readonly method?: string; readonly timeoutMs?: number } = {},
  ): Promise<HttpAnswer> {
    return httpInNamespace(this.machine(machine), '127.0.0.1', port, path, {
      signal: AbortSignal.timeout(timeoutMs),
      method,
    });
  }

  /** `ambient`, or undefined to take the namespace out of the mesh. */
  setDataplaneMode(namespace: string, mode: 'ambient' | undefined): void {
    this.manifests.label({ kind: 'Namespace', name: namespace }, 'istio.io/dataplane-mode', mode);
  }

  /** The redirection annotation of a pod: `enabled`, `pending`, or undefined. */
  redirection(pod: string): string | undefined {
    return this.#podObject(pod)?.metadata.annotations['ambient.istio.io/redirection'];
  }

  /** Resolves when all pods of a namespace are in the mesh, or out of it. */
  async waitForMode(namespace: string, mode: 'ambient' | undefined, options: WaitOptions = {}): Promise<void> {
    const wanted = mode === 'ambient' ? 'enabled' : undefined;
    await this.waitFor(
      `pods of ${namespace} to be ${wanted ?? 'out of the mesh'}`,
      () => {
        const pods = this.pods().filter(({ pod }) => pod.metadata.namespace === namespace);
        return pods.every(({ key }) => this.redirection(key) === wanted);
      },
      options,
    );
  }

  /** Resolves when the condition holds. @throws LabError `NOT_READY` naming what was waited for. */
  async waitFor(
    what: string,
    condition: () => boolean | Promise<boolean>,
    { timeoutMs = 30_000 }: WaitOptions = {},
  ): Promise<void> {
    const signal = AbortSignal.timeout(timeoutMs);
    while (!(await condition())) {
      try {
        await delay(50, { signal });
      } catch (cause) {
        throw new LabError('NOT_READY', `waited ${timeoutMs} ms for ${what}`, cause);
      }
    }
  }

  /** Stops everything and leaves nothing behind. Idempotent. */
  down(): Promise<void> {
    this.#down ??= this.#stop();
    return this.#down;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.down();
  }

  /** What `lab status` shows. */
  record(): LabRecord {
    return describeLab(this, this.#isUp);
  }

  async #start(): Promise<void> {
    const { description, paths, name } = this;
    const withMesh = this.#options.withMesh ?? true;
    this.#progress(`network: fabric and ${description.nodes.length} nodes`);
    for (const directory of [paths.root, paths.manifests, paths.status, paths.logs])
      mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const directory of description.manifestDirs) cpSync(directory, paths.manifests, { recursive: true });
    this.#recordRegularly();
    await createFabric(name);
    for (const node of description.nodes) await createNode(name, node);

    const source = new FolderSource({ manifestDirs: [paths.manifests], statusDirs: [paths.status] });
    this.#source = source;
    this.#cleanups.push(() => source[Symbol.dispose]());
    this.#reportProblems(source);
    const services = new LabServices({
      source,
      statusDir: paths.status,
      nodes: description.nodes.map((node) => ({ node, netnsPath: this.machine(node.name) })),
      onProblem: (line) => this.#problem(line),
    });
    this.#services = services;
    this.#cleanups.push(() => services[Symbol.asyncDispose]());
    await services.start();
    if (withMesh) {
      const gateways = new LabGateways({ source, paths, repository: REPOSITORY });
      this.#cleanups.push(() => gateways[Symbol.dispose]());
    }
    const kubelet = this.#createKubelet(source, withMesh);
    const identities = new IdentityFiles(paths, description.nodes, () => kubelet.sandboxes());
    this.#cleanups.push(() => identities[Symbol.dispose]());
    this.#onPodsChanged = () => identities.write();
    if (withMesh) {
      const mesh = new LabMesh({
        description,
        paths,
        repository: REPOSITORY,
        machine: (machine) => this.machine(machine),
        env: this.#markedEnvironment(),
        onProgress: (line) => this.#progress(line),
        onProblem: (line) => this.#problem(line),
      });
      this.#mesh = mesh;
      this.#cleanups.push(() => mesh[Symbol.asyncDispose]());
    }
    this.#progress(`pods: ${source.list('Pod').length}`);
    await Promise.all([kubelet.start(), this.#mesh?.start()]);
    await this.#waitForPods();
    this.#isUp = true;
    writeRecord(paths, this.record());
  }

  #onPodsChanged: () => void = () => {};

  #createKubelet(source: FolderSource, hasMesh: boolean): Kubelet {
    const kubelet = new Kubelet({
      lab: this.name,
      paths: this.paths,
      nodes: this.description.nodes,
      source,
      variables: { ...this.#environment(), LAB_DIR: this.description.directory, NODE: process.execPath },
      hasMesh,
      onProblem: (line) => this.#problem(line),
      onPodsChanged: () => this.#onPodsChanged(),
    });
    this.#kubelet = kubelet;
    this.#cleanups.push(() => kubelet.stop());
    return kubelet;
  }

  async #waitForPods(): Promise<void> {
    try {
      await this.waitFor('pods to be ready', () => this.pods().every(({ isReady }) => isReady), {
        timeoutMs: READY_TIMEOUT_MS,
      });
    } catch (cause) {
      const late = this.pods()
        .filter(({ isReady }) => !isReady)
        .map(({ key, pod }) => `${key}:\n${this.logTail(`pod.${pod.metadata.namespace}.${pod.metadata.name}`)}`);
      throw new LabError('NOT_READY', `pods are not ready:\n${late.join('\n')}`, cause);
    }
    // The services know of it before anybody uses them.
    await this.#services?.sync();
    this.#progress(`ready: ${this.pods().length} pods`);
  }

  /** The last lines of the log of a process, or of a pod (`pod.<namespace>.<name>`). */
  logTail(name: string, lines?: number): string {
    return logTail(this.paths, name, lines);
  }

  #podObject(key: string): Pod | undefined {
    return this.#source?.list('Pod').find(({ metadata }) => `${metadata.namespace}/${metadata.name}` === key);
  }

  #reportProblems(source: FolderSource): void {
    const subscription = source.onReportsChanged(() => {
      for (const { severity, message, location } of source.reports())
        this.#problem(`${severity}: ${location.file}:${location.line}: ${message}`);
    });
    this.#cleanups.push(() => subscription[Symbol.dispose]());
  }

  #recordRegularly(): void {
    let written = '';
    const write = (): void => {
      const record = this.record();
      for (const sandbox of this.pods()) for (const pid of sandbox.pids) joinPodCgroup(this.name, sandbox.uid, pid);
      const text = JSON.stringify(record);
      if (text === written) return;
      written = text;
      writeRecord(this.paths, record);
    };
    write();
    const timer = setInterval(write, RECORD_INTERVAL_MS).unref();
    const checks = setInterval(
      () => void Promise.all(this.processes().map((process) => process.check())),
      CHECK_INTERVAL_MS,
    ).unref();
    this.#cleanups.push(() => {
      clearInterval(timer);
      clearInterval(checks);
    });
  }

  async #stop(): Promise<void> {
    for (const cleanup of this.#cleanups.reverse()) {
      try {
        await cleanup();
      } catch (cause) {
        this.#problem(cause instanceof AmbitError ? cause.message : String(cause));
      }
    }
    await sweepLab(this.name, this.paths.root);
    await this.#guard?.release();
  }

  #environment(): Record<string, string> {
    return { PATH: `${dirname(process.execPath)}:${this.#options.searchPath}`, LANG: 'C.UTF-8', HOME: this.paths.root };
  }

  #markedEnvironment(): Record<string, string> {
    return {
      ...this.#environment(),
      [LAB_MARKER]: this.name,
      NODE_COMPILE_CACHE: join(REPOSITORY, 'node_modules', '.cache', 'ambit-lab'),
    };
  }

  #progress(line: string): void {
    this.#options.onProgress?.(line);
  }

  #problem(line: string): void {
    this.#options.onProblem?.(line);
  }
}
