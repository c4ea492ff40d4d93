import { defaultServerConnectionSettings, type ServerConnectionSettings } from '@ambit/exchange';

import type { CompiledProxy } from '../../config/proxy.ts';

const made = new WeakMap<CompiledProxy, ServerConnectionSettings>();

/** Settings of connections inside tunnels; one object as long as the configuration is the same. */
export function tunnelHttpSettings(proxy: CompiledProxy): ServerConnectionSettings {
  let settings = made.get(proxy);
  if (settings === undefined) {
    settings = makeSettings(proxy);
    made.set(proxy, settings);
  }
  return settings;
}

function makeSettings({ handling }: CompiledProxy): ServerConnectionSettings {
  const defaults = defaultServerConnectionSettings;
  const maxHeadBytes = handling.maxHeadBytes ?? defaults.http1.maxHeadBytes;
  const maxFields = handling.maxHeaders ?? defaults.http1.maxFields;
  return {
    ...defaults,
    // HTTP/1.0 is answered by the request's path, which knows whether it may be.
    acceptsHttp10: true,
    // Applications open connections long before they use them; Istio has no limit here either.
    headTimeoutMs: handling.requestHeadTimeoutMs ?? 0,
    http1: { ...defaults.http1, maxHeadBytes, maxFields },
    http2: { ...defaults.http2, maxHeaderListBytes: maxHeadBytes, maxFields },
  };
}
