/** What expressions may ask of a request, by Envoy's names. Spec: contract l7 7.1. */

export type AttributeType = 'string' | 'number' | 'boolean' | 'duration';

const peerFields = [
  'name',
  'namespace',
  'workload',
  'service',
  'revision',
  'cluster',
  'app',
  'version',
  'type',
  'identity',
] as const;

type PeerField = (typeof peerFields)[number];

const plain = {
  'request.path': 'string',
  'request.url_path': 'string',
  'request.query': 'string',
  'request.host': 'string',
  'request.scheme': 'string',
  'request.method': 'string',
  'request.referer': 'string',
  'request.useragent': 'string',
  'request.id': 'string',
  'request.protocol': 'string',
  'request.size': 'number',
  'request.duration': 'duration',
  'response.code': 'number',
  'response.flags': 'number',
  'response.code_details': 'string',
  'response.grpc_status': 'number',
  'response.size': 'number',
  'source.address': 'string',
  'source.port': 'number',
  'source.principal': 'string',
  'destination.address': 'string',
  'destination.port': 'number',
  'connection.mtls': 'boolean',
  'connection.requested_server_name': 'string',
  'connection.uri_san_peer_certificate': 'string',
  'connection.termination_details': 'string',
  'upstream.address': 'string',
  'upstream.port': 'number',
  'upstream.local_address': 'string',
  'upstream.transport_failure_reason': 'string',
  'upstream.request_attempt_count': 'number',
  'xds.cluster_name': 'string',
  'xds.route_name': 'string',
} as const;

export type AttributeName = keyof typeof plain | `upstream_peer.${PeerField}` | `downstream_peer.${PeerField}`;

/** Peers are asked for with Istio's older prefix too. */
const peerPath = /^(?:filter_state\.)?(?<side>upstream_peer|downstream_peer)\.(?<field>[a-z]+)$/;

/** Undefined for what is not known of requests here. */
export function attributeName(path: string): AttributeName | undefined {
  if (isPlain(path)) return path;
  const { side, field } = peerPath.exec(path)?.groups ?? {};
  const known = peerFields.find((one) => one === field);
  if (known === undefined) return undefined;
  return side === 'upstream_peer' ? `upstream_peer.${known}` : `downstream_peer.${known}`;
}

/** Who has the headers that an expression asks for. */
export type HeaderPlace = 'request' | 'response' | 'trailers';

/** Undefined for anything else. */
export function headerPlace(path: string): HeaderPlace | undefined {
  switch (path) {
    case 'request.headers':
      return 'request';
    case 'response.headers':
      return 'response';
    case 'response.trailers':
      return 'trailers';
    default:
      return undefined;
  }
}

function isPlain(path: string): path is keyof typeof plain {
  return Object.hasOwn(plain, path);
}
