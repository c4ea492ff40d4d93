/**
 * The lab's load balancer: gives Services of type LoadBalancer addresses that are reached where pod addresses are. kube-proxy
 * on node 1, to which the address plan routes them, does the balancing.
 */
import { apiKinds, clusterAccess, isPlainObject, KubeClient, KubeError, type PlainObject } from '@ambit/kube';
import { toAmbitError } from '@ambit/runtime';
import type { Progress } from '../progress.ts';
import { type BalancedService, planAddresses } from './load-balancer-plan.ts';

const PAUSE_MS = 300;

/** Gives addresses until it is disposed of. */
export class LoadBalancer implements AsyncDisposable {
  readonly #client: KubeClient;
  readonly #progress: Progress;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  private constructor(client: KubeClient, progress: Progress) {
    this.#client = client;
    this.#progress = progress;
  }

  static async start(kubeconfig: string, progress: Progress): Promise<LoadBalancer> {
    const access = await clusterAccess({ kubeconfigPath: kubeconfig });
    const balancer = new LoadBalancer(new KubeClient(access, { userAgent: 'kube-lab-load-balancer' }), progress);
    balancer.#running = balancer.#run();
    return balancer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.#client.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let told = '';
    while (!signal.aborted) {
      try {
        await this.#round(signal);
        told = '';
      } catch (cause) {
        const { message } = toAmbitError(cause);
        if (!signal.aborted && message !== told) this.#progress(`load balancer: ${message}`);
        told = message;
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, PAUSE_MS);
        signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
      });
    }
  }

  async #round(signal: AbortSignal): Promise<void> {
    const services = await this.#client.list(apiKinds.Service, { signal });
    for (const { service, address } of planAddresses(services.flatMap((one) => balancedService(one) ?? []))) {
      const { namespace, name } = service;
      const status = { loadBalancer: { ingress: address === '' ? null : [{ ip: address }] } };
      try {
        const ref = { kind: apiKinds.Service, namespace, name };
        await this.#client.patch(ref, { status }, { subresource: 'status', signal });
      } catch (cause) {
        if (!(cause instanceof KubeError) || cause.code !== 'NOT_FOUND') throw cause;
      }
    }
  }
}

/** Undefined for a Service of another type. */
function balancedService(object: PlainObject): BalancedService | undefined {
  const metadata = partOf(object, 'metadata');
  const spec = partOf(object, 'spec');
  if (spec['type'] !== 'LoadBalancer') return undefined;
  const ingress = partOf(partOf(object, 'status'), 'loadBalancer')['ingress'];
  const first: unknown = Array.isArray(ingress) ? ingress[0] : undefined;
  return {
    namespace: textOf(metadata['namespace']),
    name: textOf(metadata['name']),
    uid: textOf(metadata['uid']),
    wanted: textOf(spec['loadBalancerIP']),
    given: isPlainObject(first) ? textOf(first['ip']) : '',
  };
}

function partOf(object: PlainObject, key: string): PlainObject {
  const value = object[key];
  return isPlainObject(value) ? value : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
