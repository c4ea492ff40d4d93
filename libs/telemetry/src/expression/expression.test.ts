/** Expressions of users over requests. Spec: contract l7 7.1; the meaning of operators is CEL's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DurationValue } from './duration-value.ts';
import { evaluate, type ExpressionSource, type ExpressionValue } from './expression.ts';
import { parseExpression } from './parse-expression.ts';

const compile = (pattern: string): ((text: string) => boolean) => {
  const regex = new RegExp(pattern);
  return (text) => regex.test(text);
};

const source: ExpressionSource = {
  attribute: (name) =>
    ({
      'request.host': 'shop.example',
      'request.method': 'GET',
      'request.url_path': '/cart/1',
      'response.code': 404,
      'response.flags': 12,
      'request.duration': new DurationValue(1500),
      'destination.port': 80,
      'connection.mtls': true,
      'source.principal': 'spiffe://cluster.local/ns/a/sa/b',
      'upstream_peer.app': 'web',
    })[name as string],
  header: (of, name) => (of === 'request' && name === 'x-tier' ? 'gold' : undefined),
};

function valueOf(text: string): ExpressionValue | undefined {
  const parsed = parseExpression(text, compile);
  assert.equal(parsed.kind, 'expression', `${text}: ${parsed.kind === 'problem' ? parsed.problem : ''}`);
  return parsed.kind === 'expression' ? evaluate(parsed.expression, source) : undefined;
}

const table: readonly (readonly [text: string, value: ExpressionValue | undefined])[] = [
  [`'v'`, 'v'],
  [`"it's \\n"`, "it's \n"],
  ['request.host', 'shop.example'],
  [`request.headers['X-Tier']`, 'gold'],
  [`request.headers['x-none']`, undefined],
  ['source.principal', 'spiffe://cluster.local/ns/a/sa/b'],
  ['upstream_peer.app', 'web'],
  ['filter_state.upstream_peer.app', 'web'],
  ['upstream_peer.version', undefined],
  ['string(destination.port)', '80'],
  ['destination.port', 80],
  ['response.code >= 400 && response.code < 500', true],
  [`response.code == 404 ? 'missing' : 'else'`, 'missing'],
  [`response.code == '404'`, undefined],
  [`request.method + ' ' + request.url_path`, 'GET /cart/1'],
  [`'x-tier' in request.headers`, true],
  [`'x-none' in request.headers`, false],
  [`has(request.referer)`, false],
  [`has(request.headers['x-tier']) ? request.headers['x-tier'] : 'none'`, 'gold'],
  [`request.host.contains('shop')`, true],
  [`request.url_path.startsWith('/cart') && !request.url_path.endsWith('/')`, true],
  [`request.url_path.matches('^/cart/[0-9]+$')`, true],
  [`request.host.size() == 12`, true],
  ['size(request.host)', 12],
  [`int('12') + 1`, 13],
  [`int('x')`, undefined],
  ['connection.mtls', true],
  ['!connection.mtls', false],
  ['-1 < 0', true],
  // One side may decide although the other cannot be told.
  [`request.headers['x-none'] == 'a' || response.code == 404`, true],
  [`request.headers['x-none'] == 'a' && response.code == 200`, false],
  [`request.headers['x-none'] == 'a' || response.code == 200`, undefined],
  ['true || false && false', true],
  ['response.flags != 0', true],
  [`request.duration > duration('1s') && request.duration < duration('1h')`, true],
  [`request.duration == duration('1s500ms')`, true],
  [`request.duration != duration('1.5s')`, false],
  ['string(request.duration)', '1.5s'],
  [`string(request.duration + duration('250us'))`, '1.50025s'],
  [`string(request.duration - duration('1s'))`, '0.5s'],
  ['request.duration > 1', undefined],
  [`request.duration * duration('1s')`, undefined],
  ['response.code in [200, 404]', true],
  [`request.method in ['POST', 'PUT']`, false],
  ['response.code in []', false],
  [`request.duration in [duration('1500ms')]`, true],
  [`request.headers['x-none'] in ['a']`, undefined],
  [`string(response.code / 100) + 'xx'`, '4xx'],
  ['1 + 2 * 3 - 4', 3],
  ['7 % 4', 3],
  ['7 / 2', 3],
  ['7.5 / 2', 3.75],
  ['1 / 0', undefined],
  ['1 % 0', undefined],
  [`'a' - 'b'`, undefined],
  ['(true || false) && false', false],
];

for (const [text, value] of table)
  test(`${text} is ${value === undefined ? 'an error' : JSON.stringify(value)}`, () => {
    assert.equal(valueOf(text), value);
  });

const wrong: readonly (readonly [text: string, problem: RegExp])[] = [
  ['', /a value is expected at 0, not the end/],
  ['v', /v is not known here/],
  ['request.time', /request\.time is not known here/],
  ['node.metadata', /not known/],
  [`upstream_peer.labels['app']`, /upstream_peer\.labels is not known/],
  [`request.headers`, /\[ is expected/],
  [`request.host ==`, /a value is expected/],
  [`request.host 'x'`, /nothing more is expected at 13, not x/],
  [`'open`, /not understood/],
  [`'\\q'`, /no escape/],
  [`duration('soon')`, /duration needs a text/],
  ['duration(1)', /duration needs a text/],
  [`timestamp('x')`, /the function timestamp is not known/],
  [`request.host.matches('[')`, /not a regular expression/],
  [`request.host.matches(request.method)`, /in quotes/],
  [`request.host.lowerAscii()`, /the method lowerAscii is not known/],
  [`request.method in request.host`, /in is known before a list/],
  ['1 in [1', /, is expected/],
  [`1 in [${'1,'.repeat(80)}1]`, /list of more than 64/],
  ['!'.repeat(40) + 'true', /nested/],
  ['('.repeat(40) + '1' + ')'.repeat(40), /nested/],
  [Array.from({ length: 50 }, () => '1').join('+'), /terms/],
  ['1'.repeat(5000), /characters/],
];

for (const [text, problem] of wrong)
  test(`${text.slice(0, 50)} is refused with the reason`, () => {
    const parsed = parseExpression(text, compile);
    assert.equal(parsed.kind, 'problem');
    assert.match(parsed.kind === 'problem' ? parsed.problem : '', problem);
  });

test('any text is an expression or has a problem, and any expression a value or none', () => {
  const pieces = fc.constantFrom(
    'request.host',
    'response.code',
    `'a'`,
    '1',
    '==',
    '&&',
    '||',
    '!',
    '(',
    ')',
    '?',
    ':',
    '+',
    '.size()',
    'has(',
    'in',
    'request.headers',
    `['x']`,
    ' ',
    ' in [',
    '],',
    '*',
    '/',
    `duration('1s')`,
    'request.duration',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(pieces).map((list) => list.join(' ')),
      ),
      (text) => {
        const parsed = parseExpression(text, compile);
        if (parsed.kind === 'expression') evaluate(parsed.expression, source);
        else assert.notEqual(parsed.problem, '');
      },
    ),
  );
});
