/** Envoy as a waypoint for the same work: HBONE in, token, 20 rules, routes, access log, HTTP/1.1 to nginx. Pure. */
import { ASKED_ROUTE, ROUTES, routePath, RULES, TOKEN_ISSUER } from './scene.ts';

export interface EnvoyFacts {
  /** Files with PEM. */
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly rootsFile: string;
  readonly jwks: string;
  readonly logFile: string;
  readonly backend: { readonly address: string; readonly port: number };
}

const typed = (name: string, fields: object = {}): object => ({ '@type': `type.googleapis.com/${name}`, ...fields });
const manager = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const router = {
  name: 'envoy.filters.http.router',
  typed_config: typed('envoy.extensions.filters.http.router.v3.Router'),
};

/** Istio's default line. */
const logFormat =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% ' +
  '%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ' +
  '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% ' +
  '%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n';

export function envoyConfiguration(facts: EnvoyFacts): string {
  return JSON.stringify({
    bootstrap_extensions: [
      {
        name: 'envoy.bootstrap.internal_listener',
        typed_config: typed('envoy.extensions.bootstrap.internal_listener.v3.InternalListener'),
      },
    ],
    static_resources: {
      listeners: [tunnels(facts), requests(facts)],
      clusters: [inside(), backend(facts), grpcBackend(facts)],
    },
  });
}

/** 15008: mutual TLS, HTTP/2, CONNECT; what is in a tunnel goes to the inner listener. */
function tunnels({ certificateFile, keyFile, rootsFile }: EnvoyFacts): object {
  return {
    name: 'hbone',
    address: { socket_address: { address: '0.0.0.0', port_value: 15_008 } },
    filter_chains: [
      {
        transport_socket: {
          name: 'envoy.transport_sockets.tls',
          typed_config: typed('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
            require_client_certificate: true,
            common_tls_context: {
              alpn_protocols: ['h2'],
              tls_params: { tls_minimum_protocol_version: 'TLSv1_3' },
              tls_certificates: [
                { certificate_chain: { filename: certificateFile }, private_key: { filename: keyFile } },
              ],
              validation_context: { trusted_ca: { filename: rootsFile } },
            },
          }),
        },
        filters: [
          {
            name: 'hcm',
            typed_config: typed(manager, {
              stat_prefix: 'hbone',
              codec_type: 'HTTP2',
              http2_protocol_options: { allow_connect: true },
              upgrade_configs: [{ upgrade_type: 'CONNECT' }],
              route_config: {
                virtual_hosts: [
                  {
                    name: 'all',
                    domains: ['*'],
                    routes: [
                      {
                        match: { connect_matcher: {} },
                        route: {
                          cluster: 'inside',
                          timeout: '0s',
                          upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }],
                        },
                      },
                    ],
                  },
                ],
              },
              http_filters: [router],
            }),
          },
        ],
      },
    ],
  };
}

function requests({ jwks, logFile }: EnvoyFacts): object {
  const route = { cluster: 'backend', timeout: '0s' };
  const lane = [{ name: 'x-lane', string_match: { exact: 'fast' } }];
  const laneRoutes = (cluster: string): readonly object[] => [
    { match: { prefix: '/', headers: lane }, route: { ...route, cluster } },
    { match: { prefix: '/' }, route: { ...route, cluster } },
  ];
  const many = Array.from({ length: ROUTES }, (_, index) => ({
    match: { path_separated_prefix: routePath(index), headers: lane },
    route,
  }));
  return {
    name: 'inside',
    internal_listener: {},
    filter_chains: [
      {
        filters: [
          {
            name: 'hcm',
            typed_config: typed(manager, {
              stat_prefix: 'requests',
              normalize_path: true,
              path_with_escaped_slashes_action: 'KEEP_UNCHANGED',
              use_remote_address: false,
              access_log: [
                {
                  name: 'file',
                  typed_config: typed('envoy.extensions.access_loggers.file.v3.FileAccessLog', {
                    path: logFile,
                    log_format: { text_format_source: { inline_string: logFormat } },
                  }),
                },
              ],
              route_config: {
                virtual_hosts: [
                  { name: 'many', domains: ['many-envoy', 'many-envoy:80'], routes: many },
                  { name: 'grpc', domains: ['grpc-envoy', 'grpc-envoy:80'], routes: laneRoutes('grpc') },
                  { name: 'all', domains: ['*'], routes: laneRoutes('backend') },
                ],
              },
              http_filters: [tokens(jwks), rules(), router],
            }),
          },
        ],
      },
    ],
  };
}

function tokens(jwks: string): object {
  return {
    name: 'envoy.filters.http.jwt_authn',
    typed_config: typed('envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication', {
      providers: {
        one: {
          issuer: TOKEN_ISSUER,
          local_jwks: { inline_string: jwks },
          // Ambit remembers verified tokens as well.
          jwt_cache_config: { jwt_cache_size: 100 },
          payload_in_metadata: 'payload',
        },
      },
      rules: [
        {
          match: { prefix: '/' },
          requires: { requires_any: { requirements: [{ provider_name: 'one' }, { allow_missing: {} }] } },
        },
      ],
    }),
  };
}

function rules(): object {
  const policy = (path: string, ...methods: readonly string[]): object => ({
    permissions: [
      {
        and_rules: {
          rules: [
            { url_path: { path: { prefix: path } } },
            {
              or_rules: {
                rules: methods.map((exact) => ({ header: { name: ':method', string_match: { exact } } })),
              },
            },
          ],
        },
      },
    ],
    principals: [{ any: true }],
  });
  const policies = Object.fromEntries(
    Array.from({ length: RULES }, (_, index) => [
      `rule-${String(index).padStart(2, '0')}`,
      index + 1 < RULES ? policy(`/rule${index}/`, 'POST') : policy('/', 'GET', 'POST'),
    ]),
  );
  return {
    name: 'envoy.filters.http.rbac',
    typed_config: typed('envoy.extensions.filters.http.rbac.v3.RBAC', { rules: { action: 'ALLOW', policies } }),
  };
}

function inside(): object {
  return {
    name: 'inside',
    type: 'STATIC',
    transport_socket: {
      name: 'envoy.transport_sockets.internal_upstream',
      typed_config: typed('envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport', {
        transport_socket: {
          name: 'envoy.transport_sockets.raw_buffer',
          typed_config: typed('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer'),
        },
      }),
    },
    load_assignment: {
      cluster_name: 'inside',
      endpoints: [
        {
          lb_endpoints: [
            { endpoint: { address: { envoy_internal_address: { server_listener_name: 'inside', endpoint_id: 'x' } } } },
          ],
        },
      ],
    },
  };
}

function backend({ backend: { address, port } }: EnvoyFacts): object {
  return cluster('backend', address, port);
}

/** The same pod's port for gRPC: HTTP/2 with prior knowledge. */
function grpcBackend({ backend: { address } }: EnvoyFacts): object {
  return {
    ...cluster('grpc', address, 8081),
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': typed(
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        { explicit_http_config: { http2_protocol_options: {} } },
      ),
    },
  };
}

function cluster(name: string, address: string, port: number): object {
  const endpoint = { address: { socket_address: { address, port_value: port } } };
  const most = 1_000_000;
  return {
    name,
    type: 'STATIC',
    lb_policy: 'LEAST_REQUEST',
    circuit_breakers: { thresholds: [{ max_connections: most, max_pending_requests: most, max_requests: most }] },
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] },
  };
}

/** What is asked of the service with many routes. */
export const askedPath: string = `${routePath(ASKED_ROUTE)}/x`;
