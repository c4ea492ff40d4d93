import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { APP_IMAGES } from './app-images.ts';
import { imageOf, loadImages, noEngine } from './testing/test-images.ts';

const root = join(import.meta.dirname, '../../..');
const BASES = ['base', 'base-cni-agent'];

function docker(...args: readonly string[]): string {
  // The engine's own builder: what every engine has.
  const env = { ...process.env, DOCKER_BUILDKIT: '0' };
  return execFileSync('docker', args, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** How a container of the image starts. */
function settingsOf(name: string): unknown {
  const [{ Config: config }] = JSON.parse(docker('image', 'inspect', name));
  const { 'org.opencontainers.image.revision': _commit, ...labels } = config.Labels;
  return {
    user: config.User,
    entrypoint: config.Entrypoint,
    environment: config.Env.toSorted(),
    ports: Object.keys(config.ExposedPorts).toSorted(),
    folder: config.WorkingDir,
    labels,
  };
}

/** The app's files in the image: mode, size and name of each. Nothing is started. */
function filesOf(name: string): readonly string[] {
  const id = docker('create', name).trim();
  try {
    const archive = execFileSync('docker', ['cp', `${id}:/app/.`, '-'], { maxBuffer: 1 << 26 });
    const list = execFileSync('tar', ['-tv', '--numeric-owner'], { input: archive, encoding: 'utf8' });
    // Mode, owner, size, date, time, name.
    const columns = list
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ +/));
    return columns
      .filter(([mode]) => mode?.startsWith('-'))
      .map(([mode, owner, size, , , file]) => [mode, owner, size, file].join(' '))
      .toSorted();
  } finally {
    docker('rm', id);
  }
}

describe('docker build', { skip: noEngine }, () => {
  before(() => loadImages([...BASES, ...APP_IMAGES.map(({ app }) => app)]));

  for (const image of APP_IMAGES) {
    test(`of ${image.app} gives the image that is built without an engine`, () => {
      const built = `localhost/ambit-docker-build/${image.app}:test`;
      docker('build', '--build-arg', `BASE=${imageOf(image.base)}`, '-t', built, join(root, 'apps', image.app));
      try {
        assert.deepEqual(settingsOf(built), settingsOf(imageOf(image.app)));
        assert.deepEqual(filesOf(built), filesOf(imageOf(image.app)));
      } finally {
        docker('image', 'rm', built);
      }
    });
  }
});
