import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { History, SPAN } from '../src/gpus/history';
import type { Sample } from '../src/wire';
import { reading, sample } from './samples';

const load = (seq: number, utilization: number, uuid = 'GPU-0'): Sample =>
  sample(seq, { devices: [reading(uuid, { utilization })] });

describe('history', () => {
  it('keeps ten minutes and one sample more, so that lines enter from the edge', () => {
    const history = new History();
    for (let seq = 1; seq <= 2 * SPAN; seq += 1) {
      history.append([load(seq, seq)]);
    }
    assert.equal(history.times.length, SPAN + 1);
    assert.equal(history.device('GPU-0')?.utilization[0], SPAN);
    assert.equal(history.seq, 2 * SPAN);
  });

  it('keeps all columns as long as the times when devices come and go', () => {
    const history = new History();
    history.append([load(1, 10), load(2, 20, 'GPU-1'), load(3, 30)]);
    assert.deepEqual(history.device('GPU-0')?.utilization, [10, null, 30]);
    assert.deepEqual(history.device('GPU-1')?.utilization, [null, 20, null]);
    assert.equal(history.host.cpu.length, 3);
  });

  it('forgets a device of which nothing is left', () => {
    const history = new History();
    history.append([load(1, 10, 'GPU-9')]);
    history.append([load(2, 20), load(2 + SPAN, 30), load(3 + SPAN, 30)]);
    assert.equal(history.device('GPU-9'), undefined);
  });

  it('breaks the line where no sample was taken, and not where they are thin', () => {
    const history = new History();
    history.append([load(1, 1), load(11, 2)]);
    assert.deepEqual(history.device('GPU-0')?.utilization, [1, 2]);
    history.append([load(100, 3)]);
    assert.deepEqual(history.device('GPU-0')?.utilization, [1, 2, null, 3]);
  });

  it('takes each sample once', () => {
    const history = new History();
    history.append([load(1, 1), load(2, 2)]);
    history.append([load(2, 2), load(3, 3)]);
    assert.equal(history.times.length, 3);
  });

  it('starts again when the clock of the server was set back', () => {
    const history = new History();
    history.append([load(500, 1)]);
    history.append([{ ...load(20, 2), seq: 501 }]);
    assert.equal(history.times.length, 1);
    assert.deepEqual(history.device('GPU-0')?.utilization, [2]);
  });
});
