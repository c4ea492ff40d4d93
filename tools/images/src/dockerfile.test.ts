import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertGolden } from '@ambit/testing';
import { APP_IMAGES } from './app-images.ts';
import { dockerfile, dockerignore } from './dockerfile.ts';

const root = join(import.meta.dirname, '../../..');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

test('every app has the Dockerfile that its image is built like (AMBIT_REWRITE_GOLDEN=1 rewrites)', () => {
  for (const image of APP_IMAGES) {
    const files = { Dockerfile: dockerfile(image, version), '.dockerignore': dockerignore(image) };
    for (const [name, text] of Object.entries(files)) {
      assertGolden(join(root, 'apps', image.app, name), text);
    }
  }
});

test('what can run without root has a numeric user other than 0', () => {
  const root = APP_IMAGES.filter(({ user }) => user.startsWith('0:')).map(({ app }) => app);
  assert.deepEqual(root, ['ztunnel', 'cni-agent'], 'these enter the namespaces of other pods');
});
