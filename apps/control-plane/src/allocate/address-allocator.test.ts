import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseManifests, type ServiceEntry } from '@ambit/kube';
import { AddressAllocator, type AllocatorState } from './address-allocator.ts';
import { readAllocatorState, writeAllocatorState } from './allocation-file.ts';

function entry(name: string, host = `${name}.example`, more = ''): ServiceEntry {
  const text = `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: ${name}, namespace: shop}\nspec: {hosts: ["${host}"], resolution: DNS, ports: [{number: 80, name: http}]${more}}\n`;
  const found = parseManifests('a.yaml', text).resources[0];
  assert.equal(found?.kind, 'ServiceEntry');
  return found;
}

function addresses(allocator: AddressAllocator, entries: readonly ServiceEntry[]): Record<string, string[]> {
  return Object.fromEntries(
    allocator.assign(entries).map(({ name, addresses }) => [name, addresses.map(({ value }) => value)]),
  );
}

test('hosts are numbered from one, in an order that does not depend on the input', () => {
  const [a, b] = [entry('a'), entry('b')];
  const expected = { 'shop/a': ['240.240.0.1', '2001:2::1'], 'shop/b': ['240.240.0.2', '2001:2::2'] };
  assert.deepEqual(addresses(new AddressAllocator(), [a, b]), expected);
  assert.deepEqual(addresses(new AddressAllocator(), [b, a]), expected);
});

test('an assignment stays when older entries come, and when its host goes and comes back', () => {
  const allocator = new AddressAllocator();
  allocator.assign([entry('m')]);
  assert.deepEqual(addresses(allocator, [entry('a'), entry('m')])['shop/m'], ['240.240.0.1', '2001:2::1']);
  allocator.assign([]);
  assert.deepEqual(addresses(allocator, [entry('z')]), { 'shop/z': ['240.240.0.3', '2001:2::3'] });
  assert.deepEqual(addresses(allocator, [entry('m')])['shop/m'], ['240.240.0.1', '2001:2::1']);
});

test('addresses somebody wrote are not given out', () => {
  const written = entry('w', 'w.example', ', addresses: [240.240.0.1]');
  assert.deepEqual(addresses(new AddressAllocator(), [written, entry('x')]), {
    'shop/x': ['240.240.0.2', '2001:2::2'],
  });
});

test('wildcard hosts and entries that opted out get none', () => {
  assert.deepEqual(addresses(new AddressAllocator(), [entry('w', '*.example')]), {});
});

test('when all numbers were given, those of vanished hosts are given again', () => {
  const full: AllocatorState = { next: 65535, assigned: { 'shop/gone/gone.example': 7, 'shop/a/a.example': 8 } };
  assert.deepEqual(addresses(new AddressAllocator(full), [entry('a'), entry('b'), entry('c')]), {
    'shop/a': ['240.240.0.8', '2001:2::8'],
    'shop/b': ['240.240.0.7', '2001:2::7'],
    'shop/c': [],
  });
});

test('the state survives a restart, and a damaged file is refused', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ambit-allocations-'));
  try {
    const file = join(directory, 'deep', 'allocations.json');
    const allocator = new AddressAllocator(readAllocatorState(file));
    allocator.assign([entry('a')]);
    writeAllocatorState(file, allocator.state);
    assert.deepEqual(readAllocatorState(file), { next: 2, assigned: { 'shop/a/a.example': 1 } });
    for (const text of ['{', '[]', '{"next":1,"assigned":{"x":"y"}}', '{"next":0,"assigned":{}}']) {
      writeFileSync(file, text);
      assert.throws(() => readAllocatorState(file), { code: 'ALLOCATION_FILE' });
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});
