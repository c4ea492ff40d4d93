import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempDisposableSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { bundleApp } from './bundle-app.ts';

function write(root: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

const APP = {
  'package-lock.json': '{}',
  'apps/demo/package.json': '{"name":"@ambit/demo","type":"module","dependencies":{"@ambit/noise":"*"}}',
  'libs/noise/package.json': '{"name":"@ambit/noise","type":"module"}',
  'libs/noise/src/index.ts': 'export const unused = 1;\n',
  'apps/demo/src/main.ts': `
    import { Worker } from 'node:worker_threads';
    import { greeting } from './greeting.ts';
    new Worker(new URL('./data/echo.ts', import.meta.url)).on('message', (text: string) => console.log(greeting(text)));
  `,
  'apps/demo/src/greeting.ts': 'export const greeting = (name: string): string => `hello ${name}`;\n',
  'apps/demo/src/data/echo.ts': `
    import { parentPort } from 'node:worker_threads';
    import { greeting } from '../greeting.ts';
    parentPort?.postMessage(greeting('worker'));
  `,
};

test('an app and its worker become one file each that run without sources, and stay until a source changes', async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-bundle-'));
  const root = folder.path;
  write(root, APP);
  const built = await bundleApp(root, 'demo', false);
  assert.deepEqual(built.kind === 'built' && built.files, ['main.mjs', 'echo.mjs']);
  const main = join(root, 'apps/demo/dist/main.mjs');
  assert.equal(execFileSync(process.execPath, [main], { encoding: 'utf8' }), 'hello hello worker\n');
  assert.ok(statSync(`${main}.map`).size > 0);

  assert.equal((await bundleApp(root, 'demo', false)).kind, 'cached');
  write(root, { 'apps/demo/src/greeting.test.ts': 'throw new Error();' });
  assert.equal((await bundleApp(root, 'demo', false)).kind, 'cached', 'tests do not count');
  write(root, { 'libs/noise/src/index.ts': 'export const unused = 2;\n' });
  assert.equal((await bundleApp(root, 'demo', false)).kind, 'built', 'a library counts');
});

test('what is imported at run time only is a file of its own, also for a program that waits for it', async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-bundle-'));
  const root = folder.path;
  write(root, {
    ...APP,
    'apps/demo/src/main.ts': `
      import { greeting } from './greeting.ts';
      const { late } = await import('./late.ts');
      console.log(greeting('early'), late);
    `,
    'apps/demo/src/late.ts': `
      import { isIP } from 'node:net';
      import { greeting } from './greeting.ts';
      export const late = greeting('late') + isIP('::1');
    `,
  });
  const built = await bundleApp(root, 'demo', false);
  assert.ok(built.kind === 'built' && built.files.includes('main-late.mjs'));
  const dist = join(root, 'apps/demo/dist');
  assert.doesNotMatch(readFileSync(join(dist, 'main.mjs'), 'utf8'), /node:net/);
  assert.equal(
    execFileSync(process.execPath, [join(dist, 'main.mjs')], { encoding: 'utf8' }),
    'hello early hello late6\n',
  );
});

test('an app without a main file is reported as absent', async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-bundle-'));
  assert.deepEqual(await bundleApp(folder.path, 'nothing', false), { kind: 'absent' });
});

test('an import that does not resolve fails the bundle and leaves the last one', async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-bundle-'));
  const root = folder.path;
  write(root, APP);
  await bundleApp(root, 'demo', false);
  write(root, { 'apps/demo/src/greeting.ts': "import 'not-there';\nexport const greeting = String;\n" });
  await assert.rejects(bundleApp(root, 'demo', false), /not-there/);
  assert.ok(statSync(join(root, 'apps/demo/dist/main.mjs')).size > 0);
});

test('a stack trace of a bundle leads to the line of its source', async () => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-bundle-'));
  const root = folder.path;
  const main = `
    import { setTimeout as pause } from 'node:timers/promises';
    import { readFileSync } from 'node:fs';
    import * as os from 'node:os';

    await pause(1);
    if (os.EOL === '') console.log(1);
    readFileSync('/nowhere/at/all');
  `;
  write(root, { ...APP, 'apps/demo/src/main.ts': main });
  await bundleApp(root, 'demo', false);
  const program = join(root, 'apps/demo/dist/main.mjs');
  const { stderr } = spawnSync(process.execPath, ['--enable-source-maps', program], { encoding: 'utf8' });
  assert.match(stderr, /apps\/demo\/src\/main\.ts:8:/);
});
