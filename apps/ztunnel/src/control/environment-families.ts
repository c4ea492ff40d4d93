/** Variables whose names begin with a known prefix, which a fixed table cannot list. Pure. */
import { AmbitError } from '@ambit/runtime';
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';

type Environment = Readonly<Record<string, string | undefined>>;

/** `<prefix>NAME=value` as `{NAME: value}`. */
export function withPrefix(environment: Environment, prefix: string): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (name.startsWith(prefix) && name.length > prefix.length && value !== undefined) {
      found[name.slice(prefix.length)] = value;
    }
  }
  return found;
}

/**
 * Node metadata: `ISTIO_META_<X>` as text, `ISTIO_METAJSON_<X>` as JSON.
 * @throws AmbitError `BAD_CONFIG` for JSON that does not parse
 */
export function nodeMetadata(environment: Environment): JsonObject {
  const metadata: JsonObject = { ...withPrefix(environment, 'ISTIO_META_') };
  for (const [name, value] of Object.entries(withPrefix(environment, 'ISTIO_METAJSON_'))) {
    try {
      metadata[name] = parseJson(value);
    } catch (cause) {
      throw new AmbitError('BAD_CONFIG', `ISTIO_METAJSON_${name}: not JSON`, { cause });
    }
  }
  return metadata;
}

function parseJson(text: string): JsonValue {
  return JSON.parse(text);
}
