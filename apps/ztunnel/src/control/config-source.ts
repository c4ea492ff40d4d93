/** Where the mesh's configuration comes from: a control plane, a static document, or both none. */
import { readFileSync } from 'node:fs';
import { parseTokenSource, parseTrustRoots, RpcChannel } from '@ambit/grpc';
import type { TaskScope } from '@ambit/runtime';
import { DeltaClient, type DeltaClientObserver, grpcConnector, ztunnelNode } from '@ambit/xds';
import type { JsonObject } from '@bufbuild/protobuf';
import { imagePath, serverAddress, tokenSetting } from './derived-settings.ts';
import type { MeshState } from './mesh-state.ts';
import type { ZtunnelConfig } from './ztunnel-config.ts';

export interface ConfigSourceOptions {
  readonly config: ZtunnelConfig;
  readonly state: MeshState;
  readonly observer: DeltaClientObserver;
  readonly metadata: JsonObject;
  readonly headers: Readonly<Record<string, string>>;
  readonly tokenExists: (path: string) => boolean;
}

export interface ConfigSource {
  /** Fulfilled when the first complete configuration is in force; at once without a control plane. */
  readonly ready: Promise<void>;
  /** Asks for one name; resolves when the answer is in force, and at once when names are not asked for. */
  demand(name: string, signal: AbortSignal): Promise<void>;
}

/** Connections wait five seconds for a workload at most. */
const DEMAND_MS = 10_000;
const MAX_DEMANDS = 10_000;

/** Loads the static document and starts the client. Throws AmbitError `BAD_LOCAL_XDS`. */
export async function startConfigSource(options: ConfigSourceOptions, scope: TaskScope): Promise<ConfigSource> {
  const { config, state } = options;
  const policies = state.policyHandler();
  const addresses = state.addressHandler(config.isOnDemand ? 'on-demand' : 'wildcard');
  const text = config.localXds ?? (config.localXdsPath && readFileSync(config.localXdsPath, 'utf8'));
  if (text !== undefined) {
    // Loaded when used: few proxies need a YAML parser.
    const { parseLocalXds } = await import('./local/local-xds.ts');
    const local = parseLocalXds(text);
    policies.update(local.policies);
    addresses.update(local.addresses);
  }
  const address = serverAddress(config.xdsAddress, config.kubernetesHost);
  // A static document alone needs no control plane; one that is named is used beside it.
  if (address === undefined || (text !== undefined && config.xdsAddress === undefined)) {
    return { ready: Promise.resolve(), demand: () => Promise.resolve() };
  }
  const client = new DeltaClient({
    connect: grpcConnector(() => openChannel(options, address)),
    node: ztunnelNode({
      instanceIp: config.instanceIp,
      podName: config.podName,
      podNamespace: config.podNamespace,
      nodeName: config.nodeName,
      extraMetadata: options.metadata,
    }),
    // Policies first: a server that answers in the order it is asked then keeps the safe order, too.
    types: [policies, addresses],
    observer: options.observer,
  });
  scope.run('xds', (signal) => client.run(signal));
  return {
    ready: client.initialSync,
    demand: config.isOnDemand ? onDemand(client, addresses.typeUrl) : () => Promise.resolve(),
  };
}

/** One request for a name however many connections wait for it; given up after a while, and in excess of a bound. */
function onDemand(client: DeltaClient, typeUrl: string): ConfigSource['demand'] {
  const pending = new Map<string, Promise<unknown>>();
  return async (name, signal) => {
    const known = pending.get(name);
    if (known === undefined && pending.size >= MAX_DEMANDS) return;
    const limited = AbortSignal.any([signal, AbortSignal.timeout(DEMAND_MS)]);
    const asked = known ?? client.demand(typeUrl, name, { signal: limited }).finally(() => pending.delete(name));
    pending.set(name, asked);
    await asked;
  };
}

function openChannel({ config, headers, tokenExists }: ConfigSourceOptions, address: string): RpcChannel {
  const token = tokenSetting(config.authToken, tokenExists);
  const isPlaintext = address.startsWith('http://');
  return new RpcChannel({
    address,
    clusterId: config.clusterId,
    headers,
    ...(isPlaintext ? {} : { roots: parseTrustRoots(imagePath(config.xdsRoot)) }),
    ...(token === undefined || isPlaintext ? {} : { token: parseTokenSource(token) }),
    ...(config.altXdsHostname === undefined ? {} : { altHostname: config.altXdsHostname }),
  });
}
