/**
 * Who is in step, in the two forms that istioctl reads: Envoy's ClientConfig, and istiod's list in JSON.
 * Spec: envoy/service/status/v3/csds.proto; control-plane.md section 9.6. Istio: statusgen.go and the handler of `syncz`.
 */
import type { XdsNode } from '@ambit/xds';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import type { TypeStatus, XdsClient } from '../serve/xds-connections.ts';
import { type DebugResource, message, text } from './debug-messages.ts';

const CLIENT_CONFIG = 'type.googleapis.com/envoy.service.status.v3.ClientConfig';
/** Values of `ConfigStatus`. */
const state = { synced: 1, notSent: 2, stale: 3, error: 4 } as const;

/** One client as Envoy's tools know it. */
export function clientConfig({ node, types }: XdsClient, clusterId: string): DebugResource {
  const writer = new BinaryWriter();
  message(writer, 1, (inner) => {
    text(inner, 1, node.id);
    message(inner, 3, (struct) => {
      for (const [key, value] of Object.entries(metadataOf(node, clusterId)))
        message(struct, 1, (entry) => message(text(entry, 1, key), 2, (field) => text(field, 3, value)));
    });
  });
  for (const [typeUrl, status] of types)
    message(writer, 3, (config) => {
      text(config, 1, typeUrl);
      message(config, 5, (time) => timestamp(time, status.lastPushWallTimeMs));
      config.tag(6, VARINT).uint32(stateOf(status));
      if (status.rejected !== undefined) message(config, 8, (error) => text(error, 3, status.rejected ?? ''));
    });
  return { typeUrl: CLIENT_CONFIG, value: writer.finish() };
}

/** The same in istiod's words. */
export function syncStatus({ node, types }: XdsClient, clusterId: string): unknown {
  const { CLUSTER_ID, ISTIO_VERSION } = metadataOf(node, clusterId);
  const resources: Record<string, unknown> = {};
  for (const [typeUrl, { nonceSent, nonceAcked, lastPushWallTimeMs, rejected }] of types)
    resources[typeUrl] = {
      sent: nonceSent,
      acked: nonceAcked,
      sent_time: new Date(lastPushWallTimeMs).toISOString(),
      ...(rejected === undefined ? {} : { last_error: rejected }),
    };
  return { proxy: node.id, proxy_type: node.kind, cluster_id: CLUSTER_ID, istio_version: ISTIO_VERSION, resources };
}

function metadataOf(node: XdsNode, clusterId: string): Readonly<Record<string, string>> {
  const own = (key: string, fallback: string): string => {
    const value = node.metadata[key];
    return typeof value === 'string' && value !== '' ? value.slice(0, LONGEST) : fallback;
  };
  return {
    CLUSTER_ID: own('CLUSTER_ID', clusterId),
    ISTIO_VERSION: own('ISTIO_VERSION', 'unknown'),
    NAMESPACE: node.namespace,
  };
}

function stateOf({ pushes, nonceSent, nonceAcked, rejected }: TypeStatus): number {
  if (pushes === 0) return state.notSent;
  if (rejected !== undefined) return state.error;
  return nonceSent === nonceAcked ? state.synced : state.stale;
}

function timestamp(writer: BinaryWriter, wallTimeMs: number): void {
  writer.tag(1, VARINT).int64(Math.floor(wallTimeMs / 1_000));
  writer.tag(2, VARINT).int32((Math.floor(wallTimeMs) % 1_000) * 1_000_000);
}

const VARINT = 0;
/** The peer chose these texts. */
const LONGEST = 256;
