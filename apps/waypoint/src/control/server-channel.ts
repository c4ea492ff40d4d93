/** Channels to the control plane and the CA: trust, token, names. */
import { existsSync } from 'node:fs';
import { parseTokenSource, parseTrustRoots, RpcChannel } from '@ambit/grpc';
import type { WaypointConfig } from './waypoint-config.ts';

const defaultToken = '/var/run/secrets/tokens/istio-token';

export function controlPlaneChannel(config: WaypointConfig): RpcChannel {
  return channel(config, config.xdsAddress, config.xdsRoot, config.altXdsHostname);
}

export function caChannel(config: WaypointConfig): RpcChannel {
  const isSame = config.caAddress === '';
  return channel(config, isSame ? config.xdsAddress : config.caAddress, config.caRoot, config.altCaHostname);
}

function channel(config: WaypointConfig, setting: string, root: string, altHostname: string | undefined): RpcChannel {
  const address = setting.includes('://') ? setting : `https://${setting}`;
  const isPlaintext = address.startsWith('http://');
  const token = tokenSetting(config.authToken);
  return new RpcChannel({
    address,
    clusterId: config.clusterId,
    headers: {},
    ...(isPlaintext ? {} : { roots: parseTrustRoots(root) }),
    ...(token === undefined || isPlaintext ? {} : { token: parseTokenSource(token) }),
    ...(altHostname === undefined ? {} : { altHostname }),
  });
}

/** The token setting in force; undefined when none is set and the default file is missing. */
function tokenSetting(setting: string | undefined): string | undefined {
  if (setting === undefined) return existsSync(defaultToken) ? defaultToken : undefined;
  return setting === '' ? undefined : setting.replace(/^file:\/\//, '');
}
