import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { defaultPathRules, normaliseTarget, type PathRules } from './index.ts';

const merge: PathRules = { normalisation: 'merge-slashes', escapedSlashes: 'keep' };
const decode: PathRules = { normalisation: 'decode-and-merge-slashes', escapedSlashes: 'keep' };
const none: PathRules = { normalisation: 'none', escapedSlashes: 'keep' };

function normal(target: string, rules: PathRules = defaultPathRules): string {
  const result = normaliseTarget(target, rules);
  return result.kind === 'target' ? result.path + result.query : result.kind;
}

test('every percent-encoded octet is decoded exactly if it is unreserved', () => {
  for (let octet = 1; octet < 256; octet++) {
    const character = String.fromCharCode(octet);
    for (const digits of [octet.toString(16).padStart(2, '0'), octet.toString(16).padStart(2, '0').toUpperCase()]) {
      const escape = `%${digits}`;
      const expected = /[A-Za-z0-9._~-]/.test(character) ? `/a${character}b` : `/a${escape}b`;
      assert.equal(normal(`/a${escape}b`), expected);
      assert.equal(normal(`/a${escape}b`, none), `/a${escape}b`);
      const isSlash = character === '/' || character === '\\';
      assert.equal(normal(`/a${escape}b`, decode), isSlash ? '/a/b' : expected);
    }
  }
  assert.equal(normal('/a%00b'), 'refused');
});

const table: readonly (readonly [target: string, base: string, merged: string, decoded: string])[] = [
  ['/', '/', '/', '/'],
  ['/app/%2E./admin', '/admin', '/admin', '/admin'],
  ['/app%2f/', '/app%2f/', '/app%2f/', '/app/'],
  ['/app//../admin', '/app/admin', '/app/admin', '/app/admin'],
  ['/app/../admin', '/admin', '/admin', '/admin'],
  ['/../../admin', '/admin', '/admin', '/admin'],
  ['/a/./b', '/a/b', '/a/b', '/a/b'],
  ['/a/.', '/a/', '/a/', '/a/'],
  ['/a/..', '/', '/', '/'],
  ['/a/b/..', '/a/', '/a/', '/a/'],
  ['/a/...', '/a/...', '/a/...', '/a/...'],
  ['/.a/b.', '/.a/b.', '/.a/b.', '/.a/b.'],
  ['/a\\b', '/a/b', '/a/b', '/a/b'],
  ['/a\\..\\b', '/b', '/b', '/b'],
  ['/a%5cb', '/a%5cb', '/a%5cb', '/a/b'],
  ['/a%5C..%5Cb', '/a%5C..%5Cb', '/a%5C..%5Cb', '/b'],
  ['/a%2f%2e%2e%2fb', '/a%2f..%2fb', '/a%2f..%2fb', '/b'],
  ['//a///b', '//a///b', '/a/b', '/a/b'],
  ['/a%252e%252e/b', '/a%252e%252e/b', '/a%252e%252e/b', '/a%252e%252e/b'],
  ['/a/%c0%ae%c0%ae/b', '/a/%c0%ae%c0%ae/b', '/a/%c0%ae%c0%ae/b', '/a/%c0%ae%c0%ae/b'],
  ['/a;x=..;/b', '/a;x=..;/b', '/a;x=..;/b', '/a;x=..;/b'],
  ['/a/..;/b', '/a/..;/b', '/a/..;/b', '/a/..;/b'],
  ['/%41dmin', '/Admin', '/Admin', '/Admin'],
  ['/a?x=/../b%2f//', '/a?x=/../b%2f//', '/a?x=/../b%2f//', '/a?x=/../b%2f//'],
  ['/a#/../b', '/a', '/a', '/a'],
  ['/a?b#c', '/a?b', '/a?b', '/a?b'],
];

for (const [target, base, merged, decoded] of table) {
  test(`${target} has one form in each mode`, () => {
    assert.deepEqual([normal(target), normal(target, merge), normal(target, decode)], [base, merged, decoded]);
  });
}

test('incomplete escapes and paths without a slash are refused', () => {
  for (const target of ['/a%', '/a%2', '/a%zz', '/%u0041', 'a', '', '?x', '*'])
    assert.equal(normal(target), 'refused', target);
  assert.equal(normal('/a?b=100%'), '/a?b=100%');
});

test('escaped slashes are kept, refused, redirected or unescaped as configured', () => {
  const rules = (escapedSlashes: PathRules['escapedSlashes']): PathRules => ({ normalisation: 'base', escapedSlashes });
  assert.equal(normal('/a%2Fb', rules('keep')), '/a%2Fb');
  assert.equal(normal('/a%2Fb', rules('reject')), 'refused');
  assert.equal(normal('/a%2F..%5Cb?c', rules('unescape-and-forward')), '/b?c');
  assert.deepEqual(normaliseTarget('/a%2Fb?c', rules('unescape-and-redirect')), { kind: 'redirect', target: '/a/b?c' });
  assert.equal(normal('/ab', rules('unescape-and-redirect')), '/ab');
});

test('a normal form is its own normal form, and has no dot segment', () => {
  const piece = fc.constantFrom('a', '.', '..', '/', '//', '%2e', '%2E', '%2f', '%5c', '\\', '%41', '%25', ';', 'b');
  const target = fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`);
  fc.assert(
    fc.property(target, fc.constantFrom(defaultPathRules, merge, decode), (text, rules) => {
      const once = normal(text, rules);
      assert.notEqual(once, 'refused');
      assert.equal(normal(once, rules), once);
      assert.ok(!/\/\.{1,2}(\/|$)/.test(once), once);
    }),
    { seed: 5, numRuns: 3000 },
  );
});
