import assert from 'node:assert/strict';
import { mkdtempDisposableSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { mustRun } from '@ambit/runtime';
import { writeImage } from '../image/image-archive.ts';

const skip = process.env['DOCKER_HOST'] === undefined ? 'DOCKER_HOST names no engine' : false;
const NAME = `localhost/ambit-kube-lab/test:${process.pid}`;

test(
  'an image written without an engine runs on one, privileged and not, with its command and environment',
  { skip },
  async () => {
    using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-image-'));
    const file = join(folder.path, 'image.tar');
    writeImage(file, {
      name: NAME,
      layers: [
        { kind: 'file', file: '/bin/busybox', destination: 'bin/sh' },
        { kind: 'file', file: import.meta.filename, destination: 'usr/share/a/b/c.txt' },
      ],
      entrypoint: ['/bin/sh', '-c'],
      command: ['busybox() { /bin/sh "$@"; }; echo "$GREETING $PWD"; read first </usr/share/a/b/c.txt; echo "$first"'],
      environment: ['GREETING=hello'],
      workFolder: '/usr',
    });
    const docker = (...args: readonly string[]): Promise<string> => mustRun(['docker', ...args], { timeoutMs: 60_000 });
    await docker('load', '-qi', file);
    try {
      for (const flags of [[], ['--privileged']]) {
        const output = await docker('run', '--rm', '--network=none', ...flags, NAME);
        assert.equal(output, "hello /usr\nimport assert from 'node:assert/strict';\n");
      }
    } finally {
      await docker('image', 'rm', NAME);
    }
  },
);
