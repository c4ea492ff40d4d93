import { defaultServerConnectionSettings, type ServerConnectionSettings } from '@ambit/exchange';

import type { CompiledProxy } from '../../config/proxy.ts';

/** Where a connection comes from: inside a tunnel of the mesh, or from anybody. */
export type HttpOrigin = 'tunnel' | 'edge-plain' | 'edge-tls';

const made = new WeakMap<CompiledProxy, Map<HttpOrigin, ServerConnectionSettings>>();

/** Settings of connections; one object as long as the configuration is the same. */
export function httpSettings(proxy: CompiledProxy, origin: HttpOrigin): ServerConnectionSettings {
  const known = made.get(proxy) ?? new Map<HttpOrigin, ServerConnectionSettings>();
  let settings = known.get(origin);
  if (settings === undefined) {
    settings = makeSettings(proxy, origin);
    made.set(proxy, known.set(origin, settings));
  }
  return settings;
}

function makeSettings({ handling }: CompiledProxy, origin: HttpOrigin): ServerConnectionSettings {
  const defaults = defaultServerConnectionSettings;
  const maxHeadBytes = handling.maxHeadBytes ?? defaults.http1.maxHeadBytes;
  const maxFields = handling.maxHeaders ?? defaults.http1.maxFields;
  // Applications of the mesh open connections long before they use them; Istio has no limit there either.
  const headTimeoutMs = origin === 'tunnel' ? 0 : defaults.headTimeoutMs;
  return {
    ...defaults,
    scheme: origin === 'edge-tls' ? 'https' : 'http',
    // HTTP/1.0 is answered by the request's path, which knows whether it may be.
    acceptsHttp10: true,
    headTimeoutMs: handling.requestHeadTimeoutMs ?? headTimeoutMs,
    http1: { ...defaults.http1, maxHeadBytes, maxFields },
    http2: { ...defaults.http2, maxHeaderListBytes: maxHeadBytes, maxFields },
  };
}
