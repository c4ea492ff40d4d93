import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldList } from './field-list.ts';

function listOf(...entries: readonly (readonly [string, string])[]): FieldList {
  const list = new FieldList();
  for (const [name, value] of entries) list.add(name, value);
  return list;
}

const entriesOf = (list: FieldList): readonly (readonly [string, string])[] =>
  Array.from({ length: list.length }, (_, index) => [list.nameAt(index), list.valueAt(index)]);

test('repeated fields are kept apart and read together', () => {
  const list = listOf(['via', 'a'], ['host', 'x'], ['via', 'b']);
  assert.equal(list.get('via'), 'a');
  assert.equal(list.joined('via'), 'a,b');
  assert.equal(list.joined('none'), undefined);
});

test('set leaves one field in the place of the first', () => {
  const list = listOf(['via', 'a'], ['host', 'x'], ['via', 'b']);
  list.set('via', 'c');
  assert.deepEqual(entriesOf(list), [
    ['via', 'c'],
    ['host', 'x'],
  ]);
  list.set('new', '1');
  assert.equal(list.get('new'), '1');
});

test('remove takes all of a name and says whether there was one', () => {
  const list = listOf(['via', 'a'], ['host', 'x'], ['via', 'b']);
  assert.equal(list.remove('via'), true);
  assert.equal(list.remove('via'), false);
  assert.deepEqual(entriesOf(list), [['host', 'x']]);
});

test('text that could split a message is not added', () => {
  const list = new FieldList();
  assert.equal(list.addChecked('X-Good', 'a b'), true);
  for (const [name, value] of [
    ['x', 'a\r\nb: c'],
    ['x', 'a\0'],
    ['x y', 'a'],
    ['', 'a'],
    [':path', '/'],
    ['x', ' a'],
  ] as const) {
    assert.equal(list.addChecked(name, value), false, JSON.stringify([name, value]));
  }
  assert.deepEqual(entriesOf(list), [['x-good', 'a b']]);
});

test('a copy is its own', () => {
  const list = listOf(['a', '1']);
  const copy = list.copy();
  copy.set('a', '2');
  assert.equal(list.get('a'), '1');
});
