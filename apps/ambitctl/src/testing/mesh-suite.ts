/** What any pair of ztunnels must do in a lab under this control plane, CA and node agent; run for Ambit's own and for Istio's. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readLabFile } from '../lab/lab-file.ts';
import { Lab } from '../lab/lab.ts';
import { findLeftovers } from '../lab/sweep.ts';

export interface MeshSuiteOptions {
  readonly title: string;
  /** At most 16 lower-case letters and digits. */
  readonly labName: string;
  /** As in a lab's description: program by node, empty for Ambit's. */
  readonly ztunnelPrograms: Readonly<Record<string, string>>;
  readonly skip: string | false;
}

const labFolder = fileURLToPath(new URL('../../lab/', import.meta.url));
const TRANSFER_BYTES = 100_000_000;

const DENY = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { namespace: shop, name: no-client }
spec:
  selector: { matchLabels: { app: echo } }
  action: DENY
  rules:
    - from:
        - source:
            principals: [cluster.local/ns/shop/sa/client]
`;

export function meshSuite({ title, labName, ztunnelPrograms, skip }: MeshSuiteOptions): void {
  describe(title, { skip }, () => {
    const stateRoot = mkdtempSync(join(tmpdir(), 'ambt-mesh-'));
    const description = { ...readLabFile(join(labFolder, 'lab.yaml')), name: labName, ztunnelPrograms };
    let lab: Lab;

    before(async () => {
      lab = await Lab.up({ description, stateRoot, searchPath: process.env['PATH'] ?? '' });
      for (const namespace of ['shop', 'bank']) lab.setDataplaneMode(namespace, 'ambient');
      for (const namespace of ['shop', 'bank']) await lab.waitForMode(namespace, 'ambient');
    });

    after(async () => {
      await lab.down();
      assert.deepEqual(await findLeftovers(labName, join(stateRoot, labName)), []);
      rmSync(stateRoot, { recursive: true, force: true });
    });

    const curl = async (pod: string, url: string): Promise<{ readonly code: number; readonly stdout: string }> =>
      await lab.exec(pod, ['curl', '-sS', '-m', '10', url]);

    /** Until a log line of the node's proxy has all the words, because the tunnel starts when the peers have heard of it. */
    const logged = async (node: string, ...words: readonly string[]): Promise<void> =>
      await lab.waitFor(`a log line on ${node} with ${words.join(', ')}`, () =>
        lab
          .logTail(`ztunnel.${node}`, 200)
          .split('\n')
          .some((line) => words.every((word) => line.includes(word))),
      );

    test('a request goes through a tunnel with both identities, and the server sees the client address', async () => {
      await lab.waitFor('a tunnelled request', async () => {
        const { code, stdout } = await curl('shop/client', 'http://echo.shop/');
        assert.equal(code, 0);
        assert.ok(
          stdout.includes(lab.pod('shop/client').address.v6) || stdout.includes(lab.pod('shop/client').address.v4),
          stdout,
        );
        return lab.logTail('ztunnel.node2', 200).includes('spiffe://cluster.local/ns/shop/sa/client');
      });
      await logged('node1', 'outbound', 'spiffe://cluster.local/ns/shop/sa/echo', ':15008');
      await logged('node2', 'inbound', 'spiffe://cluster.local/ns/shop/sa/client');
    });

    test('the other direction works as well', async () => {
      for (let call = 0; call < 4; call += 1) assert.equal((await curl('shop/neighbour', 'http://web.shop/')).code, 0);
      await logged('node2', 'outbound', 'spiffe://cluster.local/ns/shop/sa/web');
    });

    test('a hundred megabytes arrive unchanged in each direction, and a server that speaks first is heard', async () => {
      for (const word of ['give', 'take']) {
        const argv = [
          process.execPath,
          join(labFolder, 'services/transfer-client.ts'),
          'vault.bank',
          '7000',
          word,
          String(TRANSFER_BYTES),
        ];
        const { stdout } = await lab.exec('bank/teller', argv, { timeoutMs: 60_000 });
        assert.match(stdout, /"isIntact":true/);
      }
      assert.equal((await lab.exec('bank/teller', ['redis-cli', '-h', 'redis.bank', 'ping'])).stdout.trim(), 'PONG');
    });

    test('a policy denies by principal, its removal admits again', async () => {
      lab.manifests.put('deny.yaml', DENY);
      // A request under way when the policy arrives is torn down without the policy's name: ask until one is refused by it.
      await lab.waitFor('a refusal that names the policy', async () => {
        const { code } = await curl('shop/client', 'http://echo.shop/');
        return code !== 0 && lab.logTail('ztunnel.node2', 200).includes('shop/no-client');
      });
      lab.manifests.remove('deny.yaml');
      await lab.waitFor('the admission', async () => (await curl('shop/client', 'http://echo.shop/')).code === 0);
    });
  });
}
