import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change } from './change.ts';
import type { Collection } from './collection.ts';
import { derive } from './derived-collection.ts';
import { Graph } from './graph.ts';
import { join } from './joined-collection.ts';
import { singleton } from './singleton.ts';
import { SourceCollection } from './source-collection.ts';

interface Item {
  readonly id: string;
  readonly colour: string;
}

/** A collection under test, and how to make items appear in it. */
interface Rig {
  readonly collection: Collection<Item>;
  readonly graph: Graph;
  set(colour: string): void;
  clear(): void;
}

/** The behaviour every implementation of Collection shares. Each rig can hold one item, with id ''. */
function conformance(kind: string, makeRig: () => Rig): void {
  test(`${kind}: an item can be read after it was set, and not after it was deleted`, () => {
    const { collection, set, clear } = makeRig();
    assert.equal(collection.size, 0);
    set('red');
    assert.deepEqual(collection.get(''), { id: '', colour: 'red' });
    assert.deepEqual([...collection.values()], [{ id: '', colour: 'red' }]);
    assert.deepEqual([...collection.entries()], [['', { id: '', colour: 'red' }]]);
    clear();
    assert.equal(collection.get(''), undefined);
    assert.equal(collection.size, 0);
  });

  test(`${kind}: subscribers hear add, update and delete, and nothing after disposal`, () => {
    const { collection, set, clear } = makeRig();
    const heard: Change<Item>[] = [];
    const subscription = collection.subscribe((changes) => heard.push(...changes));
    set('red');
    set('red');
    set('blue');
    clear();
    subscription[Symbol.dispose]();
    set('green');
    assert.deepEqual(
      heard.map((change) => change.kind),
      ['add', 'update', 'delete'],
    );
  });

  test(`${kind}: changes that cancel out within one update are not told`, () => {
    const { collection, graph, set, clear } = makeRig();
    set('red');
    let heard = 0;
    using _subscription = collection.subscribe(() => heard++);
    graph.update(() => {
      set('blue');
      clear();
      set('red');
    });
    assert.equal(heard, 0);
  });

  test(`${kind}: an index follows its items, also one made late`, () => {
    const { collection, set, clear } = makeRig();
    const early = collection.index('early', (item) => [item.colour, 'any']);
    set('red');
    const late = collection.index('late', (item) => [item.colour, 'any']);
    for (const index of [early, late])
      assert.deepEqual(
        index.lookup('red').map((item) => item.id),
        [''],
      );
    set('blue');
    for (const index of [early, late]) {
      assert.deepEqual(index.lookup('red'), []);
      assert.equal(index.lookup('blue').length, 1);
      assert.equal(index.lookup('any').length, 1);
    }
    clear();
    for (const index of [early, late]) assert.deepEqual(index.lookup('any'), []);
  });
}

function rig(build: (graph: Graph, source: SourceCollection<Item>) => Collection<Item>): Rig {
  const graph = new Graph();
  const source = new SourceCollection<Item>(graph, 'source', (item) => item.id);
  return {
    collection: build(graph, source),
    graph,
    set: (colour) => source.set({ id: '', colour }),
    clear: () => source.delete(''),
  };
}

conformance('source', () => rig((_graph, source) => source));
conformance('derived', () =>
  rig((graph, source) =>
    derive<Item, Item>(graph, {
      name: 'derived',
      from: source,
      keyOf: (item) => item.id,
      transform: (item) => [{ ...item }],
    }),
  ),
);
conformance('join', () =>
  rig((graph, source) =>
    join<Item>(graph, 'joined', [new SourceCollection<Item>(graph, 'other', (item) => item.id), source]),
  ),
);
conformance('singleton', () =>
  rig((graph, source) => singleton<Item>(graph, 'single', (context) => context.all(source)[0])),
);
