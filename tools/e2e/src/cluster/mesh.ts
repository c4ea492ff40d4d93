/** The mesh as its operator handles it: images, charts, upgrades. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { buildLab, CachePaths, readLabSettings, writeImage, type Cluster, type Progress } from '@ambit/kube-lab';
import { E2eError } from '../e2e-error.ts';
import type { Objects } from './objects.ts';
import type { PodFacts } from './pod-facts.ts';

const ROOT = join(import.meta.dirname, '../../../..');
const CHARTS = join(ROOT, 'charts');
const IMAGES = join(ROOT, '.cache/images');
const APPS: readonly string[] = ['ztunnel', 'cni-agent', 'control-plane', 'ca', 'waypoint'];
const NATS_IMAGE = 'localhost/ambit/nats:e2e';
const HELM_TIMEOUT_SECONDS = 180;

/** Parts that are upgraded, as they are called in the chart. */
export const meshParts = ['ztunnel', 'cni-agent', 'control-plane', 'ca', 'nats'] as const;
export type MeshPart = (typeof meshParts)[number];

export class Mesh {
  readonly namespace = 'ambit-system';
  readonly #cluster: Cluster;
  readonly #objects: Objects;

  constructor(cluster: Cluster, objects: Objects) {
    this.#cluster = cluster;
    this.#objects = objects;
  }

  /** Builds what pods run: the apps' images, NATS, and busybox with Node.js. @returns the archives */
  static async buildImages(progress: Progress): Promise<readonly string[]> {
    const settings = readLabSettings(process.env);
    const cache = new CachePaths(settings);
    await buildLab(settings, { programs: ['nats-server'], withNodeImage: true, progress });
    writeImage(cache.image('nats'), {
      name: NATS_IMAGE,
      layers: [{ kind: 'file', file: cache.program('nats-server'), destination: 'nats-server' }],
      entrypoint: ['/nats-server'],
    });
    progress("building the apps' images");
    execFileSync(process.execPath, [join(ROOT, 'tools/images/src/main.ts')], { cwd: ROOT, stdio: ['ignore', 2, 2] });
    return [...APPS.map((app) => join(IMAGES, `${app}.tar`)), cache.image('nats'), cache.image('node')];
  }

  /** As a user installs it; resolves when helm says that all is ready. */
  async install(): Promise<void> {
    const create = ['--create-namespace', '-n', this.namespace];
    const definitions = join(CHARTS, 'ambit-crds');
    if (existsSync(definitions)) await this.#helm(['install', 'ambit-crds', definitions, ...create]);
    const certificates = 'control-plane.waypoints.readCertificates=true';
    const settings = ['global.bus.install=true', `nats.image=${NATS_IMAGE}`, certificates].flatMap((one) => [
      '--set',
      one,
    ]);
    const profile = ['--values', join(CHARTS, 'ambit/profiles/kube-lab.yaml')];
    await this.#helm(['install', 'ambit', join(CHARTS, 'ambit'), ...create, ...profile, ...settings]);
  }

  /** Replaces the pods of these parts by one `helm upgrade`, and waits until the new ones serve and the old ones are gone. */
  async upgrade(parts: readonly MeshPart[], round: string): Promise<void> {
    const old = await Promise.all(parts.map((part) => this.pods(part)));
    const before = new Set(old.flat().map(({ uid }) => uid));
    const changes = parts.flatMap((part) => ['--set-string', `${part}.podAnnotations.round=${round}`]);
    await this.#helm(['upgrade', 'ambit', join(CHARTS, 'ambit'), '-n', this.namespace, '--reuse-values', ...changes]);
    for (const part of parts)
      await this.#objects.until(
        () => `pods of ${part} were not replaced`,
        async () => {
          const pods = await this.pods(part);
          const isServed = pods.length > 0 && pods.every(({ isReady }) => isReady);
          return isServed && (await this.#uids(part)).every((uid) => !before.has(uid));
        },
      );
  }

  async uninstall(): Promise<void> {
    await this.#helm(['uninstall', 'ambit', '-n', this.namespace]);
    await this.#objects.until(
      () => 'pods of the mesh are still there',
      async () => (await this.#cluster.kubectl(['-n', this.namespace, 'get', 'pods', '-o', 'name'])).trim() === '',
    );
  }

  /** Whatever is installed goes; nothing installed is fine. Definitions stay, as helm keeps them. */
  async remove(): Promise<void> {
    const releases = ['ambit', 'ambit-crds'].map((name) => ['uninstall', name, '-n', this.namespace]);
    for (const release of releases) await this.#helm([...release, '--ignore-not-found']);
  }

  pods(part: MeshPart): Promise<readonly PodFacts[]> {
    return this.#objects.pods(this.namespace, `app.kubernetes.io/component=${part}`);
  }

  /** Of all pods, those that are ending included. */
  async #uids(part: MeshPart): Promise<readonly string[]> {
    const which = ['get', 'pods', '-l', `app.kubernetes.io/component=${part}`];
    const text = await this.#cluster.kubectl([
      '-n',
      this.namespace,
      ...which,
      '-o',
      'jsonpath={.items[*].metadata.uid}',
    ]);
    return text.split(' ');
  }

  /** What an operator would look at when it does not come up: pods, warnings, last words of who is not ready. */
  async describe(): Promise<string> {
    const show = (...args: readonly string[]): Promise<string> =>
      this.#cluster.kubectl(['-n', this.namespace, ...args]).catch(String);
    const events = await show('get', 'events', '--field-selector=type=Warning', '--sort-by=.lastTimestamp');
    const bad = (await this.#objects.pods(this.namespace)).filter(({ isReady }) => !isReady);
    const words = await Promise.all(
      bad.map(async ({ name }) => `-- ${name}\n${(await show('logs', name, '--tail=5')).slice(0, 2_000)}`),
    );
    return [await show('get', 'pods', '-o', 'wide'), ...events.trim().split('\n').slice(-10), ...words].join('\n');
  }

  async #helm(args: readonly string[]): Promise<void> {
    const wait = args[0] === 'uninstall' ? [] : ['--wait', '--timeout', `${HELM_TIMEOUT_SECONDS}s`];
    try {
      await this.#cluster.helm([...args, ...wait], { timeoutMs: (HELM_TIMEOUT_SECONDS + 30) * 1_000 });
    } catch (cause) {
      const seen = await this.describe().catch(() => '');
      throw new E2eError('NOT_READY', `helm ${args[0] ?? ''} failed: ${String(cause)}\n${seen}`, cause);
    }
  }
}
