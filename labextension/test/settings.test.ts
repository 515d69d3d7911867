import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { Folds } from '../src/gpus/folds';
import { DEFAULTS, readSettings } from '../src/gpus/settings';

describe('settings', () => {
  it('have the defaults that the schema says', () => {
    const schema = JSON.parse(
      readFileSync(join(process.cwd(), 'schema/gpus.json'), 'utf8')
    ) as { properties: Record<string, { default: unknown }> };
    const defaults = Object.fromEntries(
      Object.entries(schema.properties).map(([name, property]) => [
        name,
        property.default
      ])
    );
    assert.deepEqual(readSettings(defaults), DEFAULTS);
  });

  it('survive what a hand-written file may hold', () => {
    assert.deepEqual(readSettings({}), DEFAULTS);
    assert.equal(readSettings({ interval: 'fast' }).interval, 1);
    assert.equal(readSettings({ interval: -3 }).interval, 0.5);
    assert.equal(readSettings({ interval: 1e9 }).interval, 60);
    assert.equal(readSettings({ showMachine: 'no' }).machine, true);
    assert.equal(readSettings({ showMachine: false }).machine, false);
  });
});

describe('folds', () => {
  it('keep a choice made before the saved ones came', () => {
    const saved: unknown[] = [];
    const folds = new Folds(open => saved.push(open));
    folds.set('device:a', false);
    folds.restore({ 'device:a': true, 'device:b': true, 'device:c': 'what' });
    assert.equal(folds.isOpen('device:a', true), false);
    assert.equal(folds.isOpen('device:b', false), true);
    assert.equal(folds.isOpen('device:c', false), false);
    assert.deepEqual(saved, [{ 'device:a': false }]);
  });
});
