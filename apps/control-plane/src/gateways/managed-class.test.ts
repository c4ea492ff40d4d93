import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classOfController, managedClasses } from './managed-class.ts';

const namesOf = (takesOver: boolean): readonly string[] => managedClasses(takesOver).map(({ name }) => name);

test('trap 55: a waypoint that istioctl made, and lists, is of a class we look after when no istiod does', () => {
  assert.ok(namesOf(true).includes('istio-waypoint'));
  const ofIstio = managedClasses(true).find(({ name }) => name === 'istio-waypoint');
  assert.deepEqual([ofIstio?.role, ofIstio?.controllerName], ['waypoint', 'istio.io/mesh-controller']);
});

test('beside an istiod nothing of its classes is touched', () => {
  assert.deepEqual(namesOf(false), ['ambit-waypoint', 'ambit']);
  assert.equal(classOfController(managedClasses(false), 'istio.io/mesh-controller'), undefined);
});

test('a class of the user with one of our controllers is one of ours', () => {
  assert.equal(classOfController(managedClasses(false), 'ambit.dev/mesh-controller')?.role, 'waypoint');
  assert.equal(classOfController(managedClasses(false), undefined), undefined);
});
