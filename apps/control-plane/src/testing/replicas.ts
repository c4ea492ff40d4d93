/** Replicas of the control plane on a real API server, with exactly the rights of `rbac.yaml`. For tests only. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeTestCa, TcpRelay } from '@ambit/testing';
import { ControlPlaneProcess } from './control-plane-process.ts';
import { TestCluster } from './test-cluster.ts';

export class Replicas implements AsyncDisposable {
  readonly cluster: TestCluster;
  /** Between the replicas and the API server. */
  readonly relay: TcpRelay;
  /** Token of node proxy `ztunnel-1`, which runs on `node`. */
  readonly token: string;
  readonly rootsPem: string;
  readonly #environment: Readonly<Record<string, string>>;

  private constructor(
    cluster: TestCluster,
    relay: TcpRelay,
    token: string,
    rootsPem: string,
    environment: Readonly<Record<string, string>>,
  ) {
    this.cluster = cluster;
    this.relay = relay;
    this.token = token;
    this.rootsPem = rootsPem;
    this.#environment = environment;
  }

  static async open(): Promise<Replicas> {
    const cluster = await TestCluster.open();
    const { server } = cluster.client.access;
    const relay = new TcpRelay(server.hostname, Number(server.port));
    await relay.open();
    for (const plural of ['authorizationpolicies', 'peerauthentications']) {
      await cluster.installDefinition(plural, 'security.istio.io');
    }
    for (const plural of ['serviceentries', 'workloadentries']) {
      await cluster.installDefinition(plural, 'networking.istio.io');
    }
    const ca = makeTestCa();
    const leaf = ca.issue(undefined, { ipAddresses: ['127.0.0.1'], purposes: ['serverAuth'] });
    writeFileSync(join(cluster.folder, 'key.pem'), leaf.privateKeyPem);
    writeFileSync(join(cluster.folder, 'cert.pem'), leaf.certificateChainPem);
    await cluster.runPod(cluster.system, 'ztunnel-1', '10.1.0.1', { account: 'ztunnel' });
    const token = await cluster.token(cluster.system, 'ztunnel', 'ztunnel-1', 'istio-ca');
    return new Replicas(cluster, relay, token, ca.rootsPem, {
      AMBIT_SOURCE: 'kubernetes',
      KUBECONFIG: await cluster.controlPlaneAccount(`https://127.0.0.1:${relay.port}`),
      POD_NAMESPACE: cluster.system,
      AMBIT_ROOT_NAMESPACE: cluster.system,
      AMBIT_GRPC_ADDRESS: '127.0.0.1:0',
      AMBIT_HTTP_ADDRESS: '127.0.0.1',
      AMBIT_HTTP_PORT: '0',
      MONITORING_PORT: '0',
      AMBIT_WEBHOOK_PORT: '0',
      AMBIT_TLS_CERT_FILE: join(cluster.folder, 'cert.pem'),
      AMBIT_TLS_KEY_FILE: join(cluster.folder, 'key.pem'),
      AMBIT_DRAIN: '200ms',
      LOG_LEVEL: 'debug',
    });
  }

  get node(): string {
    return `node-${this.cluster.id}`;
  }

  /** Starts a replica; it is the caller's to stop. */
  start(name: string, more: Readonly<Record<string, string>> = {}): ControlPlaneProcess {
    return new ControlPlaneProcess({ ...this.#environment, POD_NAME: name, ...more });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.relay[Symbol.asyncDispose]();
    await this.cluster[Symbol.asyncDispose]();
  }
}
