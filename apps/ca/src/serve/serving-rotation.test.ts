import assert from 'node:assert/strict';
import { test } from 'node:test';
import { healthCheckMethod } from '@ambit/grpc';
import { GrpcCaClient, makeSpiffeId } from '@ambit/identity';
import { makeTestCa } from '@ambit/testing';
import { CaUnderTest } from '../testing/ca-under-test.ts';

type TestCa = ReturnType<typeof makeTestCa>;

function keyFiles(ca: TestCa, roots: string): Record<string, string> {
  return {
    'ca-key.pem': ca.signingKeyPem,
    'ca-cert.pem': ca.signingCertificatePem,
    'cert-chain.pem': ca.intermediatesPem + ca.rootsPem,
    'root-cert.pem': roots,
  };
}

test(
  'the serving certificate follows a rotation without failing a call on old or new connections',
  { timeout: 20_000 },
  async () => {
    const first = makeTestCa({ intermediate: true });
    const next = makeTestCa({ intermediate: true });
    const both = first.rootsPem + next.rootsPem;
    await using ca = await CaUnderTest.start({ keyFiles: keyFiles(first, first.rootsPem) });
    const cart = makeSpiffeId({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'cart' });
    const signal = AbortSignal.timeout(15_000);
    const { client, channel } = ca.nodeClient('node1');
    using _old = channel;
    let isDone = false;
    let calls = 0;
    // An old connection stays in use throughout; new ones are opened all the time with the roots a client has then.
    const traffic = (async () => {
      while (!isDone) {
        await client.fetchCertificate(cart, { signal });
        using fresh = ca.channel();
        await fresh.unary(healthCheckMethod, { service: '' }, { signal });
        calls += 1;
      }
    })();
    const steps = [keyFiles(first, both), keyFiles(next, both), keyFiles(next, next.rootsPem)];
    for (const files of steps) {
      const replaced = new Promise<void>((resolve) => ca.running.authority.onReplaced(() => resolve()));
      for (const [name, text] of Object.entries(files)) ca.write(name, text);
      await replaced;
      const before = calls;
      while (calls < before + 3) await Promise.race([traffic, new Promise((resolve) => setImmediate(resolve))]);
    }
    isDone = true;
    await traffic;
    using fresh = ca.channel({ bearer: ca.issuer.issue('shop/web', 'node1') });
    const web = makeSpiffeId({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'web' });
    const own = await new GrpcCaClient({ channel: fresh, isImpersonating: false }).fetchCertificate(web, { signal });
    assert.equal(own.rootsPem, next.rootsPem);
    const phases = ca.events
      .filter(({ event }) => event === 'root.rotated')
      .map(({ payload }) => (payload as { phase: string }).phase);
    assert.deepEqual(phases, ['added', 'signing', 'removed']);
  },
);
