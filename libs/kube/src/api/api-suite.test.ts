import { KubeClient } from './kube-client.ts';
import { type ApiRig, describeApiServer, describeExpiry } from './testing/api-suite.ts';
import { FakeApiServer } from './testing/fake-api-server.ts';
import { TcpRelay } from '@ambit/testing';

async function openRig(): Promise<ApiRig> {
  const server = new FakeApiServer();
  await server.listen();
  const relay = new TcpRelay('127.0.0.1', server.port);
  await relay.open();
  const access = server.access();
  const direct = new KubeClient(access, { userAgent: 'direct' });
  const client = new KubeClient(
    { ...access, server: new URL(`http://127.0.0.1:${relay.port}`) },
    { userAgent: 'test', timeoutMs: 1_000 },
  );
  return {
    namespace: 'ns',
    direct,
    client,
    relay,
    [Symbol.asyncDispose]: async () => {
      client.close();
      direct.close();
      await relay[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

describeApiServer('in memory', openRig);
describeExpiry('in memory', async () => {
  const rig = await openRig();
  return { ...rig, kind: { group: 'a.example', version: 'v1', kind: 'Thing', plural: 'things', namespaced: true } };
});
