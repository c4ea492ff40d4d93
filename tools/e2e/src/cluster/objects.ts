/** Objects of a cluster as a user of kubectl sees them: applied, waited for, asked. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Cluster } from '@ambit/kube-lab';
import { runCommand, type CommandResult } from '@ambit/runtime';
import { E2eError } from '../e2e-error.ts';
import { readPods, type PodFacts } from './pod-facts.ts';

const MANIFESTS = join(import.meta.dirname, '../../manifests');
const SERVICES = join(import.meta.dirname, '../../services');
const WAIT_SECONDS = 120;

export class Objects {
  readonly #cluster: Cluster;
  readonly #nodes: readonly [string, string];

  constructor(cluster: Cluster, nodes: readonly [string, string]) {
    this.#cluster = cluster;
    this.#nodes = nodes;
  }

  /** Makes a namespace with the small programs in it, and what a manifest of ours says. */
  async addNamespace(
    namespace: string,
    manifest: string,
    labels: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const object = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } };
    await this.apply(undefined, JSON.stringify(object));
    await this.#cluster.kubectl(['-n', namespace, 'create', 'configmap', 'services', `--from-file=${SERVICES}`]);
    const text = readFileSync(join(MANIFESTS, manifest), 'utf8');
    await this.apply(namespace, text.replaceAll('NODE_1', this.#nodes[0]).replaceAll('NODE_2', this.#nodes[1]));
  }

  async deleteNamespace(namespace: string): Promise<void> {
    await this.#cluster.kubectl(['delete', 'namespace', namespace, '--ignore-not-found', '--timeout=120s']);
  }

  /** @param yaml one or more documents */
  async apply(namespace: string | undefined, yaml: string): Promise<void> {
    const where = namespace === undefined ? [] : ['-n', namespace];
    await this.#cluster.kubectl([...where, 'apply', '-f', '-'], { stdin: yaml });
  }

  async delete(namespace: string, ...what: readonly string[]): Promise<void> {
    await this.#cluster.kubectl(['-n', namespace, 'delete', '--ignore-not-found', ...what]);
  }

  /** Sets labels of a namespace, or takes one away whose value is undefined. */
  async label(namespace: string, label: string, value: string | undefined): Promise<void> {
    const change = value === undefined ? `${label}-` : `${label}=${value}`;
    await this.#cluster.kubectl(['label', 'namespace', namespace, '--overwrite', change]);
  }

  /** All pods of a namespace that are not being deleted. */
  async pods(namespace: string, selector?: string): Promise<readonly PodFacts[]> {
    const which = selector === undefined ? [] : ['-l', selector];
    return readPods(await this.#cluster.kubectl(['-n', namespace, 'get', 'pods', '-o', 'json', ...which]));
  }

  /** Waits until there are pods and all of them are Ready. @throws E2eError `NOT_READY` naming those that are not */
  async untilReady(namespace: string, selector?: string, seconds: number = WAIT_SECONDS): Promise<readonly PodFacts[]> {
    let pods: readonly PodFacts[] = [];
    await this.until(
      () =>
        `pods of ${namespace} are not ready: ${
          pods
            .filter(({ isReady }) => !isReady)
            .map(({ name, state }) => `${name} ${state}`)
            .join(', ') || 'there are none'
        }`,
      async () => {
        pods = (await this.pods(namespace, selector)).filter(({ phase }) => phase !== 'Succeeded');
        return pods.length > 0 && pods.every(({ isReady }) => isReady);
      },
      seconds,
    );
    return pods;
  }

  /** Waits for a condition, looking every 200 ms. @throws E2eError `NOT_READY` with what `describe` says at the end */
  async until(
    describe: () => string,
    condition: () => Promise<boolean>,
    seconds: number = WAIT_SECONDS,
  ): Promise<void> {
    const endMs = performance.now() + seconds * 1_000;
    while (!(await condition())) {
      if (performance.now() > endMs) throw new E2eError('NOT_READY', `after ${seconds} s ${describe()}`);
      await pause(200);
    }
  }

  /** Addresses of a pod (`NAME` or `deploy/NAME`), one of each family. */
  async addressesOf(namespace: string, pod: string): Promise<readonly string[]> {
    const [, app = pod] = pod.split('/');
    const which = pod === app ? ['pod', pod] : ['pods', '-l', `app=${app}`];
    const items = pod === app ? '' : '.items[0]';
    const path = `jsonpath={${items}.status.podIPs[*].ip}`;
    const text = await this.#cluster.kubectl(['-n', namespace, 'get', ...which, '-o', path]);
    const addresses = text.split(' ').filter((address) => address !== '');
    if (addresses.length === 0) throw new E2eError('NOT_READY', `${namespace}/${pod} has no address`);
    return addresses;
  }

  /** Runs a command in a pod (`NAME` or `deploy/NAME`), whatever its exit code. */
  exec(namespace: string, pod: string, argv: readonly string[]): Promise<CommandResult> {
    return runCommand(['kubectl', ...execArguments(namespace, pod, argv)], {
      env: this.#cluster.environment,
      timeoutMs: 60_000,
    });
  }

  /** Starts a command in a pod, with its input and output at hand; it ends with its input. */
  spawn(namespace: string, pod: string, argv: readonly string[]): ChildProcess {
    return spawn('kubectl', ['exec', '-i', ...execArguments(namespace, pod, argv).slice(1)], {
      env: { ...process.env, ...this.#cluster.environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  }

  /** Asks a service from within a pod. */
  async ask(namespace: string, pod: string, ...target: readonly string[]): Promise<CommandResult> {
    return await this.exec(namespace, pod, ['node', '/services/ask.ts', ...target]);
  }

  /** Logs of pods since a time of the wall clock. */
  async logs(namespace: string, selector: string, sinceWallMs: number): Promise<string> {
    const since = `--since-time=${new Date(sinceWallMs).toISOString()}`;
    return this.#cluster.kubectl([
      '-n',
      namespace,
      'logs',
      '-l',
      selector,
      '--tail=-1',
      '--max-log-requests=20',
      since,
    ]);
  }
}

function execArguments(namespace: string, pod: string, argv: readonly string[]): readonly string[] {
  return ['exec', '-n', namespace, pod, '--', ...argv];
}
