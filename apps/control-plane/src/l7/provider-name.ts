import type { LogProviderSettings, MeshSettings } from '../mesh-settings.ts';

/** The one of that name, in whatever case, as Istio compares them. */
export function providerNamed<T extends { readonly name: string }>(
  providers: readonly T[],
  name: string,
): T | undefined {
  const wanted = name.toLowerCase();
  return providers.find((one) => one.name.toLowerCase() === wanted);
}

/** `envoy` is there without being configured, and looks as the mesh says as long as nobody says anything of its lines. */
export function logProviderNamed(
  { logProviders, telemetry }: Pick<MeshSettings, 'logProviders' | 'telemetry'>,
  name: string,
): LogProviderSettings | undefined {
  const configured = providerNamed(logProviders, name);
  if (name.toLowerCase() !== 'envoy') return configured;
  const { text = '', template, omitsEmpty = false, collector, ignored = [] } = configured ?? {};
  const isPlain = text === '' && template === undefined && !omitsEmpty && collector === undefined;
  return { name, ...(isPlain ? telemetry.log : { text, template }), omitsEmpty, collector, ignored };
}
