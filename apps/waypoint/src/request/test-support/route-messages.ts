/** What routes send requests to, as messages have it. */

interface BackendMessage {
  readonly weight: number;
  readonly target: {
    readonly case: 'backend';
    readonly value: { readonly namespace: string; readonly hostname: string; readonly port: number };
  };
}

interface ForwardMessage {
  readonly case: 'forward';
  readonly value: { readonly backends: BackendMessage[] };
}

/** Port 80 of a service of namespace shop. */
function backend(hostname: string): BackendMessage {
  return { weight: 1, target: { case: 'backend', value: { namespace: 'shop', hostname, port: 80 } } };
}

/** The action of a route that shares requests between services equally. */
export function forwardTo(...hostnames: readonly string[]): ForwardMessage {
  return { case: 'forward', value: { backends: hostnames.map((hostname) => backend(hostname)) } };
}
