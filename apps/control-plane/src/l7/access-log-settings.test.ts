/** How entries of Telemetry resources about access logs are laid over each other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AccessLoggingSpec, parseManifests } from '@ambit/kube';
import { accessLogs, type LogProvider } from './access-log-settings.ts';

const provider = (text: string): LogProvider => ({
  text,
  template: undefined,
  omitsEmpty: false,
  collector: undefined,
});

/** The logs of a waypoint in short, from resources, most general first, that stand on a line each. */
function logsOf(
  levels: readonly string[],
  { defaults = [], isLogged = false }: { readonly defaults?: readonly string[]; readonly isLogged?: boolean } = {},
): string {
  const specs = levels.map((entries) => {
    const { resources, reports } = parseManifests(
      'case.yaml',
      `apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: { name: a, namespace: b }\nspec: { accessLogging: ${entries} }\n`,
    );
    assert.deepEqual(reports, []);
    return resources.flatMap((one): readonly AccessLoggingSpec[] =>
      one.kind === 'Telemetry' ? one.spec.accessLogging : [],
    );
  });
  const logs = accessLogs(specs, {
    defaultProviders: defaults,
    fallback: isLogged ? provider('mesh') : undefined,
    isMeant: (mode) => mode !== 'CLIENT',
    providerOf: (name) => (name === 'gone' ? undefined : provider(name)),
  });
  return logs
    .map(({ textFormat, minStatus, filter }) => `${textFormat}${minStatus === 0 ? '' : ` from ${minStatus}`}${filter}`)
    .join(', ');
}

const named = (names: string, more = ''): string =>
  `{ providers: [${names
    .split(' ')
    .map((name) => `{ name: ${name} }`)
    .join(', ')}]${more} }`;
const errors = 'filter: { expression: "response.code >= 500" }';

test('nothing is logged where nobody says anything', () => assert.equal(logsOf([]), ''));
test('defaults of the mesh are logged where nobody says anything', () => {
  assert.equal(logsOf([], { defaults: ['b', 'a'] }), 'a, b');
  assert.equal(logsOf([], { isLogged: true }), 'mesh');
  assert.equal(logsOf([], { isLogged: true, defaults: ['a'] }), 'a');
});
test('an entry without a provider is for the default ones', () => {
  assert.equal(logsOf([`[{}]`]), '');
  assert.equal(logsOf([`[{}]`], { isLogged: true }), 'mesh');
  assert.equal(logsOf([`[{ ${errors} }]`], { defaults: ['a'] }), 'a from 500');
  assert.equal(logsOf([`[{ disabled: true }]`], { defaults: ['a'], isLogged: true }), '');
});
test('the last resource that names providers decides which they are', () => {
  assert.equal(logsOf([`[${named('a b')}]`, `[${named('c')}]`]), 'c');
  assert.equal(logsOf([`[${named('a b')}]`, `[${named('c', ', match: { mode: CLIENT }')}]`]), 'a, b');
  assert.equal(logsOf([`[${named('a')}]`, '[{ disabled: true }]']), '');
  assert.equal(logsOf([`[${named('a b')}]`, `[${named('b', ', disabled: true')}]`]), '');
});
test('each provider is turned off and filtered for itself', () => {
  assert.equal(logsOf([`[${named('a b')}, ${named('b', ', disabled: true')}]`]), 'a');
  assert.equal(logsOf([`[${named('a', `, ${errors}`)}, ${named('b')}]`]), 'a from 500, b');
  assert.equal(logsOf([`[${named('a', `, ${errors}`)}]`, '[{}]']), 'a from 500');
  assert.equal(logsOf([`[${named('a', `, ${errors}`)}]`, `[${named('a')}]`]), 'a');
});
test('a provider that there is not is none', () => {
  assert.equal(logsOf([`[${named('gone')}]`]), '');
  assert.equal(logsOf([`[${named('gone')}]`], { isLogged: true }), 'mesh');
});
test('a filter that is not known lets everything through', () => {
  assert.equal(logsOf([`[${named('a', ', filter: { expression: nothing }')}]`]), 'a');
});
