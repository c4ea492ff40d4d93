/**
 * Questions of operators over xDS, as `istioctl proxy-status`, `version` and `x internal-debug` ask them: the type
 * `istio.io/debug/syncz`, and `istio.io/debug` with the name of a dump. For service accounts of the mesh's own namespace
 * only, as on `/debug`; nothing else is served state of the world. Spec: control-plane.md section 9.6.
 */
import { type CallContext, frameOf, GrpcError, type RpcMethod } from '@ambit/grpc';
import { parseSpiffeId, spiffeIdParts } from '@ambit/identity';
import type { XdsCaller } from '@ambit/xds';
import type { XdsConnections } from '../serve/xds-connections.ts';
import { type DebugRequest, type DebugResource, readDebugRequest, writeDebugResponse } from './debug-messages.ts';
import { clientConfig, syncStatus } from './sync-status.ts';

export interface DebugMethodOptions {
  readonly authenticate: (call: CallContext) => Promise<XdsCaller>;
  /** Whose service accounts may ask. */
  readonly systemNamespace: string;
  readonly connections: Pick<XdsConnections, 'clients'>;
  readonly clusterId: string;
  /** Of this replica. */
  readonly name: string;
  readonly version: string;
  /** More dumps, by name: what each gives is shown as JSON. */
  readonly dumps: Readonly<Record<string, () => unknown>>;
  readonly onRefused: (peer: string, reason: string) => void;
}

const PATH = '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources';
const DEBUG = 'istio.io/debug';
const SYNCZ = `${DEBUG}/syncz`;

export function debugMethod(options: DebugMethodOptions): RpcMethod {
  const { name, version } = options;
  // Istio: who answers, as istioctl reads it.
  const controlPlane = JSON.stringify({ Component: 'istiod', ID: name, Info: { version } });
  return {
    path: PATH,
    serve: async (call) => {
      await admit(call.context, options);
      let answers = 0;
      return {
        receive: (bytes) => {
          const request = readDebugRequest(bytes);
          // An acknowledgement. istioctl sends none, but gives its questions nonces of its own.
          if (answers > 0 && request.nonce === String(answers)) return;
          const resources = answer(request, options);
          const { typeUrl } = request;
          const body = writeDebugResponse({ typeUrl, nonce: String((answers += 1)), controlPlane, resources });
          // Who asks more than it takes is not kept waiting for.
          if (call.isWriting) call.finish(new GrpcError('RESOURCE_EXHAUSTED', 'read the last answer first'));
          else call.open().write(frameOf(body));
        },
        close: () => undefined,
      };
    },
  };
}

async function admit(
  call: CallContext,
  { authenticate, systemNamespace, onRefused }: DebugMethodOptions,
): Promise<void> {
  const { identities } = await authenticate(call);
  const ids = identities.map((text) => parseSpiffeId(text));
  if (ids.some((id) => id !== undefined && spiffeIdParts(id).namespace === systemNamespace)) return;
  const reason = `only service accounts of namespace ${systemNamespace} may ask for ${DEBUG}`;
  onRefused(call.peer, reason);
  throw new GrpcError('PERMISSION_DENIED', reason, { source: 'policy' });
}

/** Throws GrpcError for what is not served. */
function answer({ typeUrl, names }: DebugRequest, options: DebugMethodOptions): readonly DebugResource[] {
  const { connections, clusterId } = options;
  if (typeUrl === SYNCZ) return connections.clients().map((client) => clientConfig(client, clusterId));
  if (typeUrl !== DEBUG)
    throw new GrpcError('INVALID_ARGUMENT', `only ${DEBUG} and ${SYNCZ} are served here; configuration is delta xDS`, {
      source: 'downstream',
    });
  const [name] = names;
  if (name === undefined || names.length > 1)
    throw new GrpcError('INVALID_ARGUMENT', 'exactly one debug request is required', { source: 'downstream' });
  return [{ typeUrl: DEBUG, value: Buffer.from(dump(name, options)) }];
}

function dump(name: string, { connections, clusterId, dumps }: DebugMethodOptions): string {
  const syncz = (): unknown => connections.clients().map((client) => syncStatus(client, clusterId));
  const all: Readonly<Record<string, () => unknown>> = { ...dumps, syncz };
  const list = (): unknown => [...Object.keys(all), 'list'].toSorted();
  const known = Object.entries({ ...all, list }).find(([key]) => key === name);
  // Istio's own words, upon which istioctl asks for the list.
  return known === undefined ? '404 page not found\n' : JSON.stringify(known[1]());
}
