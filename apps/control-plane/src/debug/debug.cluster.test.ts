/** Questions over xDS to a control plane on a real API server: by Istio's own tool where it is there, and by others. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { GrpcChannel, type MethodDefinition } from '@ambit/grpc';
import { apiKinds } from '@ambit/kube';
import { deltaMethod } from '@ambit/xds';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { oneReplica } from '../testing/replicas.ts';
import { until, noCluster, testKubeconfig } from '../testing/test-cluster.ts';
import { XdsProbe } from '../testing/xds-probe.ts';
import { text } from './debug-messages.ts';

const skip = noCluster;
const istioctl = process.env['AMBIT_INTEROP_ISTIOCTL'];
const noTool = istioctl === undefined ? 'set AMBIT_INTEROP_ISTIOCTL to an istioctl' : skip;
const path = '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources';
const method: MethodDefinition<Uint8Array, Uint8Array> = { ...deltaMethod(), path };

let port: number;

const one = oneReplica([], async ({ cluster, replica }) => {
  port = replica.ports()?.port ?? 0;
  // The account that istioctl asks with.
  for (const namespace of [cluster.system, cluster.shop])
    await cluster.apply(apiKinds.ServiceAccount, namespace, 'default', {});
});

interface Answer {
  readonly text: string;
  readonly error: string;
}

/** One question; what came first, an answer or the end. */
async function ask(namespace: string, typeUrl: string, name = ''): Promise<Answer> {
  const token = await one.cluster.token(namespace, 'default', undefined, 'istio-ca');
  using channel = new GrpcChannel({
    address: `https://127.0.0.1:${port}`,
    roots: { kind: 'inline', pem: one.replicas.rootsPem },
    token: { kind: 'literal', token },
  });
  const stream = channel.bidi(method);
  const answer = new Promise<Answer>((resolve) => {
    stream.on('data', (bytes: Uint8Array) => resolve({ text: Buffer.from(bytes).toString('latin1'), error: '' }));
    stream.on('error', (error: { readonly details?: string }) => resolve({ text: '', error: error.details ?? '' }));
  });
  stream.write(text(text(new BinaryWriter(), 3, name), 4, typeUrl).finish());
  return answer;
}

async function connectZtunnel(): Promise<XdsProbe> {
  const identity = {
    instanceIp: '10.1.0.1',
    podName: 'ztunnel-1',
    podNamespace: one.cluster.system,
    nodeName: one.replicas.node,
  };
  const node = { ...identity, extraMetadata: { ISTIO_VERSION: '1.31.0' } };
  const probe = new XdsProbe({ port, rootsPem: one.replicas.rootsPem, token: one.replicas.token, node }).subscribe();
  await until(() => probe.isReady);
  return probe;
}

test('accounts of the own namespace are told who is in step, others nothing', { skip }, async () => {
  using _probe = await connectZtunnel();
  const { text: syncz } = await ask(one.cluster.system, 'istio.io/debug/syncz');
  assert.match(syncz, /envoy\.service\.status\.v3\.ClientConfig/);
  assert.match(syncz, /ztunnel~10\.1\.0\.1~ztunnel-1\./);
  assert.match(syncz, /"Component":"istiod","ID":"replica-0"/);
  const { text: dump } = await ask(one.cluster.system, 'istio.io/debug', 'syncz');
  assert.match(dump, /"istio_version":"1\.31\.0"/);
  const { text: list } = await ask(one.cluster.system, 'istio.io/debug', 'list');
  assert.match(list, /\["config","connections","list","syncz"\]/);
  assert.match((await ask(one.cluster.system, 'istio.io/debug', 'heap')).text, /404 page not found/);
  for (const type of ['istio.io/debug/syncz', 'istio.io/debug'])
    assert.match((await ask(one.cluster.shop, type, 'list')).error, /only service accounts of namespace/);
  const other = await ask(one.cluster.system, 'type.googleapis.com/istio.workload.Address');
  assert.match(other.error, /configuration is delta xDS/);
});

test("Istio's own tool shows our ztunnels", { skip: noTool }, async () => {
  using _probe = await connectZtunnel();
  const run = async (...args: readonly string[]): Promise<string> => {
    const where = ['-c', testKubeconfig, '-i', one.cluster.system, '--xds-address', `127.0.0.1:${port}`];
    return (await promisify(execFile)(istioctl ?? '', [...args, ...where], { timeout: 60_000 })).stdout;
  };
  await until(async () =>
    /ztunnel-1\.\S+\s+Kubernetes\s+replica-0\s+1\.31\.0\s+2 \(\S+\)/.test(await run('proxy-status')),
  );
  assert.match(await run('x', 'internal-debug', 'syncz'), /"proxy": "ztunnel~10\.1\.0\.1~ztunnel-1/);
});
