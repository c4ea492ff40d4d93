/**
 * A Docker engine for Testcontainers, in a network namespace of its own: its bridge, rules and published ports stay off
 * the machine's network. Tests that use published ports run inside, where those are on localhost.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { mustRun, runCommand } from '@ambit/runtime';
import { buildLab } from '../build/lab-builder.ts';
import { KubeLabError } from '../kube-lab-error.ts';
import { CachePaths, LabPaths } from '../lab-paths.ts';
import { isLabName, type LabSettings } from '../lab-settings.ts';
import { BackgroundProcesses, sendSignal } from '../machine/background-process.ts';
import { hasSysResource } from '../machine/capabilities.ts';
import { deleteCgroup, killCgroup } from '../machine/cgroup.ts';
import { logTail } from '../machine/log-tail.ts';
import { abandonedLabs, isOurs, recordOwner, releaseOwner } from '../machine/owner-record.ts';
import { addNamespace, deleteNamespace, namespacePath, processesIn } from '../machine/network-namespace.ts';
import { waitUntil } from '../machine/wait-until.ts';
import type { Progress } from '../progress.ts';
import { daemonConfig } from './daemon-config.ts';

const START_TIMEOUT_MS = 90_000;
const STOP_TIMEOUT_MS = 20_000;
/** The engine's folder lies beside the lab's of the same name. */
const SUFFIX = '-dk';
const RUNTIME = join(import.meta.dirname, 'runc-without-sys-resource.ts');

export class DockerEngine implements AsyncDisposable {
  /** `DOCKER_HOST`, and what Testcontainers has to know of this engine. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #settings: LabSettings;

  private constructor(settings: LabSettings) {
    this.#settings = settings;
    this.environment = {
      DOCKER_HOST: `unix://${socketFile(engineSettings(settings))}`,
      // Ryuk, which removes what a test leaves, is an image of a registry: tests remove what they start.
      TESTCONTAINERS_RYUK_DISABLED: 'true',
      // It may take the bridge's address otherwise.
      TESTCONTAINERS_HOST_OVERRIDE: 'localhost',
    };
  }

  /**
   * Starts the engine; it belongs to this process until {@link release}. Engines whose process is gone are removed.
   * @throws KubeLabError; nothing is left then
   */
  static async up(settings: LabSettings, progress: Progress): Promise<DockerEngine> {
    if (process.getuid?.() !== 0) throw new KubeLabError('NOT_ROOT', 'a Docker engine needs root');
    await buildLab(settings, { programs: [], progress });
    for (const folder of abandonedLabs(new CachePaths(settings).labs)) {
      const name = folder.slice(0, -SUFFIX.length);
      if (folder.endsWith(SUFFIX) && isLabName(name)) await DockerEngine.down({ ...settings, name });
    }
    if (processesOf(settings).pid('dockerd') !== undefined)
      throw new KubeLabError('ALREADY_UP', `the Docker engine of lab ${settings.name} is up`);
    await DockerEngine.down(settings);
    try {
      await start(settings);
    } catch (cause) {
      await DockerEngine.down(settings);
      throw cause;
    }
    return new DockerEngine(settings);
  }

  /** The engine that another process started. @throws KubeLabError `NOT_UP` */
  static attach(settings: LabSettings): DockerEngine {
    if (processesOf(settings).pid('dockerd') === undefined)
      throw new KubeLabError('NOT_UP', `the Docker engine of lab ${settings.name} is not up`);
    return new DockerEngine(settings);
  }

  /** Removes engine, containers, images and network. Idempotent. */
  static async down(settings: LabSettings): Promise<void> {
    const { root } = new LabPaths(engineSettings(settings));
    const namespace = engineName(settings);
    if (!existsSync(root)) return;
    await stop(settings);
    // Containers that outlived it.
    killCgroup(namespace);
    if (existsSync(namespacePath(namespace)))
      for (const pid of await processesIn(namespace))
        if (Number(pid) !== process.pid) sendSignal(Number(pid), 'SIGKILL');
    await deleteNamespace(namespace);
    deleteCgroup(namespace);
    const mounts = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .flatMap((line) => line.split(' ')[1] ?? [])
      .filter((folder) => folder.startsWith(`${root}/`))
      .toSorted()
      .toReversed();
    for (const folder of mounts) await runCommand(['umount', '-l', folder]);
    await mustRun(['rm', '-rf', '--one-file-system', root]);
  }

  /** Removes the engine of this name if it belongs to this process. */
  static async giveUp(settings: LabSettings): Promise<void> {
    if (isOurs(new LabPaths(engineSettings(settings)).root)) await DockerEngine.down(settings);
  }

  /** Command line that runs `argv` where published ports are on localhost. */
  commandInNetwork(argv: readonly string[]): readonly string[] {
    return ['nsenter', `--net=${namespacePath(engineName(this.#settings))}`, '--', ...argv];
  }

  /** Lets the engine stay when this process ends. */
  release(): void {
    releaseOwner(new LabPaths(engineSettings(this.#settings)).root);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await DockerEngine.down(this.#settings);
  }
}

async function start(settings: LabSettings): Promise<void> {
  const { root } = new LabPaths(engineSettings(settings));
  const namespace = engineName(settings);
  for (const folder of ['data', 'exec']) mkdirSync(join(root, folder), { recursive: true, mode: 0o700 });
  recordOwner(root);
  const runtime = join(root, 'runc-without-sys-resource');
  writeFileSync(runtime, `#!/bin/sh\nexec '${process.execPath}' --no-warnings '${RUNTIME}' "$@"\n`);
  chmodSync(runtime, 0o755);
  const config = join(root, 'daemon.json');
  writeFileSync(
    config,
    JSON.stringify(daemonConfig({ root, cgroup: namespace, runtime, hasSysResource: hasSysResource() })),
  );
  await addNamespace(namespace);
  const processes = processesOf(settings);
  await processes.start('dockerd', { argv: ['dockerd', '--config-file', config], networkNamespace: namespace });
  const socket = socketFile(engineSettings(settings));
  const answers = await waitUntil(START_TIMEOUT_MS, () => {
    if (processes.pid('dockerd') === undefined) throw notReady(processes, 'ended');
    return answersPing(socket);
  });
  if (!answers) throw notReady(processes, 'does not answer');
  const busybox = new CachePaths(settings).image('busybox');
  await mustRun(['docker', '-H', `unix://${socket}`, 'load', '-qi', busybox], { timeoutMs: 60_000 });
}

/** Unlike the cluster's processes it is stopped gracefully, as it takes its own mounts and containers away. */
async function stop(settings: LabSettings): Promise<void> {
  const processes = processesOf(settings);
  const host = ['docker', '-H', `unix://${socketFile(engineSettings(settings))}`];
  if (processes.pid('dockerd') !== undefined) {
    try {
      const running = (await mustRun([...host, 'ps', '-q'], { timeoutMs: STOP_TIMEOUT_MS })).split('\n');
      for (const id of running) if (id !== '') await runCommand([...host, 'kill', id], { timeoutMs: STOP_TIMEOUT_MS });
    } catch {
      // It hangs; what follows is rougher.
    }
    processes.stop('dockerd', 'SIGTERM');
    await waitUntil(STOP_TIMEOUT_MS, () => processes.pid('dockerd') === undefined);
  }
  processes.stop('dockerd');
}

function engineName({ name }: LabSettings): string {
  return `${name}${SUFFIX}`;
}

function engineSettings(settings: LabSettings): LabSettings {
  return { ...settings, name: engineName(settings) };
}

function socketFile(settings: LabSettings): string {
  return join(new LabPaths(settings).root, 'docker.sock');
}

function processesOf(settings: LabSettings): BackgroundProcesses {
  return new BackgroundProcesses(new LabPaths(engineSettings(settings)), settings.searchPath);
}

function notReady(processes: BackgroundProcesses, what: string): KubeLabError {
  return new KubeLabError(
    'NOT_READY',
    `dockerd ${what}; the end of its log:\n${logTail(processes.logFile('dockerd'))}`,
  );
}

function answersPing(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = request({ socketPath, path: '/_ping', agent: false, timeout: 2_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    probe.on('timeout', () => probe.destroy());
    probe.on('error', () => resolve(false));
    probe.end();
  });
}
