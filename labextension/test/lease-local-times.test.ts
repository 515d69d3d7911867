import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { localTimes } from '../src/leases/local-times';
import { clock } from '../src/leases/times';
import { english as words } from './words';

/** A Wednesday, at ten in the evening by UTC. */
const NOW = Date.UTC(2027, 0, 13, 22, 0);

const told = (text: string) => localTimes(text, NOW, words);
const here = (...date: [number, number, number, number, number]) =>
  clock(new Date(Date.UTC(...date)).toISOString(), NOW, words);

describe('a time in the server’s words', () => {
  it('is the reader’s, today and on the day after', () => {
    assert.equal(
      told('One comes free at 23:10 UTC.'),
      `One comes free at ${here(2027, 0, 13, 23, 10)}.`
    );
    assert.equal(told('at 01:30 UTC'), `at ${here(2027, 0, 14, 1, 30)}`);
    assert.equal(told('at 21:30 UTC'), `at ${here(2027, 0, 13, 21, 30)}`);
    assert.equal(told('at 08:00 UTC'), `at ${here(2027, 0, 14, 8, 0)}`);
  });

  it('is the reader’s on a weekday, and on a date', () => {
    assert.equal(
      told('from Monday 00:00 UTC on'),
      `from ${here(2027, 0, 18, 0, 0)} on`
    );
    assert.equal(
      told('until 2027-02-11 10:00 UTC'),
      `until ${here(2027, 1, 11, 10, 0)}`
    );
  });

  it('is found however many there are, and nothing else is touched', () => {
    assert.equal(
      told('23:10 UTC or 23:20 UTC'),
      `${here(2027, 0, 13, 23, 10)} or ${here(2027, 0, 13, 23, 20)}`
    );
    assert.equal(
      told('Ask for 2 GPUs for 1:30 h.'),
      'Ask for 2 GPUs for 1:30 h.'
    );
  });
});
