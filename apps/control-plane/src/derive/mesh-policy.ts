import { security } from '@ambit/api';
import type { Location } from '@ambit/kube';
import { toBinary } from '@bufbuild/protobuf';

/** A policy as it is sent. */
export interface MeshPolicy {
  /** `namespace/name`. */
  readonly name: string;
  readonly message: security.Authorization;
  readonly bytes: Uint8Array;
  readonly origin: Location;
}

export function meshPolicy(message: security.Authorization, origin: Location): MeshPolicy {
  return {
    name: `${message.namespace}/${message.name}`,
    message,
    bytes: toBinary(security.AuthorizationSchema, message),
    origin,
  };
}
