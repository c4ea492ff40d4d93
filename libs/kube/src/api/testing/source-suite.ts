/** What every `ResourceSource` does, whatever is behind it. One suite for all of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatReport } from '../../report.ts';
import { resourceKey } from '../../resource.ts';
import type { ResourceEvent, ResourceSource } from '../../resource-source.ts';
import { eventually } from './eventually.ts';

/** One place that holds objects, and a source over it. Every rig is empty at first, in a namespace of its own. */
export interface SourceRig extends AsyncDisposable {
  readonly namespace: string;
  /** Writes a Service of this rig's namespace with this spec; resolves when it is stored. */
  putService(name: string, spec: Readonly<Record<string, unknown>>): Promise<void>;
  /** Writes an AuthorizationPolicy. */
  putPolicy(name: string, spec: Readonly<Record<string, unknown>>): Promise<void>;
  removeService(name: string): Promise<void>;
  /** Opens a source that has done its first sync. */
  /** Refuses by the schema of the CRD what cannot be used. */
  readonly hasSchemas?: boolean;
  open(): Promise<ResourceSource & (AsyncDisposable | Disposable)>;
}

const port = (number: number): Readonly<Record<string, unknown>> => ({ ports: [{ port: number }] });
const valid = { action: 'DENY', rules: [{ from: [{ source: { namespaces: ['shop'] } }] }] };
/** Nobody has an empty name. */
const invalid = { action: 'DENY', targetRefs: [{ kind: 'Service', group: '', name: '' }] };

function keyOf(event: ResourceEvent): string {
  return `${event.kind} ${resourceKey(event.kind === 'delete' ? event.previous : event.resource)}`;
}

/** Collects the events of one namespace. */
function collect(source: ResourceSource, namespace: string): { readonly batches: string[][] } & Disposable {
  const batches: string[][] = [];
  const subscription = source.subscribe((events) => {
    const own = events.filter(
      (event) => (event.kind === 'delete' ? event.previous : event.resource).metadata.namespace === namespace,
    );
    if (own.length > 0) batches.push(own.map(keyOf));
  });
  return { batches, [Symbol.dispose]: () => subscription[Symbol.dispose]() };
}

function servicesOf(source: ResourceSource, rig: SourceRig): string[] {
  return source
    .list('Service')
    .filter(({ metadata }) => metadata.namespace === rig.namespace)
    .map(({ metadata, spec }) => `${metadata.name}:${spec.ports.map(({ port: number }) => number).join()}`);
}

/** Defines the tests; `makeRig` is called once for each. */
export function describeSource(name: string, makeRig: () => Promise<SourceRig>): void {
  test(`${name}: after the first sync everything is listed by name`, async () => {
    await using rig = await makeRig();
    await rig.putService('web', port(80));
    await rig.putService('api', port(81));
    await using source = await asAsync(rig.open());
    assert.deepEqual(servicesOf(source.value, rig), ['api:81', 'web:80']);
    assert.equal(source.value.list('Service').find(({ metadata }) => metadata.name === 'web')?.kind, 'Service');
  });

  test(`${name}: a change is told once, and the source shows it already`, async () => {
    await using rig = await makeRig();
    await rig.putService('web', port(80));
    await using source = await asAsync(rig.open());
    using seen = collect(source.value, rig.namespace);
    let shown: string[] = [];
    using _look = source.value.subscribe(() => (shown = servicesOf(source.value, rig)));
    await rig.putService('db', port(5432));
    await eventually(
      () => seen.batches.length > 0,
      () => seen.batches,
    );
    assert.deepEqual(seen.batches, [[`add Service ${rig.namespace}/db`]]);
    assert.deepEqual(shown, ['db:5432', 'web:80']);
    await rig.putService('web', port(8080));
    await eventually(
      () => seen.batches.length > 1,
      () => seen.batches,
    );
    assert.deepEqual(seen.batches[1], [`update Service ${rig.namespace}/web`]);
    await rig.removeService('web');
    await eventually(
      () => seen.batches.length > 2,
      () => seen.batches,
    );
    assert.deepEqual(seen.batches[2], [`delete Service ${rig.namespace}/web`]);
    assert.deepEqual(servicesOf(source.value, rig), ['db:5432']);
  });

  test(`${name}: writing the same again is no change`, async () => {
    await using rig = await makeRig();
    await rig.putService('web', port(80));
    await using source = await asAsync(rig.open());
    using seen = collect(source.value, rig.namespace);
    await rig.putService('web', port(80));
    await rig.putService('last', port(1));
    await eventually(
      () => seen.batches.flat().includes(`add Service ${rig.namespace}/last`),
      () => seen.batches,
    );
    assert.deepEqual(seen.batches.flat(), [`add Service ${rig.namespace}/last`]);
  });

  test(`${name}: a disposed subscription hears nothing more`, async () => {
    await using rig = await makeRig();
    await using source = await asAsync(rig.open());
    using seen = collect(source.value, rig.namespace);
    using other = collect(source.value, rig.namespace);
    other[Symbol.dispose]();
    await rig.putService('web', port(80));
    await eventually(() => seen.batches.length > 0);
    assert.deepEqual(other.batches, []);
  });

  test(`${name}: what cannot be used leaves the last good version in force, and the report says so`, async () => {
    await using rig = await makeRig();
    await rig.putPolicy('p', valid);
    await using source = await asAsync(rig.open());
    const policy = (): unknown =>
      source.value.list('AuthorizationPolicy').find(({ metadata }) => metadata.namespace === rig.namespace)?.spec.rules;
    const reports = (): string[] =>
      source.value
        .reports()
        .map(formatReport)
        .filter((text) => text.includes('targetRefs'));
    let told = 0;
    using _reports = source.value.onReportsChanged(() => (told += 1));
    const good = policy();
    if (rig.hasSchemas === true) {
      await assert.rejects(rig.putPolicy('p', invalid), /targetRefs/);
      assert.deepEqual(policy(), good);
      return;
    }
    await rig.putPolicy('p', invalid);
    await eventually(() => reports().length === 1, reports);
    assert.match(
      reports()[0] ?? '',
      /spec\.targetRefs\[0\]\.name is required; the last good version of this object stays in force/,
    );
    assert.deepEqual(policy(), good);
    await eventually(() => told > 0);
    // A source may merge what it is given: the list is emptied by name.
    await rig.putPolicy('p', { ...valid, action: 'ALLOW', targetRefs: [] });
    await eventually(() => reports().length === 0, reports);
  });
}

async function asAsync(
  opening: Promise<ResourceSource & (AsyncDisposable | Disposable)>,
): Promise<{ readonly value: ResourceSource } & AsyncDisposable> {
  const value = await opening;
  return {
    value,
    [Symbol.asyncDispose]: async () => {
      if (Symbol.asyncDispose in value) await value[Symbol.asyncDispose]();
      else value[Symbol.dispose]();
    },
  };
}
