/**
 * A CA on Kubernetes: keys in Secrets, tokens reviewed by the API server, pods watched, roots published by a leader.
 * A replica keeps nothing that another one could not read.
 */
import { KubeClient, TokenReviewer, clusterAccess, rawKinds } from '@ambit/kube';
import { type Clock, type Readiness, TaskScope, delay, toAmbitError } from '@ambit/runtime';
import type { Logger, MetricRegistry } from '@ambit/telemetry';
import { KubeSecretStore } from '../cluster/kube-secret-store.ts';
import { PodAssignments } from '../cluster/pod-assignments.ts';
import { type CaConfig, replicaName } from '../config.ts';
import type { CertificateAuthority } from '../issue/certificate-authority.ts';
import { MaterialKeeper, type PublishedTrust } from '../keys/material-keeper.ts';
import { type SetMaker, selfSignedMaker } from '../keys/set-maker.ts';
import { checkRevocations } from '../trust/revocation-config-map.ts';
import { bundleOf, readPublishedTrust, rootConfigMapName } from '../trust/root-config-map.ts';
import { TrustLeader } from '../trust/trust-leader.ts';
import { CertManagerSigner } from '../upstream/cert-manager-signer.ts';
import { upstreamMaker } from '../upstream/upstream-maker.ts';
import type { CaSource } from './ca-source.ts';

/** What the source needs from the process. */
export interface KubernetesSourceParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly readiness: Readiness;
}

interface Connected {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly keeper: MaterialKeeper;
}

/**
 * Connects and loads the keys, or makes them. Rejects with KubeError when the API server cannot be used, with CaError when
 * the keys cannot.
 */
export async function openKubernetesSource(config: CaConfig, parts: KubernetesSourceParts): Promise<CaSource> {
  const { kubeconfig, kubernetesHost, kubernetesPort } = config;
  const access = await clusterAccess({
    kubeconfigPath: kubeconfig,
    environment: { KUBERNETES_SERVICE_HOST: kubernetesHost, KUBERNETES_SERVICE_PORT: kubernetesPort },
  });
  const namespace = config.podNamespace ?? access.defaultNamespace;
  const client = new KubeClient(access, { userAgent: 'ambit-ca' });
  try {
    const keeper = await openKeeper(config, parts, client, namespace);
    return new KubernetesSource(config, parts, { client, namespace, keeper });
  } catch (error) {
    client.close();
    throw error;
  }
}

function openKeeper(
  config: CaConfig,
  { clock, logger }: KubernetesSourceParts,
  client: KubeClient,
  namespace: string,
): Promise<MaterialKeeper> {
  const published = async (): Promise<PublishedTrust | undefined> => {
    const object = await client.get({ kind: rawKinds.ConfigMap, namespace, name: rootConfigMapName });
    if (object === undefined) return undefined;
    const trust = readPublishedTrust(object);
    if (typeof trust !== 'string') return trust;
    logger.warn({ namespace, configMap: rootConfigMapName, reason: trust }, 'published roots cannot be read');
    return undefined;
  };
  return MaterialKeeper.open({
    store: new KubeSecretStore(client, namespace),
    maker: makerOf(config, clock, client, namespace),
    stepMs: config.rotationStepMs,
    clock,
    published,
  });
}

function makerOf(config: CaConfig, clock: Clock, client: KubeClient, namespace: string): SetMaker {
  const { upstream: issuer, upstreamTimeoutMs: timeoutMs, upstreamTtlMs: lifetimeMs, trustDomain } = config;
  if (issuer === undefined) return selfSignedMaker(trustDomain, clock);
  const signer = new CertManagerSigner({ client, clock, namespace, issuer, timeoutMs });
  return upstreamMaker({ signer, trustDomain, lifetimeMs });
}

class KubernetesSource implements CaSource {
  readonly tokens: TokenReviewer;
  readonly assignments: PodAssignments;
  readonly #config: CaConfig;
  readonly #parts: KubernetesSourceParts;
  readonly #connected: Connected;
  readonly #tasks: TaskScope;
  #leader: TrustLeader | undefined;
  #failures = 0;
  #lastFailure = '';
  #seenRevocations: string | undefined;
  #revocationsPem: string | undefined;

  constructor(config: CaConfig, parts: KubernetesSourceParts, connected: Connected) {
    const { clock, logger, readiness } = parts;
    const { client } = connected;
    this.#config = config;
    this.#parts = parts;
    this.#connected = connected;
    this.#tasks = new TaskScope({
      onError: (task, error) => logger.error({ task, code: error.code, reason: error.message }, 'a task ended'),
    });
    this.tokens = new TokenReviewer({ client, audiences: config.audiences, clock });
    this.assignments = new PodAssignments({
      client,
      clock,
      onError: (error) => logger.warn({ code: error.code, reason: error.message }, 'pods cannot be watched'),
    });
    const podsKnown = readiness.pend('pods');
    void this.assignments.synced.then(podsKnown);
    this.#tasks.run('pods', (signal) => this.assignments.run(signal));
  }

  get material(): CaSource['material'] {
    return this.#connected.keeper.material;
  }

  serve(authority: CertificateAuthority): void {
    const { keeper, client, namespace } = this.#connected;
    const { clock, logger } = this.#parts;
    keeper.serve(authority);
    this.#takeRevocations();
    const leader = new TrustLeader({
      client,
      clock,
      logger,
      namespace,
      identity: replicaName(this.#config),
      selector: this.#config.namespaceSelector,
      bundle: () => bundleOf(authority.material),
      revocationsPem: () => this.#revocationsPem,
    });
    this.#leader = leader;
    const subscription = authority.onReplaced(() => leader.bundleChanged());
    this.#tasks.defer(() => subscription[Symbol.dispose]());
    this.#tasks.run('roots', (signal) => leader.run(signal));
    this.#tasks.run('keys', (signal) => this.#followKeys(leader, signal));
  }

  observe(registry: MetricRegistry): void {
    const gauge = (name: string, help: string, read: () => number): void =>
      registry.computed('gauge', { name, help }, () => [{ labelValues: [], value: read() }]);
    const counter = (name: string, help: string, read: () => number): void =>
      registry.computed('counter', { name, help }, () => [{ labelValues: [], value: read() }]);
    const { keeper } = this.#connected;
    counter('ambit_ca_token_reviews', 'Tokens the API server was asked about', () => this.tokens.counts.reviews);
    counter('ambit_ca_token_review_failures', 'Questions it did not answer', () => this.tokens.counts.failures);
    counter('ambit_ca_pod_questions', 'Pods asked for beside the watch', () => this.assignments.asked);
    gauge('ambit_ca_pods', 'Pods known', () => this.assignments.status.objects);
    counter('ambit_ca_key_read_failures', 'Failed attempts to read the key material', () => this.#failures);
    counter('ambit_ca_roots_published', 'ConfigMaps of roots written', () => this.#leader?.counts.written ?? 0);
    counter('ambit_ca_roots_publish_failures', 'Attempts that failed', () => this.#leader?.counts.failures ?? 0);
    gauge('ambit_ca_is_leader', 'This replica publishes the roots', () => (this.#leader?.isLeader === true ? 1 : 0));
    gauge('ambit_ca_rotation_phase', '0 no rotation, 1 both roots published, 2 new signer in use', () => {
      return phaseNumbers[keeper.rotation?.phase ?? 'none'];
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tasks[Symbol.asyncDispose]();
    this.#connected.client.close();
  }

  async #followKeys(leader: TrustLeader, signal: AbortSignal): Promise<never> {
    for (;;) {
      await delay(this.#config.keyPollMs, { signal });
      try {
        await this.#followOnce(leader);
        this.#lastFailure = '';
      } catch (cause) {
        this.#failed(cause);
      }
    }
  }

  async #followOnce(leader: TrustLeader): Promise<void> {
    try {
      await this.#takeStep(leader);
    } finally {
      if (this.#takeRevocations()) leader.revocationsChanged();
    }
  }

  /** True if there are other lists to publish. Ones that cannot be read are told once, and change nothing. */
  #takeRevocations(): boolean {
    const { revocations } = this.#connected.keeper;
    if (revocations === this.#seenRevocations) return false;
    this.#seenRevocations = revocations;
    try {
      checkRevocations(revocations);
    } catch (cause) {
      const { code, message } = toAmbitError(cause);
      this.#parts.logger.error({ code, reason: message }, 'revocation lists refused; what is published stays');
      return false;
    }
    this.#revocationsPem = revocations;
    return true;
  }

  async #takeStep(leader: TrustLeader): Promise<void> {
    const { keeper } = this.#connected;
    if (!leader.isLeader) return keeper.look();
    const step = await keeper.lead(leader.isComplete);
    if (step.kind === 'rest' || step.kind === 'wait') return;
    const stepMs = this.#config.rotationStepMs;
    this.#parts.logger.info({ step: step.kind, phase: keeper.rotation?.phase ?? 'none', stepMs }, 'root rotation');
  }

  /** Told once for each reason: the attempt is repeated every few seconds. */
  #failed(cause: unknown): void {
    const { code, message } = toAmbitError(cause);
    this.#failures += 1;
    if (message === this.#lastFailure) return;
    this.#lastFailure = message;
    this.#parts.logger.error({ code, reason: message }, 'CA key material cannot be read; the present one stays');
  }
}

const phaseNumbers = { none: 0, publish: 1, switch: 2 } as const;
