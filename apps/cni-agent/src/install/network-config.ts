/**
 * Our entry in the node's CNI configuration: how a file looks with it and without it. Pure. Spec: data-plane contract 4.1.
 *
 * The entry carries the file as it was, so that taking it out leaves exactly that, even after a reboot.
 */
import { isDeepStrictEqual } from 'node:util';

export const PLUGIN_TYPE = 'ambit-cni';
const ORIGINAL_KEY = 'ambit_original';

/** A file of the configuration folder. */
export interface ConfigFile {
  readonly name: string;
  readonly text: string;
}

/** What our entry says besides its type. Keys are those the plugin reads. */
export interface PluginSettings {
  readonly runDir: string;
  readonly podNamespace: string;
  readonly excludeNamespaces: readonly string[];
}

type JsonObject = Readonly<Record<string, unknown>>;

/** `write`: put this in place and take `remove` away. */
export type ConfigChange =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'invalid'; readonly reason: string }
  | { readonly kind: 'write'; readonly file: ConfigFile; readonly remove: string | undefined };

/** The file that the runtime uses: the named one (with either extension), else the first one that can be read. */
export function chooseConfig(files: readonly ConfigFile[], wantedName: string): ConfigFile | undefined {
  if (wantedName !== '') {
    const twin = wantedName.endsWith('.conflist')
      ? wantedName.replace(/list$/, '')
      : wantedName.replace(/\.conf$/, '.conflist');
    return files.find(({ name }) => name === wantedName) ?? files.find(({ name }) => name === twin);
  }
  return files
    .filter(({ name }) => isConfigName(name))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .find((file) => {
      const config = parseObject(file.text);
      return config !== undefined && (isList(file.name) ? pluginsOf(config) !== undefined : hasType(config));
    });
}

export function isConfigName(name: string): boolean {
  return /\.(conf|conflist|json)$/.test(name);
}

/** The file with our entry last; a single plugin becomes a list. */
export function withPlugin(file: ConfigFile, settings: PluginSettings): ConfigChange {
  const config = parseObject(file.text);
  if (config === undefined) return { kind: 'invalid', reason: `${file.name} is not a JSON object` };
  const plugins = isList(file.name) ? pluginsOf(config) : hasType(config) ? [config] : undefined;
  if (plugins === undefined) return { kind: 'invalid', reason: `${file.name} names no plugin` };
  const others = plugins.filter((plugin) => !isOurs(plugin));
  const previous = plugins.find(isOurs)?.[ORIGINAL_KEY];
  // What was there before us is told by our own entry, if it is still what lies beneath.
  const original =
    isOriginal(previous) && isDeepStrictEqual(listWithout(previous), withoutOurs(config, others))
      ? previous
      : {
          name: file.name,
          text: others.length === plugins.length ? file.text : format({ ...config, plugins: others }),
        };
  const entry = entryOf(settings, original);
  if (isList(file.name)) {
    if (isDeepStrictEqual(plugins, [...others, entry])) return { kind: 'unchanged' };
    return {
      kind: 'write',
      file: { name: file.name, text: format({ ...config, plugins: [...others, entry] }) },
      remove: undefined,
    };
  }
  return {
    kind: 'write',
    file: {
      name: file.name.replace(/\.[^.]*$/, '.conflist'),
      text: format({ ...wrapped(config), plugins: [...wrapped(config).plugins, entry] }),
    },
    remove: file.name,
  };
}

/** The file as it was before us. */
export function withoutPlugin(file: ConfigFile): ConfigChange {
  const config = parseObject(file.text);
  const plugins = config === undefined ? undefined : pluginsOf(config);
  if (config === undefined || plugins === undefined) return { kind: 'unchanged' };
  const ours = plugins.find(isOurs);
  if (ours === undefined) return { kind: 'unchanged' };
  const others = plugins.filter((plugin) => !isOurs(plugin));
  const original = ours[ORIGINAL_KEY];
  if (isOriginal(original) && isDeepStrictEqual(listWithout(original), withoutOurs(config, others)))
    return { kind: 'write', file: original, remove: original.name === file.name ? undefined : file.name };
  return { kind: 'write', file: { name: file.name, text: format({ ...config, plugins: others }) }, remove: undefined };
}

export function hasPlugin(file: ConfigFile): boolean {
  const config = parseObject(file.text);
  return (config === undefined ? undefined : pluginsOf(config))?.some(isOurs) ?? false;
}

function entryOf({ runDir, podNamespace, excludeNamespaces }: PluginSettings, original: ConfigFile): JsonObject {
  return {
    type: PLUGIN_TYPE,
    name: PLUGIN_TYPE,
    cni_agent_run_dir: runDir,
    pod_namespace: podNamespace,
    exclude_namespaces: [...excludeNamespaces],
    [ORIGINAL_KEY]: { name: original.name, text: original.text },
  };
}

/** Istio: the same name and version for what it makes of a single plugin. */
function wrapped(plugin: JsonObject): JsonObject & { readonly plugins: readonly JsonObject[] } {
  const { cniVersion: _version, ...rest } = plugin;
  return { name: 'k8s-pod-network', cniVersion: '0.3.1', plugins: [rest] };
}

/** The list that the original stood for, without our entry. */
function listWithout(original: ConfigFile): unknown {
  const config = parseObject(original.text);
  if (config === undefined) return undefined;
  return isList(original.name) ? config : wrapped(config);
}

function withoutOurs(config: JsonObject, others: readonly JsonObject[]): JsonObject {
  return 'plugins' in config ? { ...config, plugins: others } : wrapped(config);
}

function isOurs(plugin: JsonObject): boolean {
  return plugin['type'] === PLUGIN_TYPE;
}

function isOriginal(value: unknown): value is ConfigFile {
  if (!isObject(value)) return false;
  const { name, text } = value;
  return typeof name === 'string' && typeof text === 'string' && isConfigName(name) && !name.includes('/');
}

function isList(name: string): boolean {
  return name.endsWith('.conflist');
}

function hasType(config: JsonObject): boolean {
  return typeof config['type'] === 'string';
}

function pluginsOf(config: JsonObject): readonly JsonObject[] | undefined {
  const { plugins } = config;
  if (!Array.isArray(plugins) || plugins.length === 0) return undefined;
  const entries = plugins.filter(isObject);
  return entries.length === plugins.length && entries.every(hasType) ? entries : undefined;
}

function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function format(value: JsonObject): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
