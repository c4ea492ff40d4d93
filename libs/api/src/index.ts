/**
 * The messages of every contract between processes, one namespace per protobuf package.
 * Generated from `libs/api/proto` by `npm run proto`; nothing else lives here.
 */
export * as workload from './gen/istio/workload/workload_pb.ts';
export * as zds from './gen/istio/workload/zds/zds_pb.ts';
export * as security from './gen/istio/security/authorization_pb.ts';
export * as auth from './gen/istio/v1/auth/ca_pb.ts';
export * as discovery from './gen/envoy/service/discovery/v3/discovery_pb.ts';
export * as core from './gen/envoy/config/core/v3/node_pb.ts';
export * as authorization from './gen/envoy/service/auth/v3/authorization_pb.ts';
export * as ratelimit from './gen/envoy/service/ratelimit/v3/rls_pb.ts';
export * as rpc from './gen/google/rpc/status_pb.ts';
export * as proxy from './gen/ambit/v1/proxy_pb.ts';
export * as route from './gen/ambit/v1/route_pb.ts';
export * as access from './gen/ambit/v1/access_pb.ts';
export * as traffic from './gen/ambit/v1/traffic_pb.ts';
export * as limit from './gen/ambit/v1/limit_pb.ts';
export * as trace from './gen/opentelemetry/proto/trace/v1/trace_pb.ts';
export * as logs from './gen/opentelemetry/proto/logs/v1/logs_pb.ts';
