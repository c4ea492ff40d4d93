import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { bundleApp } from './bundle-app.ts';

const root = join(import.meta.dirname, '../../..');
/** Tells at the end which of Node's own modules were loaded. */
const TELL = 'data:text/javascript,process.on("exit",()=>console.log(process.moduleLoadList.join("\\n")))';

/** Each costs several MiB of every node of a cluster: `libs/grpc` says what stands in for them. */
for (const app of ['ztunnel', 'cni-agent']) {
  test(`${app} starts without Node's TLS, HTTPS and HTTP/2`, async () => {
    const bundle = await bundleApp(root, app, false);
    assert.notEqual(bundle.kind, 'absent');
    const main = join(root, 'apps', app, 'dist/main.mjs');
    // Ends at its settings, when all that is loaded at the start is.
    const env = { PATH: process.env['PATH'] ?? '', AMBIT_NO_SUCH_SETTING: '1' };
    const { stdout, status } = spawnSync(process.execPath, ['--import', TELL, main], { encoding: 'utf8', env });
    assert.equal(status, 65);
    const loaded = stdout.split('\n').map((line) => line.replace('NativeModule ', ''));
    assert.ok(loaded.includes('net'));
    assert.deepEqual(
      loaded.filter((name) => ['tls', 'https', 'http2', 'internal/http2/core', 'inspector'].includes(name)),
      [],
    );
  });
}
