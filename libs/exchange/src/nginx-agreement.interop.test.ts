/** Damaged requests before nginx: it reads none that the proxy did not read as the same. AMBIT_NGINX names the program. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { freePort } from '@ambit/testing';

import { NotingProxy, pourDamaged, unread } from './test-support/hostile-requests.ts';
import { SocketRig } from './test-support/socket-rig.ts';
import { TrivialPool } from './test-support/trivial-proxy.ts';

const binary = process.env['AMBIT_NGINX'] ?? '/usr/sbin/nginx';

const configuration = (port: number): string => `daemon off;
master_process off;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 512; }
http {
  log_format seen escape=none '$status $request_method $request_uri';
  access_log seen.log seen;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {
    listen 127.0.0.1:${port};
    location / { return 200 "ok"; }
  }
}
`;

const skip = existsSync(binary) ? false : 'AMBIT_NGINX is not set and there is no nginx of the system';

test('nginx reads the requests that the proxy read, whatever is sent', { skip }, async (context) => {
  await using rig = new SocketRig();
  const folder = mkdtempSync(join(tmpdir(), 'ambit-nginx-'));
  rig.defer(() => rmSync(folder, { recursive: true, force: true }));
  const nginxPort = await freePort();
  writeFileSync(join(folder, 'nginx.conf'), configuration(nginxPort));
  const nginx = spawn(binary, ['-p', `${folder}/`, '-c', 'nginx.conf'], { stdio: ['ignore', 'ignore', 'inherit'] });
  rig.defer(() => nginx.kill('SIGKILL'));
  let isListening = false;
  await rig.until(() => {
    if (!isListening) {
      const probe = net.connect(nginxPort, '127.0.0.1', () => {
        isListening = true;
        probe.destroy();
      });
      probe.on('error', () => {});
    }
    return isListening;
  }, 'nginx to listen');

  const pool = new TrivialPool(rig.loop, nginxPort, 'HTTP/1.1');
  const proxy = new NotingProxy(pool);
  const port = rig.serve(proxy);
  rig.defer(() => pool.close());
  await pourDamaged(rig, port, 60);

  const lines = readFileSync(join(folder, 'seen.log'), 'latin1')
    .split('\n')
    .filter((line) => line !== '');
  // A request that was given up in its middle is 400 to nginx, with its own line: never with another's.
  const seen = lines.map((line) => line.slice(4)).filter((request) => request !== ' ');
  context.diagnostic(`${seen.length} requests of ${proxy.heads.length} read`);
  assert.ok(seen.length > 100, `${seen.length} requests at nginx`);
  assert.deepEqual(unread(proxy, seen), []);
  assert.deepEqual(
    lines.filter((line) => line.startsWith('400 ') && line.length < 6),
    [],
    'what is no request',
  );
});
