import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { leaseRows } from '../src/leases/rows';
import {
  binding,
  devices,
  ending,
  forecast,
  granted,
  holding,
  offer,
  standing,
  statusPart,
  until,
  who
} from '../src/leases/sentences';
import {
  brief,
  clock,
  gpuHours,
  gpus,
  left,
  ordinal,
  span
} from '../src/leases/times';
import {
  foreign,
  iso,
  label,
  lease,
  NOON,
  offered,
  preview,
  queued
} from './leases';
import { english as words } from './words';

/** With plain spaces, as a person reads it. */
const plain = (text: string) => text.replace(/\u00a0/g, ' ');

describe('the devices of a lease', () => {
  it('are copied as programs of CUDA read them', () => {
    const devices = ['GPU-1', 'MIG-2'];
    assert.equal(binding({ devices }), 'CUDA_VISIBLE_DEVICES=GPU-1,MIG-2');
  });
});

describe('a countdown', () => {
  it('shows seconds only in the last ten minutes', () => {
    assert.equal(plain(left(6150)), '1 h 42 min');
    assert.equal(plain(left(3600)), '1 h');
    assert.equal(plain(left(601)), '10 min');
    assert.equal(plain(left(581)), '9 min 41 s');
    assert.equal(plain(left(41)), '41 s');
    assert.equal(plain(left(0.2)), '1 s');
    assert.equal(plain(left(-5)), '0 s');
    assert.equal(plain(left(90000)), '1 d 1 h');
  });

  it('is short where there is little room, and never mistaken for minutes', () => {
    assert.equal(brief(6150), '1:42');
    assert.equal(plain(brief(581)), '9 min');
    assert.equal(plain(brief(41)), '41 s');
  });
});

describe('words for amounts and times', () => {
  it('name another day by its weekday, and a far one by its date', () => {
    assert.equal(clock(iso(8400), NOON, words), '14:20');
    assert.equal(clock(iso(8399.5), NOON, words), '14:20');
    assert.equal(clock(iso(86400), NOON, words), 'Thu 12:00');
    assert.equal(clock(iso(-86400), NOON, words), 'Tue 12:00');
    assert.equal(clock(iso(10 * 86400), NOON, words), '2027-01-23 12:00');
  });

  it('have a unit and no needless decimals', () => {
    assert.equal(gpus(1, words), '1 GPU');
    assert.equal(gpus(2, words), '2 GPUs');
    assert.equal(gpus(0.25, words), '0.25 GPU');
    assert.equal(plain(gpuHours(2)), '2.0 GPU-h');
    assert.equal(plain(gpuHours(0.25)), '0.25 GPU-h');
    assert.equal(plain(gpuHours(0.4)), '0.4 GPU-h');
    assert.equal(plain(gpuHours(0)), '0.0 GPU-h');
    assert.equal(plain(span(5400)), '1 h 30 min');
    assert.equal(plain(span(45)), '45 s');
  });

  it('count places', () => {
    const places = [1, 2, 3, 4, 11, 12, 13, 21, 22, 111];
    assert.deepEqual(
      places.map(n => ordinal(n, words)),
      '1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 111th'.split(' ')
    );
  });

  it('join devices in their order', () => {
    const uuids = ['GPU-10', 'GPU-2', 'GPU-1'];
    assert.equal(devices(uuids, label, words), 'GPU 1, GPU 2 and GPU 10');
    assert.equal(devices(['GPU-1'], label, words), 'GPU 1');
    assert.equal(devices([], label, words), '');
    assert.equal(
      devices(['GPU-1'], () => '', words),
      ''
    );
  });
});

describe('the answer on top', () => {
  it('says what I hold and for how long', () => {
    const one = [lease('a')];
    assert.equal(
      plain(holding(one, NOON + 1_080_000, words)),
      'You hold 1 GPU · 1 h 42 min left'
    );
    const two = leaseRows([
      lease('a'),
      lease('b', { gpus: 2, expires_at: iso(3600) })
    ]);
    assert.equal(
      plain(holding(two.active, NOON, words)),
      'You hold 3 GPUs · the first ends in 1 h'
    );
    assert.equal(holding([], NOON, words), '');
  });

  it('says that a borrowed lease is to be given back', () => {
    const told = [lease('a', { reason: 'reclaimed', expires_at: iso(581) })];
    assert.equal(
      plain(holding(told, NOON, words)),
      '1 GPU · to be given back in 9 min 41 s'
    );
    const kept = lease('b', { expires_at: iso(7200) });
    assert.equal(
      plain(holding([...told, kept], NOON, words)),
      'You hold 2 GPUs · 1 GPU to be given back in 9 min 41 s'
    );
  });

  it('says within what time to accept', () => {
    assert.equal(
      plain(offer(offered('a', 581), NOON, words)),
      'A GPU is yours: accept within 9 min 41 s'
    );
  });

  it('says my place, and openly where there is no estimate', () => {
    assert.equal(
      standing(queued('a', 2), NOON, words),
      '2nd in line · about 14:20'
    );
    const unknown = queued('a', 1, { estimated_start: null });
    assert.equal(
      standing(unknown, NOON, words),
      '1st in line · no estimate yet'
    );
  });
});

describe('who holds what', () => {
  it('is somebody where names are hidden', () => {
    assert.equal(who(lease('a'), words), 'you');
    assert.equal(who(foreign(), words), 'user-b');
    assert.equal(who(foreign({ owner: null }), words), 'somebody');
  });

  it('has a time until when', () => {
    assert.equal(until(lease('a'), NOON, words), 'until 14:00');
    assert.equal(until(offered('a', 600), NOON, words), 'offered until 12:10');
  });

  it('ends for a reason that has a word', () => {
    const reasons = [
      'released',
      'expired',
      'cancelled',
      'declined',
      'lapsed',
      'revoked',
      'reclaimed'
    ] as const;
    for (const reason of reasons) {
      assert.notEqual(ending(lease('a', { reason }), words), '', reason);
    }
  });
});

describe('what would become of a request', () => {
  it('is told with device, end and cost when it starts now', () => {
    const told = forecast(preview(), label, NOON, words);
    assert.equal(told.tone, 'now');
    assert.equal(
      plain(told.text),
      'Starts now on GPU 1, until 14:00, costs 2.0 GPU-h.'
    );
  });

  it('is told with place, time and reason when it waits', () => {
    const verdict = {
      ...lease('').verdict,
      outcome: 'queued' as const,
      message: 'Both GPUs are taken.',
      hint: 'Wait.'
    };
    const waits = { verdict, position: 2, estimated_start: iso(8400) };
    const told = forecast(preview(waits), label, NOON, words);
    assert.equal(told.tone, 'later');
    assert.equal(
      told.text,
      'You would be 2nd in line; expected start about 14:20.'
    );
    assert.equal(told.hint, 'Both GPUs are taken. Wait.');
    const blind = preview({ ...waits, estimated_start: null });
    assert.equal(
      forecast(blind, label, NOON, words).text,
      'You would be 2nd in line; when it starts can’t be said yet.'
    );
  });

  it('is told in the server’s words when it is refused', () => {
    const verdict = {
      ...lease('').verdict,
      outcome: 'refused' as const,
      message: 'You may hold 1.',
      hint: 'Ask for less.'
    };
    const told = forecast(preview({ verdict }), label, NOON, words);
    assert.deepEqual(told, {
      tone: 'no',
      text: 'You may hold 1.',
      hint: 'Ask for less.'
    });
  });

  it('and what has become of it', () => {
    assert.equal(
      granted(lease('a'), label, NOON, words),
      'GPU 0: yours until 14:00.'
    );
    assert.equal(
      granted(queued('a', 2), label, NOON, words),
      '1 GPU asked for. 2nd in line · about 14:20.'
    );
  });
});

describe('the status bar', () => {
  const state = (items: Parameters<typeof leaseRows>[0]) => ({
    phase: 'live' as const,
    rows: leaseRows(items),
    quota: null,
    problem: null,
    receivedAt: NOON,
    busy: new Set<string>()
  });
  const part = (items: Parameters<typeof leaseRows>[0]) =>
    plain(statusPart(state(items), NOON, words, brief));

  it('says the most pressing of mine, and nothing of others’', () => {
    assert.equal(part([lease('a'), queued('b', 2)]), '2:00 left');
    assert.equal(part([queued('b', 2)]), '2nd');
    assert.equal(part([lease('a'), offered('b', 581)]), 'accept: 9 min');
    assert.equal(part([foreign()]), '');
  });
});
