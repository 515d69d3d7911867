import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import * as format from '../src/format';
import { english as words } from './words';

const plain = (text: string) => text.replaceAll('\u00a0', ' ');

describe('quantities', () => {
  it('are written as the command line writes them', () => {
    const cases: [number, string][] = [
      [0, '0 B'],
      [1023, '1023 B'],
      [1024, '1.0 KiB'],
      [1024 ** 2 - 1, '1.0 MiB'],
      [68 * 1024 ** 3, '68.0 GiB'],
      [143_771 * 1024 ** 2, '140 GiB'],
      [99.96 * 1024 ** 3, '100 GiB']
    ];
    for (const [size, text] of cases) {
      assert.equal(plain(format.bytes(size, words)), text);
    }
  });

  it('that are not known are n/a, never 0', () => {
    assert.equal(format.bytes(null, words), 'n/a');
    assert.equal(format.percent(null, words), 'n/a');
    assert.equal(format.temperature(null, words), 'n/a');
    assert.equal(format.watts(null, words), 'n/a');
    assert.equal(plain(format.bytesOf(null, 1024, words)), 'n/a / 1.0 KiB');
    assert.equal(plain(format.bytesOf(1024, null, words)), '1.0 KiB');
    assert.equal(format.bytesOf(null, null, words), 'n/a');
  });

  it('of which one is a part stand in the unit of the whole', () => {
    const gib = 1024 ** 3;
    assert.equal(
      plain(format.bytesOf(0.5 * gib, 141 * gib, words)),
      '0.5 / 141 GiB'
    );
    assert.equal(plain(format.bytesOf(0, 141 * gib, words)), '0 / 141 GiB');
  });
});

describe('age', () => {
  it('is told in the largest unit that has passed', () => {
    assert.deepEqual([-1, 0, 59.9, 60, 3599, 3600].map(format.age).map(plain), [
      '0 s',
      '0 s',
      '59 s',
      '1 min',
      '59 min',
      '1 h'
    ]);
  });
});

describe('device names', () => {
  it('keep what tells devices apart', () => {
    assert.equal(format.shortDeviceName('NVIDIA GeForce RTX 4090'), 'RTX 4090');
    assert.equal(format.shortDeviceName('NVIDIA H200'), 'H200');
    assert.equal(format.shortDeviceName('NVIDIA '), 'NVIDIA ');
    assert.equal(format.migProfile('NVIDIA H200 MIG 1g.18gb'), '1g.18gb');
    assert.equal(format.migProfile('A slice'), 'A slice');
  });
});
