/** A lab without the mesh's processes: network, pods, services, names, clean-up. Needs root. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from '@ambit/testing';
import { readLabFile } from './lab-file.ts';
import { Lab } from './lab.ts';
import { findLeftovers } from './sweep.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
const file = fileURLToPath(new URL('../../lab/lab.yaml', import.meta.url));
const program = fileURLToPath(new URL('../main.ts', import.meta.url));
const searchPath = process.env['PATH'] ?? '';
/** Names are short, and several runs may share a machine. */
const unique = (letter: string): string => `t${letter}${process.pid}`;

describe('a lab', { skip }, () => {
  const stateRoot = mkdtempSync(join(tmpdir(), 'ambt-lab-'));
  const description = { ...readLabFile(file), name: unique('a') };
  let lab: Lab;

  before(async () => {
    lab = await Lab.up({ description, stateRoot, searchPath, withMesh: false });
  });

  after(async () => {
    await lab.down();
    assert.deepEqual(await findLeftovers(description.name, join(stateRoot, description.name)), []);
    rmSync(stateRoot, { recursive: true, force: true });
  });

  const curl = async (pod: string, ...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await lab.exec(pod, ['curl', '-sS', '-m', '5', ...args]);
    assert.equal(code, 0, stderr);
    return stdout;
  };

  test('pods reach services by name in both families, and servers see their address', async () => {
    const { v4, v6 } = lab.pod('shop/client').address;
    assert.equal(await curl('shop/client', '-4', 'http://web.shop/'), `nginx for ${v4}\n`);
    assert.equal(await curl('shop/client', '-6', 'http://web.shop/'), `nginx for ${v6}\n`);
    assert.match(await curl('bank/teller', 'http://ledger-1.ledger:8080/'), /"pod":"ledger-1"/);
    assert.equal((await lab.exec('bank/teller', ['redis-cli', '-h', 'redis', 'ping'])).stdout.trim(), 'PONG');
  });

  test('a pod that ends is started again, and a manifest that goes takes its pod along', async () => {
    lab.manifests.put(
      'more.yaml',
      'apiVersion: v1\nkind: Pod\nmetadata: { namespace: shop, name: brief }\nspec: { containers: [{ name: c, command: [sleep, "0.1"] }] }\n',
    );
    await lab.waitFor(
      'the pod to be restarted',
      () => (lab.pods().find(({ key }) => key === 'shop/brief')?.restarts ?? 0) > 0,
    );
    const { netnsPath } = lab.pod('shop/brief');
    assert.ok(existsSync(netnsPath));
    lab.manifests.remove('more.yaml');
    await lab.waitFor('the pod to be gone', () => !lab.pods().some(({ key }) => key === 'shop/brief'));
    assert.ok(!existsSync(netnsPath));
    assert.throws(() => lab.pod('shop/brief'), { code: 'POD_UNKNOWN' });
  });

  test('a second lab of the same name is refused', async () => {
    await assert.rejects(Lab.up({ description, stateRoot, searchPath, withMesh: false }), { code: 'LAB_EXISTS' });
  });
});

describe('a lab whose holder is killed', { skip }, () => {
  test('ends with it, and nothing of it is left', async () => {
    const stateRoot = mkdtempSync(join(tmpdir(), 'ambt-lab-'));
    const name = unique('b');
    const run = async (...args: readonly string[]): Promise<number | null> => {
      const [code] = await once(
        spawn(process.execPath, [program, 'lab', ...args, '--file', file, '--name', name, '--state-dir', stateRoot], {
          stdio: ['ignore', 'ignore', 'inherit'],
        }),
        'exit',
      );
      return code;
    };
    try {
      assert.equal(await run('up', '--no-mesh'), 0);
      const { pid } = JSON.parse(readFileSync(join(stateRoot, name, 'lab.json'), 'utf8'));
      assert.notDeepEqual(await findLeftovers(name, join(stateRoot, name)), []);
      process.kill(pid, 'SIGKILL');
      let left: readonly string[] = [];
      await eventually(
        () => `nothing is left: ${left.join(', ')}`,
        async () => (left = await findLeftovers(name, join(stateRoot, name))).length === 0,
      );
      assert.equal(await run('down'), 0, 'down may be called at any time');
    } finally {
      await run('down');
      rmSync(stateRoot, { recursive: true, force: true });
    }
  });
});
