/** etcd, API server and their managers in a network namespace, with a relay on the machine's loopback. */
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { KubeLabError } from '../kube-lab-error.ts';
import { CachePaths, LabPaths } from '../lab-paths.ts';
import type { LabSettings } from '../lab-settings.ts';
import type { BackgroundProcesses } from '../machine/background-process.ts';
import { logTail } from '../machine/log-tail.ts';
import { waitUntil } from '../machine/wait-until.ts';
import { controlPlaneNamespace, makeControlPlaneNetwork } from './cluster-network.ts';
import { planControlPlane } from './control-plane-plan.ts';
import type { LabDescription } from './lab-description.ts';

const READY_TIMEOUT_MS = 180_000;

export class ControlPlane {
  readonly #settings: LabSettings;
  readonly #paths: LabPaths;
  readonly #processes: BackgroundProcesses;

  constructor(settings: LabSettings, processes: BackgroundProcesses) {
    this.#settings = settings;
    this.#paths = new LabPaths(settings);
    this.#processes = processes;
  }

  get isRunning(): boolean {
    return this.#processes.pid('apiserver') !== undefined;
  }

  /** Starts etcd, API server and relay, without waiting for them. The certificates must be there. */
  async start(lab: LabDescription, env: Readonly<Record<string, string>> = {}): Promise<void> {
    const { name, port } = this.#settings;
    const networkNamespace = controlPlaneNamespace(name);
    const plan = this.#plan(lab);
    await makeControlPlaneNetwork(name, lab.isDual);
    await this.#processes.start('etcd', { argv: plan.etcd, networkNamespace });
    await this.#processes.start('apiserver', { argv: plan.apiServer, networkNamespace, env });
    // A Unix socket crosses network namespaces: loopback -> socket -> API server, on the same port, so that one
    // kubeconfig serves on both sides. The socket's path is relative, as no more than 107 bytes are allowed.
    const cwd = this.#paths.root;
    const inside = ['socat', 'UNIX-LISTEN:api.sock,fork,mode=600', `TCP:127.0.0.1:${port},nodelay`];
    const listen = `TCP-LISTEN:${port},bind=127.0.0.1,reuseaddr,fork,nodelay,backlog=128`;
    await this.#processes.start('relay-inside', { argv: inside, networkNamespace, cwd });
    await this.#processes.start('relay-outside', { argv: ['socat', listen, 'UNIX-CONNECT:api.sock'], cwd });
  }

  /** Waits until the API server is ready, then starts the managers and lets nodes go on. */
  async serve(lab: LabDescription): Promise<void> {
    const isReady = await waitUntil(READY_TIMEOUT_MS, () => {
      if (!this.isRunning) throw this.#notReady('the API server ended');
      return this.#answersReady();
    });
    if (!isReady) throw this.#notReady('the API server is not ready');
    if (!lab.isControlPlaneOnly) {
      const plan = this.#plan(lab);
      const networkNamespace = controlPlaneNamespace(this.#settings.name);
      await this.#processes.start('controller-manager', { argv: plan.controllerManager, networkNamespace });
      await this.#processes.start('scheduler', { argv: plan.scheduler, networkNamespace });
    }
    writeFileSync(this.#paths.ready, '');
  }

  #plan(lab: LabDescription): ReturnType<typeof planControlPlane> {
    const { root, certificates } = this.#paths;
    const kube = new CachePaths(this.#settings).program('kube');
    const kubeconfig = (user: string): string => this.#paths.kubeconfig(user);
    return planControlPlane({ kube, root, certificates, kubeconfig }, this.#settings.port, lab);
  }

  #answersReady(): Promise<boolean> {
    const read = (file: string): Buffer => readFileSync(join(this.#paths.certificates, file));
    return new Promise((resolve) => {
      const probe = request(
        {
          host: '127.0.0.1',
          port: this.#settings.port,
          path: '/readyz',
          ca: read('ca.crt'),
          cert: read('admin.crt'),
          key: read('admin.key'),
          agent: false,
          timeout: 2_000,
        },
        (response) => {
          response.resume();
          resolve(response.statusCode === 200);
        },
      );
      probe.on('timeout', () => probe.destroy());
      probe.on('error', () => resolve(false));
      probe.end();
    });
  }

  #notReady(what: string): KubeLabError {
    const log = logTail(this.#processes.logFile('apiserver')) || logTail(this.#processes.logFile('etcd'));
    return new KubeLabError('NOT_READY', `${what}; the end of its log:\n${log}`);
  }
}

/** True when something on this machine's loopback answers there already. */
export function isPortTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
