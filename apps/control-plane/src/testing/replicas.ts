/** Replicas of the control plane on a real API server, with exactly the rights of `rbac.yaml`. For tests only. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before } from 'node:test';
import type { ApiKind } from '@ambit/kube';
import { makeTestCa, TcpRelay, type TestCa } from '@ambit/testing';
import { ControlPlaneProcess } from './control-plane-process.ts';
import { noCluster, TestCluster, until } from './test-cluster.ts';

interface OneReplica {
  readonly replicas: Replicas;
  readonly cluster: TestCluster;
  readonly replica: ControlPlaneProcess;
}

/**
 * One replica for all tests of a file, from before the first to after the last; nothing without a cluster. Only tests may
 * read what it gives. `kinds`: definitions to be installed without a schema; `prepare` is awaited before the first test.
 */
export function oneReplica(
  kinds: readonly ApiKind[] = [],
  prepare: (one: OneReplica) => Promise<void> = () => Promise.resolve(),
): OneReplica {
  let opened: OneReplica | undefined;
  before(async () => {
    if (noCluster !== false) return;
    opened = await startOne(kinds);
    await prepare(opened);
  });
  after(() => opened?.replicas[Symbol.asyncDispose]());
  const here = (): OneReplica => {
    if (opened === undefined) throw new Error('the replica is there within tests only');
    return opened;
  };
  return {
    get replicas() {
      return here().replicas;
    },
    get cluster() {
      return here().cluster;
    },
    get replica() {
      return here().replica;
    },
  };
}

async function startOne(kinds: readonly ApiKind[]): Promise<OneReplica> {
  const replicas = await Replicas.open();
  const { cluster } = replicas;
  for (const kind of kinds) await cluster.installOpenDefinition(kind);
  const replica = replicas.start('replica-0');
  await until(
    () => replica.ports(),
    () => replica.lines.slice(-20),
  );
  return { replicas, cluster, replica };
}

/** What a replica on `cluster` is told, with a certificate for loopback; its ports are chosen by the kernel. */
export function replicaEnvironment(
  { folder, system }: TestCluster,
  ca: TestCa,
  kubeconfig: string,
): Readonly<Record<string, string>> {
  const leaf = ca.issue(undefined, { ipAddresses: ['127.0.0.1'], purposes: ['serverAuth'] });
  const key = join(folder, 'key.pem');
  const certificate = join(folder, 'cert.pem');
  writeFileSync(key, leaf.privateKeyPem);
  writeFileSync(certificate, leaf.certificateChainPem);
  return {
    AMBIT_SOURCE: 'kubernetes',
    KUBECONFIG: kubeconfig,
    POD_NAMESPACE: system,
    AMBIT_ROOT_NAMESPACE: system,
    AMBIT_GRPC_ADDRESS: '127.0.0.1:0',
    AMBIT_HTTP_ADDRESS: '127.0.0.1',
    AMBIT_HTTP_PORT: '0',
    MONITORING_PORT: '0',
    AMBIT_WEBHOOK_PORT: '0',
    AMBIT_TLS_CERT_FILE: certificate,
    AMBIT_TLS_KEY_FILE: key,
    AMBIT_DRAIN: '200ms',
    LOG_LEVEL: 'debug',
  };
}

export class Replicas implements AsyncDisposable {
  readonly cluster: TestCluster;
  /** Between the replicas and the API server. */
  readonly relay: TcpRelay;
  /** Token of node proxy `ztunnel-1`, which runs on `node`. */
  readonly token: string;
  readonly rootsPem: string;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #started: ControlPlaneProcess[] = [];

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
    await cluster.runPod(cluster.system, 'ztunnel-1', '10.1.0.1', { account: 'ztunnel' });
    const token = await cluster.token(cluster.system, 'ztunnel', 'ztunnel-1', 'istio-ca');
    const kubeconfig = await cluster.controlPlaneAccount(`https://127.0.0.1:${relay.port}`);
    return new Replicas(cluster, relay, token, ca.rootsPem, replicaEnvironment(cluster, ca, kubeconfig));
  }

  get node(): string {
    return `node-${this.cluster.id}`;
  }

  /** Starts a replica, which ends with these at the latest. */
  start(name: string, more: Readonly<Record<string, string>> = {}): ControlPlaneProcess {
    const replica = new ControlPlaneProcess({ ...this.#environment, POD_NAME: name, ...more });
    this.#started.push(replica);
    return replica;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const replica of this.#started) await replica.stop();
    await this.relay[Symbol.asyncDispose]();
    await this.cluster[Symbol.asyncDispose]();
  }
}
